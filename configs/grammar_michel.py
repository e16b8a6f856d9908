"""The tables of Michel et al. 2019 with the built-in models, on a task of the built-in language.

As `michel_bert_mnli.py`, at a size for a laptop: acceptability, with the language's test split as
the second data set.

Command: `jaxheads study configs/grammar_michel.py`.
"""

import dataclasses
import runpy
from pathlib import Path

from jaxheads.settings import CurveSettings, TaskSettings

QUICK = runpy.run_path(str(Path(__file__).with_name("quickstart.py")))["RUN"]

RUN = dataclasses.replace(
    QUICK,
    study="michel2019",
    name="grammar_michel",
    models=(QUICK.models[0], dataclasses.replace(QUICK.models[1], tasks=None)),
    tasks=(
        TaskSettings(
            "grammar_acceptability",
            length=32,
            examples=8_000,
            held_out_examples=1000,
            other_split="test",
        ),
    ),
    curve=CurveSettings(points=8, draws=5, readings=("token", "l2"), batch_size=128),
)
