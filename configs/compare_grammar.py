"""Every way to choose heads at equal budgets, on the built-in language.

Li et al. 2021 ("Differentiable Subset Pruning", TACL 9) ask whether learning which K heads to keep
beats ranking them. Here on a task and a model of our own: the built-in RoBERTa (4 layers x 4 heads)
on sentiment of the built-in language, at five of their budgets as shares of 16 heads.

Command: `jaxheads study configs/compare_grammar.py --workers 2`: 375 trainings of 150 steps, 121 to
choose learning rates and 3 of pruners, 66 minutes on 2 CPU cores (AMD EPYC, Python 3.11, jax
0.10.2, float32) that five other jobs used too; an earlier run on quieter ones took 17.

Method: fine-tuned with all heads for 150 steps of 32 on 8,000 sentences, seeds 0, 1, 2; each
learned gate is trained for as many steps, either with the parameters from the pre-trained model on
(joint) or alone on the fine-tuned one (pipelined), its start and noise from the seed. The learning
rate of gates is chosen from three by trials of the first seed at every budget, on a tenth of the
training sentences that neither the gate nor its model has seen. Every choice is measured under its
exact mask on 500 held-out sentences, and again after 150 more steps. Random: 5 masks for each seed
and budget, of which the first is trained again. `subset` anneals from 1 to 0.01 with bounded gates,
which is ours; `subset of the paper` as the paper's code (1000 to 1e-8). `gradient`: the absolute
gradient of each example, layers not normalised (Michel's is of batches, normalised by layer).
`meta`: by the pruner of `zhang_grammar.py` for each seed, equally many heads in every layer. Scores
and refinement from 512 training sentences, `iterative` from as many at every budget.

Numbers: accuracy with so many of 16 heads, mean over 3 seeds, nothing trained again; all heads
0.923 (0.854 to 0.962), bag-of-words baseline 0.574. * worse than "gradient", + better, by a 95%
interval over seeds, draws and examples that is not corrected for the number of comparisons (150,
trained once more or not: none is better, 30 are worse, 1 after Holm's correction). In the next
columns after 150 more steps. Then what a mask costs, with fine-tuning: thousands of examples.

                                     nothing trained again               once more      cost
    heads                            13     11     8      5      3      8      3
    gradient                         0.919  0.907  0.895  0.881  0.681  0.985  0.961  5.3
    gradient, iterative              0.919  0.909  0.895  0.877  0.705  0.985  0.935  6.3
    refined                          0.918  0.916  0.865  0.837  0.604  0.973  0.934  5.3
    refined, rescaled                0.920  0.916  0.862  0.836  0.607  0.981  0.917  5.3
    magnitude                        0.913  0.907  0.892  0.746* 0.511  0.970  0.552* 4.8
    random                           0.810  0.731* 0.646* 0.581* 0.513  0.919  0.665  4.8
    random, per layer                0.810* 0.724* 0.668* 0.577* 0.516  0.965* 0.725  4.8
    meta                             0.867  0.819* 0.805* 0.778* 0.576  0.975  0.854* 5.3
    subset, pipelined                0.913  0.907  0.899  0.852  0.767  0.987  0.928  9.6
    subset of the paper, pipelined   0.909  0.904  0.894  0.833  0.660  0.989  0.938* 9.6
    L0, pipelined                    0.904* 0.897* 0.883  0.869  0.769  0.989  0.925  9.6
    straight-through, pipelined      0.884  0.815  0.766  0.631* 0.529  0.971  0.764  9.6
    subset, joint                    0.861  0.778* 0.630  0.596* 0.525  0.869  0.819  4.8
    subset of the paper, joint       0.789* 0.736* 0.723  0.664* 0.640  0.896  0.722* 4.8
    straight-through, joint          0.889  0.844  0.733  0.703  0.600  0.873  0.823  4.8
    L0, joint                        0.643* 0.609* 0.557* 0.563* 0.556  0.934  0.828  4.8
    all heads, times K / 16          0.903  0.882  0.858  0.860  0.791  (trained and measured so)

So one pass of the gradient is not beaten here; what three seeds can show against it is mostly
random masks, the pruner of other tasks and joint L0. Does going further with the gradient (scored
again at each budget, refined by the interaction of heads, rescaled) beat a learned subset? Of 180
differences at equal budgets 21 are for it and 1 against, none after Holm's correction. At about
equal cost (the former trained once more, the latter learned on the fine-tuned model) 10 of 45 are
for it, 3 after the correction, and none is against: 150 more steps are worth more here than any
choice, since the fine-tuned model is far from its end.

Of what joint gates lose, their scale at the start explains a part: all heads at the scale of 3 of
16 reach 0.791, less than all heads as they are, and far more than a joint gate keeps with 3 heads.
Joint gates had 150 steps to train the model and to choose its heads. Learning rates: 0.05 for the
paper's pipelined subset and joint L0, 0.2 for both bounded subsets and pipelined L0, else 0.5; on
one seed, and of joint gates the trials hardly agree from budget to budget.
"""

from zhang_grammar import RUN as PRUNED

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

OPTIMIZER = OptimizerConfig(learning_rate=1e-3, warmup=0.1, weight_decay=0.01)
FINETUNE = TrainingConfig(steps=150, batch_size=32, dropout=0.0, optimizer=OPTIMIZER)

RUN = Run(
    study=Compare(
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
        learning_rates=(0.05, 0.2, 0.5),
        timed=(8 / 12, 6 / 12, 4 / 12),
        meta=PRUNED.study,
    ),
    name="compare_grammar",
    models=(ModelSettings("roberta", source="builtin:roberta"),),
    text=TextSettings("grammar_mlm", length=24, paragraphs=400, held_out_blocks=16),
    tasks=(TaskSettings("grammar_sentiment", length=18, examples=8_000, held_out_examples=500),),
    finetune=FINETUNE,
    probe=FINETUNE,
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=512, batch_size=128),
    curve=CurveSettings(readings=(), batch_size=128),
    devices=1,
)
