"""Prices of a head in the place of budgets: L0 gates on the built-in language.

The sweep that the L0 gates of Voita et al. 2019 need, the peers of Li et al. 2021: each
price of a head leaves some of them open. Model, task and training as in `compare_grammar.py`; the
strengths are ours.

Command: `jaxheads study configs/li_grammar.py --workers 2`. Not run.
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
