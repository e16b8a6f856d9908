"""The main job in minutes, offline: the built-in models on two tasks of the built-in language.

After Chiang & Chen 2021, "Why Can You Lay Off Heads?" (arXiv 2106.07137), of which only the
abstract was available to us: its questions, with choices of our own, on models and data of our own.
No table or figure of that paper is reproduced, and none of its numbers is known to us.

Command: `jaxheads study configs/quickstart.py --workers 2`: 4.6 minutes in each of two runs on 2
CPU cores (AMD EPYC, Python 3.11, jax 0.10.2, float32), 6.0 from a fresh clone with installation.

Method: 4 layers x 4 heads; fine-tuned on 8,000 sentences of each task (RoBERTa 150 and 200 steps of
32, ALBERT 250), seeds 0, 1, 2; scores |dloss/dgate|, mean over 512 training examples; curves on 500
held-out sentences, 5 random orders for each seed; half of the heads pruned before and after
fine-tuning. Beside the agreement of tasks stand nulls: magnitude, output norm, an untrained readout
and a model fine-tuned on shuffled labels (one more fine-tuning for each task and seed). ALBERT has
sentiment alone: incongruity takes it longer (0.568 after 200 steps, 0.712 after 350, one seed
each).

Numbers, 16 heads, of ALBERT 16 uses of 4: mean (lowest to highest over 3 seeds; random: over 15
draws), and 95% bootstrap intervals over seeds and examples in brackets. Constant answer: 0.500; bag
of words: 0.574 and 0.502.

                          RoBERTa, sentiment       RoBERTa, incongruity     ALBERT, sentiment
    all heads             0.923 (0.854 to 0.962)   0.706 (0.666 to 0.732)   0.912 (0.860 to 0.950)
    8, by the score       0.895 (0.816 to 0.946)   0.695 (0.656 to 0.728)   0.889 (0.846 to 0.950)
    8, tied               -                        -                        0.847 (0.728 to 0.944)
    8, at random          0.646 (0.508 to 0.826)   0.580 (0.488 to 0.680)   0.641 (0.520 to 0.786)
    8, reversed           0.512 (0.500 to 0.536)   0.502 (0.496 to 0.510)   0.500 (0.498 to 0.502)
    score less random     0.249 [0.220, 0.282]     0.115 [0.074, 0.152]     0.247 [0.196, 0.299]
    random less reversed  0.134 [0.085, 0.190]     0.078 [0.038, 0.125]     0.141 [0.090, 0.190]
    removed at 95% kept   9.3 (8 to 10)            10.7 (10 to 12)          8.7 (6 to 12)
    rho with masked LM    0.613 (0.529 to 0.762)   0.616 (0.429 to 0.868)   0.775 (0.688 to 0.888)
    reliability: halves   0.944 (0.915 to 0.976)   0.984 (0.970 to 0.995)   0.978 (0.974 to 0.984)
      pairs of seeds      0.688 (0.571 to 0.868)   0.438 (0.338 to 0.585)   0.695 (0.562 to 0.794)

Limits: "fine-tune, prune, fine-tune" trains twice as long as the other regimes; compare it with
"prune, fine-tune, fine-tune", which trains as long with the heads pruned first. Three seeds. One
share of heads before fine-tuning, so that the acceptable deduction is one of two values (0, or the
1.6% of masked-LM loss that half of RoBERTa's heads cost) and its interval covers both for all tasks
together. `grammar_full.py` has more of everything.
"""

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
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


def task(name: str, steps: int, *, length: int = 24) -> TaskSettings:
    """A task of the built-in language, drawn when it is read."""
    return TaskSettings(
        name,
        length=length,
        examples=8_000,
        held_out_examples=500,
        finetune=training(steps, rate=1e-3),
    )


RUN = Run(
    study="chiang2021",
    name="quickstart",
    models=(
        ModelSettings("roberta", source="builtin:roberta"),
        ModelSettings(
            "albert",
            source="builtin:albert",
            finetune=training(250, rate=5e-4),
            tasks=("grammar_sentiment",),
        ),
    ),
    text=TextSettings("grammar_mlm", length=24, paragraphs=4_000, held_out_blocks=128),
    tasks=(
        task("grammar_sentiment", steps=150, length=18),
        task("grammar_incongruity", steps=200),
    ),
    finetune=training(150, rate=1e-3),
    probe=training(100, rate=5e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=128, rescored=128, batch_size=128),
    curve=CurveSettings(points=8, draws=5, readings=("token", "l2"), batch_size=128),
    pruning=PruningSettings(kept=(0.5,), draws=1),
    devices=1,
)
