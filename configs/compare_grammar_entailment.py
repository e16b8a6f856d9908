"""Ways to choose heads at equal budgets, on entailment of the built-in language.

The comparison of `compare_grammar.py` on the task that Li et al. 2021 took from MNLI, in a language
of our own: 3 classes, the built-in RoBERTa (4 layers x 4 heads), at two of their budgets as shares
of 16 heads. Sizes and settings are ours.

Command: `jaxheads study configs/compare_grammar_entailment.py --workers 2`: 27 trainings of 600
steps, 13 to choose learning rates and 3 of pruners, 90 minutes on 2 CPU cores (AMD EPYC, Python
3.11, jax 0.10.2, float32) shared with many other jobs; 12 minutes in an earlier, quieter run.

Method: fine-tuned with all heads for 600 steps of 32 on 16,000 pairs, seeds 0, 1, 2; gates trained
for as many steps, jointly or on the fine-tuned model, at a learning rate chosen on a tenth of the
training pairs, which no part of that trial has seen; exact masks, measured on 500 held-out pairs,
nothing trained again. Random: 5 masks for each seed and budget.

Numbers: accuracy with so many of 16 heads, mean over 3 seeds; all heads 0.699 (0.598 to 0.774),
bag-of-words baseline 0.326. In brackets less "gradient", with 95% intervals over seeds, draws and
examples (Student's t), not corrected for their number. Then what a mask costs, fine-tuning with all
heads included: thousands of examples.

                          11 heads                         5 heads                          cost
    gradient              0.680                            0.573                            19.7
    gradient, iterative   0.680 (the same heads)           0.573 (the same heads)           20.0
    refined               0.686 (+0.006 [-0.007, 0.019])   0.481 (-0.092 [-0.366, 0.182])   19.7
    refined, rescaled     0.689 (+0.009 [-0.008, 0.027])   0.481 (-0.092 [-0.338, 0.154])   19.7
    magnitude             0.641 (-0.039 [-0.064, -0.014])  0.505 (-0.067 [-0.243, 0.108])   19.2
    random                0.471 (-0.209 [-0.337, -0.081])  0.363 (-0.210 [-0.367, -0.053])  19.2
    random, per layer     0.478 (-0.202 [-0.314, -0.091])  0.377 (-0.196 [-0.289, -0.103])  19.2
    meta                  0.465 (-0.215 [-0.238, -0.192])  0.419 (-0.153 [-0.191, -0.116])  19.7
    subset, pipelined     0.678 (-0.002 [-0.012, 0.008])   0.575 (+0.002 [-0.036, 0.040])   38.4
    L0, pipelined         0.677 (-0.003 [-0.038, 0.032])   0.575 (+0.002 [-0.036, 0.040])   38.4
    subset, joint         0.617 (-0.063 [-0.425, 0.298])   0.577 (+0.004 [-0.223, 0.231])   19.2
    all heads, times K/16 0.636 (0.450 to 0.750)           0.728 (0.716 to 0.738; trained so)

So nothing is better than one pass of the gradient; chance and the pruner (of acceptability alone)
are worse at both budgets, magnitude with 11 heads; after Holm's correction over the 20 comparisons
only the pruner with 11 heads is. Of 12 differences between going further with the gradient and a
learned subset none is clear. Trained with all heads at the scale of 5 of 16 the model is no worse
than at its own (0.728, 0.699): the smaller scale is no handicap of joint gates.
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
