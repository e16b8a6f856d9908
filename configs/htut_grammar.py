"""Do the built-in models' heads follow dependency relations? On the built-in language, offline.

After Htut et al. 2019 (arXiv 1911.12246), whose tables were not available to us: MAX for single
relations, MST (Chu-Liu-Edmonds from the gold root) for whole trees, special tokens seen by the
model but without rows, words from pieces by the sum over "to" and the mean over "from", attention
to itself left out. The trees are those by which the sentences were drawn, so that the gold is
exact. Heads are chosen on half of the sentences and scored on the other.

Command: `jaxheads study configs/htut_grammar.py`. Not run at its size: run with 60 sentences
and two steps of fine-tuning only, to see that RoBERTa's cells work, which gives no figures.

Method: built-in RoBERTa and ALBERT, 4 layers x 4 heads; 600 sentences of the validation split; two
models with random weights; fine-tuned on sentiment (150 steps of 32), seeds 0 and 1; importance
|dloss/dgate|, mean over 512 training examples, on masked LM and on the task.
"""

import dataclasses
import runpy
from pathlib import Path

from jaxheads.settings import CurveSettings, DependencySettings, ScoringSettings

QUICK = runpy.run_path(str(Path(__file__).with_name("quickstart.py")))["RUN"]

RUN = dataclasses.replace(
    QUICK,
    study="htut2019",
    name="htut_grammar",
    tasks=QUICK.tasks[:1],
    seeds=(0, 1),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(readings=(), batch_size=128),
    dependencies=DependencySettings(sentences=600, controls=2),
)
