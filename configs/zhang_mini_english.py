"""A pruner that learned on CoLA, MRPC and RTE chooses the heads of mini English for SST-2 and SICK.

After Zhang et al. 2020 (arXiv 2011.03770), whose code was available to us and no result table; a
mini model (4 layers x 4 heads, `mini_english_models.py`), so that no number is one of theirs.

Command: `jaxheads study configs/zhang_mini_english.py`, after `mini_english_models.py`. Not run.

Method: a pruner for each seed learns on sentences of CoLA, MRPC and RTE without their labels; it
scores the heads on 1,024 training examples of a task that it has not seen; half of each layer's
heads stay. Masks are made before fine-tuning, which is the same under every mask. STS-B: Spearman
correlation of the cosine of two sentences' representations, nothing trained on it. Pairs are
represented by the first token's last state, which this model never trained for sentences: there is
no pooler.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, PrunerConfig, TrainingConfig
from jaxheads.settings import (
    CurveSettings,
    MetaSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)

DATA = Path("../shared/data")


def training(steps: int, *, rate: float) -> TrainingConfig:
    """AdamW in batches of 16, examples of like length together."""
    optimizer = OptimizerConfig(rate=rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=16, dropout=0.0, window=16, optimizer=optimizer)


def task(name: str, folder: str) -> TaskSettings:
    """A task with its files."""
    path = DATA / folder
    return TaskSettings(
        name,
        train=path / "train.jsonl",
        held_out=path / "validation.jsonl",
        length=64,
        examples=8_000,
        held_out_examples=1_000,
    )


RUN = Run(
    study="zhang2020",
    name="zhang_mini_english",
    models=(ModelSettings("roberta", source="runs/mini_english_models/models/roberta"),),
    text=TextSettings(
        train=DATA / "text/train.txt",
        held_out=DATA / "text/validation.txt",
        length=64,
        paragraphs=4_000,
        held_out_blocks=128,
    ),
    tasks=(task("sst2", "glue/sst2"), task("sick", "sick")),
    finetune=training(400, rate=5e-4),
    probe=training(150, rate=2e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=1_024, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(batch_size=50),
    meta=MetaSettings(
        tasks=(task("cola", "glue/cola"), task("mrpc", "glue/mrpc"), task("rte", "glue/rte")),
        training=TrainingConfig(
            steps=200,
            batch_size=32,
            accumulate=2,
            optimizer=OptimizerConfig(rate=3e-3, warmup=0.0, weight_decay=0.0),
        ),
        pruner=PrunerConfig(frame=32, width=4),
        draws=2,
        similar=(task("stsb", "glue/stsb"),),
    ),
    devices=1,
)
