"""Every way to choose heads at equal budgets, on entailment in English (SICK).

The comparison of `compare_grammar.py` with the mini RoBERTa of `mini_english_models.py` (4 layers x
4 heads, D = 64), whose folder it reads. Sizes and settings are ours, for two cores.

Command: `jaxheads study configs/compare_mini_english.py --workers 2`, after
`mini_english_models.py`: 231 trainings of 400 steps and 49 to choose learning rates, 36 minutes on
2 CPU cores that tests used too (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Method: fine-tuned with all heads for 400 steps of 16, seeds 0, 1, 2; gates trained for as many
steps, jointly or on the fine-tuned model, at the better of two learning rates by trials at every
budget on a random tenth of the training pairs that neither the gate nor its model has seen; exact
masks at four of the paper's budgets as shares of 16 heads; scores from 1,024 training pairs drawn
by chance, `iterative` at every budget anew; measured on 500 held-out pairs, as they are and after
400 more steps. Random: 5 masks for each seed and budget.

Numbers: accuracy with so many of 16 heads, mean over 3 seeds; all heads 0.624 (0.618 to 0.634),
majority-class baseline 0.564, bag-of-words baseline 0.788, which no way reaches. * worse than
"gradient", by a 95% interval, not corrected for the number of comparisons (none is better).
Intervals are the earlier bootstraps over seeds and examples, known to be too narrow with few seeds
(see `configs/README.md`).

                                 nothing trained again           trained once more
    heads                        12     8      4      1          12     8      4      1
    gradient                     0.635  0.622  0.606  0.581      0.623  0.625  0.628  0.591
    gradient, iterative          0.635  0.627  0.608  0.564      0.623  0.634  0.623  0.587
    refined                      0.628  0.629  0.600  0.581      0.626  0.631  0.619  0.601
    refined, rescaled            0.629  0.630  0.598  0.581      0.630  0.635  0.613  0.596
    magnitude                    0.623  0.615  0.569* 0.581      0.634  0.631  0.621  0.616
    random                       0.603* 0.587* 0.568* 0.564      0.632  0.634  0.631  0.601
    random, per layer            0.611* 0.577* 0.569* 0.564      0.625  0.625  0.629  0.601
    subset, pipelined            0.631  0.627  0.617  0.564      0.629  0.627  0.621  0.620
    L0, pipelined                0.631  0.630  0.608  0.581      0.627  0.637  0.618  0.613
    straight-through, pipelined  0.629  0.627  0.565* 0.564      0.627  0.625  0.627  0.619
    subset, joint                0.615  0.612  0.617  0.588      0.617  0.638  0.606  0.582
    straight-through, joint      0.622  0.615  0.607  0.583      0.616  0.633  0.627  0.578
    L0, joint                    0.603  0.598  0.589  0.564      0.633  0.630  0.634  0.585
    all heads, times K / 16      0.620  0.616  0.610  0.608      (trained and measured so)

Of 96 differences from the gradient's order none is better and 8 are worse, 6 of them random masks
(at 8 heads -0.035 [-0.066, -0.008] and, per layer, -0.045 [-0.077, -0.014]). Of 96 between going
further with the gradient and a learned subset 1 is for the former (iterative less pipelined
straight-through with 4 heads, 0.043 [0.013, 0.074]) and none for the latter; at about equal cost 4
of 24 are for it and none against. Once trained again, no way to choose heads stands out, random
masks included. Every gate took the larger learning rate, 0.2. The heads that are on in a gate's
last sample are as many as are kept but for L0 (10.7 and 9.0 for 12).

With fine-tuning a mask costs, in examples and seconds, 6,400 and 11 (magnitude, random), 7,424 and
13 (gradient, refined), 8,960 and 16 (iterative, mean over budgets), 6,400 and 11 to 23 (joint
gates), 12,800 and 18 to 20 (pipelined gates). A cut model with 8 heads is 0.96 to 1.55 times as
fast in batches of 16, median 1.33 (13 cuts, one timing each, beside tests). As the compiler plans
it, a step of fine-tuning in batches of 16 takes 26.0 MB whole and 20.7 to 27.3 MB cut: layers with
different numbers of heads are not one loop.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    Compare,
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
    optimizer=OptimizerConfig(learning_rate=1e-3, warmup=0.1, weight_decay=0.01),
)

RUN = Run(
    study=Compare(
        methods=(
            *("gradient", "gradient, iterative", "random", "random, per layer", "magnitude"),
            *("refined", "refined, rescaled", "subset, joint", "subset, pipelined"),
            *("straight-through, joint", "straight-through, pipelined"),
            *("L0, joint", "L0, pipelined"),
        ),
        shares=(9 / 12, 6 / 12, 3 / 12, 1 / 12),
    ),
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
    scoring=ScoringSettings(examples=1024, ablated=0, rescored=1024, batch_size=64),
    curve=CurveSettings(readings=(), batch_size=64),
    devices=1,
)
