"""The main job in minutes, offline: the built-in models on two tasks of the built-in language.

(docstring to be written from a run)
"""

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


def training(steps: int, *, rate: float) -> TrainingConfig:
    """AdamW in batches of 32."""
    optimizer = OptimizerConfig(rate=rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=32, dropout=0.0, optimizer=optimizer)


def task(name: str, steps: int) -> TaskSettings:
    """A task of the built-in language, drawn when it is read."""
    return TaskSettings(
        name,
        length=24,
        examples=8_000,
        held_out_examples=500,
        finetune=training(steps, rate=1e-3),
    )


RUN = Run(
    study="chiang2021",
    name="quickstart",
    models=(
        ModelSettings("roberta", source="builtin:roberta"),
        ModelSettings("albert", source="builtin:albert"),
    ),
    text=TextSettings("grammar_mlm", length=24, paragraphs=4_000, held_out_blocks=128),
    tasks=(
        task("grammar_sentiment", steps=150),
        task("grammar_incongruity", steps=200),
    ),
    finetune=training(150, rate=1e-3),
    probe=training(100, rate=5e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=128, rescored=128, batch_size=128),
    curve=CurveSettings(points=8, draws=5, batch_size=128),
    pruning=PruningSettings(kept=(0.5,), draws=1),
    devices=1,
)
