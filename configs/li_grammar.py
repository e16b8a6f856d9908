"""Prices of a head in the place of budgets: L0 gates on the built-in language.

The sweep that the L0 gates of Voita et al. 2019 need, the peers of Li et al. 2021: each
price of a head leaves some of them open. Model, task and training as in `compare_grammar.py`; the
strengths are ours.

Command: `jaxheads study configs/li_grammar.py --workers 2`: 5.7 minutes on 2 CPU cores that other
jobs used too (AMD EPYC, Python 3.11, jax 0.10.2, float32); 2 minutes on quiet ones.

Results: the tables in `configs/README.md`. A price leaves other numbers of heads open in other
seeds. At a budget neither L0 nor a learned subset is better than the gradient's order in any of 8
comparisons, and L0 is worse with 11 heads (-0.011 [-0.020, -0.002]), by 95% intervals over seeds
and examples (Student's t), not corrected for their number.
"""

import dataclasses

from compare_grammar import RUN as OTHER

from jaxheads.studies.settings import Li2021

RUN = dataclasses.replace(
    OTHER,
    study=Li2021(
        methods=("gradient", "subset, pipelined", "L0, pipelined"),
        shares=(8 / 12, 6 / 12, 4 / 12, 2 / 12),
        strengths=(0.003, 0.01, 0.03, 0.1, 0.3),
        again=False,
        timed=(),
        meta=None,
    ),
    name="li_grammar",
)
