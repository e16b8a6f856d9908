"""All eleven budgets of Li et al. 2021, 132 to 12 of 144 heads, as shares of 16: where orders part.

The task, the model, the training and the seeds of `compare_grammar.py`, which has all ways to
choose heads at five budgets. Here those that need no training of the model with the gate: orders
by one score, scoring again at every budget on the way, refinement by interactions, and the two
gates that are learned on the fine-tuned model. Their rate is the one that was chosen for both
there, 0.2, so nothing is trained to choose it; nothing is trained again after pruning.

Command: `jaxheads study configs/compare_grammar_budgets.py --workers 2`: 69 trainings of 150 steps,
4 minutes on 2 CPU cores that tests used too (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Numbers: accuracy with so many of 16 heads, mean over 3 seeds, nothing trained again; all heads
0.923, bag of words 0.574. * worse than "gradient", + better, by a 95% interval over seeds and
examples that is not corrected for the number of comparisons (88: 3 better, 25 worse).

    heads               15     13     12     11     9      8      7      5      4      3      1
    gradient            0.924  0.919  0.913  0.907  0.898  0.895  0.890  0.881  0.845  0.681  0.511
      iterative         0.924  0.919  0.915  0.909  0.898  0.894  0.885  0.876  0.815  0.749  0.499
    refined             0.924  0.918  0.919  0.916  0.907  0.865  0.856  0.837  0.703* 0.604  0.495
      rescaled          0.923  0.920  0.921  0.916  0.907  0.862  0.851  0.836  0.705* 0.607  0.501
    magnitude           0.923  0.913  0.911  0.907  0.903  0.892  0.867  0.746* 0.502* 0.511* 0.506
    random              0.912  0.810* 0.752* 0.731* 0.696* 0.646* 0.627* 0.581* 0.523* 0.513* 0.502
      per layer         0.912  0.810* 0.780* 0.724* 0.684* 0.668* 0.662* 0.577* 0.556* 0.516* 0.502
    subset, pipelined   0.920  0.914  0.909  0.907  0.910+ 0.904  0.895  0.881  0.845  0.767+ 0.501
    L0, pipelined       0.913  0.904* 0.899  0.897* 0.887  0.883  0.880  0.869  0.822  0.769+ 0.506

Nearly any order does down to 9 of 16 heads, chance excepted; refinement falls behind the pass it
comes from below 5; gates learned on the fine-tuned model gain with 3 heads and cost twice the
training; with one head nothing is left. Of 33 differences of going further with the gradient from
the learned subset 2 are for it (refined, 12 heads, by 0.010 and 0.012) and 6 against.
"""

import dataclasses
import runpy
from pathlib import Path

WHOLE = runpy.run_path(str(Path(__file__).with_name("compare_grammar.py")))["RUN"]

RUN = dataclasses.replace(
    WHOLE,
    name="compare_grammar_budgets",
    study=dataclasses.replace(
        WHOLE.study,
        meta=None,
        methods=(
            *("gradient", "gradient, iterative", "refined", "refined, rescaled", "magnitude"),
            *("random", "random, per layer", "subset, pipelined", "L0, pipelined"),
        ),
        shares=tuple(kept / 12 for kept in range(11, 0, -1)),
        rates=(0.2,),
        again=False,
        timed=(6 / 12,),
    ),
)
