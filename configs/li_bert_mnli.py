"""Li, Cotterell, Sachan 2021, "Differentiable Subset Pruning of Transformer Heads": BERT on MNLI.

As the paper's code has it (rycolab/differentiable-subset-pruning): bert-base-uncased, rate 2e-5,
3 epochs of batches of 32, length 128, no weight decay, linear decay without warm-up; the relaxation
of K chained softmaxes, temperature 1000 to 1e-8 over 25,000 of 36,816 steps; weights of heads at
rate 0.5; K = 132, 120, ..., 12 of 144; evaluation by the exact top K.

Where we differ: float32 with the remedies that `importance/subset.py` names, where the code takes
float64; the gradient of the weights is clipped by itself (in the code together with all parameters,
which starves those); the rate of weights stays constant (the code's falls linearly); pipelined
gates train as long as fine-tuning does (in the code one epoch); seeds start the weights differently
(in the code all alike); the matched development set, measured once (the code selects and reports on
the mismatched one). L0 gates learn at rate 0.5 too (0.1 in the code's example) and reach their
budget by a Lagrangian (in the code by a price, 0.0015). `again` is not in the paper.

Published: no table was available to us. Second-hand: up to 90% of the heads without much loss.

Command: `jaxheads study configs/li_bert_mnli.py` on a TPU VM or a GPU box. Not run by us: no
accelerator and no hub could be reached. `compare_grammar.py` runs like methods with the built-in
model.
"""

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

FINETUNE = TrainingConfig(
    steps=3 * 392_702 // 32,
    batch_size=32,
    dtype="bfloat16",
    window=64,
    save_every=2000,
    optimizer=OptimizerConfig(rate=2e-5, warmup=0.0, weight_decay=0.0),
)

RUN = Run(
    study="li2021",
    name="li_bert_mnli",
    models=(ModelSettings("bert", source="google-bert/bert-base-uncased"),),
    text=TextSettings(length=128),  # not read: the pre-training task has no part in this study
    tasks=(TaskSettings("mnli", length=128),),
    finetune=FINETUNE,
    probe=FINETUNE,
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=20_000, ablated=0, rescored=5_000, batch_size=64),
    curve=CurveSettings(readings=(), batch_size=256),
    compare=CompareSettings(
        methods=(
            *("gradient", "gradient, iterative", "random", "random, per layer", "magnitude"),
            *("refined", "refined, rescaled"),
            *("subset of the paper, joint", "subset of the paper, pipelined"),
            *("straight-through, joint", "straight-through, pipelined"),
            *("subset, joint", "subset, pipelined", "L0, joint", "L0, pipelined"),
        ),
        rates=(0.5,),
        strengths=(0.0005, 0.001, 0.0015, 0.003, 0.006),
    ),
)
