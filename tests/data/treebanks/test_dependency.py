"""CoNLL-U as published, as this package writes it, and as it goes wrong."""

from __future__ import annotations

import re

import pytest

from jaxheads.data.language.grammar import sentence
from jaxheads.data.treebanks.dependency import (
    DependencyTree,
    read_conllu,
    strip_subtype,
    tree_problem,
)

TEXT = """\
# newdoc id = d
# sent_id = d-1
# text = Don't go.
1-2\tDon't\t_\t_\t_\t_\t_\t_\t_\t_
1\tDo\tdo\tAUX\tVB\t_\t3\taux\t_\t_
2\tn't\tnot\tPART\tRB\t_\t3\tadvmod:neg\t_\t_
2.1\tyou\tyou\tPRON\tPRP\t_\t_\t_\t3:nsubj\t_
3\tgo\tgo\tVERB\tVB\t_\t0\troot\t_\t_
4\t.\t.\tPUNCT\t.\t_\t3\tpunct\t_\t_

# a comment alone

1\t10 000\t_\tNUM\tCD\t_\t0\troot\t_\t_
"""


def written(tmp_path, text, mode="w"):
    path = tmp_path / "a.conllu"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def word(number, head, relation="dep", form="w"):
    return f"{number}\t{form}\t_\tX\t_\t_\t{head}\t{relation}\t_\t_\n"


def test_words_are_the_lines_with_whole_numbers(tmp_path):
    path = written(tmp_path, TEXT)
    assert read_conllu(path) == [
        DependencyTree(
            ("Do", "n't", "go", "."),
            ("AUX", "PART", "VERB", "PUNCT"),
            (3, 3, 0, 3),
            ("aux", "advmod:neg", "root", "punct"),
            "d-1",
        ),
        DependencyTree(("10 000",), ("NUM",), (0,), ("root",), f"{path}:13"),
    ]


def test_marks_and_line_ends_of_windows_change_nothing(tmp_path):
    plain = read_conllu(written(tmp_path, TEXT))
    assert read_conllu(written(tmp_path, "\ufeff" + TEXT.replace("\n", "\r\n"))) == plain


def test_unusual_separators_stay_inside_words(tmp_path):
    (tree,) = read_conllu(written(tmp_path, word(1, 0, "root", "a\u2028b\x0cc")))
    assert tree.words == ("a\u2028b\x0cc",)


def test_what_the_built_in_language_writes_is_read_back(tmp_path):
    drawn = [sentence("validation", number) for number in range(20)]
    text = ""
    for number, each in enumerate(drawn):
        arcs = zip(each.heads, each.relations, each.words, strict=True)
        lines = [word(place, *arc) for place, arc in enumerate(arcs, start=1)]
        text += "".join([f"# sent_id = x-{number}\n", *lines, "\n"])
    for number, (tree, each) in enumerate(
        zip(read_conllu(written(tmp_path, text)), drawn, strict=True)
    ):
        assert tree.words == each.words
        assert tree.heads == each.heads
        assert tree.relations == each.relations
        assert tree.name == f"x-{number}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1\ta\n", "a.conllu:1: expected 10 columns between tabs, got 2"),
        (word(1, 0) + word(3, 1), "a.conllu:2: expected word 2, got '3'"),
        (word(1, 0) + word("2-", 1), "a.conllu:2: expected word 2, got '2-'"),
        (word(1, 0) + word("5-4", "_"), "a.conllu:2: expected a range that begins with word 2"),
        (word(1, 0) + word("9-12", "_"), "a.conllu:2: expected a range that begins with word 2"),
        (word("1-2", "_") + word(1, 0), "a.conllu:1: expected word 2, which a range names"),
        (word(1, 0, form=" "), "a.conllu:1: expected a form in column 2"),
        (word(1, "_"), "a.conllu:1: expected a head in column 7, got '_'"),
        (word(1, "-1"), "a.conllu:1: expected a head in column 7, got '-1'"),
        (word(1, 0, "_"), "a.conllu:1: expected a relation in column 8, got '_'"),
        ("# c\n" + word(1, 0) + word(2, 0), "a.conllu:1: expected one root, got 2: 1, 2"),
        ("\n" + word(1, 2) + word(2, 1), "a.conllu:2: expected one root, got 0"),
        (word(1, 0) + word(2, 3), "a.conllu:1: expected the head of word 2 in 0 to 2, got 3"),
        (b"1\t\xff\n", "a.conllu:1: expected UTF-8, got byte 0xff"),
        ("# nothing\n", "a.conllu: expected sentences, got none"),
    ],
)
def test_problems_are_named_by_file_and_line(tmp_path, text, problem):
    with pytest.raises(ValueError, match=re.escape(problem)):
        read_conllu(written(tmp_path, text))


def test_words_that_are_withheld_are_rejected_and_a_single_underscore_is_a_word(tmp_path):
    withheld = word(1, 2, form="_") + word(2, 0, form="_")
    with pytest.raises(ValueError, match=r"a\.conllu:1: expected words, got _ for each"):
        read_conllu(written(tmp_path, withheld + "\n"))
    (tree,) = read_conllu(written(tmp_path, word(1, 2) + word(2, 0, form="_") + "\n"))
    assert tree.words == ("w", "_")


def test_up_to_five_problems_are_collected(tmp_path):
    bad = word(1, "x") + word(2, "y") + "\n"
    with pytest.raises(ValueError, match=r"a\.conllu:1: .*; .*a\.conllu:2: ") as caught:
        read_conllu(written(tmp_path, bad))
    assert str(caught.value).count(";") == 1
    text = word(1, 0) + "2\tb\n" + word(3, 1) + word(4, 1)
    with pytest.raises(ValueError, match=r"a\.conllu:2: [^;]*$"):  # nothing follows from it
        read_conllu(written(tmp_path, text))
    with pytest.raises(ValueError, match=r"a\.conllu:7: .*; and perhaps more$") as caught:
        read_conllu(written(tmp_path, bad * 5))
    assert str(caught.value).count("expected") == 5


def test_a_missing_file_and_a_directory_are_rejected(tmp_path):
    with pytest.raises(ValueError, match="no such file"):
        read_conllu(tmp_path / "none.conllu")
    with pytest.raises(ValueError, match="a directory"):
        read_conllu(tmp_path)


def test_circles_beside_the_tree_are_found():
    assert tree_problem((0, 1, 2, 2)) == ""
    assert tree_problem((0, 3, 4, 2)) == "expected a tree, got a circle: 2, 3, 4"
    assert tree_problem((0, 2)) == "expected a tree, got a circle: 2"
    assert tree_problem(()) == "expected one root, got 0"


def test_subtypes_are_stripped():
    assert [strip_subtype(name) for name in ("nmod:poss", "obj")] == ["nmod", "obj"]


def test_real_treebanks_are_read_whole(shared_data):
    sentences = read_conllu(shared_data / "ud" / "en_pud-r2.0-test.conllu")
    lengths = [len(tree.words) for tree in sentences]
    assert (len(lengths), sum(lengths), max(lengths)) == (1000, 21176, 59)
    assert sorted(lengths)[500] == 21
    assert sentences[0].name == "n01001011"
    empty_nodes_and_multiword = read_conllu(shared_data / "ud" / "en_ewt-dev.conllu")
    assert len(empty_nodes_and_multiword) == 2001
    assert sum(len(tree.words) for tree in empty_nodes_and_multiword) == 25510 - 359 - 4
