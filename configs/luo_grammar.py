"""Constituents in attention on the built-in language, offline: the questions of Luo 2021.

Command: `jaxheads study configs/luo_grammar.py`.
"""

import dataclasses
import runpy
from pathlib import Path

from jaxheads.settings import ConstituencySettings, CurveSettings, ScoringSettings

QUICK = runpy.run_path(str(Path(__file__).with_name("quickstart.py")))

RUN = dataclasses.replace(
    QUICK["RUN"],
    study="luo2021",
    name="luo_grammar",
    models=QUICK["RUN"].models[:1],
    tasks=(
        QUICK["task"]("grammar_paraphrase", steps=250),
        QUICK["task"]("grammar_entailment", steps=250),
    ),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(points=4, draws=5, readings=(), batch_size=128),
    constituency=ConstituencySettings(tune_sentences=500, test_sentences=500),
)
