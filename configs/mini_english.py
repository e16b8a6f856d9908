"""The whole study on English: mini RoBERTa and mini ALBERT, on SST-2 and SICK.

After Chiang & Chen 2021 (arXiv 2106.07137; only the abstract was available to us), with choices of
our own, on public data at a size for one core: models of 4 layers x 4 heads, which
`mini_english_models.py` pre-trains on 4.2 M words of English.

Command: `jaxheads study configs/mini_english_models.py`, then `jaxheads study
configs/mini_english.py --workers 2`. Run on 2 CPU cores that tests used too (AMD EPYC, Python 3.11,
jax 0.10.2, float32): RoBERTa's 65 cells to their end, 25 minutes; of ALBERT's 77 cells 22.

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

Read them with care: the models are weak. This RoBERTa predicts masked tokens at 0.122 (0.028
constant) with a loss above the entropy of the words (6.04, 5.86), and is not far above the constant
answer on the tasks. With so little to lose, most heads can go, and to masked LM no order is worth
more than chance (0.002 [-0.002, 0.006]).
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
