"""Tasks as one model of a study meets them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from jaxheads.config import TrainingConfig
from jaxheads.data.lines import Reading
from jaxheads.data.sources import shuffled
from jaxheads.data.tasks.examples import read_examples
from jaxheads.data.tasks.named import task_named
from jaxheads.data.tasks.task import Task
from jaxheads.storage.store import Store
from jaxheads.studies.chiang2021 import study as chiang2021
from jaxheads.studies.settings import Chiang2021, ModelSettings, Run, TaskSettings, TextSettings
from jaxheads.studies.workbench import tasks as workbench_tasks
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.tasks import check_tasks
from tests.support.cases import sentences
from tests.support.reviews import write_jsonl

LONG, SHORT, OWN = (TrainingConfig(steps=steps) for steps in (30, 20, 10))
TASKS = (
    TaskSettings("grammar_sentiment", length=16, examples=8, held_out_examples=8),
    TaskSettings("grammar_incongruity", length=16, examples=8, held_out_examples=8, finetune=SHORT),
)
RUN = Run(
    study=Chiang2021(),
    name="subjects",
    models=(ModelSettings("albert", source="builtin:albert"),),
    text=TextSettings("grammar_mlm"),
    tasks=TASKS,
    finetune=LONG,
    probe=LONG,
)


def study_model(**model) -> StudyModel:
    settings = dataclasses.replace(RUN.models[0], **model)
    return StudyModel(RUN, settings, Store(Path("unused")))


def test_a_model_is_trained_as_it_says_else_as_the_task_or_the_run_says():
    def steps(study_model):
        return [study_model.reader.task(task.name).training.steps for task in TASKS]

    assert steps(study_model()) == [30, 20]
    assert steps(study_model(finetune=OWN)) == [10, 10]


def test_a_model_has_the_tasks_that_it_names_else_all():
    assert [task.name for task in study_model().tasks] == [
        "grammar_sentiment",
        "grammar_incongruity",
    ]
    assert [task.name for task in study_model(tasks=("grammar_incongruity",)).tasks] == [
        "grammar_incongruity"
    ]
    model = dataclasses.replace(RUN.models[0], tasks=("sst2",))
    with pytest.raises(ValueError, match=r"models\.albert\.tasks: expected some of .*, got sst2"):
        dataclasses.replace(RUN, models=(model,))


def test_whole_words_are_masked_where_the_text_says_so():
    def masked(**changes):
        text = dataclasses.replace(RUN.text, paragraphs=200, held_out_blocks=4, **changes)
        run = dataclasses.replace(RUN, text=text)
        return StudyModel(run, RUN.models[0], Store(Path("unused"))).text.train

    assert masked().opens_V is None
    assert masked(whole_words=True).opens_V.any()


def test_a_study_has_no_cells_of_tasks_that_a_model_leaves_out():
    model = dataclasses.replace(RUN.models[0], tasks=("grammar_sentiment",))
    one = dataclasses.replace(RUN, models=(model,))
    all_of, less = ([c.name for c in chiang2021.cells(r, Store("unused"))] for r in (RUN, one))
    assert set(less) == {name for name in all_of if "incongruity" not in name}


def test_words_are_counted_once_for_all_models(monkeypatch):
    counted = []

    def guesses(_, test, *, real):
        counted.append(real)
        return np.zeros(len(test), int)

    monkeypatch.setattr(workbench_tasks, "bag_of_words_guesses", guesses)
    task = dataclasses.replace(TASKS[0], held_out_examples=7)  # asked for by no other test
    run = dataclasses.replace(RUN, tasks=(task,))
    for name in ("roberta", "albert"):
        reader = StudyModel(
            run, ModelSettings(name, source=f"builtin:{name}"), Store(Path("unused"))
        ).reader
        right = np.mean([e.label == 0 for e in read_examples("grammar_sentiment", limit=7)])
        assert reader.bag_of_words("grammar_sentiment") == {"bag of words": right}
    assert counted == [False]


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("sst2", ("positive", "negative"), 1.0),  # accuracy
        ("cola", ("acceptable", "unacceptable"), 1.0),  # Matthews correlation
        ("mrpc", ("equivalent", "not_equivalent"), 1.0),  # F1
        ("stsb", (5.0, 0.0), 1.0),  # Pearson correlation
    ],
)
def test_words_of_real_tasks_are_counted_in_the_metric_of_the_task(
    tmp_path, name, labels, expected
):
    """All training examples of a sorted file count, and only what is held out is measured."""
    fields = task_named(name).fields
    rows = [
        {**dict.fromkeys(fields, f"{word} w{n}"), "label": label}
        for word, label in zip(("good", "bad"), labels, strict=True)
        for n in range(10)
    ]
    held_out = [{**row, "label": labels[row["label"] == labels[0]]} for row in rows]
    files = [
        write_jsonl(tmp_path / f"{n}.jsonl", each) for n, each in enumerate((rows, rows, held_out))
    ]
    for there, sign in ((files[1], 1), (files[2], -1)):
        task = TaskSettings(name, train=files[0], held_out=there)
        run = dataclasses.replace(RUN, tasks=(task,))
        reader = StudyModel(run, RUN.models[0], Store(Path("unused"))).reader
        turned = {"accuracy": 0.0, "f1": 0.0}.get(task_named(name).metrics[0], -expected)
        found = reader.bag_of_words(name)["bag of words"]
        assert found == pytest.approx(expected if sign > 0 else turned, abs=0.01)
    like = reader.bag_of_words_likeness(task, ("spearman",)) if len(fields) == 2 else {}
    assert like in ({}, {"spearman": 0.0})  # all pairs are of equal sides


@pytest.fixture(autouse=True)
def _forget():
    yield
    workbench_tasks._bag_of_words.cache_clear()


def test_what_is_scored_is_a_sample_of_a_file_and_the_first_of_what_was_drawn(tmp_path):
    """SICK is sorted in part: its first examples have other labels than the whole."""
    run = dataclasses.replace(RUN, scoring=dataclasses.replace(RUN.scoring, examples=6))
    reader = StudyModel(run, run.models[0], Store(tmp_path)).reader
    source = dataclasses.replace(sentences(40), labels=np.arange(40))
    some = reader.sample(source)
    assert len(set(some.labels)) == 6 and list(some.labels) != sorted(some.labels)
    assert list(reader.sample(source).labels) == list(some.labels)
    assert list(shuffled(source, 3).labels) == list(some.labels[:3])
    assert list(reader.sample(source, drawn=True).labels) == list(range(6))
    for row, label in enumerate(some.labels):
        found, whole = (
            each.rows(np.array([place]), np.zeros(1, int), 8).tokens_BT
            for each, place in ((some, row), (source, label))
        )
        assert np.array_equal(found, whole)


def test_shuffled_labels_are_those_of_training_in_another_order():
    """Texts and what is held out stay; what is scored has the labels that are trained on."""
    task = dataclasses.replace(TASKS[0], examples=200)
    scoring = dataclasses.replace(RUN.scoring, examples=50)
    run = dataclasses.replace(RUN, tasks=(task,), scoring=scoring)
    reader = StudyModel(run, RUN.models[0], Store("unused")).reader
    true = reader.task(task.name)
    one, two = (reader.shuffled(true, seed) for seed in (0, 1))
    assert one.train.tokens is true.train.tokens and one.held_out is true.held_out
    for each in (one, two):
        assert sorted(each.train.labels) == sorted(true.train.labels)
        assert 0.35 < np.mean(each.train.labels == true.train.labels) < 0.65
        assert list(each.scored.labels) == list(each.train.labels[:50])
        assert np.array_equal(each.scored.tokens, true.scored.tokens)
    assert list(one.train.labels) != list(two.train.labels)
    assert list(reader.shuffled(true, 1).train.labels) == list(two.train.labels)


def own_task(folder: Path, held_out: str = "news") -> TaskSettings:
    (folder / "train.csv").write_text("the dog sleeps;sport\na cat runs;news\n" * 4)
    (folder / "test.csv").write_text(f"a cat sleeps;{held_out}\n")
    return TaskSettings(
        "topics",
        train=folder / "train.csv",
        held_out=folder / "test.csv",
        length=16,
        task=Task("classify", "text", "topic"),
        reading=Reading(columns=("text", "topic"), delimiter=";", header=False),
    )


def test_a_study_has_tasks_of_ones_own_with_the_labels_of_their_files(tmp_path):
    run = dataclasses.replace(RUN, tasks=(own_task(tmp_path),))
    model = StudyModel(run, run.models[0], Store(Path("unused")))
    task = model.reader.task("topics")
    assert task.readout.labels == ("news", "sport")
    assert task.train.labels.tolist() == [1, 0] * 4
    assert task.held_out[0].labels[0] == 0
    assert task.metrics == ("accuracy", "f1_macro")
    assert model.reader.bag_of_words("topics") == {"bag of words": 1.0}
    check_tasks(run.tasks)


def test_tasks_of_ones_own_are_checked_before_the_first_cell(tmp_path):
    settings = own_task(tmp_path, held_out="weather")
    with pytest.raises(ValueError, match=r"test\.csv:1: topic: expected one of .*, got 'weather'"):
        check_tasks([settings])
    with pytest.raises(ValueError, match="task: expected one with labels, got mlm"):
        dataclasses.replace(settings, task=Task("mlm"))
    with pytest.raises(
        ValueError, match=r"name: expected small letters, digits, _ and \., got 'A-b'"
    ):
        dataclasses.replace(settings, name="A-b")
    with pytest.raises(ValueError, match=r"task: expected one of cola, .*, got 'sst3'"):
        check_tasks([TaskSettings("sst3")])
    with pytest.raises(ValueError, match="train, held_out: expected both"):
        dataclasses.replace(settings, held_out=None)


WORDS = [
    {"words": ["the", "dog", "sleeps"], "tags": ["O", "B-X", "O"]},
    {"words": ["a", "dog"], "tags": ["O", "B-X"]},
] * 4
TOPICS = [{"text": "the dog", "topics": ["dog"]}, {"text": "a cat", "topics": []}] * 4


def prepared(folder: Path, name: str, rows: list[dict], task: Task) -> StudyModel:
    """A model whose one task is on these rows, to train on and held out."""
    file = write_jsonl(folder / f"{name}.jsonl", rows)
    run = dataclasses.replace(RUN, tasks=(TaskSettings(name, file, file, length=16, task=task),))
    return StudyModel(run, run.models[0], Store(Path("unused")))


def test_a_study_takes_several_labels(tmp_path):
    rows = [*TOPICS, {"text": "a cat and the dog", "topics": ["cat", "dog"]}]
    model = prepared(tmp_path, "topics", rows, Task("multilabel", "text", "topics"))
    task = model.reader.task("topics")
    assert (task.readout.kind, task.readout.labels) == ("multilabel", ("cat", "dog"))
    assert task.train.labels.tolist() == [[0, 1], [0, 0]] * 4 + [[1, 1]]
    assert task.metrics == ("f1_micro", "f1_macro", "accuracy")
    assert model.reader.bag_of_words("topics") == {"bag of words": 1.0}


def test_a_study_takes_words_with_tags_and_permutes_them_word_by_word(tmp_path):
    model = prepared(tmp_path, "words", WORDS, Task("tag", "words", "tags"))
    task = model.reader.task("words")
    assert (task.readout.kind, task.readout.labels) == ("tagging", ("B-X", "O"))
    assert task.metrics[:3] == ("f1_macro", "accuracy", "span_f1")
    assert model.reader.bag_of_words("words") == {"bag of words": 1.0}
    train, other = task.train.tags, model.reader.shuffled(task, 0).train.tags
    assert np.array_equal(train >= 0, other >= 0) and (train >= 0).sum() == 20
    assert (train != other).any() and sorted(train) == sorted(other)
    assert (task.train.tags[task.train.tags >= 0] == 0).sum() == 8
