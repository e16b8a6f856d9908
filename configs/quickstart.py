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

RUN = Run(
    study="chiang2021",
    name="quickstart",
    models=(
        ModelSettings("roberta", source="builtin:roberta"),
        ModelSettings("albert", source="builtin:albert"),
    ),
    text=TextSettings("grammar_mlm", length=32, paragraphs=4_000, held_out_blocks=128),
    tasks=(
        TaskSettings("grammar_sentiment", length=32, examples=8_000, held_out_examples=500),
        TaskSettings("grammar_acceptability", length=32, examples=8_000, held_out_examples=500),
    ),
    finetune=TrainingConfig(
        steps=150,
        batch_size=32,
        dropout=0.0,
        optimizer=OptimizerConfig(rate=2e-3, warmup=0.1, weight_decay=0.01),
    ),
    probe=TrainingConfig(
        steps=100,
        batch_size=32,
        dropout=0.0,
        optimizer=OptimizerConfig(rate=5e-3, warmup=0.1, weight_decay=0.01),
    ),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=128, rescored=128, batch_size=128),
    curve=CurveSettings(points=8, draws=5, batch_size=128),
    pruning=PruningSettings(kept=(0.75, 0.5, 0.25), draws=1),
    devices=1,
)
