"""Texts with several labels, and sentences whose words are labelled: from data to batches."""

from __future__ import annotations

import datasets
import numpy as np
import pytest

from jaxheads.config import ReadoutConfig
from jaxheads.data.encode import encode_task
from jaxheads.data.lines import Reading
from jaxheads.data.sources import take
from jaxheads.data.tasks.examples import read_examples
from jaxheads.data.tasks.labels import with_labels_of
from jaxheads.data.tasks.task import Task

TOPICS = Task("multilabel", "text", "topics")
NER = Task("tag", "tokens", "ner")


def read(task: Task, *rows: dict, **how):
    examples = read_examples(task, list(rows), **how)
    return examples.task.labels, [example.label for example in examples]


def refused(task: Task, *rows: dict, **how) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        read(task, *rows, **how)
    return str(caught.value)


def topics(*values) -> list[dict]:
    return [{"text": "a", "topics": value} for value in values]


def test_several_labels_are_a_list_or_text_between_separators():
    assert read(TOPICS, *topics(["b", "a"], [], ["c"])) == (("a", "b", "c"), [(0, 1), (), (2,)])
    assert read(TOPICS, *topics('["b", "a"]', "[]")) == (("a", "b"), [(0, 1), ()])
    task = Task("multilabel", "text", "topics", separator=";")
    assert read(task, *topics("b; a", "", "c")) == (("a", "b", "c"), [(0, 1), (), (2,)])
    said = refused(TOPICS, *topics(["a", "b"], "a;b"))
    assert "topics: expected a list of labels, got 'a;b'; --separator says what stands" in said
    given = Task("multilabel", "text", "topics", ("b", "a"))
    assert read(given, *topics([1, "b"])) == (("b", "a"), [(0, 1)])
    assert "topics: expected one of 0 (b), 1 (a), got 'c'" in refused(given, *topics(["c"]))


def test_several_labels_may_be_columns_of_0_and_1():
    task = Task("multilabel", "text", "toxic,mild")
    rows = [{"text": "a", "toxic": 1, "mild": "0"}, {"text": "b", "toxic": 0, "mild": 1}]
    assert read(task, *rows) == (("toxic", "mild"), [(0,), (1,)])
    said = refused(task, {"text": "a", "toxic": 1, "mild": 2})
    assert said == "data, row 1: toxic: mild: expected 0 or 1, got 2"


def test_columns_of_0_and_1_meet_the_model_by_their_names(bpe):
    rows = [{"text": "a", "toxic": 1, "mild": 0, "rude": 0}, {"text": "b", "toxic": 0, "mild": 1}]
    task = Task("multilabel", "text", "toxic,mild")
    source = encode_task(
        bpe, read_examples(task, rows), ReadoutConfig("multilabel", ("mild", "toxic")), 16
    )
    assert source.labels.tolist() == [[0, 1], [1, 0]]
    counted = ReadoutConfig("multilabel", ("LABEL_0", "LABEL_1"))
    assert encode_task(bpe, read_examples(task, rows), counted, 16).labels.tolist() == [
        [1, 0],
        [0, 1],
    ]
    for labels in (("mild", "toxic", "rude"), ("mild", "rude")):  # of which one has no column
        with pytest.raises(ValueError, match="task multilabel: expected "):
            encode_task(bpe, read_examples(task, rows), ReadoutConfig("multilabel", labels), 16)
    assert with_labels_of(task, ReadoutConfig("multilabel", ("a", "b"))).labels == ("toxic", "mild")
    with pytest.raises(ValueError, match="labels: expected one for each of 2 columns, got 3"):
        Task("multilabel", "text", "toxic,mild", ("a", "b", "c"))


def test_words_have_a_label_each():
    rows = [{"tokens": ["a", "b"], "ner": ["O", "B-X"]}, {"tokens": ["c"], "ner": ["I-X"]}]
    assert read(NER, *rows) == (("B-X", "I-X", "O"), [(2, 0), (1,)])
    assert "ner: expected a label for each of 2 words, got 1" in refused(
        NER, rows[1], {"tokens": ["a", "b"], "ner": ["O"]}
    )
    assert "tokens: expected a list of words, got 'a b'" in refused(
        NER, rows[0], {"tokens": "a b", "ner": ["O"]}
    )
    assert "ner: expected a list of labels, got 3" in refused(NER, rows[0], {**rows[0], "ner": 3})
    assert "tokens: expected a list of words, got []" in refused(
        NER, rows[0], {"tokens": [], "ner": []}
    )


def test_words_that_are_withheld_are_rejected():
    rows = [{"tokens": ["_", "_"], "ner": ["O", "X"]}]
    assert "tokens: expected words, got _ for each: they are withheld" in refused(NER, *rows)


def test_columns_of_classes_name_the_labels_of_words():
    features = {
        "tokens": datasets.List(datasets.Value("string")),
        "ner": datasets.List(datasets.ClassLabel(names=["O", "B-X", "I-X"])),
    }
    rows = [{"tokens": ["a", "b"], "ner": [1, 2]}]
    data = datasets.Dataset.from_list(rows, features=datasets.Features(features))
    examples = read_examples(NER, data)
    assert examples.task.labels == ("O", "B-X", "I-X")
    assert examples[0].label == (1, 2) and examples[0].first == ("a", "b")


def test_the_columns_of_conll_are_named_or_numbered(tmp_path):
    (tmp_path / "a.conll").write_text("EU NNP B-ORG\nruns VB O\n\nit PR O\n")
    how = Reading(columns=("word", "pos", "ner"))
    for task, reading in ((Task("tag", "word", "ner"), how), (Task("tag", "1", "3"), Reading())):
        examples = read_examples(task, tmp_path / "a.conll", reading=reading)
        assert examples.task.labels == ("B-ORG", "O")
        assert examples[0].first == ("EU", "runs") and examples[0].label == (0, 1)
        assert examples[1].place == f"{tmp_path / 'a.conll'}:4"
    (tmp_path / "b.conll").write_text("EU NNP B-ORG\nruns O\n\nit PR O\n")
    with pytest.raises(ValueError, match=r"b\.conll:1: line 2: expected 3 columns"):
        read_examples(Task("tag", "1", "3"), tmp_path / "b.conll")


# -- encoded


def test_classes_of_several_labels_are_the_readouts_by_name(bpe):
    examples = read_examples(TOPICS, topics(["b", "a"], [], ["c"]))
    readout = ReadoutConfig("multilabel", ("C", "a", "b"))
    source = encode_task(bpe, examples, readout, 16)
    assert source.labels.tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
    batch = source.rows(np.array([2, -1, 0]), np.zeros(3, int), 16)
    assert batch.labels.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 1]]
    assert take(source, np.array([1])).labels.tolist() == [[0, 0, 0]]


ROWS = [
    {"tokens": ["the", "jumping", "fox"], "ner": ["O", "B-X", "I-X"]},
    {"tokens": ["dog"], "ner": ["B-X"]},
]
TAGGER = ReadoutConfig("tagging", ("O", "I-X", "B-X"))


def test_the_first_piece_of_a_word_has_its_label(bpe):
    examples = read_examples(NER, ROWS)
    source = encode_task(bpe, examples, TAGGER, 16)
    batch = source.rows(np.array([1, 0, -1]), np.zeros(3, int), 16)
    ids, of_piece = bpe.encode_words(["the", "jumping", "fox"])
    assert batch.tokens_BT[1][: len(ids)].tolist() == ids
    wanted = np.full(16, -1)
    for word, label in enumerate((0, 2, 1)):
        wanted[of_piece.index(word)] = label
    assert batch.labels[1].tolist() == wanted.tolist()
    assert len(ids) > 5  # some word has several pieces
    assert (batch.labels >= 0).sum(1).tolist() == [1, 3, 0]
    taken = take(source, np.array([1]))
    assert taken.rows(np.array([0]), np.zeros(1, int), 16).labels[0, 1] == 2


def test_tags_on_disk_are_those_in_memory(bpe, tmp_path):
    examples = read_examples(NER, ROWS * 3)
    there, here = (encode_task(bpe, examples, TAGGER, 16, scratch=s) for s in (tmp_path, None))
    assert isinstance(there.tags, np.memmap)
    assert np.array_equal(there.tags, here.tags)


def test_words_that_get_no_label_are_counted(bpe, caplog):
    rows = [*ROWS, {"tokens": ["fox", "", "dog"], "ner": ["O", "B-X", "O"]}]
    source = encode_task(bpe, read_examples(NER, rows), TAGGER, 16)
    assert caplog.messages == ["1 of 7 words were cut or have no piece"]
    assert (source.tags >= 0).sum() == 6
    caplog.clear()
    cut = encode_task(bpe, read_examples(NER, rows), TAGGER, 5, long="truncate")
    assert cut.lengths.max() == 5
    assert cut.tokens[cut.starts[1:] - 1].tolist() == [bpe.sep_id] * 3
    assert len(caplog.messages) == 1


def test_a_readout_of_another_kind_is_rejected(bpe):
    for task, rows, kind in ((TOPICS, topics(["a"], ["b"]), "tagging"), (NER, ROWS, "multilabel")):
        with pytest.raises(ValueError, match=f"task {task.kind}: expected a .*, got a {kind}"):
            examples = read_examples(task, rows)
            encode_task(bpe, examples, ReadoutConfig(kind, examples.task.labels), 16)


# -- what looks like labels and is none


def test_lists_of_0_and_1_for_each_label_are_read_as_such():
    given = Task("multilabel", "text", "topics", ("a", "b", "c"))
    flags = ([0, 1, 0], [1.0, 0.0, 1.0], [True, True, False], "[0, 0, 1]", [0, 2])
    assert read(given, *topics(*flags))[1] == [(1,), (0, 2), (0, 1), (2,), (0, 2)]
    assert "expected 0 or 1 for each of 3 labels, got [0, 1, 0, 0]" in refused(
        given, *topics([0, 1, 0, 0])
    )
    said = "data, row 2: topics: 0 and 1 for each label: --labels names them, in their order"
    assert refused(TOPICS, *topics([0, 1], [0, 0])) == said
    two = Task("multilabel", "text", "topics", ("a", "b"))
    assert read(two, *topics([1, 1], [1], ["a", "b"]))[1] == [(0, 1), (1,), (0, 1)]
    assert "got [1, 0]: is it the numbers of both labels, or 0 and 1" in refused(
        two, *topics([1, 0])
    )


def test_columns_of_0_and_1_are_as_files_and_frames_write_them():
    task = Task("multilabel", "text", "toxic,mild")
    values = [(1, "0"), (1.0, 0.0), (True, False), ("1.0", "false")]
    rows = [{"text": "a", "toxic": toxic, "mild": mild} for toxic, mild in values]
    assert read(task, *rows)[1] == [(0,)] * 4


def test_lists_are_read_as_pandas_and_numpy_write_them():
    rows = topics("['b', 'a']", np.array(["a"]), "[]")
    assert read(TOPICS, *rows) == (("a", "b"), [(0, 1), (0,), ()])
    assert "expected a list of labels" in refused(TOPICS, *topics("['a' 'b']"))  # of NumPy as text
    words = [{"tokens": np.array(["a", "b"]), "ner": np.array([0, 1])}]
    assert read(NER, *words) == (("0", "1"), [(0, 1)])


def test_words_without_a_label_are_no_class():
    rows = [{"tokens": ["a", "b", "c"], "ner": [0, 1, -100]}]
    assert "-100 may be a class or stand for no label" in refused(NER, *rows)


def test_labels_that_differ_by_capitals_or_spaces_are_told(caplog):
    assert read(TOPICS, *topics(["Sport"], ["sport ", "art"]))[0] == ("Sport", "art", "sport ")
    said = "data: topics: different labels by capitals, spaces or hyphens alone: 'Sport', 'sport '"
    assert caplog.messages == [said]
