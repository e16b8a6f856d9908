"""Li, Cotterell, Sachan 2021, "Differentiable Subset Pruning of Transformer Heads": BERT on MNLI.

As the paper's code has it (rycolab/differentiable-subset-pruning): bert-base-uncased, learning rate
2e-5, 3 epochs of batches of 32, length 128, no weight decay, a linear schedule without warm-up; the
relaxation of K chained softmaxes, temperature 1000 to 1e-8 over 25,000 of 36,815 steps; weights of
heads at learning rate 0.5; K = 132, 120, ..., 12 of 144; evaluation by the exact top K; their
baseline after Michel et al., "gradient of the paper, iterative": |gradient of a batch of 32|,
normalised by layer, estimated anew at every budget.

Where we differ from the code: training computes in bfloat16 and puts examples of like length
together, padded to the longest of a batch (theirs: float32, 128 tokens each); the weights of heads
are float32 with the remedies that `importance/subset.py` names, where the code takes float64; their
gradient is clipped by itself (in the code together with all parameters, which starves those); their
learning rate stays constant (the code's falls linearly); pipelined gates train as long as
fine-tuning does (in the code one epoch); seeds start the weights differently (in the code all
alike). L0 gates learn at a learning rate of 0.5 too (0.1 in the code's example) and reach their
budget by a Lagrangian (in the code by a price, 0.0015; the sweep of prices is here too). Scores are
of 20,000 training examples, 5,000 where estimated anew (theirs: all), and "gradient" itself is
ours: of single examples, not normalised. Measured on the matched development set (the code reports
the mismatched one under the matched one's name); intervals over seeds and examples are ours
(`analysis/intervals.py`).

Ours beside the paper: random, magnitude, refined, straight-through as a method of its own, subset
with bounded gates, all heads scaled by K / N, sizes and speeds of cut models (their code only
masks). The translation half is in `li_multi30k.py` and `li_iwslt.py`.

Published: no table was available to us. Second-hand: up to 90% of the heads without much loss.

Command: `jaxheads study configs/li_bert_mnli.py` on a TPU VM or a GPU box. Cost: 315 trainings of
36,815 steps of 32 examples (3 of fine-tuning, 132 joint, 132 pipelined, 15 of the sweep, 33 of
models with all heads scaled); at 6 minutes each, a guess for one current GPU, 31 hours. Pruned
models are not trained further, as in the paper; `--set study.again=true` does it, with 495 more
trainings (50 hours). Fewer `compare.shares` cost less. Not run by us: no accelerator and no hub
could be reached. `compare_grammar.py` runs like methods with the built-in model.
"""

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    CurveSettings,
    Li2021,
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
    optimizer=OptimizerConfig(learning_rate=2e-5, warmup=0.0, weight_decay=0.0),
)

RUN = Run(
    study=Li2021(
        methods=(
            *("gradient", "gradient, iterative", "gradient of the paper, iterative"),
            *("random", "random, per layer", "magnitude"),
            *("refined", "refined, rescaled"),
            *("subset of the paper, joint", "subset of the paper, pipelined"),
            *("straight-through, joint", "straight-through, pipelined"),
            *("subset, joint", "subset, pipelined", "L0, joint", "L0, pipelined"),
        ),
        learning_rates=(0.5,),
        again=False,
        strengths=(0.0005, 0.001, 0.0015, 0.003, 0.006),
    ),
    name="li_bert_mnli",
    models=(ModelSettings("bert", source="google-bert/bert-base-uncased"),),
    text=TextSettings(length=128),  # not read: the pre-training task has no part in this study
    tasks=(TaskSettings("mnli", length=128),),
    finetune=FINETUNE,
    probe=FINETUNE,
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=20_000, ablated=0, rescored=5_000, batch_size=64),
    curve=CurveSettings(readings=(), batch_size=256),
)
