"""Do heads of mini models of English follow dependency relations? English PUD, 1,000 sentences.

After Htut et al. 2019 (arXiv 1911.12246), whose tables were not available to us, with the treebank
that they used (PUD, CoNLL 2017 release) and models of ours: the mini RoBERTa and ALBERT (4 layers x
4 heads) of `mini_english_models.py`, as they are and fine-tuned on SST-2 and on SICK.

Known of PUD without any model: the chain of neighbours finds 40.82% of the arcs that are no
punctuation's (38.12% of all); a head that looks softly at the previous word reaches 39.8% of them
under MST from the gold root; and under MAX a head that looks one word away finds 83.4% of compound,
78.7% of amod and 56.5% of det. A head is worth a name only above these, which the report has beside
it, measured on the same half.

Command: `jaxheads study configs/htut_mini_english.py --workers 2`, after `mini_english_models.py`:
16 minutes on 2 CPU cores that tests used too (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Numbers: 933 sentences (RoBERTa; 67 are longer than the model reads) and 960 (ALBERT; 40); percent
of arcs without punctuation, the best head chosen on one half and scored on the other, 95%
intervals.

                                  RoBERTa             ALBERT
    trees, MAX                    13 [13, 14]         14 [13, 14]
      random weights              14 [13, 15]         14 [13, 15]
      "next", which sees no word  41 [40, 41]         41 [41, 42]
    trees, MST                    9.1 [8.5, 9.9]      9.1 [8.4, 9.7]
      random weights              8.7 [7.6, 9.6]      10 [9.4, 11]
      "near", which sees no word  41 [40, 41]         41 [41, 42]

That is what random weights have: these models guess from frequencies and learned to look at
nothing, not even at neighbours. Fine-tuning changes no tree clearly but that of RoBERTa on SST-2
under MST (-1.4 [-2.4, -0.4] points). 1 of 50 relations has a head above its best offset
(parataxis, RoBERTa), about as many as chance makes; 0 of 361 maps go with importance after Holm's
correction. The study finds nothing where there is nothing.
"""

import dataclasses
import runpy
from pathlib import Path

from jaxheads.settings import CurveSettings, DependencySettings, PruningSettings, ScoringSettings

MODELS, STUDY = (
    runpy.run_path(str(Path(__file__).with_name(f"{name}.py")))
    for name in ("mini_english_models", "mini_english")
)
TREEBANK = MODELS["DATA"] / "ud/en_pud-r2.0-test.conllu"

RUN = dataclasses.replace(
    STUDY["RUN"],
    study="htut2019",
    name="htut_mini_english",
    text=MODELS["TEXT"],
    seeds=(0, 1),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(readings=(), batch_size=64),
    pruning=PruningSettings(),
    dependencies=DependencySettings(treebank=TREEBANK, controls=2),
)
