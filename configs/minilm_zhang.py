"""A pruner that learned on CoLA, MRPC and RTE chooses heads of all-MiniLM-L6-v2 for SST-2 and SICK.

After Zhang et al. 2020 (arXiv 2011.03770), whose code was available to us and no result table; with
`minilm` of `minilm_mlm.py` (BERT, 6 layers x 12 heads, D = 384): no number is one of theirs.

Command: `jaxheads study configs/minilm_zhang.py --workers 2`, after `minilm_mlm.py`. Not run as a
whole yet.

Method: as `zhang_mini_english.py`; fine-tuned for 150 (SST-2) and 300 (SICK) steps of 16 at 1e-4.
Sizes and rates are ours, chosen for two cores.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, PrunerConfig, TrainingConfig
from jaxheads.studies.settings import (
    CurveSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
    Zhang2020,
)

DATA = Path("../shared/data")


def training(steps: int, *, learning_rate: float = 1e-4) -> TrainingConfig:
    """AdamW in batches of 16, examples of like length together."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=16, dropout=0.0, window=16, optimizer=optimizer)


def task(name: str, folder: str, steps: int = 150) -> TaskSettings:
    """A task with its files."""
    return TaskSettings(
        name,
        train=DATA / folder / "train.jsonl",
        held_out=DATA / folder / "validation.jsonl",
        length=64,
        examples=8_000,
        held_out_examples=1_000,
        finetune=training(steps),
    )


RUN = Run(
    study=Zhang2020(
        tasks=(task("cola", "glue/cola"), task("mrpc", "glue/mrpc"), task("rte", "glue/rte")),
        training=TrainingConfig(
            steps=200,
            batch_size=32,
            accumulate=2,
            optimizer=OptimizerConfig(learning_rate=3e-3, warmup=0.0, weight_decay=0.0),
        ),
        pruner=PrunerConfig(frame=32, width=4),
        draws=2,
        similar=(task("stsb", "glue/stsb"),),
    ),
    name="minilm_zhang",
    models=(ModelSettings("minilm", source="runs/minilm_mlm/models/minilm"),),
    text=TextSettings(
        train=DATA / "text/train.txt",
        held_out=DATA / "text/validation.txt",
        length=64,
        paragraphs=4_000,
        held_out_blocks=128,
    ),
    tasks=(task("sst2", "glue/sst2"), task("sick", "sick", 300)),
    finetune=training(150),
    probe=training(150, learning_rate=2e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=32),
    curve=CurveSettings(readings=(), batch_size=50),
    devices=1,
)
