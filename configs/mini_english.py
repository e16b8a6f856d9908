"""The whole study on English: mini RoBERTa and mini ALBERT, on SST-2 and SICK.

After Chiang & Chen 2021 (arXiv 2106.07137; only the abstract was available to us), with choices of
our own, on public data at a size for one core: models of 4 layers x 4 heads, which
`mini_english_models.py` pre-trains on 4.2 M words of English.

Command: `jaxheads study configs/mini_english_models.py --workers 2`, then `jaxheads study
configs/mini_english.py --workers 2`: 21 minutes on 2 CPU cores that tests used too (AMD EPYC,
Python 3.11, jax 0.10.2, float32).

Method: fine-tuned on each task for 400 steps of 16, seeds 0, 1, 2; scores |dloss/dgate|, mean over
512 training examples; curves on 500 held-out examples, 5 random orders for each seed; a quarter and
a half of the heads pruned before fine-tuning.

Numbers, RoBERTa, 16 heads, accuracy: mean (lowest to highest over 3 seeds; random: over 15 draws);
95% bootstrap intervals over seeds and examples in brackets.

                                    SST-2                      SICK
    constant answer                 0.530                      0.564
    all heads                       0.720 (0.714 to 0.728)     0.621 (0.604 to 0.632)
    8 heads, by the score           0.716 (0.710 to 0.724)     0.606 (0.592 to 0.616)
    8 heads, at random              0.643 (0.530 to 0.718)     0.596 (0.564 to 0.634)
    8 heads, reversed               0.548 (0.530 to 0.584)     0.564 (0.564 to 0.564)
    score less random               0.073 [0.048, 0.101]       0.010 [-0.014, 0.031]
    random less reversed            0.095 [0.055, 0.134]       0.032 [0.011, 0.053]
    removed at 95% kept             11.3 of 16 (10 to 14)      10.7 of 16 (6 to 14)
    Spearman with masked LM         0.280 (0.191 to 0.432)     0.425 (0.094 to 0.715)
      on the frozen body            0.626 (0.576 to 0.697)     0.683 (0.668 to 0.700)
    ceilings: halves                0.990 (0.983 to 0.995)     0.986 (0.982 to 0.990)
              pairs of seeds        0.812 (0.771 to 0.841)     0.404 (0.171 to 0.671)
    A(1%): loss that masked LM
      may gain, and heads           0.4%, 8 [0, 8]             0.1%, 4 [0, 8]
    A(5%)                           0.4%, 8 [8, 8]             0.4%, 8 [4, 8]
    8 heads by masked LM, then
      fine-tuned                    0.739 (0.730 to 0.748)     0.613 (0.600 to 0.622)
      fine-tuned twice as long      0.743 (0.732 to 0.754)     0.646 (0.628 to 0.664)
    8 heads at random, then
      fine-tuned                    0.727 (0.708 to 0.740)     0.611 (0.608 to 0.618)
    fine-tuned, 8 heads by the
      score, fine-tuned again       0.745 (0.738 to 0.752)     0.613 (0.604 to 0.626)

ALBERT, 16 uses of its 4 heads, gates of each use; "tied" takes a head from all layers at once.

                                    SST-2                      SICK
    all heads                       0.729 (0.714 to 0.738)     0.611 (0.608 to 0.616)
    8 uses, by the score            0.713 (0.696 to 0.724)     0.607 (0.606 to 0.610)
    8 uses, tied, by the score      0.711 (0.692 to 0.722)     0.605 (0.598 to 0.610)
    8 uses, at random               0.706 (0.666 to 0.736)     0.589 (0.564 to 0.616)
    8 uses, reversed                0.609 (0.534 to 0.724)     0.564 (0.564 to 0.564)
    score less random               0.007 [-0.008, 0.026]      0.019 [-0.001, 0.037]
    random less reversed            0.097 [0.013, 0.189]       0.025 [0.008, 0.044]
    removed at 95% kept             11.3 of 16 (8 to 14)       10.7 of 16 (10 to 12)
    Spearman with masked LM         0.733 (0.538 to 0.844)     0.697 (0.665 to 0.721)
      on the frozen body            0.370 (0.229 to 0.444)     0.827 (0.776 to 0.874)
    ceilings: pairs of seeds        0.777 (0.691 to 0.900)     0.685 (0.509 to 0.785)
    A(1%)                           0.0%, 0 [0, 8]             0.2%, 8 [0, 8]
    A(5%)                           0.2%, 8 [8, 8]             0.2%, 8 [8, 8]
    8 uses by masked LM, then
      fine-tuned                    0.725 (0.704 to 0.742)     0.615 (0.602 to 0.628)
      fine-tuned twice as long      0.732 (0.716 to 0.742)     0.621 (0.598 to 0.634)
    fine-tuned, 8 uses by the
      score, fine-tuned again       0.732 (0.714 to 0.744)     0.615 (0.594 to 0.628)

Read them with care: the models are weak. This RoBERTa predicts masked tokens at 0.136 (0.028
constant), this ALBERT at 0.133 (0.046). Half of the heads cost their masked LM 0.4% and 0.2% of the
loss, no order is worth more than chance there (0.000 [-0.005, 0.006] and 0.000 [-0.002, 0.003] of
accuracy), and ALBERT's masked LM keeps 95% of its accuracy without any head. A score by it prunes
no better than chance before fine-tuning (RoBERTa 0.011 and 0.001, ALBERT 0.009 and 0.004 more,
intervals around 0), so that A says that 8 of 16 heads (no deeper cut was tried) can go whichever
they are. On the fine-tuned models the score's order is better than chance on SST-2 for RoBERTa.
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
