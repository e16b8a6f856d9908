"""The shipped configs: all of them load, and the one that a newcomer runs first runs tiny."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from jaxheads.cli.overrides import load_config
from jaxheads.config import TrainingConfig
from jaxheads.data.batch import Batch
from jaxheads.storage.store import Store
from jaxheads.studies.registry import STUDIES
from jaxheads.studies.settings import (
    Chiang2021,
    Compare,
    Htut2019,
    Luo2021,
    MetaSettings,
    Michel2019,
    ModelSettings,
    Peyrard2021,
    Pretrain,
    Run,
    TaskSettings,
    TextSettings,
    Zhang2020,
)
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.tasks import batches_of
from tests.support.paths import ROOT
from tests.tiny import shrink

CONFIGS = sorted((ROOT / "configs").glob("*.py"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_loads_and_is_named_as_its_file(path):
    run = load_config(path)
    assert isinstance(run, Run)
    assert run.name == path.stem
    assert type(run.study) in STUDIES


def test_no_file_is_both_trained_or_chosen_on_and_measured_on():
    seen = 0
    for path in CONFIGS:
        run = load_config(path)
        study = run.study
        meta = getattr(study, "meta", None) or study
        taught = meta.tasks if isinstance(meta, MetaSettings) else ()
        parts = [*filter(None, [run.text]), *run.tasks, *taught]
        files = [(part.train, part.held_out) for part in parts]
        files += [
            (each.train, each.validation, each.test)
            for each in [study]
            if isinstance(each, Peyrard2021)
        ]
        files += [(each.tune, each.test) for each in [study] if isinstance(each, Luo2021)]
        for there in filter(any, files):
            assert None not in there, path
            every = [
                each for part in there for each in (part if isinstance(part, tuple) else [part])
            ]
            assert len({file.resolve() for file in every}) == len(every), path
            seen += 1
    assert seen > 20


def test_every_shipped_config_says_what_it_reproduces():
    assert all(ast.get_docstring(ast.parse(path.read_text())) for path in CONFIGS)


def test_a_name_alone_is_that_of_a_shipped_config():
    assert load_config("quickstart") == load_config(Path("configs/quickstart.py").resolve())


def texts(found: Iterable[Batch]) -> set[tuple[int, ...]]:
    """The examples of batches as tokens, masked words put back."""
    texts = set()
    for batch in found:
        tokens_BT, rows = np.array(batch.tokens_BT), np.flatnonzero(batch.weight_B)
        if batch.where_BP is not None:
            at, masked = np.nonzero(np.asarray(batch.labels) >= 0)
            tokens_BT[at, np.asarray(batch.where_BP)[at, masked]] = batch.labels[at, masked]
        texts |= {tuple(tokens_BT[row].ravel().tolist()) for row in rows}
    return texts


def test_nothing_held_out_is_trained_or_scored_on_in_the_built_in_language():
    """One config draws all that the others draw from it."""
    runs = {path.stem: load_config(path) for path in CONFIGS}
    drawn = {task.name for run in runs.values() for task in run.tasks if task.train is None}
    run = shrink(runs["grammar_full"])
    names = [task.name for task in run.tasks]
    assert {name for name in drawn if name.startswith("grammar")} == set(names)
    reader = StudyModel(run, run.models[0], Store(Path("unused"))).reader
    for task in (reader.text(run.text, None), *map(reader.task, names)):
        train, scored = (
            texts(batches_of(source, task.lengths, 8, None)) for source in (task.train, task.scored)
        )
        assert scored and scored <= train, task.name
        assert not texts(task.held_out) & train, task.name


def test_a_config_that_leaves_the_text_of_masked_lm_open_says_how_to_give_it():
    """The others do not read it."""
    for path in CONFIGS:
        run = load_config(path)
        if run.text and run.text.task == "mlm" and None in (run.text.train, run.text.held_out):
            assert isinstance(run.study, Michel2019 | Peyrard2021 | Compare) or (
                "--set text.train=FILE --set text.held_out=FILE"
                in " ".join(path.read_text().partition('"""\n\n')[0].split())
            ), path


@pytest.mark.parametrize(
    "study",
    [
        Chiang2021(),
        Htut2019(sentences=4),
        Luo2021(tune_sentences=4, test_sentences=4),
        Zhang2020((TaskSettings("grammar_entailment"),), TrainingConfig(steps=1)),
        Pretrain(),
    ],
    ids=lambda study: type(study).__name__,
)
def test_a_study_that_reads_text_does_not_begin_without_it(study):
    train = TrainingConfig(steps=1)
    task = TaskSettings("grammar_sentiment", examples=8)
    run = Run(
        study, "open", (ModelSettings("roberta", source="builtin:roberta"),), TextSettings(),
        tasks=(task,), finetune=train, probe=train, devices=1,
    )  # fmt: skip
    with pytest.raises(ValueError, match=r"^open: expected plain text .*--set text\.train=FILE"):
        list(STUDIES[type(study)](run, Store(Path("unused"))))
    text = dataclasses.replace(run.text, train=Path("a"), held_out=Path("b"))
    assert list(STUDIES[type(study)](dataclasses.replace(run, text=text), Store(Path("unused"))))
