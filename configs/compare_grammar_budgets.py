"""All eleven budgets of Li et al. 2021, 132 to 12 of 144 heads, as shares of 16: where orders part.

The task, the model, the training and the seeds of `compare_grammar.py`, which has all ways to
choose heads at five budgets. Here those that need no training of the model with the gate: orders
by one score, scoring again at every budget on the way, refinement by interactions, and the two
gates that are learned on the fine-tuned model. Their learning rate is the one that was chosen for
both there, 0.2, so nothing is trained to choose it; nothing is trained again after pruning.

Command: `jaxheads study configs/compare_grammar_budgets.py --workers 2`: 69 trainings of 150 steps,
6 minutes on 2 CPU cores that other jobs used too (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Results: the table in `configs/README.md`. Of 88 differences from the gradient's order none is
better and 20 are worse, 15 of them random, by 95% intervals over seeds, draws and examples
(Student's t) that are not corrected for their number (3 after Holm's correction). Of 33 differences
of going further with the gradient from the learned subset none is clear. Nearly any order does down
to 9 of 16 heads, chance excepted; with one head nothing is left.
"""

import dataclasses

from compare_grammar import RUN as WHOLE

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
        learning_rates=(0.2,),
        again=False,
        timed=(6 / 12,),
    ),
)
