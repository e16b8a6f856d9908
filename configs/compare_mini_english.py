"""Every way to choose heads at equal budgets, on entailment in English (SICK).

The comparison of `compare_grammar.py` with the mini RoBERTa of `mini_english_models.py` (4 layers x
4 heads, D = 64), whose folder it reads. Sizes and settings are ours, for two cores.

Command: `jaxheads study configs/compare_mini_english.py`.

Method: fine-tuned with all heads for 400 steps of 16, seeds 0, 1, 2; gates trained for as many
steps, jointly or on the fine-tuned model, at a rate chosen on a tenth of the training pairs; exact
masks at four of the paper's budgets as shares of 16 heads; measured on 1,000 held-out pairs, as
they are and after 400 more steps.

Not run.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.settings import (
    CompareSettings,
    CurveSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)

DATA = Path("../shared/data")
FINETUNE = TrainingConfig(
    steps=400,
    batch_size=16,
    dropout=0.0,
    window=16,
    optimizer=OptimizerConfig(rate=1e-3, warmup=0.1, weight_decay=0.01),
)

RUN = Run(
    study="compare",
    name="compare_mini_english",
    models=(ModelSettings("roberta", source="runs/mini_english_models/models/roberta"),),
    text=TextSettings(
        train=DATA / "text/train.txt", held_out=DATA / "text/validation.txt", length=64
    ),
    tasks=(
        TaskSettings(
            "sick",
            train=DATA / "sick/train.jsonl",
            held_out=DATA / "sick/validation.jsonl",
            length=64,
            held_out_examples=1000,
        ),
    ),
    finetune=FINETUNE,
    probe=FINETUNE,
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=1024, ablated=0, rescored=256, batch_size=64),
    curve=CurveSettings(readings=(), batch_size=64),
    compare=CompareSettings(
        methods=(
            *("gradient", "gradient, iterative", "random", "random, per layer", "magnitude"),
            *("refined", "refined, rescaled", "subset, joint", "subset, pipelined"),
            *("straight-through, joint", "straight-through, pipelined"),
            *("L0, joint", "L0, pipelined"),
        ),
        shares=(9 / 12, 6 / 12, 3 / 12, 1 / 12),
    ),
    devices=1,
)
