"""The whole study on English: mini RoBERTa and mini ALBERT, on SST-2 and SICK.

After Chiang & Chen 2021 (arXiv 2106.07137; only the abstract was available to us), with choices of
our own, on public data at a size for one core: models of 4 layers x 4 heads, which
`mini_english_models.py` pre-trains on 4.2 M words of English.

Command: `jaxheads study configs/mini_english_models.py --workers 2`, then `jaxheads study
configs/mini_english.py --workers 2`: 13 minutes on 2 CPU cores that tests used too (AMD EPYC,
Python 3.11, jax 0.10.2, float32).

Method: fine-tuned on each task for 400 steps of 16, seeds 0, 1, 2; scores |dloss/dgate|, mean over
512 training examples drawn by chance; curves on 500 held-out examples, 5 random orders for each
seed; a quarter and a half of the heads pruned before fine-tuning.

Numbers, RoBERTa, 16 heads, accuracy: mean (lowest to highest over 3 seeds; random: over 15 draws);
95% intervals in brackets. These are the earlier bootstraps over seeds and examples, known to be too
narrow with few seeds (see `configs/README.md`).

                                    SST-2                      SICK
    majority-class baseline         0.530                      0.564
    bag-of-words baseline           0.780                      0.788
    all heads                       0.733 (0.724 to 0.738)     0.624 (0.618 to 0.634)
    8 heads, by the score           0.727 (0.710 to 0.736)     0.622 (0.620 to 0.624)
    8 heads, at random              0.681 (0.530 to 0.732)     0.587 (0.564 to 0.626)
    8 heads, reversed               0.572 (0.530 to 0.600)     0.564 (0.564 to 0.564)
    score less random               0.047 [0.025, 0.071]       0.035 [0.008, 0.066]
    random less reversed            0.109 [0.069, 0.151]       0.023 [0.005, 0.040]
    removed at 95% kept             12.7 of 16 (12 to 14)      13.3 of 16 (12 to 14)
    Spearman with masked LM         0.334 (0.324 to 0.344)     0.255 (0.012 to 0.550)
      linear probe, frozen encoder  0.564 (0.482 to 0.638)     0.688 (0.562 to 0.753)
    reliability: halves             0.991 (0.982 to 0.995)     0.988 (0.981 to 0.996)
              pairs of seeds        0.745 (0.612 to 0.829)     0.389 (0.291 to 0.579)
    A(1%): loss that masked LM
      may gain, and heads           0.2%, 4 [0, 8]             0.4%, 8 [0, 8]
    A(5%)                           0.4%, 8 [4, 8]             0.4%, 8 [8, 8]
    8 heads by masked LM, then
      fine-tuned                    0.722 (0.698 to 0.740)     0.626 (0.622 to 0.628)
      fine-tuned twice as long      0.744 (0.734 to 0.756)     0.628 (0.620 to 0.638)
    8 heads at random, then
      fine-tuned                    0.725 (0.696 to 0.754)     0.621 (0.614 to 0.628)
    fine-tuned, 8 heads by the
      score, fine-tuned again       0.739 (0.726 to 0.760)     0.625 (0.616 to 0.630)

ALBERT, 16 uses of its 4 heads, gates of each use; "tied" takes a head from all layers at once.

                                    SST-2                      SICK
    all heads                       0.728 (0.714 to 0.736)     0.614 (0.608 to 0.624)
    8 uses, by the score            0.720 (0.696 to 0.744)     0.611 (0.608 to 0.614)
    8 uses, tied, by the score      0.711 (0.694 to 0.720)     0.605 (0.598 to 0.610)
    8 uses, at random               0.706 (0.666 to 0.736)     0.586 (0.564 to 0.616)
    8 uses, reversed                0.591 (0.534 to 0.670)     0.564 (0.564 to 0.564)
    score less random               0.014 [-0.002, 0.030]      0.025 [0.005, 0.045]
    random less reversed            0.115 [0.054, 0.189]       0.022 [0.006, 0.041]
    removed at 95% kept             11.3 of 16 (8 to 14)       10.7 of 16 (10 to 12)
    Spearman with masked LM         0.738 (0.529 to 0.844)     0.664 (0.600 to 0.706)
      linear probe, frozen encoder  0.406 (0.262 to 0.521)     0.835 (0.809 to 0.862)
    reliability: pairs of seeds     0.793 (0.679 to 0.926)     0.679 (0.518 to 0.826)
    A(1%)                           0.0%, 0 [0, 8]             0.2%, 8 [0, 8]
    A(5%)                           0.2%, 8 [8, 8]             0.2%, 8 [8, 8]
    8 uses by masked LM, then
      fine-tuned                    0.725 (0.704 to 0.742)     0.609 (0.602 to 0.616)
      fine-tuned twice as long      0.733 (0.716 to 0.744)     0.619 (0.596 to 0.638)
    fine-tuned, 8 uses by the
      score, fine-tuned again       0.735 (0.714 to 0.754)     0.609 (0.590 to 0.628)

Read them with care: the models are weak. A linear model on counts of words beats both on both
tasks, from all training examples (0.780, 0.788), from the 6,400 of SST-2 that they saw (0.750), and
on SICK from 2,000 pairs (0.756). This RoBERTa predicts masked tokens at 0.129 (0.028
constant), this ALBERT at 0.133 (0.046). Half of the heads cost their masked LM 0.4% and 0.2% of the
loss, no order is worth more than chance there (0.004 [-0.002, 0.011] and 0.000 [-0.002, 0.003] of
accuracy), and ALBERT's masked LM keeps 95% of its accuracy without any head. A score by it prunes
no better than chance before fine-tuning (RoBERTa -0.003 and 0.005, ALBERT 0.009 and -0.003 more,
intervals around 0), so that A says that 8 of 16 heads (no deeper cut was tried) can go whichever
they are. On the fine-tuned models the score's order is better than chance in three of four cases.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    Chiang2021,
    CurveSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)

DATA = Path("../shared/data")
MODELS = "runs/mini_english_models/models"


def training(steps: int, *, learning_rate: float) -> TrainingConfig:
    """AdamW in batches of 16, examples of like length together."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup=0.1, weight_decay=0.01)
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
    study=Chiang2021(kept=(0.75, 0.5), draws=1),
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
    finetune=training(400, learning_rate=1e-3),
    probe=training(150, learning_rate=2e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=128, rescored=128, batch_size=64),
    curve=CurveSettings(points=8, draws=5, batch_size=64),
    devices=1,
)
