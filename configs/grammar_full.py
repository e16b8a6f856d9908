"""The whole study on all five tasks of the built-in language, with the built-in models.

As `quickstart.py`, with five tasks, five seeds and more scored and held-out examples.

Command: `jaxheads study configs/grammar_full.py`. Not run as a whole yet.
"""

import dataclasses
import runpy
from pathlib import Path

from jaxheads.settings import CurveSettings, ScoringSettings, TaskSettings, TextSettings

QUICK = runpy.run_path(str(Path(__file__).with_name("quickstart.py")))["RUN"]
NAMES = ("sentiment", "acceptability", "entailment", "paraphrase", "incongruity")

RUN = dataclasses.replace(
    QUICK,
    name="grammar_full",
    text=TextSettings("grammar_mlm", length=48, paragraphs=20_000, held_out_blocks=512),
    tasks=tuple(
        TaskSettings(f"grammar_{name}", length=48, examples=20_000, held_out_examples=1000)
        for name in NAMES
    ),
    finetune=dataclasses.replace(QUICK.finetune, steps=600),
    probe=dataclasses.replace(QUICK.probe, steps=300),
    seeds=(0, 1, 2, 3, 4),
    scoring=ScoringSettings(examples=2048, ablated=512, rescored=512, batch_size=128),
    curve=CurveSettings(points=16, draws=5, batch_size=128),
)
