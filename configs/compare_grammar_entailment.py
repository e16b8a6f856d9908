"""Ways to choose heads at equal budgets, on entailment of the built-in language.

The comparison of `compare_grammar.py` on the task that Li et al. 2021 took from MNLI, in a language
of our own: 3 classes, the built-in RoBERTa (4 layers x 4 heads), at two of their budgets as shares
of 16 heads. Sizes and settings are ours.

Command: `jaxheads study configs/compare_grammar_entailment.py --workers 2`: 27 trainings of 600
steps, 13 to choose learning rates and 3 of pruners, 12 minutes on 2 CPU cores (AMD EPYC, Python
3.11, jax 0.10.2, float32) that ran tests too.

Method: fine-tuned with all heads for 600 steps of 32 on 16,000 pairs, seeds 0, 1, 2; gates trained
for as many steps, jointly or on the fine-tuned model, at a learning rate chosen on a tenth of the
training pairs, which no part of that trial has seen; exact masks, measured on 500 held-out pairs,
nothing trained again. Random: 5 masks for each seed and budget.

Numbers: accuracy with so many of 16 heads, mean over 3 seeds; all heads 0.698 (0.596 to 0.768),
bag-of-words baseline 0.326. In brackets less "gradient", with 95% intervals that are not corrected
for their number: the earlier bootstraps over seeds and examples, known to be too narrow with few
seeds (see `configs/README.md`). Then what a mask costs, fine-tuning with all heads included:
thousands of examples.

                          11 heads                        5 heads                         cost
    gradient              0.666                           0.552                           19.7
    gradient, iterative   0.666 (the same heads)          0.552 (the same heads)          20.0
    refined               0.690 (+0.024 [+0.000, 0.054])  0.449 (-0.103 [-0.225, 0.006])  19.7
    refined, rescaled     0.691 (+0.025 [-0.000, 0.058])  0.455 (-0.097 [-0.228, 0.015])  19.7
    magnitude             0.625 (-0.041 [-0.064, -0.013]) 0.513 (-0.039 [-0.110, 0.023])  19.2
    random                0.477 (-0.189 [-0.239, -0.146]) 0.365 (-0.187 [-0.265, -0.126]) 19.2
    random, per layer     0.484 (-0.182 [-0.230, -0.142]) 0.377 (-0.175 [-0.226, -0.127]) 19.2
    meta                  0.531 (-0.135 [-0.214, -0.059]) 0.385 (-0.167 [-0.252, -0.081]) 19.7
    subset, pipelined     0.681 (+0.015 [-0.012, 0.050])  0.574 (+0.022 [-0.018, 0.060])  38.4
    L0, pipelined         0.671 (+0.005 [-0.015, 0.032])  0.574 (+0.022 [-0.018, 0.060])  38.4
    subset, joint         0.617 (-0.049 [-0.200, 0.085])  0.579 (+0.027 [-0.069, 0.132])  19.2
    all heads, times K/16 0.646 (0.450 to 0.750)          0.729 (0.706 to 0.750; trained so)

So nothing is better than one pass of the gradient, and chance, magnitude and the pruner (of
acceptability alone) are worse. Refined with 5 heads is worse than the pipelined subset (-0.125,
rescaled -0.119, intervals below 0); of the other 10 differences between going further with the
gradient and a learned subset none is clear. Trained with all heads at the scale of 5 of 16 the
model is no worse than at its own (0.729, 0.698): the smaller scale is no handicap of joint gates.
"""

import dataclasses

from compare_grammar import FINETUNE as FEWER
from compare_grammar import RUN as OTHER

from jaxheads.studies.settings import TaskSettings

FINETUNE = dataclasses.replace(FEWER, steps=600)

RUN = dataclasses.replace(
    OTHER,
    name="compare_grammar_entailment",
    tasks=(TaskSettings("grammar_entailment", length=48, examples=16_000, held_out_examples=500),),
    finetune=FINETUNE,
    probe=FINETUNE,
    study=dataclasses.replace(
        OTHER.study,
        methods=(
            *("gradient", "gradient, iterative", "random", "random, per layer", "magnitude"),
            *("refined", "refined, rescaled"),
            *("subset, joint", "subset, pipelined", "L0, pipelined", "meta"),
        ),
        shares=(8 / 12, 4 / 12),
        timed=(8 / 12, 4 / 12),
        learning_rates=(0.05, 0.2),
        again=False,
    ),
)
