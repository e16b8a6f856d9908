"""Every way to choose heads at equal budgets, on the built-in language.

Li et al. 2021 ("Differentiable Subset Pruning", TACL 9) ask whether learning which K heads to keep
beats ranking them. Here on a task and a model of our own: the built-in RoBERTa (4 layers x 4 heads)
on sentiment of the built-in language, at five of their budgets as shares of 16 heads.

Command: `jaxheads study configs/compare_grammar.py --workers 2`: 363 trainings of 150 steps and 24
to choose rates, 17 minutes on 2 CPU cores (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Method: fine-tuned with all heads for 150 steps of 32 on 8,000 sentences, seeds 0, 1, 2; each
learned gate is trained for as many steps, either with the parameters from the pre-trained model on
(joint) or alone on the fine-tuned one (pipelined), its start and noise from the seed; the rate of
gates is chosen from three on a tenth of the training sentences; every choice is measured under its
exact mask on 500 held-out sentences, and again after 150 more steps. Random: 5 masks for each seed
and budget, of which the first is trained again. `subset` anneals from 1 to 0.01 with bounded gates,
which is ours; `subset of the paper` as the paper's code (1000 to 1e-8). `meta`: by the pruner of
`zhang_grammar.py` for each seed, equally many heads in every layer. Scores and refinement from 512
training sentences.

Numbers: accuracy with so many of 16 heads, mean over 3 seeds, nothing trained again; all heads
0.923 (0.854 to 0.962), constant answer 0.500. * worse than "gradient", + better, by a 95% interval
over seeds and examples that is not corrected for the number of comparisons (150: 2 better, 69
worse). In the last columns after 150 more steps.

                                     nothing trained again           trained once more
    heads                            13      11      8       5       3        8       3
    gradient                         0.919   0.907   0.895   0.881   0.681    0.986   0.961
    gradient, iterative              0.919   0.905   0.894   0.875   0.749    0.989   0.970
    refined                          0.918   0.916   0.865   0.837   0.604    0.973   0.934 *
    refined, rescaled                0.920   0.916   0.862   0.836   0.607    0.981   0.917 *
    magnitude                        0.913   0.907   0.892   0.746 * 0.511 *  0.970   0.552 *
    random                           0.810 * 0.731 * 0.646 * 0.582 * 0.513 *  0.919 * 0.665 *
    random, per layer                0.810 * 0.724 * 0.668 * 0.577 * 0.516 *  0.965 * 0.725 *
    meta                             0.868 * 0.819 * 0.805 * 0.763 * 0.576 *  0.976   0.854 *
    subset, pipelined                0.914   0.915   0.898   0.881   0.767 +  0.980   0.928
    subset of the paper, pipelined   0.907   0.901   0.893   0.833   0.660    0.989   0.938 *
    L0, pipelined                    0.904 * 0.897 * 0.883   0.869   0.769 +  0.989   0.925
    straight-through, pipelined      0.893 * 0.790 * 0.818   0.609 * 0.586 *  0.967   0.793 *
    subset, joint                    0.863 * 0.826 * 0.754 * 0.688 * 0.510 *  0.941 * 0.710 *
    subset of the paper, joint       0.763 * 0.753 * 0.726 * 0.660 * 0.592    0.895 * 0.771 *
    straight-through, joint          0.889 * 0.844 * 0.733 * 0.703 * 0.600    0.873 * 0.823 *
    L0, joint                        0.829 * 0.763 * 0.607 * 0.557 * 0.523 *  0.905   0.645 *

What a mask costs with fine-tuning, in examples and seconds: magnitude and random 4,800 and 3.4,
gradient and refined 5,312 and 3.7, joint gates 4,800 and 3.4 to 3.6, pipelined gates 9,600 and 5.4
to 5.7; a pruner's training (66 s) serves all tasks that it has not seen.

So one pass of the gradient is hardly beaten here: a bounded subset or L0 on the fine-tuned model
keeps more with 3 heads until the model is trained once more, and then no method is better. Does
going further with the gradient (scored again at each budget, refined by the interaction of heads,
rescaled) beat a learned subset? Of 180 differences 81 are for it and 4 against: it mostly beats
joint gates and pipelined straight-through; beside the pipelined bounded subset none is for it and 3
are against (refined with 5 and 3 heads, rescaled with 3), and scoring again differs nowhere. Joint
gates had 150 steps to train the model and to choose its heads. The heads of a gate's last sample,
of the same number, are as good as the kept ones to 0.01 for bounded subsets, and up to 0.08 worse
where the sample is not the top K (the paper's relaxation, L0).
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
    scoring=ScoringSettings(examples=512, ablated=0, rescored=512, batch_size=128),
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
        timed=(8 / 12, 6 / 12, 4 / 12),
    ),
    meta=PRUNED.meta,
    devices=1,
)
