"""Do the built-in models' heads follow dependency relations? On the built-in language, offline.

After Htut et al. 2019 (arXiv 1911.12246), whose tables were not available to us: MAX for single
relations, MST (Chu-Liu-Edmonds from the gold root) for whole trees, special tokens seen by the
model but without rows, words from pieces by the sum over "to" and the mean over "from", attention
to itself left out. The trees are those by which the sentences were drawn, so that the gold is
exact. Heads are chosen on half of the sentences and scored on the other.

Command: `jaxheads study configs/htut_grammar.py --workers 2`: 4.3 minutes on 2 CPU cores that tests
used too (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Method: built-in RoBERTa and ALBERT, 4 layers x 4 heads; 600 sentences of the validation split; two
models with random weights; fine-tuned on sentiment (150 steps of 32), seeds 0 and 1; importance
|dloss/dgate|, mean over 512 training examples, on masked LM and on the task.

Numbers, pre-trained models, in percent of arcs without punctuation: the best head of 16, chosen on
300 sentences and scored on the other 300, with 95% bootstrap intervals over these. Beside it the
best head that sees no word, and the best of two models with random weights.

                    RoBERTa         ALBERT          without words           random weights
    trees, MAX      47 [46, 48]     47 [46, 48]     46 [45, 47] (next)      24, 22
    trees, MST      45 [44, 46]     45 [44, 46]     46 [45, 47] (near)      21, 20

    MAX             RoBERTa         ALBERT          best unsigned offset    arcs
    det             78 [75, 82]     77 [74, 80]     76 (1 word away)        715
    punct           46 [40, 52]     42 [37, 48]     21 (1)                  300
    amod            94 [91, 97]     96 [93, 98]     94 (1)                  249
    nsubj           44 [40, 49]     44 [40, 49]     44 (1)                  403
    obj             43 [36, 50]     50 [43, 57]     65 (2)                  206
    case            58 [52, 65]     40 [33, 46]     72 (2)                  212
    nmod            39 [30, 49]     29 [19, 38]     72 (3)                  87

So heads of these models follow neighbours, not syntax: 5 of 32 relations (det, punct; amod in
ALBERT) have a head clearly above the best offset, the gain being at most 2.5 points but for the
full stop (25 and 21), and no tree is better than that of a head that sees no word. Fine-tuning on
sentiment changes trees by -0.7 [-1.1, -0.3] points (RoBERTa, MAX) or not at all (MST; ALBERT).

9 of 144 maps go with importance after Holm's correction, none of them on sentiment: on masked LM
the heads that matter attend sharply (Spearman 0.80 and 0.74 with minus entropy) and follow obl
(-0.87, RoBERTa), advcl and ccomp (-0.80 and -0.79, ALBERT) less than others do.
"""

import dataclasses
import runpy
from pathlib import Path

from jaxheads.studies.settings import CurveSettings, Htut2019, ScoringSettings

QUICK = runpy.run_path(str(Path(__file__).with_name("quickstart.py")))["RUN"]

RUN = dataclasses.replace(
    QUICK,
    study=Htut2019(sentences=600, controls=2),
    name="htut_grammar",
    tasks=QUICK.tasks[:1],
    seeds=(0, 1),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(readings=(), batch_size=128),
)
