"""The task table, and what of a file becomes an example."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxheads.data.lines import Reading, Record
from jaxheads.data.records import Records
from jaxheads.data.tasks import examples as glue
from jaxheads.data.tasks.examples import read_examples, stream_examples
from jaxheads.data.tasks.named import TASKS
from jaxheads.data.tasks.task import Example
from jaxheads.storage import hub

GOOD = {
    "cola": {"sentence": "a b", "label": 1},
    "sst2": {"sentence": "a b", "label": "positive", "idx": 7},
    "rte": {"sentence1": "a", "sentence2": "b", "label": 0},
    "mrpc": {"sentence1": "a", "sentence2": "b", "label": 1},
    "stsb": {"sentence1": "a", "sentence2": "b", "label": 3.8},
    "mnli": {"premise": "a", "hypothesis": "b", "label": 2},
    "qqp": {"question1": "a", "question2": "", "label": 1},
    "qnli": {"question": "a", "sentence": "b", "label": 1},
    "wnli": {"sentence1": "a", "sentence2": "b", "label": 0},
    "sick": {"premise": "a", "hypothesis": "b", "label": 2, "relatedness": 3.5},
    "mlm": {"text": "a b"},
    "grammar_mlm": {"text": "a b"},
    "grammar_acceptability": {"sentence": "a b", "label": "acceptable"},
    "grammar_sentiment": {"sentence": "a b", "label": 1},
    "grammar_entailment": {"premise": "a", "hypothesis": "b", "label": 2},
    "grammar_paraphrase": {"sentence1": "a", "sentence2": "b", "label": 1},
    "grammar_incongruity": {"sentence": "a b", "label": "congruous"},
    "grammar_incongruity_pair": {"sentence1": "a", "sentence2": "b", "label": "first"},
}


def write(path: Path, *records: object) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


def refused(task: str, path: Path, **options) -> str:
    """The one line of the error that a file raises."""
    with pytest.raises(ValueError, match=r".") as caught:
        read_examples(task, path, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_tasks_are_those_of_the_command_line():
    wanted = {"cola", "sst2", "rte", "mrpc", "stsb", "mnli", "qqp", "qnli", "sick", "mlm", "wnli"}
    built_in = {name for name, task in TASKS.items() if task.generated}
    aligned = {name for name, task in TASKS.items() if task.aligned}
    assert aligned == {"humor_single", "humor_pair"}  # whose files are those of test_pairs
    assert set(TASKS) - aligned == wanted | built_in == set(GOOD)
    assert {name for name, task in TASKS.items() if task.siamese} == {
        *("humor_pair", "grammar_incongruity_pair")
    }
    assert all(name.startswith("grammar_") for name in built_in)
    assert [name for name, task in TASKS.items() if task.is_regression] == ["stsb"]
    alone = [name for name, task in TASKS.items() if not task.is_pair and not task.generated]
    assert alone == ["cola", "sst2", "humor_single", "mlm"]
    assert all(len(task.labels) == 1 for task in TASKS.values() if task.is_regression)
    assert all(task.measured for task in TASKS.values())
    assert all(task.metrics for task in TASKS.values() if task.name != "mlm")


@pytest.mark.parametrize("task", GOOD)
def test_every_task_reads_its_own_fields_and_no_others(task: str, tmp_path: Path):
    path = write(tmp_path / "data.jsonl", GOOD[task])
    (example,) = read_examples(task, path)
    assert example.place == f"{path}:1"
    assert (example.second is None) == (not TASKS[task].is_pair)
    said = refused(task, write(tmp_path / "b.jsonl", {"other": 1, "label": 1}))
    assert said.startswith(f"{tmp_path / 'b.jsonl'}:1: expected the fields {TASKS[task].fields[0]}")
    assert said.endswith("got other, label")


def test_labels_are_numbers_or_their_names(tmp_path: Path):
    records = [{"premise": "a", "hypothesis": "b", "label": label} for label in (0, "2", "neutral")]
    examples = read_examples("sick", write(tmp_path / "a.jsonl", *records))
    assert [example.label for example in examples] == [0, 2, 1]


@pytest.mark.parametrize(
    "label", [2, -2, 1.0, True, None, "1.0", "", "good", [1], 10**30, math.nan]
)
def test_a_label_that_is_none_is_rejected_with_the_choice(tmp_path: Path, label: object):
    said = refused("sst2", write(tmp_path / "a.jsonl", {"sentence": "a", "label": label}))
    assert f"{tmp_path / 'a.jsonl'}:1: label: expected one of 0 (negative), 1 (positive)" in said


@pytest.mark.parametrize("label", [math.nan, math.inf, -0.1, 5.1, "x", "", None, True, [2.0]])
def test_a_score_outside_the_range_or_not_finite_is_rejected(tmp_path: Path, label: object):
    record = {"sentence1": "a", "sentence2": "b", "label": label}
    said = refused("stsb", write(tmp_path / "a.jsonl", record))
    assert "a.jsonl:1: label: expected a number from 0 to 5, got" in said


def test_hidden_test_labels_are_explained(tmp_path: Path):
    for task in ("rte", "stsb"):
        record = {"sentence1": "a", "sentence2": "b", "label": -1}
        assert "hidden test labels" in refused(task, write(tmp_path / "a.jsonl", record))


@pytest.mark.parametrize("text", [3, None, ["a"], "\ud800"])
def test_a_field_that_is_no_text_is_rejected(tmp_path: Path, text: object):
    said = refused("sst2", write(tmp_path / "a.jsonl", {"sentence": text, "label": 1}))
    assert "a.jsonl:1: sentence: expected text, got" in said


def test_up_to_five_problems_are_named_in_one_line(tmp_path: Path):
    good, bad = {"sentence": "a", "label": 1}, {"sentence": 1, "label": 9}
    said = refused("sst2", write(tmp_path / "a.jsonl", good, bad, good, bad))
    assert said == (
        f"{tmp_path / 'a.jsonl'}:2: sentence: expected text, got 1 (also 4); a.jsonl:2: label: "
        "expected one of 0 (negative), 1 (positive), got 9 (also 4); --skip broken leaves such "
        "rows out"
    )
    rows = [{"sentence": number, "label": 1} for number in range(9)]
    said = refused("sst2", write(tmp_path / "a.jsonl", *rows))
    assert said.count("a.jsonl") == 5 and said.endswith("; and perhaps more")


def test_a_file_is_not_read_on_after_five_problems(tmp_path: Path, monkeypatch):
    def five_lines() -> Iterator[Record]:
        yield from (Record(f"a.jsonl:{line}", {}, "broken") for line in range(1, 6))
        pytest.fail("read on")

    records = Records("a.jsonl", five_lines)
    monkeypatch.setattr(glue, "open_records", lambda *_, **__: records)
    said = refused("sst2", tmp_path / "a.jsonl")
    assert said == "a.jsonl:1: broken (also 2, 3, 4, 5); and perhaps more"


def test_reading_stops_at_the_limit(tmp_path: Path):
    good = [{"sentence": str(number), "label": 1} for number in range(3)]
    path = write(tmp_path / "a.jsonl", *good, {"broken": 1})
    examples = read_examples("sst2", path, limit=3)
    assert [example.first for example in examples] == ["0", "1", "2"]
    assert (len(examples), examples[1].place) == (3, f"{path}:2")
    assert "a.jsonl:4" in refused("sst2", path)
    assert "limit: expected at least 1" in refused("sst2", path, limit=0)


def test_examples_are_yielded_as_they_are_read(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", GOOD["rte"], {"broken": 1})
    stream = iter(stream_examples("rte", path))
    assert next(stream) == Example("a", "b", 0, f"{path}:1")
    with pytest.raises(ValueError, match=r"a\.jsonl:2"):
        next(stream)


def test_nothing_is_yielded_after_a_problem(tmp_path: Path):
    path = write(tmp_path / "a.jsonl", GOOD["rte"], {"broken": 1}, GOOD["rte"])
    stream = iter(stream_examples("rte", path))
    assert next(stream).place == f"{path}:1"
    with pytest.raises(ValueError, match=r"a\.jsonl:2"):
        next(stream)


def test_an_empty_file_and_an_unknown_task_are_rejected(tmp_path: Path):
    for name, content in (("a.jsonl", "\n\n"), ("a.csv", "sentence,label\n"), ("a.tsv", "")):
        (tmp_path / name).write_text(content)
        assert "expected examples, got none" in refused("sst2", tmp_path / name)
    assert "task: expected one of cola, sst2" in refused("sst", tmp_path / "a.jsonl")


def test_csv_and_tsv_labels_are_digits_or_names(tmp_path: Path):
    (tmp_path / "a.csv").write_text('sentence,label\n"a, b",1\nc,negative\n')
    (tmp_path / "a.tsv").write_text('sentence1\tsentence2\tlabel\n"a\tb\t2.50\n')
    rows = read_examples("sst2", tmp_path / "a.csv")
    assert [(row.first, row.label) for row in rows] == [("a, b", 1), ("c", 0)]
    (row,) = read_examples("stsb", tmp_path / "a.tsv")
    assert (row.first, row.second, row.label) == ('"a', "b", 2.5)


def test_the_hub_is_asked_for_the_right_data_sets(monkeypatch):
    import datasets

    asked = []

    def fetch(*what):
        asked.append(what)
        row = {"sentence_A": "a", "sentence_B": "b", "premise": "c", "hypothesis": "b"}
        return datasets.Dataset.from_list([{**row, "label": 1}])

    monkeypatch.setattr(hub, "fetch_dataset", fetch)
    (example,) = read_examples("mnli", split="train")
    assert example == Example("c", "b", 1, "nyu-mll/glue (mnli, train), row 1")
    read_examples("mnli")
    read_examples("sick", split="test")
    assert asked == [
        ("nyu-mll/glue", "mnli", "train", None),
        ("nyu-mll/glue", "mnli", "validation_matched", None),
        ("RobZamp/sick", None, "test", "refs/convert/parquet"),
    ]
    with pytest.raises(ValueError, match="expected a split of train, validation, got 'test'"):
        read_examples("sst2", split="test")


def test_the_names_of_sick_on_the_hub_are_accepted(tmp_path: Path):
    record = {"sentence_A": "a", "sentence_B": "b", "label": 1, "relatedness_score": 3.0}
    (example,) = read_examples("sick", write(tmp_path / "a.jsonl", record))
    assert example[:3] == ("a", "b", 1)


def test_without_a_file_and_without_a_network_there_is_one_line():
    with pytest.raises(ValueError, match=r"sst2 without a data file: .*HF_HUB_OFFLINE") as caught:
        read_examples("sst2")
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="mlm: has no data of its own, give a file"):
        read_examples("mlm")


def own_glue_files(folder: Path) -> dict[str, tuple[Path, list[tuple]]]:
    """Files as GLUE itself has them, in headers and oddities, and what is in them."""
    tab = "\t".join
    files = {
        "cola": ([["gj04", "1", "", "The cat ran."], ["gj04", "0", "*", "Cat the ran."]],
                 [("The cat ran.", None, 1), ("Cat the ran.", None, 0)]),
        "mrpc": ([["\ufeffQuality", "#1 ID", "#2 ID", "#1 String", "#2 String"],
                  ["1", "11", "12", '"It is , " he said .', 'He said " it is .']],
                 [('"It is , " he said .', 'He said " it is .', 1)]),
        "qqp": ([["id", "qid1", "qid2", "question1", "question2", "is_duplicate"],
                 ["0", "1", "2", "Is it?", "Is it so?", "1"]], [("Is it?", "Is it so?", 1)]),
        "mnli": ([["index", "sentence1", "sentence2", "label1", "gold_label"],
                  ["0", "It ran.", "It slept.", "neutral", "contradiction"]],
                 [("It ran.", "It slept.", 2)]),
        "stsb": ([["index", "sentence1", "sentence2", "score"], ["0", "It ran.", "I ran.", "3.0"]],
                 [("It ran.", "I ran.", 3.0)]),
    }  # fmt: skip
    found = {}
    for task, (lines, wanted) in files.items():
        path = folder / f"{task}.tsv"
        path.write_text("\n".join(map(tab, lines)) + "\n", encoding="utf-8")
        found[task] = (path, wanted)
    return found


def test_the_files_of_glue_itself_are_read(tmp_path: Path):
    for task, (path, wanted) in own_glue_files(tmp_path).items():
        assert [example[:3] for example in read_examples(task, path)] == wanted, task


def test_broken_rows_are_named_or_left_out_and_counted(tmp_path: Path, caplog):
    path = tmp_path / "a.tsv"
    path.write_text("sentence\tlabel\na\t1\nb\nc\t0\n")
    said = refused("sst2", path)
    assert "a.tsv:3: expected 2 columns (sentence, label), got 1" in said
    assert said.endswith("; --skip broken leaves such rows out")
    examples = read_examples("sst2", path, reading=Reading(skip=("broken",)))
    assert [example.first for example in examples] == ["a", "c"]
    assert caplog.messages == [f"{path}: rows left out: 1 broken"]


def test_a_record_of_qqp_that_is_broken_over_lines_is_told_and_left_out(tmp_path: Path, caplog):
    rows = [
        ["id", "qid1", "qid2", "question1", "question2", "is_duplicate"],
        ["0", "1", "2", "Is it good?", "Is it so?", "1"],
        ["1", "3", "4", "How old is he?"],  # and a line end in the question
        ["", "How old is she?", "0"],
        ["2", "5", "6", "", "Who is he?", "0"],
    ]
    path = tmp_path / "train.tsv"
    path.write_text("".join("\t".join(row) + "\n" for row in rows))
    said = refused("qqp", path)
    assert "train.tsv:3: expected 6 columns" in said and "train.tsv:4: expected 6 columns" in said
    examples = read_examples("qqp", path, reading=Reading(skip=("broken",)))
    wanted = [("Is it good?", "Is it so?", 1), ("", "Who is he?", 0)]
    assert [example[:3] for example in examples] == wanted
    assert caplog.messages == [f"{path}: rows left out: 2 broken"]


@pytest.mark.parametrize("label", [-1, "-", "-1", None, ""])
def test_rows_without_a_label_are_left_out_on_request(tmp_path: Path, caplog, label):
    good = {"premise": "a", "hypothesis": "b", "label": "neutral"}
    path = write(tmp_path / "a.jsonl", good, {**good, "label": label}, good)
    assert "a.jsonl:2: label: expected one of 0 (entailment)" in refused("mnli", path)
    assert refused("mnli", path).endswith("--skip unlabelled")
    examples = read_examples("mnli", path, reading=Reading(skip=("unlabelled",)))
    assert [example.label for example in examples] == [1, 1]
    assert caplog.messages == [f"{path}: rows left out: 1 unlabelled"]
    other = write(tmp_path / "b.jsonl", good, {**good, "label": "neutrl"})
    with pytest.raises(ValueError, match=r"b\.jsonl:2: label: expected one of .*, got 'neutrl'$"):
        read_examples("mnli", other, reading=Reading(skip=("unlabelled",)))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=3,
)


@given(st.sampled_from(sorted(TASKS)), st.lists(st.tuples(JUNK, JUNK, JUNK), max_size=4))
def test_random_records_are_examples_or_one_line(tmp_path_factory, task: str, values: list):
    names = (*TASKS[task].fields, "label")
    records = [dict(zip(names, each, strict=False)) for each in values]
    path = write(tmp_path_factory.mktemp("junk") / "a.jsonl", *records)
    try:
        examples = read_examples(task, path)
    except ValueError as error:
        assert "\n" not in str(error)
        assert "a.jsonl" in str(error)
    else:
        assert all(isinstance(example.first, str) for example in examples)
        assert all(math.isfinite(example.label) for example in examples)


COUNTS = {
    "glue/cola/train": 8551,
    "glue/sst2/validation": 872,
    "glue/rte/validation": 1384,
    "glue/mrpc/test": 1725,
    "glue/stsb/validation": 1500,
    "sick/validation": 500,
}


@pytest.mark.parametrize("file", COUNTS)
def test_the_real_files_read_whole(shared_data: Path, file: str):
    task = file.split("/")[-2]
    examples = read_examples(task, shared_data / f"{file}.jsonl")
    assert len(examples) == COUNTS[file]
    if not TASKS[task].is_regression:
        assert {example.label for example in examples} == set(range(len(TASKS[task].labels)))


def test_the_real_text_reads_as_paragraphs(shared_data: Path):
    assert len(read_examples("mlm", shared_data / "text/validation.txt")) == 1553
