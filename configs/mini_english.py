"""The whole study on English: mini RoBERTa and mini ALBERT, on SST-2 and SICK.

After Chiang & Chen 2021 (arXiv 2106.07137; only the abstract was available to us), with choices of
our own, on public data at a size for one core: models of 4 layers x 4 heads, which
`mini_english_models.py` pre-trains on 4.2 M words of English.

Command: `jaxheads study configs/mini_english_models.py`, then `jaxheads study
configs/mini_english.py --workers 2`. Run to its end on 2 CPU cores that tests used too (AMD EPYC,
Python 3.11, jax 0.10.2, float32), in two parts: some 45 minutes, 76 of both workers together.

Method: fine-tuned on each task for 400 steps of 16, seeds 0, 1, 2; scores |dloss/dgate|, mean over
512 training examples; curves on 500 held-out examples, 5 random orders for each seed; a quarter and
a half of the heads pruned before fine-tuning.

Numbers, RoBERTa, 16 heads, accuracy: mean (lowest to highest over 3 seeds; random: over 15 draws);
95% bootstrap intervals over seeds and examples in brackets.

                                    SST-2                      SICK
    constant answer                 0.530                      0.564
    all heads                       0.685 (0.666 to 0.696)     0.627 (0.618 to 0.642)
    8 heads, by the score           0.685 (0.680 to 0.694)     0.629 (0.618 to 0.640)
    8 heads, at random              0.654 (0.584 to 0.734)     0.590 (0.548 to 0.636)
    8 heads, reversed               0.517 (0.490 to 0.530)     0.572 (0.564 to 0.588)
    score less random               0.031 [0.004, 0.066]       0.039 [0.020, 0.058]
    random less reversed            0.137 [0.072, 0.194]       0.018 [-0.021, 0.048]
    removed at 95% kept             12.0 of 16 (10 to 14)      14.0 of 16 (14 to 14)
    Spearman with masked LM         0.697 (0.644 to 0.768)     0.560 (0.485 to 0.600)
    ceilings: halves                0.987 (0.982 to 0.992)     0.984 (0.978 to 0.989)
              pairs of seeds        0.566 (0.309 to 0.815)     0.461 (0.241 to 0.579)
    8 heads by masked LM, then
      fine-tuned                    0.683 (0.670 to 0.690)     0.643 (0.614 to 0.680)
      fine-tuned twice as long      0.716 (0.706 to 0.724)     0.645 (0.624 to 0.662)
    fine-tuned, 8 heads by the
      score, fine-tuned again       0.715 (0.706 to 0.720)     0.647 (0.644 to 0.652)

ALBERT, 16 uses of its 4 heads, gates of each use; "tied" takes a head from all layers at once.

                                    SST-2                      SICK
    all heads                       0.685 (0.668 to 0.702)     0.614 (0.608 to 0.622)
    8 uses, by the score            0.685 (0.666 to 0.698)     0.611 (0.604 to 0.624)
    8 uses, tied, by the score      0.675 (0.648 to 0.692)     0.613 (0.606 to 0.624)
    8 uses, at random               0.668 (0.590 to 0.722)     0.590 (0.564 to 0.622)
    8 uses, reversed                0.620 (0.572 to 0.664)     0.564 (0.564 to 0.564)
    score less random               0.017 [-0.007, 0.043]      0.021 [-0.004, 0.054]
    random less reversed            0.048 [-0.006, 0.106]      0.026 [0.008, 0.048]
    removed at 95% kept             11.3 of 16 (10 to 14)      12.0 of 16 (12 to 12)
    Spearman with masked LM         0.681 (0.571 to 0.741)     0.640 (0.229 to 0.874)
      on the frozen body            0.151 (-0.021 to 0.300)    0.111 (0.015 to 0.171)
    ceilings: halves                0.983 (0.976 to 0.993)     0.985 (0.974 to 0.995)
              pairs of seeds        0.525 (0.426 to 0.682)     0.516 (0.212 to 0.800)
    8 uses by masked LM, then
      fine-tuned                    0.693 (0.670 to 0.706)     0.622 (0.614 to 0.638)
      fine-tuned twice as long      0.719 (0.708 to 0.726)     0.617 (0.606 to 0.634)
    fine-tuned, 8 uses by the
      score, fine-tuned again       0.723 (0.696 to 0.748)     0.618 (0.604 to 0.630)

Read them with care: the models are weak. This RoBERTa predicts masked tokens at 0.122 (0.028
constant), this ALBERT at 0.126 (0.046), with a loss above the entropy of the words (RoBERTa 6.04,
words 5.86), and neither is far above the constant answer on the tasks. With so little to lose, most
heads can go: to RoBERTa's masked LM no order is worth more than chance (0.002 [-0.002, 0.006]), and
ALBERT's masked LM loses nothing when all of its heads are masked, so that its order there says
little and a score by it prunes as well as chance (0.693 and 0.687 on SST-2 after fine-tuning).
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
