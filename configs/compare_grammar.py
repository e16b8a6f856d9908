"""Every way to choose heads at equal budgets, on the built-in language.

Li et al. 2021 ("Differentiable Subset Pruning", TACL 9) ask whether learning which K heads to keep
beats ranking them. Here on a task and a model of our own: the built-in RoBERTa (4 layers x 4 heads)
on sentiment of the built-in language, at five of their budgets as shares of 16 heads.

Command: `jaxheads study configs/compare_grammar.py --workers 2`: 332 trainings of 150 steps, 33
minutes of work on 2 CPU cores that other jobs used too (AMD EPYC, Python 3.11, jax 0.10.2,
float32); the two workers waited for each other then, which they no longer do.

Method: fine-tuned with all heads for 150 steps of 32 on 8,000 sentences, seeds 0, 1, 2; each
learned gate is trained for as many steps, either with the parameters from the pre-trained model on
(joint) or alone on the fine-tuned one (pipelined), its start and noise from the seed; the rate of
gates is chosen from two on a tenth of the training sentences; every choice is measured under its
exact mask on 500 held-out sentences, and again after 150 more steps. `subset` anneals from 1 to
0.01 with bounded gates, which is ours; `subset of the paper` as the paper's code (1000 to 1e-8).
Scores and refinement from 512 training sentences.

Numbers: accuracy with so many of 16 heads, mean over 3 seeds, nothing trained again; all heads
0.923 (0.854 to 0.962), constant answer 0.500. * worse than "gradient", + better, by a 95% interval
over seeds and examples that is not corrected for the number of comparisons. In the last column the
accuracy with 3 heads after 150 more steps.

    heads                            13      11      8       5       3        3, trained again
    gradient                         0.919   0.907   0.895   0.881   0.681    0.961
    gradient, iterative              0.919   0.905   0.894   0.875   0.749    0.970
    refined                          0.918   0.916   0.865   0.837   0.604    0.934 *
    refined, rescaled                0.920   0.916   0.862   0.836   0.607    0.917 *
    magnitude                        0.913   0.907   0.892   0.746 * 0.511 *  0.552 *
    random                           0.765 * 0.710 * 0.632 * 0.624 * 0.503 *  0.623 *
    random, per layer                0.759 * 0.751 * 0.631 * 0.613 * 0.505 *  0.685 *
    subset, pipelined                0.911   0.908   0.901   0.881   0.767 +  0.928
    subset of the paper, pipelined   0.909   0.899   0.894   0.833   0.660    0.938 *
    L0, pipelined                    0.904 * 0.897 * 0.883   0.869   0.769 +  0.925
    straight-through, pipelined      0.893 * 0.790 * 0.818   0.609 * 0.586 *  0.793 *
    subset, joint                    0.861 * 0.783 * 0.681 * 0.585 * 0.525    0.718 *
    straight-through, joint          0.875 * 0.858 * 0.843 * 0.607 * 0.608    0.808 *
    L0, joint                        0.643 * 0.609 * 0.557 * 0.563 * 0.556 *  0.828 *

What a mask costs with fine-tuning, in examples: rankings 4,800 (magnitude, random) to 5,312
(gradient, refined), joint gates 4,800, pipelined gates 9,600. A cut model with 8 of 16 heads is
1.27 to 1.41 times as fast in batches of 64 (14 cuts), 1.09 to 1.27 of 16, 0.91 to 1.25 of one.

So one pass of the gradient is hardly beaten here: a gate on the fine-tuned model keeps more with 3
heads until the model is trained once more, and then no method is better. Refinement by the
interaction of heads, at the gradient's cost, is not clearly better than it at any budget, nor than
the subset gates. Joint gates had 150 steps to train the model and to choose its heads: they are
worst where the budget is small.
"""

import runpy
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

PRUNED = runpy.run_path(str(Path(__file__).with_name("zhang_grammar.py")))["RUN"]
OPTIMIZER = OptimizerConfig(rate=1e-3, warmup=0.1, weight_decay=0.01)
FINETUNE = TrainingConfig(steps=150, batch_size=32, dropout=0.0, optimizer=OPTIMIZER)

RUN = Run(
    study="compare",
    name="compare_grammar",
    models=(ModelSettings("roberta", source="builtin:roberta"),),
    text=TextSettings("grammar_mlm", length=24, paragraphs=400, held_out_blocks=16),
    tasks=(TaskSettings("grammar_sentiment", length=18, examples=8_000, held_out_examples=500),),
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
            *("subset of the paper, joint", "subset of the paper, pipelined"),
            "meta",
        ),
        shares=(10 / 12, 8 / 12, 6 / 12, 4 / 12, 2 / 12),
        rates=(0.05, 0.2, 0.5),  # the last is the paper's
    ),
    meta=PRUNED.meta,
    devices=1,
)
