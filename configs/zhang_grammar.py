"""Half of each layer's heads, chosen by a pruner that never saw the task: the built-in language.

After Zhang et al. 2020 (arXiv 2011.03770), whose code was available to us and no result table; on
models and data of our own, so that no number is one of theirs.

Command: `jaxheads study configs/zhang_grammar.py`.
"""

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


def training(steps: int, *, rate: float) -> TrainingConfig:
    """AdamW in batches of 32."""
    optimizer = OptimizerConfig(rate=rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=32, dropout=0.0, optimizer=optimizer)


def task(name: str, steps: int = 1, *, length: int = 24, examples: int = 8_000) -> TaskSettings:
    """A task of the built-in language, drawn when it is read."""
    return TaskSettings(
        name,
        length=length,
        examples=examples,
        held_out_examples=512,
        finetune=training(steps, rate=1e-3),
    )


LEARNING = TrainingConfig(
    steps=150,
    batch_size=32,
    accumulate=2,  # of one task each
    log_every=15,
    optimizer=OptimizerConfig(rate=3e-3, warmup=0.0, weight_decay=0.0),
)

RUN = Run(
    study="zhang2020",
    name="zhang_grammar",
    models=(ModelSettings("roberta", source="builtin:roberta"),),
    text=TextSettings("grammar_mlm", length=24, paragraphs=4_000, held_out_blocks=128),
    tasks=(
        task("grammar_sentiment", steps=150),
        task("grammar_incongruity", steps=200),
    ),
    finetune=training(150, rate=1e-3),
    probe=training(100, rate=5e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(batch_size=128),
    meta=MetaSettings(
        tasks=(
            task("grammar_acceptability", examples=4_000),
            task("grammar_entailment", length=48, examples=4_000),
        ),
        training=LEARNING,
        pruner=PrunerConfig(frame=32, width=4),
        draws=2,
        similar=(task("grammar_paraphrase", length=48, examples=4_000),),
    ),
    devices=1,
)
