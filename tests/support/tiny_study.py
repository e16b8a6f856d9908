"""A study of two tiny models and two tasks: what a config file holds, and how to run it."""

from __future__ import annotations

import math
from pathlib import Path
from unittest import mock

from jaxheads.cli.main import VERBS, main
from jaxheads.records.rows import Row, read_rows
from tests.support.found import having
from tests.support.reviews import reviews, write_jsonl

CONFIG = '''"""Two tiny models on two tasks of made-up reviews."""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.studies.settings import (
    Chiang2021, Compare, CurveSettings, Michel2019, ModelSettings, Pretrain, Run,
    ScoringSettings, TaskSettings, TextSettings, Zhang2020,
)

DATA = Path({folder!r})
SIZES = dict(
    vocab_size={vocabulary}, hidden_size=16, num_layers=2, num_heads=4, intermediate_size=16,
    max_positions=18, norm_eps=1e-5, initializer_range=0.3,
)
SHORT = TrainingConfig(
    steps=6, batch_size=8, dropout=0.0, log_every=2, optimizer=OptimizerConfig(learning_rate=1e-2)
)
ROBERTA = encoder_config("roberta", type_vocab_size=1, pad_token_id=1, **SIZES)
ALBERT = encoder_config("albert", type_vocab_size=2, embedding_size=8, hidden_groups=1, **SIZES)


def task(name):
    path = DATA / f"{{name}}.train.jsonl", DATA / f"{{name}}.held_out.jsonl"
    return TaskSettings(name, *path, length=16)


RUN = Run(
    study={study},
    name="tiny",
    models=(
        ModelSettings("roberta", encoder=ROBERTA, pretrain=SHORT),
        ModelSettings("albert", encoder=ALBERT, pretrain=SHORT),
    )[:{models}],
    text=TextSettings("mlm", DATA / "train.txt", DATA / "held_out.txt", length=16),
    tasks=(task("sst2"), task("cola")),
    finetune=SHORT,
    probe=SHORT,
    seeds=(0, 1),
    scoring=ScoringSettings(examples=16, ablated=8, rescored=8, batch_size=16, splits=2),
    curve=CurveSettings(points=4, draws=2, batch_size=16),
    devices=1,
)
'''

CHIANG = "Chiang2021(kept=(0.75, 0.5))"


def write_study(
    folder: Path, study: str = CHIANG, *, models: int = 2, vocabulary: int = 290
) -> Path:
    """Write the data and the config of a study into a folder; return the config's path."""
    for name, rows in (("train", reviews(48)), ("held_out", reviews(24, start=60))):
        for task in ("sst2", "cola"):
            write_jsonl(folder / f"{task}.{name}.jsonl", rows[:: 1 if task == "sst2" else -1])
        (folder / f"{name}.txt").write_text("\n".join(row["sentence"] for row in rows * 2))
    path = folder / "tiny.py"
    values = {"folder": str(folder), "models": models, "vocabulary": vocabulary}
    path.write_text(CONFIG.format(study=study, **values))
    return path


def study(config: Path, out: Path, *, workers: int = 1, **settings) -> int:
    """Run `jaxheads study` with settings changed; `__` stands for a dot."""
    changes = [f"{name.replace('__', '.')}={value}" for name, value in settings.items()]
    words = [word for change in changes for word in ("--set", change)]
    words += ["--workers", str(workers)]
    alone = VERBS["study"]._replace(then="")  # no report
    with mock.patch.dict(VERBS, study=alone):
        return main(["study", str(config), "--out", str(out), *words])


def found(out: Path, **what) -> list[Row]:
    """The rows of a finished study that have these fields, as `having` takes them."""
    return having(read_rows(out / "rows.jsonl"), **what)


def bounded(row: Row) -> bool:
    """Whether the bounds lie around the value, or there are none since nothing varied."""
    assert row.low is not None and row.high is not None
    if math.isnan(row.low):
        return math.isnan(row.high)
    return row.low - 1e-12 <= row.value <= row.high + 1e-12
