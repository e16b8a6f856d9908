"""Prices of a head in the place of budgets: L0 gates on the built-in language.

The sweep that the L0 gates of Voita et al. 2019 need, the peers of Li et al. 2021: each
price of a head leaves some of them open. Model, task and training as in `compare_grammar.py`; the
strengths are ours.

Command: `jaxheads study configs/li_grammar.py --workers 2`: 2 minutes on 2 CPU cores (AMD EPYC,
Python 3.11, jax 0.10.2, float32).

Numbers, gates alone on the fine-tuned model, means over 3 seeds (lowest to highest); all heads
0.923 (0.854 to 0.962). Below, at a budget: the Lagrangian's L0 and the gradient.

    price of a head     heads open         accuracy with these
    0.003               14.0 (14 to 14)    0.913 (0.820 to 0.966)
    0.01                10.7 (9 to 12)     0.906 (0.822 to 0.952)
    0.03                 6.7 (6 to 7)      0.899 (0.852 to 0.928)
    0.1                  4.7 (4 to 5)      0.871 (0.820 to 0.910)
    0.3                  0.7 (0 to 2)      0.509 (0.500 to 0.526)

    heads               11      8       5       3
    L0 at a budget      0.897   0.883   0.869   0.769
    gradient            0.907   0.895   0.881   0.681

The price leaves other numbers of heads open in other seeds; at like numbers the two ways of L0 and
the gradient do not differ by more than seeds do, until 3 heads.
"""

import dataclasses
import runpy
from pathlib import Path

OTHER = runpy.run_path(str(Path(__file__).with_name("compare_grammar.py")))["RUN"]

RUN = dataclasses.replace(
    OTHER,
    study="li2021",
    name="li_grammar",
    compare=dataclasses.replace(
        OTHER.compare,
        methods=("gradient", "subset, pipelined", "L0, pipelined"),
        shares=(8 / 12, 6 / 12, 4 / 12, 2 / 12),
        strengths=(0.003, 0.01, 0.03, 0.1, 0.3),
        again=False,
        timed=(),
    ),
    meta=None,
)
