"""The whole study on English: mini RoBERTa and mini ALBERT, on SST-2 and SICK.

After Chiang & Chen 2021 (arXiv 2106.07137; only the abstract was available to us), with choices of
our own, on public data at a size for one core: models of 4 layers x 4 heads, which
`mini_english_models.py` pre-trains on 4.2 M words of English.

Command: `jaxheads study configs/mini_english_models.py`, then `jaxheads study
configs/mini_english.py`. One model alone: `--set models.albert.source=DIR` with another place.

Method: fine-tuned on each task for 400 steps of 16, seeds 0, 1, 2; scores |dloss/dgate|, mean over
512 training examples; curves on 500 held-out examples, 5 random orders for each seed; a quarter and
a half of the heads pruned before fine-tuning.

Not run to the end.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.settings import (
    CurveSettings,
    ModelSettings,
    PruningSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)

DATA = Path("../shared/data")
MODELS = "runs/mini_english_models/models"


def training(steps: int, *, rate: float) -> TrainingConfig:
    """AdamW in batches of 16, examples of like length together."""
    optimizer = OptimizerConfig(rate=rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=16, dropout=0.0, window=16, optimizer=optimizer)


def task(name: str, folder: str) -> TaskSettings:
    """A task with its files, at a size that one core can train many times."""
    path = DATA / folder
    return TaskSettings(
        name,
        train=path / "train.jsonl",
        held_out=path / "validation.jsonl",
        length=64,
        held_out_examples=500,
    )


RUN = Run(
    study="chiang2021",
    name="mini_english",
    models=(
        ModelSettings("roberta", source=f"{MODELS}/roberta"),
        ModelSettings("albert", source=f"{MODELS}/albert"),
    ),
    text=TextSettings(
        train=DATA / "text/train.txt",
        held_out=DATA / "text/validation.txt",
        length=64,
        held_out_blocks=128,
    ),
    tasks=(task("sst2", "glue/sst2"), task("sick", "sick")),
    finetune=training(400, rate=1e-3),
    probe=training(150, rate=2e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=128, rescored=128, batch_size=64),
    curve=CurveSettings(points=8, draws=5, batch_size=64),
    pruning=PruningSettings(kept=(0.75, 0.5), draws=1),
    devices=1,
)
