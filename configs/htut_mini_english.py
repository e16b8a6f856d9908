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
7 minutes on 2 CPU cores that tests used too (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Numbers: 933 sentences (RoBERTa; 67 are longer than the model reads) and 960 (ALBERT; 40); percent
of arcs without punctuation, the best head chosen on one half and scored on the other, 95%
intervals. These are the earlier bootstraps over sentences, and those over seeds are known to be too
narrow (see `configs/README.md`). Random weights: two models.

                                  RoBERTa                 ALBERT
    trees, MAX                    14.3 [13.4, 15.1]       14.0 [13.1, 14.8]
      random weights              13.4, 13.7              13.7, 13.9
      "next", which sees no word  40.7 [40.1, 41.5]       41.2 [40.5, 41.8]
    trees, MST                    8.3 [7.7, 9.0]          10.0 [9.4, 10.7]
      random weights              8.5, 7.8                10.0, 9.7
      "near", which sees no word  40.7 [40.1, 41.5]       41.2 [40.5, 41.8]
    change by fine-tuning, 2 seeds each, in points
      SST-2, MAX                  1.3, 1.3                0.9, 0.7
      SST-2, MST                  -0.5, 0.0               1.2, 0.8
      SICK, MAX                   -0.8, 0.0               0.2, -0.3
      SICK, MST                   -0.7, -0.3              -0.2, -1.1

That is what random weights have: these models learned to look at nothing that a tree has, not even
at neighbours. Fine-tuning on SST-2 raises MAX trees by about a point (RoBERTa, both seeds: [0.4,
2.4]). 1 of 50 relations has a head above its best offset (RoBERTa, punct, by 16.3 points), and 1 of
378 maps goes with importance after Holm's correction (ALBERT, punct, -0.90 with masked LM): one
head finds punctuation.
"""

import dataclasses

from mini_english import RUN as STUDY
from mini_english_models import DATA, TEXT

from jaxheads.studies.settings import (
    CurveSettings,
    Htut2019,
    ScoringSettings,
)

TREEBANK = DATA / "ud/en_pud-r2.0-test.conllu"

RUN = dataclasses.replace(
    STUDY,
    study=Htut2019(treebank=TREEBANK, controls=2),
    name="htut_mini_english",
    text=TEXT,
    seeds=(0, 1),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(readings=(), batch_size=64),
)
