"""Constituents in the attention of mini models of English, on the Penn Treebank sample.

After Luo 2021 (EACL SRW, arXiv 2102.07926), whose tables and code were not available to us: the
abstract says that fine-tuning on tasks of sentence similarity lowers the upper layers' ability to
induce constituents and fine-tuning on inference raises it, which this study takes as a hypothesis.
Procedure of the trees: Kim et al. 2020, from their code.

Command: `jaxheads study configs/luo_mini_english.py --workers 2`, after the studies
`configs/mini_english_models.py`, `configs/htut_mini_english.py` and
`configs/peyrard_mini_english.py`: 18 minutes on 2 CPU cores (AMD EPYC, Python 3.11, jax 0.10.2,
float32) that ran tests too. The last two left maps of the same heads (dependency arcs on PUD, the
contrast of headlines), which meet this study's and importance in one table of the report; without
them, `--set study.other_studies=`. (26 minutes when that table was added; all other numbers were
alike.)

Method: 4 layers x 4 heads; sections 00 (tune) and 01 (test) of the Wall Street Journal, punctuation
removed, no special tokens in the model; jsd and hellinger, without a bias and with 1.5; fine-tuned
on MRPC and STS-B (similarity), SICK and RTE (entailment), 300 steps of 32 each, seeds 0, 1, 2;
heads masked in steps of 4, 5 random draws for each seed. Sizes and training are ours; SICK stands
for MNLI, and RTE is a re-split, not GLUE's.

To compare with, on both sections (the same trees, no model): S-F1 39.6 right-branching, 8.3
left-branching, 23.8 balanced, 17.7 random, 84.3 the best binary trees.

Numbers, S-F1 on section 01 with 95% intervals over sentences: of 1,748 sentences for RoBERTa and
1,852 for ALBERT (239 and 135 are longer than the 64 pieces that the models read, 6 are one word).
Intervals are the earlier bootstraps over sentences and seeds, known to be too narrow with few seeds
(see `configs/README.md`).

                             RoBERTa                        ALBERT
    right-branching          0.410 [0.400, 0.420]           0.404 [0.395, 0.414]
    balanced                 0.244 [0.236, 0.253]           0.241 [0.233, 0.248]
    random weights, best of  0.223 (0.217 to 0.229; jsd)    0.216 (0.208 to 0.221)
      16 heads, 3 draws      0.294 (0.289 to 0.303; bias)   0.284 (0.278 to 0.293)
    best head, jsd           0.223 [0.215, 0.230]           0.217 [0.211, 0.225]
    best head, jsd, bias     0.285 [0.275, 0.293]           0.276 [0.268, 0.285]

So these models' heads know no constituents: what training gave them is no better than random
weights, and clearly below balanced trees (and with the bias below right-branching ones, by 0.126
and 0.128). Hellinger gives the same to 0.002. No tied splits. The two scores without labels do not
rank RoBERTa's heads (Spearman -0.09 to -0.22) and rank ALBERT's the wrong way round (-0.48 to
-0.76).

After fine-tuning the mean S-F1 of the upper layers' heads has changed so (jsd):

    similarity                   +0.001 [-0.003, 0.006]         +0.005 [0.002, 0.008]
    entailment                   -0.001 [-0.003, 0.001]         +0.006 [0.002, 0.010]
    similarity less entailment   +0.002 [-0.002, 0.006]         -0.001 [-0.004, 0.002]

which says nothing for or against the hypothesis: there was no ability to lose, and of the tasks
only SICK is learned in 300 steps (accuracy 0.639 and 0.613, majority-class baseline 0.564, bag-of-
words baseline 0.788; RTE 0.506 and 0.513, 0.510 and 0.526; MRPC 0.770 and 0.769 F1, 0.818 and
0.838; STS-B -0.034 and -0.069 of correlation, 0 and 0.376). Masking the best half of the heads
costs no task clearly more than random heads of the same layers (0 of 8).

Is the syntactic head the important one? 2 of 695 maps go with importance after Holm's correction
within a model and task, both in ALBERT with masked LM: arcs of punctuation -0.90 and the sharpness
score of Li et al. 0.82. Spearman of 16 heads between kinds of maps of the pre-trained models:

                                          RoBERTa             ALBERT
    importance (masked LM), span F1       0.10 (p 0.71)       -0.50 (p 0.05)
    importance (masked LM), arcs (MST)    -0.19 (p 0.48)      0.43 (p 0.10)
    span F1, arcs (MST)                   -0.28 (p 0.29)      -0.52 (p 0.04)
    focus on the WSJ, focus on PUD        0.84 (p < 0.001)    0.91 (p < 0.001)

The last are the same statistic on other sentences: that much a map repeats.
"""

import dataclasses
from pathlib import Path

from mini_english_models import TEXT

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    CurveSettings,
    Luo2021,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
)

DATA = Path("../shared/data")


def training(steps: int, *, learning_rate: float) -> TrainingConfig:
    """AdamW in batches of 32."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=32, dropout=0.0, optimizer=optimizer)


def task(name: str, folder: str) -> TaskSettings:
    """A task with its files; longer pairs are cut."""
    path = DATA / folder
    files = (path / "train.jsonl", path / "validation.jsonl")
    return TaskSettings(name, *files, length=64, held_out_examples=1000)


RUN = Run(
    study=Luo2021(
        tune=DATA / "wsj/wsj_00.mrg",
        test=DATA / "wsj/wsj_01.mrg",
        other_studies=(Path("runs/htut_mini_english"), Path("runs/peyrard_mini_english")),
    ),
    name="luo_mini_english",
    models=tuple(
        ModelSettings(name, source=f"runs/mini_english_models/models/{name}")
        for name in ("roberta", "albert")
    ),
    text=dataclasses.replace(TEXT, paragraphs=2_000),
    tasks=(
        task("mrpc", "glue/mrpc"),
        task("stsb", "glue/stsb"),
        task("sick", "sick"),
        task("rte", "glue/rte"),
    ),
    finetune=training(300, learning_rate=1e-3),
    probe=training(100, learning_rate=5e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(points=4, draws=5, readings=(), batch_size=128),
    devices=1,
)
