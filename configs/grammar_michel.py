"""The tables of Michel et al. 2019 with the built-in models, on a task of the built-in language.

As `michel_bert_mnli.py`, at a size for a laptop: sentiment, with the language's test split as the
second data set. (Acceptability is not learned in so few steps: 0.500 of two classes.)

Command: `jaxheads study configs/grammar_michel.py --workers 2`.
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
    tasks=(
        TaskSettings(
            "grammar_sentiment",
            length=18,
            examples=8_000,
            held_out_examples=1000,
            other_split="test",
        ),
    ),
    curve=CurveSettings(points=8, draws=5, readings=("token", "l2"), batch_size=128),
)
