"""Tasks of one's own: their columns, and labels of any type."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import datasets
import pandas as pd
import pytest

from jaxheads.config import ReadoutConfig
from jaxheads.data.lines import Reading
from jaxheads.data.tasks.examples import read_examples
from jaxheads.data.tasks.labels import class_numbers, renamed, with_labels_of
from jaxheads.data.tasks.task import Task

TOPIC = Task("classify", "review", "topic")


def rows_of(*labels) -> list[dict]:
    return [{"review": f"text {place}", "topic": label} for place, label in enumerate(labels)]


def read(labels, task: Task = TOPIC, **how):
    examples = read_examples(task, rows_of(*labels), **how)
    return examples.task.labels, [example.label for example in examples]


def refused(labels, task: Task = TOPIC, **how) -> str:
    return refused_data(rows_of(*labels), task, **how)


def refused_data(data, task: Task = TOPIC, **how) -> str:
    """The one line of the error that a data set raises."""
    with pytest.raises(ValueError, match=r".") as caught:
        read_examples(task, data, **how)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_labels_of_data_are_their_sorted_names():
    assert read(["sport", "art", "sport"]) == (("art", "sport"), [1, 0, 1])
    assert read([10, 9, 10]) == (("9", "10"), [1, 0, 1])
    assert read([True, False]) == (("false", "true"), [1, 0])
    assert read([1.5, 2.0, 1.5]) == (("1.5", "2.0"), [0, 1, 0])
    assert read([0, "b", 1]) == (("0", "1", "b"), [0, 2, 1])


def test_labels_that_were_given_keep_their_order():
    task = Task("classify", "review", "topic", ("sport", "art", "news"))
    assert read(["art", "sport"], task) == (task.labels, [1, 0])
    assert read([2, "0", "Art"], task) == (task.labels, [2, 0, 1])
    said = refused(["art", "food"], task)
    assert said == ("data, row 2: topic: expected one of 0 (sport), 1 (art), 2 (news), got 'food'")


def test_names_that_are_numbers_are_no_places():
    task = Task("classify", "review", "topic", ("1", "2", "3"))
    assert read([1, "3"], task) == (task.labels, [0, 2])
    assert "expected one of 1, 2, 3, got 0" in refused([0], task)


def test_a_column_of_classes_names_them_in_its_order():
    features = datasets.Features(
        {"review": datasets.Value("string"), "topic": datasets.ClassLabel(names=["sport", "art"])}
    )
    data = datasets.Dataset.from_list(rows_of(1, 0, -1), features=features)
    assert "got -1" in refused_data(data)
    examples = read_examples(TOPIC, data, reading=Reading(skip=("unlabelled",)))
    assert examples.task.labels == ("sport", "art")
    assert [example.label for example in examples] == [1, 0]
    turned = Task("classify", "review", "topic", ("art", "sport"))
    examples = read_examples(turned, data, limit=2)
    assert [example.label for example in examples] == [0, 1]


def test_a_label_that_may_be_none_is_asked_about():
    assert "-1 may be a class or stand for no label" in refused([0, 1, -1])
    given = Task("classify", "review", "topic", ("-1", "0", "1"))
    assert read([0, 1, -1], given) == (given.labels, [1, 2, 0])
    how = Reading(skip=("unlabelled",))
    assert read([0, 1, -1], reading=how) == (("0", "1"), [0, 1])
    assert "topic: expected one of art, b, got None" in refused(["art", "b", None]).replace(
        "0 (art), 1 (b)", "art, b"
    )


def test_a_column_that_holds_no_classes_is_not_taken_for_one():
    said = refused([f"id {number}" for number in range(60)])
    assert said.startswith("data: topic: expected classes, got 60 values that occur once each")
    assert refused(["art", "art"]) == "data: topic: expected two or more labels, got art"


def test_real_labels_are_any_finite_numbers():
    task = Task("regress", "review", "topic")
    assert read([1, "2.5", -1], task) == (("topic",), [1.0, 2.5, -1.0])
    for wrong in (float("nan"), "1,5", True, None, float("inf")):
        assert "topic: expected a finite number, got" in refused([wrong], task)


def test_columns_are_found_in_frames_and_files(tmp_path: Path):
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["1", "2"], "c": ["no", "yes"]})
    examples = read_examples(Task("classify", "a,b", "c"), frame)
    assert [example[:3] for example in examples] == [("x", "1", 0), ("y", "2", 1)]
    (tmp_path / "a.csv").write_text("x;no\ny;yes\n")
    said = refused_data(tmp_path / "a.csv")
    assert said.endswith("got x;no; --delimiter ';' may be what they are apart by")
    how = Reading(columns=("review", "topic"), header=False, delimiter=";")
    examples = read_examples(TOPIC, tmp_path / "a.csv", reading=how)
    assert [example.label for example in examples] == [0, 1]
    assert examples[1].place == f"{tmp_path / 'a.csv'}:2"


def test_an_example_keeps_text_that_libraries_take_for_nothing(tmp_path: Path):
    lines = ["review,topic", "NA,null", "None,nan", "2020-01-01,NA"]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    rows = [dict(zip(("review", "topic"), line.split(","), strict=True)) for line in lines[1:]]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name in ("a.csv", "a.jsonl"):
        examples = read_examples(TOPIC, tmp_path / name)
        assert examples.task.labels == ("NA", "nan", "null")
        assert [example.first for example in examples] == ["NA", "None", "2020-01-01"]


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({"kind": "sort"}, "one of classify, regress, multilabel, tag, translate, mlm, got 'sort'"),
        ({"text": "a,b,c"}, "text: expected one or two of the columns, got a, b, c"),
        ({"kind": "tag", "text": "a,b"}, "text: expected one of the columns, got a, b"),
        ({"label": "a,b"}, "label: expected one column, got a, b"),
        ({"text": ""}, "text and label: expected names of columns, got an empty one"),
        ({"labels": ("a", "a")}, "labels: expected different names, got a twice"),
        ({"labels": ("a",)}, "labels: expected two or more, got a"),
        ({"kind": "regress", "labels": ("a", "b")}, "labels: expected one name of a number"),
        ({"separator": ";"}, "separator: expected one between labels of multilabel, got ';'"),
    ],
)
def test_a_task_that_cannot_be_is_rejected(what, said):
    with pytest.raises(ValueError, match=said):
        Task.__init__.__wrapped__(object.__new__(Task), **{"kind": "classify", **what})


def test_columns_and_labels_are_lists_or_texts():
    wanted = Task("classify", ("a", "b"), labels=("x", "y"))
    for labels in ("x,y", ["x", "y"]):
        task = object.__new__(Task)  # without the check of types that tests have
        Task.__init__.__wrapped__(task, "classify", ["a", "b"], labels=labels)
        assert task == wanted


# -- the labels of a model


def readout(*labels: str) -> ReadoutConfig:
    return ReadoutConfig("classification", labels)


def test_a_task_without_labels_has_those_of_the_model():
    assert with_labels_of(TOPIC, readout("b", "a")).labels == ("b", "a")
    assert with_labels_of(TOPIC, ReadoutConfig("masked_lm")).labels == ()
    given = Task("classify", labels=("x", "y"))
    assert with_labels_of(given, readout("b", "a")) is given


def test_classes_meet_by_name_and_numbers_by_number():
    named = Task("classify", labels=("a", "b"))
    assert class_numbers(named, readout("B", "A")) == (1, 0)
    assert class_numbers(Task("classify", labels=("0", "1")), readout("x", "y")) == (0, 1)
    assert class_numbers(named, readout("LABEL_0", "LABEL_1")) == (0, 1)
    for theirs in (("a", "c"), ("LABEL_1", "LABEL_0"), ("1", "0"), ("a", "b", "c")):
        with pytest.raises(ValueError, match="expected the labels of the model"):
            class_numbers(named, readout(*theirs))


def test_numbers_that_are_names_are_no_places_however_they_are_written():
    stars = Task("classify", "review", "topic", ("1.0", "2.0", "3.0"))  # as pandas writes them
    assert read([1, "3", 2.0], stars)[1] == [0, 2, 1]
    assert "expected one of 0 (1.0)" in refused([0], stars)
    assert class_numbers(Task("classify", labels=("1", "2")), readout("2.0", "1.0")) == (1, 0)
    for theirs in (("1", "2"), ("a", "1")):
        with pytest.raises(ValueError, match="expected the labels of the model"):
            class_numbers(Task("classify", labels=("0", "1")), readout(*theirs), found=True)


def test_numbers_of_classes_that_have_names_are_told(caplog):
    task = Task("classify", "review", "topic", ("sport", "art"))
    assert read([1, 0], task)[1] == [1, 0]
    said = "data: topic: numbers are taken as those of the labels: 0 (sport), 1 (art)"
    assert caplog.messages == [said]
    read([1], dataclasses.replace(task, label=("topic",)))
    assert caplog.messages == [said, said]  # of another task
    caplog.clear()
    read(["art", "sport"], task)
    read([1, 0], Task("classify", "review", "topic", ("LABEL_0", "LABEL_1")))
    read([1, 0], Task("classify", "review", "topic", ("0", "1")))
    features = {
        "review": datasets.Value("string"),
        "topic": datasets.ClassLabel(names=["art", "sport"]),
    }
    read_examples(
        task, datasets.Dataset.from_list(rows_of(1, 0), features=datasets.Features(features))
    )
    assert not caplog.messages


def test_data_without_labels_say_what_is_wrong_with_them(tmp_path: Path):
    (tmp_path / "a.csv").write_text("review,topic\n")
    assert refused_data(tmp_path / "a.csv").endswith(
        "a.csv: topic: expected two or more labels, got none"
    )
    (tmp_path / "a.csv").write_bytes("review,topic\na,b\n".encode("utf-16"))
    assert "a.csv:1: expected UTF-8, got byte 0xff" in refused_data(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("review,topic,topic\na,b,c\n")
    assert "a.csv:1: expected different column names, got topic twice" in refused_data(
        tmp_path / "a.csv"
    )
    assert "expected the fields review, topic, got review" in refused_data([{"review": "a"}])
    several = Task("multilabel", "review", "topic")
    assert "expected a list of labels, got 'a;b'; --separator" in refused(["a;b"], several)


def test_like_problems_are_told_once_with_their_places():
    task = Task("classify", "review", "topic", ("a", "b"))
    said = refused(["c", "a", "c", "d"], task)
    assert said == (
        "data, row 1: topic: expected one of 0 (a), 1 (b), got 'c' (also 3); "
        "data, row 4: topic: expected one of 0 (a), 1 (b), got 'd'"
    )


def test_names_that_differ_by_capitals_alone_stay_apart():
    turned = Task("classify", labels=("us", "US"))
    assert class_numbers(turned, readout("US", "us")) == (1, 0)
    assert class_numbers(turned, readout("us", "US"), found=True) == (0, 1)
    with pytest.raises(ValueError, match="expected the labels of the model, US, us"):
        class_numbers(Task("classify", labels=("Us", "uS")), readout("US", "us"))


def test_labels_found_in_data_have_no_order_that_a_model_could_have():
    with pytest.raises(ValueError, match="--labels names the classes of a model that only counts"):
        class_numbers(
            Task("classify", labels=("a", "b")), readout("LABEL_0", "LABEL_1"), found=True
        )


def test_a_model_that_only_counts_its_classes_gets_their_names():
    assert renamed(readout("LABEL_0", "LABEL_1"), ("x", "y")).labels == ("x", "y")
    assert renamed(readout("x", "y"), ("y", "x")).labels == ("x", "y")
    assert renamed(readout("x", "y"), ()).labels == ("x", "y")
    with pytest.raises(ValueError, match="--labels: expected the model's own, x, y, got x, z"):
        renamed(readout("x", "y"), ("x", "z"))
