"""The whole study on all five tasks of the built-in language, with the built-in models.

As `quickstart.py`, with five tasks, longer training, three shares of heads kept before fine-tuning,
more scored and held-out examples, and a lower learning rate for ALBERT, which needs it.

Command: `jaxheads study configs/grammar_full.py`. Not run as a whole yet: 315 trainings of 400
steps, an hour or two on 2 cores by our estimate.
"""

import dataclasses

from quickstart import RUN as QUICK
from quickstart import training

from jaxheads.studies.settings import (
    Chiang2021,
    CurveSettings,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)

NAMES = ("sentiment", "acceptability", "entailment", "paraphrase", "incongruity")


RUN = dataclasses.replace(
    QUICK,
    name="grammar_full",
    models=(
        QUICK.models[0],
        dataclasses.replace(
            QUICK.models[1], finetune=training(400, learning_rate=5e-4), tasks=None
        ),
    ),
    text=TextSettings("grammar_mlm", length=48, paragraphs=20_000, held_out_blocks=512),
    tasks=tuple(
        TaskSettings(f"grammar_{name}", length=48, examples=20_000, held_out_examples=1000)
        for name in NAMES
    ),
    finetune=training(400, learning_rate=1e-3),
    probe=training(300, learning_rate=5e-3),
    scoring=ScoringSettings(examples=2048, ablated=512, rescored=512, batch_size=128),
    curve=CurveSettings(points=16, draws=5, batch_size=128),
    study=Chiang2021(kept=(0.75, 0.5, 0.25), draws=1),
)
