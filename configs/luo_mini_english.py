"""Constituents in the attention of mini models of English, on the Penn Treebank sample.

After Luo 2021 (EACL SRW, arXiv 2102.07926), whose tables and code were not available to us: the
abstract says that fine-tuning on tasks of sentence similarity lowers the upper layers' ability to
induce constituents and fine-tuning on inference raises it, which this study takes as a hypothesis.
Procedure of the trees: Kim et al. 2020, from their code.

Command: `jaxheads study configs/luo_mini_english.py`, after `configs/mini_english_models.py`. Not
run.

Method: 4 layers x 4 heads; sections 00 (tune) and 01 (test) of the Wall Street Journal, punctuation
removed, no special tokens in the model; jsd and hellinger, without a bias and with 1.5; fine-tuned
on MRPC and STS-B (similarity), SICK and RTE (entailment), 300 steps of 32 each, seeds 0, 1, 2;
heads masked in steps of 4, 5 random draws for each seed. Sizes and training are ours; SICK stands
for MNLI, and RTE is a re-split, not GLUE's.

To compare with, on both sections (the same trees, no model): S-F1 39.6 right-branching, 8.3
left-branching, 23.8 balanced, 17.7 random, 84.3 the best binary trees.
"""

import dataclasses
import runpy
from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.settings import (
    ConstituencySettings,
    CurveSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
)

DATA = Path("../shared/data")
MINI = runpy.run_path(str(Path(__file__).with_name("mini_english_models.py")))["RUN"]


def training(steps: int, *, rate: float) -> TrainingConfig:
    """AdamW in batches of 32."""
    optimizer = OptimizerConfig(rate=rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=32, dropout=0.0, optimizer=optimizer)


def task(name: str, folder: str) -> TaskSettings:
    """A task with its files; longer pairs are cut."""
    path = DATA / folder
    files = (path / "train.jsonl", path / "validation.jsonl")
    return TaskSettings(name, *files, length=64, held_out_examples=1000)


RUN = Run(
    study="luo2021",
    name="luo_mini_english",
    models=tuple(
        ModelSettings(name, source=f"runs/mini_english_models/models/{name}")
        for name in ("roberta", "albert")
    ),
    text=dataclasses.replace(MINI.text, paragraphs=2_000),
    tasks=(
        task("mrpc", "glue/mrpc"),
        task("stsb", "glue/stsb"),
        task("sick", "sick"),
        task("rte", "glue/rte"),
    ),
    finetune=training(300, rate=1e-3),
    probe=training(100, rate=5e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(points=4, draws=5, readings=(), batch_size=128),
    constituency=ConstituencySettings(tune=DATA / "wsj/wsj_00.mrg", test=DATA / "wsj/wsj_01.mrg"),
    devices=1,
)
