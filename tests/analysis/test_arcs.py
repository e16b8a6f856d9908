"""Heads against gold arcs: a sentence by hand, planted heads, and the treebank's known numbers."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.analysis.arcs import (
    METHODS,
    ArcRecorder,
    attachment,
    gold_arcs,
    relation_accuracies,
)
from jaxheads.analysis.offsets import CONTENTLESS, chain, contentless_attention, offset_baseline
from jaxheads.data.language.grammar import sentence
from jaxheads.data.treebanks.dependency import DependencyTree, read_conllu, strip_subtype


def tree_of(heads, relations=None, name="s"):
    words = tuple(f"w{number}" for number in range(len(heads)))
    relations = tuple(relations or ("dep" if head else "root" for head in heads))
    return DependencyTree(words, words, tuple(heads), relations, name)


# the old dog barks .
DOG = tree_of((3, 3, 4, 0, 4), ("det", "amod", "nsubj", "root", "punct"))
DOG_MAP = np.array(
    [
        [0.9, 0.0, 0.1, 0.0, 0.0],  # the -> dog (itself does not count)
        [0.6, 0.0, 0.4, 0.0, 0.0],  # old -> the
        [0.1, 0.7, 0.0, 0.2, 0.0],  # dog -> old
        [0.0, 0.0, 0.0, 1.0, 0.0],  # barks -> nothing else
        [0.3, 0.0, 0.0, 0.2, 0.5],  # . -> the
    ]
)


def recorded(items, methods=tuple(METHODS), **options):
    recorder = ArcRecorder(methods, **options)
    for tree, attention in items:
        recorder.add(tree, attention)
    return recorder.result()


def recorded_in_groups(items, methods=tuple(METHODS)):
    """The same, sentences of equal length together, the long ones first."""
    recorder = ArcRecorder(methods)
    for words in sorted({len(tree.words) for tree, _ in items}, reverse=True):
        numbers = [n for n, (tree, _) in enumerate(items) if len(tree.words) == words]
        maps = np.stack([items[n][1] for n in numbers])
        recorder.add_group(numbers, [items[n][0] for n in numbers], maps)
    return recorder.result()


def treebank(count):
    drawn = [sentence("validation", number) for number in range(count)]
    return [
        DependencyTree(each.words, each.tags, each.heads, each.relations, str(number))
        for number, each in enumerate(drawn)
    ]


def planted(tree, relation, rng):
    """Three layers of four random heads; head 2 of layer 1 follows a relation."""
    words = len(tree.words)
    attention = rng.random((3, 4, words, words))
    for word, head in enumerate(tree.heads):
        if head and strip_subtype(tree.relations[word]) == relation:
            attention[1, 2, word, head - 1] = 2
    return attention


@pytest.mark.parametrize(
    ("method", "expected"),  # det, amod, nsubj, punct
    [
        ("dependent to head", [1, 0, 0, 0]),
        ("head to dependent", [0, 1, 0, 0]),
        ("max", [1, 1, 0, 0]),
        ("most attentive", [0, 1, 0, 0]),  # the is most attended by old, dog by old, old by dog
    ],
)
def test_the_sentence_by_hand(method, expected):
    hits = recorded([(DOG, DOG_MAP[None, None])])
    assert hits.arcs.relations == ("det", "amod", "nsubj", "punct")
    np.testing.assert_array_equal(hits.found(method)[:, 0, 0], np.array(expected, bool))
    np.testing.assert_array_equal(hits.found_by(method, 0, 0), np.array(expected, bool))


def test_the_attention_of_the_sentence_by_hand_is_shared_out():
    hits = recorded([(DOG, DOG_MAP[None, None])])
    up, down = hits.mass["dependent to head"][:, 0, 0], hits.mass["head to dependent"][:, 0, 0]
    np.testing.assert_allclose(up, [1.0, 0.4, 0.2, 0.4])
    np.testing.assert_allclose(down, [0.1, 0.7, 0.0, 0.0])
    assert hits.gold_mass_LH[0, 0] == pytest.approx((0.1 + 0.4 + 0.2 + 0.2 + 0.1 + 0.7) / 2.6)


def test_gold_attention_is_found_whole_by_the_trees():
    tree = treebank(1)[0]
    words = len(tree.words)
    gold = np.full((1, 2, words, words), 0.01)
    for word, head in enumerate(tree.heads):
        if head:
            gold[0, 0, head - 1, word] = gold[0, 1, word, head - 1] = 1
    hits = recorded([(tree, gold)])
    for method in ("mst", "mst log", "mst directed", "mst log directed"):
        assert hits.found(method)[:, 0, 0].all()
    assert hits.found("dependent to head")[:, 0, 1].all()
    assert hits.found("most attentive")[:, 0, 0].all()
    assert not hits.found("mst directed")[:, 0, 1].all()
    np.testing.assert_allclose(hits.mass["dependent to head"][:, 0, 1], 1, atol=0.2)


def test_raw_and_log_weights_choose_other_trees():
    tree = tree_of((0, 1, 2))  # 0 > 2 > 1 has the larger sum, 0 > 1 > 2 the larger product
    weight = np.array([[0, 0.45, 0.01], [0, 0, 0.45], [0, 0.9, 0]])
    hits = recorded([(tree, weight[None, None])])
    assert hits.found("mst")[:, 0, 0].tolist() == [False, True]
    assert hits.found("mst directed")[:, 0, 0].tolist() == [False, False]
    for method in ("mst log", "mst log directed"):
        assert hits.found(method)[:, 0, 0].tolist() == [True, True]


def test_all_heads_at_once_equal_one_head_at_a_time():
    rng = np.random.default_rng(0)
    items = [(tree, planted(tree, "det", rng)) for tree in treebank(4)]
    whole = recorded(items)
    for layer, head in [(0, 0), (1, 2), (2, 3)]:
        alone = recorded([(tree, a[layer : layer + 1, head : head + 1]) for tree, a in items])
        for method in METHODS:
            found = whole.found_by(method, layer, head)
            np.testing.assert_array_equal(whole.found(method)[:, layer, head], found)
            np.testing.assert_array_equal(alone.found(method)[:, 0, 0], found)
        np.testing.assert_allclose(
            whole.mass["head to dependent"][:, layer, head],
            alone.mass["head to dependent"][:, 0, 0],
        )


def test_sentences_of_equal_length_together_equal_one_at_a_time():
    rng = np.random.default_rng(3)
    items = [(tree, planted(tree, "det", rng)) for tree in treebank(30)]
    alone, found = recorded(items), recorded_in_groups(items)
    for method in METHODS:
        np.testing.assert_array_equal(found.found(method), alone.found(method))
    for direction, mass in alone.mass.items():
        np.testing.assert_allclose(found.mass[direction], mass)
    np.testing.assert_allclose(found.gold_mass_LH, alone.gold_mass_LH)
    for one, other in zip(found.arcs, alone.arcs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_planted_head_is_the_best_of_its_relation():
    rng = np.random.default_rng(1)
    hits = recorded([(tree, planted(tree, "nsubj", rng)) for tree in treebank(30)], ("max",))
    score_LH = relation_accuracies(hits, "max")[hits.arcs.relations.index("nsubj")]
    assert np.unravel_index(score_LH.argmax(), score_LH.shape) == (1, 2)
    assert score_LH[1, 2] == 1
    assert np.delete(score_LH.ravel(), 6).max() < 0.6


def test_accuracies_and_attachment_count_the_same_arcs():
    rng = np.random.default_rng(2)
    hits = recorded([(tree, planted(tree, "obj", rng)) for tree in treebank(10)], ("mst",))
    arcs, found = hits.arcs, hits.found("mst")
    for number, name in enumerate(arcs.relations):
        by_hand = found[arcs.of(name)].mean(0)
        np.testing.assert_allclose(relation_accuracies(hits, "mst")[number], by_hand)
    np.testing.assert_allclose(attachment(found, arcs), found.mean(0))
    no_punct = found[arcs.relation_A != arcs.relations.index("punct")]
    np.testing.assert_allclose(attachment(found, arcs, punctuation=False), no_punct.mean(0))


def test_subtypes_are_kept_on_request():
    tree = tree_of((0, 1, 1), ("root", "nmod:poss", "nmod"))
    attention = np.ones((1, 1, 3, 3))
    assert recorded([(tree, attention)]).arcs.relations == ("nmod",)
    assert recorded([(tree, attention)], subtypes=True).arcs.relations == ("nmod:poss", "nmod")
    marked = tree_of((0, 1, 1), ("root", "punct:end", "nmod"))
    for subtypes in (False, True):
        assert gold_arcs([marked], subtypes=subtypes).words_A.tolist() == [False, True]


def test_one_word_and_punctuation_alone_add_no_arcs_that_count():
    one, marks = tree_of((0,)), tree_of((0, 1), ("root", "punct"))
    hits = recorded([(one, np.ones((1, 2, 1, 1))), (marks, np.ones((1, 2, 2, 2)))])
    assert (hits.arcs.sentences, len(hits.arcs.relation_A)) == (2, 1)
    for method in METHODS:
        assert attachment(hits.found(method), hits.arcs).tolist() == [[1, 1]]
        none = attachment(hits.found(method), hits.arcs, punctuation=False)
        assert np.isnan(none).all()
    alone = recorded([(one, np.ones((1, 2, 1, 1)))])
    assert alone.found("max").shape == (0, 1, 2)
    assert relation_accuracies(alone, "mst").shape == (0, 1, 2)


def test_a_word_that_attends_to_no_other_points_nowhere():
    hits = recorded([(tree_of((0, 1)), np.eye(2)[None, None])], ("max", "most attentive"))
    assert not hits.found("max").any()
    assert not hits.found("most attentive").any()
    assert hits.gold_mass_LH[0, 0] == 0


@pytest.mark.parametrize(
    ("attention", "problem"),
    [
        (np.full((2, 3, 5, 5), np.nan), "other numbers from 6 heads, first layer 0 head 0"),
        (np.full((2, 3, 5, 5), -1.0), "finite attention of at least 0"),
        (np.ones((2, 3, 4, 4)), "sentence s: expected maps of 5 words, got 4"),
        (np.ones((1, 3, 5, 5)), r"expected heads \(2, 3\), got \(1, 3\)"),
    ],
)
def test_maps_that_do_not_fit_are_rejected(attention, problem):
    recorder = ArcRecorder()
    recorder.add(DOG, np.ones((2, 3, 5, 5)))
    with pytest.raises(ValueError, match=problem):
        recorder.add(DOG, attention)


def test_groups_that_do_not_fit_are_rejected():
    recorder = ArcRecorder()
    recorder.add_group([4], [DOG], np.ones((1, 2, 3, 5, 5)))
    with pytest.raises(ValueError, match="sentence s: expected another number than 4"):
        recorder.add_group([4], [DOG], np.ones((1, 2, 3, 5, 5)))
    with pytest.raises(ValueError, match="as many numbers as trees and maps, got 2, 1 and 1"):
        recorder.add_group([5, 6], [DOG], np.ones((1, 2, 3, 5, 5)))


def test_unknown_names_are_rejected():
    with pytest.raises(ValueError, match=r"methods: expected some of max, .*, got min"):
        ArcRecorder(("max", "min"))
    with pytest.raises(ValueError, match="at least one sentence, got none"):
        ArcRecorder().result()
    hits = recorded([(DOG, DOG_MAP[None, None])], ("max",))
    with pytest.raises(ValueError, match="method: expected one of max, got 'mst'"):
        hits.found("mst")
    with pytest.raises(ValueError, match=r"relation: expected one of det, .*, got 'obj'"):
        hits.arcs.of("obj")


# -- English PUD r2.0-test: what position alone finds


@pytest.fixture(scope="module")
def pud(shared_data):
    return read_conllu(shared_data / "ud" / "en_pud-r2.0-test.conllu")


@pytest.fixture(scope="module")
def pud_arcs(pud):
    return gold_arcs(pud)


def percent(share):
    return np.round(100 * share, 2)


def test_the_chain_scores_what_it_is_known_to(pud_arcs):
    arcs = pud_arcs
    assert len(arcs.relation_A) == 20176
    found = chain(arcs)
    assert percent(attachment(found, arcs)) == 38.12
    assert percent(attachment(found, arcs, punctuation=False)) == 40.82


def test_the_directed_chain_scores_what_it_is_known_to(pud_arcs):
    assert percent((pud_arcs.offset_A == 1).mean()) == 31.82
    assert percent((pud_arcs.offset_A == -1).mean()) == 6.30
    every_A = np.ones(len(pud_arcs.offset_A), bool)
    found = offset_baseline(pud_arcs, every_A, signed=True)
    assert (found.offset, percent(found.accuracy)) == (1, 31.82)


@pytest.mark.parametrize(
    ("relation", "total", "signed", "unsigned"),
    [
        ("case", 2499, (2, 36.2), (1, 38.7)),
        ("punct", 2451, (1, 9.5), (1, 18.6)),
        ("det", 2055, (1, 56.4), (1, 56.5)),
        ("nsubj", 1632, (1, 33.3), (1, 34.6)),
        ("nmod", 1499, (-3, 25.7), (2, 33.8)),
        ("amod", 1336, (1, 78.3), (1, 78.7)),
        ("obl", 1273, (-3, 21.4), (3, 23.6)),
        ("compound", 880, (1, 75.8), (1, 83.4)),
        ("obj", 875, (-2, 39.4), (2, 40.6)),
        ("advmod", 856, (1, 48.6), (1, 57.6)),
        ("aux", 685, (1, 65.3), (1, 65.3)),
        ("conj", 634, (-2, 27.8), (2, 27.8)),
        ("cc", 585, (1, 43.9), (1, 43.9)),
        ("mark", 555, (1, 53.7), (1, 53.7)),
        ("acl", 404, (-2, 29.7), (2, 29.7)),
        ("cop", 316, (1, 35.4), (1, 36.1)),
        ("advcl", 293, (-5, 9.2), (8, 11.3)),
        ("xcomp", 271, (-2, 46.5), (2, 46.9)),
        ("nummod", 254, (1, 57.5), (1, 80.7)),
        ("flat", 229, (-1, 83.4), (1, 83.4)),
        ("appos", 142, (-2, 26.1), (2, 26.1)),
        ("ccomp", 135, (-4, 17.0), (4, 17.0)),
        ("fixed", 104, (-1, 85.6), (1, 85.6)),
        ("parataxis", 97, (-12, 10.3), (12, 10.3)),
        ("expl", 62, (1, 51.6), (1, 54.8)),
    ],
)
def test_offsets_by_relation_score_what_they_are_known_to(
    pud_arcs, relation, total, signed, unsigned
):
    arcs = pud_arcs
    for kind, (offset, accuracy) in ((True, signed), (False, unsigned)):
        found = offset_baseline(arcs, arcs.of(relation), signed=kind)
        assert (found.offset, found.total) == (offset, total)
        assert 100 * found.accuracy == pytest.approx(accuracy, abs=0.06)


def test_heads_without_content_score_what_they_are_known_to(pud):
    methods = ("max", "dependent to head", "head to dependent", "mst")
    hits = recorded_in_groups(
        [(tree, contentless_attention(len(tree.words), n)) for n, tree in enumerate(pud)], methods
    )
    every = np.array([attachment(hits.found(name), hits.arcs)[0] for name in methods]).T * 100
    words = attachment(hits.found("mst"), hits.arcs, punctuation=False)[0] * 100
    most = attachment(hits.found("max"), hits.arcs, punctuation=False)[0] * 100
    known = {  # max, up, down, mst; mst and max without punctuation
        "next": (38.12, 32.03, 6.30, 36.03, 38.26, 40.82),
        "previous": (38.12, 8.07, 32.17, None, 39.78, 40.82),
        "after next": (24.12, 16.22, 8.12, 25.00, 27.09, 25.83),
        "before previous": (26.04, 10.03, 18.13, 26.45, 24.63, 28.23),
        "near": (38.12, 8.07, 32.17, 38.12, 40.82, 40.82),
    }
    for name, expected in known.items():
        place = CONTENTLESS.index(name)
        found = [*every[place], words[place], most[place]]
        for one, other in zip(found, expected, strict=True):
            assert other is None or one == pytest.approx(other, abs=0.025), (name, found)
    # Where the root is the third word, the first attends as much to the last as the root does (148
    # sentences). Of edges that are equal to 1e-9 the lower word gives 40.54, as here, the higher
    # one 41.46; where rounding decides, a textbook recursion gives 41.08. No rule gave the known
    # 41.14.
    previous = every[CONTENTLESS.index("previous"), 3]
    assert previous == pytest.approx(40.54, abs=0.05)
    chance = every[CONTENTLESS.index("random")]
    np.testing.assert_allclose(chance, [9.75, 5.05, 4.99, 8.81], atol=0.6)
    place = CONTENTLESS.index("random")
    assert [words[place], most[place]] == pytest.approx([8.88, 9.64], abs=0.6)
