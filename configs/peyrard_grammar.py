"""Laughing heads on the built-in language, offline: an odd word in place of a joke.

After Peyrard et al. 2021, "Laughing Heads" (arXiv 2105.09142), on sentences and models of our own.

Command: `jaxheads study configs/peyrard_grammar.py`.

Method: pairs of a sentence and the same with one noun that its place does not allow; 4,000 to train
on, 400 each to choose heads and to test; the built-in RoBERTa (4 layers x 4 heads), fine-tuned on
single sentences and, Siamese, on pairs (300 steps of 32, AdamW at 1e-3, no dropout); seeds 0, 1, 2.
Controls: the untuned model, labels shuffled, sentiment, random words. The paper's own settings are
not known: it gives no hyper-parameters.
"""

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.settings import (
    CurveSettings,
    HumorSettings,
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


RUN = Run(
    study="peyrard2021",
    name="peyrard_grammar",
    models=(ModelSettings("roberta", source="builtin:roberta"),),
    text=TextSettings("grammar_mlm", length=48),
    tasks=(
        TaskSettings(
            "grammar_sentiment",
            length=24,
            examples=4_000,
            held_out_examples=300,
            finetune=training(150, rate=1e-3),
        ),
    ),
    finetune=training(300, rate=1e-3),
    probe=training(60, rate=5e-3),
    seeds=(0, 1, 2),
    humor=HumorSettings(length=40, pairs=4_000, held_out_pairs=400),
    scoring=ScoringSettings(examples=256, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(batch_size=128, readings=()),
    devices=1,
)
