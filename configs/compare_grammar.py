"""Every way to choose heads at equal budgets, on the built-in language.

Li et al. 2021 ("Differentiable Subset Pruning", TACL 9) ask whether learning which K heads to keep
beats ranking them. Here on a task and a model of our own: the built-in RoBERTa (4 layers x 4 heads)
on sentiment of the built-in language, at five of their budgets as shares of 16 heads.

Command: `jaxheads study configs/compare_grammar.py`: 332 trainings of 150 steps.

Method: fine-tuned with all heads for 150 steps of 32 on 8,000 sentences, seeds 0, 1, 2; each
learned gate is trained for as many steps, either with the parameters from the pre-trained model on
(joint) or alone on the fine-tuned one (pipelined), its start and noise from the seed; the rate of
gates is chosen from two on a tenth of the training sentences; every choice is measured under its
exact mask on 500 held-out sentences, and again after 150 more steps. `subset` anneals from 1 to
0.01 with bounded gates, which is ours; `subset of the paper` as the paper's code (1000 to 1e-8).
Scores and refinement from 512 training sentences.

Not run to the end, and no figure of the comparison is known: of a smaller run only the fine-tuning
of two seeds came to its end.
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

OPTIMIZER = OptimizerConfig(rate=1e-3, warmup=0.1, weight_decay=0.01)
FINETUNE = TrainingConfig(steps=150, batch_size=32, dropout=0.0, optimizer=OPTIMIZER)

RUN = Run(
    study="compare",
    name="compare_grammar",
    models=(ModelSettings("roberta", source="builtin:roberta"),),
    text=TextSettings("grammar_mlm", length=24, paragraphs=400, held_out_blocks=16),
    tasks=(TaskSettings("grammar_sentiment", length=24, examples=8_000, held_out_examples=500),),
    finetune=FINETUNE,
    probe=FINETUNE,
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=128, batch_size=128),
    curve=CurveSettings(readings=(), batch_size=128),
    compare=CompareSettings(
        methods=(
            *("gradient", "gradient, iterative", "random", "random, per layer", "magnitude"),
            *("refined", "refined, rescaled"),
            *("subset, joint", "subset, pipelined"),
            *("straight-through, joint", "straight-through, pipelined"),
            *("L0, joint", "L0, pipelined"),
            "subset of the paper, pipelined",
        ),
        shares=(10 / 12, 8 / 12, 6 / 12, 4 / 12, 2 / 12),
    ),
    devices=1,
)
