"""Constituents in attention on the built-in language, offline: the questions of Luo 2021.

After "Have Attention Heads in BERT Learned Constituency Grammar?" (EACL SRW 2021, arXiv
2102.07926), whose tables and code were not available to us; the procedure of the trees is that of
Kim et al. 2020's code. Models, data, sizes and training are ours, no published number is compared.

Command: `jaxheads study configs/luo_grammar.py --workers 2`: 4.3 minutes on 2 CPU cores that tests
used too (AMD EPYC, Python 3.11, jax 0.10.2, float32). After `configs/htut_grammar.py`, with
`--set study.beside=runs/htut_grammar`, the maps of dependency arcs that it left of the same heads
meet this study's and importance in one table of the report.

Method: the built-in RoBERTa, 4 layers x 4 heads; heads chosen on 500 sentences of the validation
split, scored on 500 of the test split; readings jsd and hellinger, bias 0 and 1.5; fine-tuned for
250 steps of 32 on paraphrase (similarity) and entailment, seeds 0, 1, 2; heads masked in steps of
4, 5 random draws for each seed; 1,000 bootstrap samples of sentences (and seeds).

Numbers, S-F1 with 95% intervals. Without a model: right-branching 0.402 [0.385, 0.418], balanced
0.412 [0.387, 0.436], left-branching 0.254, random 0.27 to 0.30 (5 draws), best binary trees 0.887.

    reading          best head           S-F1                   less right-branching
    jsd              layer 4, head 2     0.415 [0.396, 0.434]   0.012 [-0.011, 0.038]
    jsd, bias 1.5    layer 3, head 4     0.431 [0.409, 0.451]   0.028 [0.008, 0.048]
    random weights   best, 3 draws       0.294 to 0.325; with the bias 0.329 to 0.397

Against balanced trees neither is distinguishable (0.003 [-0.023, 0.027], 0.019 [-0.006, 0.043]).
Recalls of the best heads, jsd: NP 0.630 [0.606, 0.651], PP 0.544 [0.495, 0.597]. No tied splits.
The trees of the five best heads of the tune section together: 0.491 [0.472, 0.509]; of the first
four by sharpness, which sees no label: 0.431 [0.413, 0.447]. Neither score without labels ranks the
16 heads clearly as F1 does (Spearman 0.21 and 0.26, p > 0.3).

After fine-tuning the mean S-F1 of the upper layers' heads has changed so (jsd; bias 1.5):

    paraphrase (similarity)      +0.020 [0.012, 0.029]       +0.010 [0.002, 0.018]
    entailment                   -0.020 [-0.034, -0.007]     -0.019 [-0.028, -0.011]
    similarity less entailment   +0.040 [0.022, 0.059]       +0.029 [0.017, 0.043]

Each is against the hypothesis (similarity lowers it, entailment raises it). But so short a training
learns the tasks badly: paraphrase to 0.537 (0.500 to 0.558; bag of words 0.516), entailment to
0.459 (0.396 to 0.520; 0.352). Masking half of the heads, the best at constituents, costs no more
than random heads of the same layers: 0.024 [-0.008, 0.064] and 0.014 [-0.017, 0.040]; in every
layer the best rather than the worst costs 0.051 [0.015, 0.091] of entailment.
"""

import dataclasses
import runpy
from pathlib import Path

from jaxheads.studies.settings import CurveSettings, Luo2021, ScoringSettings

QUICK = runpy.run_path(str(Path(__file__).with_name("quickstart.py")))

RUN = dataclasses.replace(
    QUICK["RUN"],
    study=Luo2021(tune_sentences=500, test_sentences=500),
    name="luo_grammar",
    models=QUICK["RUN"].models[:1],
    tasks=(
        QUICK["task"]("grammar_paraphrase", steps=250),
        QUICK["task"]("grammar_entailment", steps=250),
    ),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(points=4, draws=5, readings=(), batch_size=128),
)
