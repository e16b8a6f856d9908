"""Michel et al. 2019, "Are Sixteen Heads Really Better than One?": the BERT tables, on MNLI.

As their code and README have it: bert-base-uncased, fine-tuned at 2e-5, 3 epochs, batch 32, length
128; heads removed in 10% steps, the number removed rounded down; scores estimated once for the
whole curve, or anew at every step. Orders: |dloss/dgate| of examples ("gradient", their formula),
summed over positions ("gradient, token", what their code computes), normalised by layer
("gradient, l2"), and both ("gradient, token+l2", also iterative: the order of their command). Data
sets: matched, and mismatched as the second.

Where we differ: training computes in bfloat16 and puts examples of like length together, padded to
the longest of a batch (theirs: float32, 128 tokens each), and has a warm-up over 0.1 of the steps
and weight decay 0.01 (theirs not known to us); scores are of 20,000 training examples drawn by
chance, 5,000 where estimated anew and for one-head ablation (theirs: all 392,702), every example
weighing the same (theirs: every batch). Our t-test is paired over examples (whether theirs is we do
not know); three seeds of fine-tuning for their one model, random and reversed orders beside theirs.
The head that stays alone is chosen by the loss on 5,000 training examples, and beside it as they do
by accuracy there, and on the measured examples themselves. The order "ablation" is by the loss of
training examples, theirs by the accuracy difference.

Not built: all that is translation (their WMT model with its three kinds of attention, section 5 on
these, and the dynamics of training on IWSLT), and the further statistics that their code prints
(entropy of heads, divergence between heads, attention distance, disagreement). Speed (4.3) is
timed on one device with random tokens of full length, medians of six turns.

Published (matched accuracy; section numbers are the paper's): one head removed leaves the accuracy
within a histogram of 0.824 to 0.838 (3.2); all heads but the best of one layer cost at most 0.96
points, in layer 8 of 0 to 11 (3.3); effects on the two data sets correlate with r = 0.68 (3.4); up
to 40% of the heads go without noticeable impact (4). An independent reproduction from public logs:
0.8368 whole, 0.8303 at 57 of 144 heads removed by the score, 0.7987 by one-head ablation; 129 of
144 heads within 0.2 points; r = 0.81.

Command: `jaxheads study configs/michel_bert_mnli.py` on a TPU VM or a GPU box. Cost of a seed: one
training of 36,815 steps of 32; 550 passes forward over some 9,800 held-out pairs (145 for single
heads on each of two sets, 144 for heads alone, some 115 along the curves), 290 over 5,000 training
pairs, and gradients of 20,000 and twice 50,000 pairs. Not run by us: no accelerator and no hub
could be reached. `grammar_michel.py` runs the same with the built-in model.
"""

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    CurveSettings,
    Michel2019,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)

FINETUNE = TrainingConfig(
    steps=3 * 392_702 // 32,
    batch_size=32,
    dtype="bfloat16",
    window=64,
    save_every=2000,
    optimizer=OptimizerConfig(learning_rate=2e-5, warmup=0.1, weight_decay=0.01),
)

RUN = Run(
    study=Michel2019(),
    name="michel_bert_mnli",
    models=(ModelSettings("bert", source="google-bert/bert-base-uncased"),),
    text=TextSettings(length=128),  # not read: the pre-training task has no part in this study
    tasks=(TaskSettings("mnli", length=128, other_split="validation_mismatched"),),
    finetune=FINETUNE,
    probe=FINETUNE,
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=20_000, ablated=5_000, rescored=5_000, batch_size=64),
    curve=CurveSettings(
        points=10,
        draws=5,
        readings=("token", "l2", "token+l2"),
        rescored=("token+l2",),
        timed=(1, 4, 16, 64),
        batch_size=256,
    ),
)
