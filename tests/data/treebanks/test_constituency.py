"""Bracketed trees: the standard preprocessing by hand, its counts on real trees, and refusals."""

from __future__ import annotations

from collections import Counter
from itertools import islice

import pytest

from jaxheads.data.language.grammar import iter_sentences
from jaxheads.data.treebanks.constituency import Parse, count_unknown, iter_parses, parse_of
from jaxheads.data.treebanks.sentences import Node

TREE = """
( (S
    (NP-SBJ (NP (NNP Ann) (NNP Lee) )
      (, ,)
      (ADJP (NP (CD 61) (NNS years) ) (JJ old) ))
    (VP (VBD sold)
      (NP=2 (DT a) (NN cat) )
      (NP (-NONE- *T*-1) )
      (PP-LOC-CLR (IN for) (NP ($ $) (CD 3\\/4) (-NONE- *U*) )))
    (. .) ))
"""


@pytest.fixture
def written(tmp_path):
    """Write a text to a file of trees and return its path."""

    def write(text: str | bytes):
        path = tmp_path / "trees.mrg"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def test_punctuation_traces_symbols_and_function_tags_go(written):
    path = written(TREE)
    (found,) = iter_parses(path)
    assert found.words == (
        *("Ann", "Lee", "61", "years", "old", "sold", "a", "cat"),
        "for",
        "3\\/4",
    )
    assert found.tags == ("NNP", "NNP", "CD", "NNS", "JJ", "VBD", "DT", "NN", "IN", "CD")
    assert found.spans == (
        *(("S", 0, 10), ("NP", 0, 5), ("NP", 0, 2), ("ADJP", 2, 5), ("NP", 2, 4)),
        *(("VP", 5, 10), ("NP=2", 6, 8), ("PP", 8, 10)),
    )
    assert found.place == f"{path}:2"


def test_unary_chains_are_kept_and_the_outermost_bracket_is_none(written):
    path = written("(ROOT (S (VP (VB go) (ADVP (RB on)))))\n(TOP (NP (NN a) (NN b)) (. .))")
    chain, wrapped = iter_parses(path)
    assert chain.spans == (("S", 0, 2), ("VP", 0, 2))
    assert wrapped.spans == (("NP", 0, 2),)


def test_a_top_bracket_with_parts_of_its_own_is_the_whole_sentence(written):
    (found,) = iter_parses(written("( (NP (NN a) (NN b)) (VP (VB c)))"))
    assert found.spans == (("", 0, 3), ("NP", 0, 2))


def test_sentences_of_one_word_and_of_punctuation_alone_have_no_spans(written):
    path = written("( (INTJ (UH Yes) (. .)) )\n( (X (: --) (. .)) )\n")
    one, none = iter_parses(path)
    assert (one.words, one.spans) == (("Yes",), ())
    assert (none.words, none.spans) == ((), ())


def test_several_trees_stand_in_one_line_and_one_tree_over_several(written):
    path = written("(S (NN a) (VB b)) (S (NN c)\n(VB d))\r\n\n(S (NN e) (VB f))")
    assert [parse.words for parse in iter_parses(path)] == [("a", "b"), ("c", "d"), ("e", "f")]
    assert [parse.place[-2:] for parse in iter_parses(path)] == [":1", ":1", ":4"]


def bracketed(node: Node) -> str:
    """A tree as the Penn Treebank writes it, on one line."""
    return f"({node.label} {' '.join(map(bracketed, node.children)) or node.form})"


def test_sentences_of_the_built_in_language_are_those_that_their_brackets_hold(written):
    sentences = list(islice(iter_sentences("train"), 40))
    text = "\n".join(f"(ROOT {bracketed(each.tree)})" for each in sentences)
    parses = list(iter_parses(written(text)))
    assert [parse._replace(place="") for parse in parses] == [parse_of(each) for each in sentences]
    for parse, each in zip(parses, sentences, strict=True):
        assert (*parse.words, ".") == each.words
        inside = {
            span for span in each.spans if span[2] - span[1] > 1 and span[2] <= len(parse.words)
        }
        assert inside <= set(parse.spans)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("(S (NN a)\n(VB b)", 1, "expected 1 more '\\)' before the end of the file"),
        ("(S (NN a))\n)", 2, "expected '\\(', got '\\)'"),
        ("word (S (NN a))", 1, "expected '\\(', got 'word'"),
        ("(S\n(NN a b))", 2, "expected '\\(' or '\\)', got 'b'"),
        ("(S (NN a) b)", 1, "expected '\\(' or '\\)', got 'b'"),
        ("(S (NP ))", 1, "expected a word or a constituent in \\(NP, got '\\)'"),
        ("( )", 1, "expected a word or a constituent in \\(, got"),
        ("(S (NN a (VB b)))", 1, "expected '\\)' after \\(NN a, got '\\('"),
        ("(S (NN a)\n\n( (S (NN b))))", 3, "expected a label.*tree that begins in line 1"),
        (b"(S (NN \xff))", 1, "expected UTF-8, got byte 0xff at byte 8"),
    ],
)
def test_a_malformed_tree_is_named_by_file_and_line(written, text, line, problem):
    with pytest.raises(ValueError, match=rf"trees\.mrg:{line}: {problem}") as caught:
        list(iter_parses(written(text)))
    assert "\n" not in str(caught.value)


def test_up_to_five_problems_are_named_at_once(written):
    with pytest.raises(ValueError, match=r":1: .*; .*:3: ") as caught:
        list(iter_parses(written("(S (NN a b))\n(S (NN good))\n)\n(S (NN good))")))
    assert "more" not in str(caught.value)
    with pytest.raises(ValueError, match=r":1: .*:5: .*; and perhaps more$"):
        list(iter_parses(written("(S (NN a b))\n" * 9)))


def test_good_trees_before_a_problem_are_yielded(written):
    parses = iter_parses(written("(S (NN a))\n(S (NN b))\n(S"))
    assert next(parses).words == ("a",)
    assert next(parses).words == ("b",)
    with pytest.raises(ValueError, match=":3: "):
        next(parses)


def test_a_file_without_trees_is_rejected(written, tmp_path):
    with pytest.raises(ValueError, match="expected bracketed trees, got an empty file"):
        list(iter_parses(written("\n")))
    with pytest.raises(ValueError, match="no such file"):
        list(iter_parses(tmp_path / "none.mrg"))
    with pytest.raises(ValueError, match="a directory"):
        list(iter_parses(tmp_path))


MIXED = "(S (NP (DT a) (AFX pre) (HYPH -) (NN cat)) (VP (VBZ reads) (NP (ADD a@b) (NN x))) (NFP *))"
OTHER_TAGS = {
    "Chinese": "(IP (NP (NN dog)) (VP (ADVP (AD always)) (VP (VV eats) (NP (CD two)))) (PU .))",
    "German": "(TOP (S (NP (ART the) (NN dog)) (VVFIN eats) (NP (ADJA big) (NN cake)) ($. .)))",
    "universal": "(ROOT (S (NP (DET the) (NOUN dog)) (VP (VERB eats)) (PUNCT .)))",
}


def test_words_of_unknown_tags_are_counted_by_tag(written, caplog):
    parses = list(iter_parses(written(f"{TREE}{MIXED}\n{MIXED}")))
    assert parses[1].words == ("a", "cat", "reads", "x")
    assert parses[0].unknown == () and parses[1].unknown == ("AFX", "ADD")
    assert count_unknown(parses, "file") == 4
    said = "file: left out 4 of 22 words, whose tags are not known: AFX (2), ADD (2)"
    assert caplog.messages == [said]
    assert count_unknown(parses[:1], "file") == 0 and len(caplog.messages) == 1


@pytest.mark.parametrize("text", OTHER_TAGS.values(), ids=OTHER_TAGS)
def test_another_tag_set_is_an_error_that_says_so(written, text):
    said = r"^file: expected the tags of the Penn Treebank, got .* words would be left out$"
    with pytest.raises(ValueError, match=said) as caught:
        count_unknown(iter_parses(written(text * 60)), "file")
    assert len(str(caught.value)) < 200


def test_the_treebank_has_the_published_counts(shared_data):
    parses: list[Parse] = []
    for section in ("00", "01"):
        parses += iter_parses(shared_data / "wsj" / f"wsj_{section}.mrg")
    lengths = [len(parse.words) for parse in parses]
    assert (len(parses), sum(lengths)) == (3914, 82_369)
    assert (lengths.count(0), lengths.count(1), lengths.count(2)) == (0, 13, 21)
    labels = Counter(label for parse in parses for label, _, _ in parse.spans)
    assert [labels[name] for name in ("NP", "VP", "S", "PP", "SBAR", "ADJP", "QP", "ADVP")] == [
        *(24_475, 13_521, 9_414, 9_291, 2_877, 931, 788, 410),
    ]
    chains = [
        parse
        for parse in parses
        if any(span[1:] == (0, len(parse.words)) for span in parse.spans[1:])
    ]
    assert len(chains) == 18
    assert count_unknown(parses, "treebank") == 0
