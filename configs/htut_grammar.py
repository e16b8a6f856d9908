"""Do the built-in models' heads follow dependency relations? On the built-in language, offline.

After Htut et al. 2019 (arXiv 1911.12246), whose tables were not available to us: MAX for single
relations, MST (Chu-Liu-Edmonds from the gold root) for whole trees, special tokens seen by the
model but without rows, words from pieces by the sum over "to" and the mean over "from", attention
to itself left out. The trees are those by which the sentences were drawn, so that the gold is
exact. Heads are chosen on half of the sentences and scored on the other.

Command: `jaxheads study configs/htut_grammar.py --workers 2`: 2 minutes on 2 CPU cores that other
jobs used too (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Method: built-in RoBERTa and ALBERT, 4 layers x 4 heads; 600 sentences of the validation split; two
models with random weights; fine-tuned on sentiment (150 steps of 32), seeds 0 and 1; importance
|dloss/dgate|, mean over 512 training examples, on masked LM and on the task.

Results: the tables in `configs/README.md`, with 95% intervals over sentences and, where there are
several, seeds or draws (Student's t). Heads of these models follow neighbours, not syntax: 5 of 32
relations (det, punct; amod in ALBERT; 3 after Holm's correction) have a head above the best offset,
the gain being at most 2.5 points but for the full stop (25 and 21), and no tree is better than that
of a head that sees no word. Fine-tuning on sentiment is not shown to change trees (RoBERTa, MAX:
-0.7 [-1.4, 0.1] points; two seeds).

10 of 50 maps go with importance on masked LM after Holm's correction, and none on sentiment: there
the heads that matter attend sharply (Spearman 0.80 and 0.74 with minus entropy, 0.82 and 0.81 with
confidence) and follow obl (-0.87, RoBERTa), advcl and ccomp (-0.80 and -0.79, ALBERT) less than
others do.
"""

import dataclasses

from quickstart import RUN as QUICK

from jaxheads.studies.settings import CurveSettings, Htut2019, ScoringSettings

RUN = dataclasses.replace(
    QUICK,
    study=Htut2019(sentences=600, controls=2),
    name="htut_grammar",
    tasks=QUICK.tasks[:1],
    seeds=(0, 1),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(readings=(), batch_size=128),
)
