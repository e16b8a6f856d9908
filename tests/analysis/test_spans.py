"""Scores of trees by hand, by brute force, on real trees against published numbers, and planted."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.analysis.distances import adjacent_distances, skewed
from jaxheads.analysis.spans import (
    COLUMNS,
    LABELS,
    SpanCounts,
    baseline_distances,
    by_span,
    choose_heads,
    f1_by_sentence,
    gather,
    label_recall,
    match_spans,
    sentence_f1,
    tied_share,
)
from jaxheads.data.language.grammar import sentence
from jaxheads.data.treebanks.constituency import iter_parses, parse_of

RNG = np.random.default_rng(0)
SPANS = [("S", 0, 5), ("NP", 0, 2), ("VP", 2, 5), ("NP", 3, 5), ("NX", 3, 5)]


def right(words: int) -> np.ndarray:
    return np.zeros((1, words - 1))


def brute_f1(pred: list, gold: list) -> float:
    """The published score of one sentence; whole sentences stand last in both lists."""
    pred_set, gold_set = set(pred[:-1]), set(gold[:-1])
    overlap = len(pred_set & gold_set)
    precision, recall = overlap / (len(pred_set) + 1e-8), overlap / (len(gold_set) + 1e-8)
    if not gold_set:
        recall, precision = 1.0, 1.0 if not pred_set else precision
    return 2 * precision * recall / (precision + recall + 1e-8)


def test_one_sentence_is_scored_as_by_hand():
    # right-branching: 0-5, 1-5, 2-5, 3-5; gold inside: 0-2, 2-5, 3-5
    counts = gather([match_spans(right(5), SPANS)])
    assert counts.hits.tolist() == [[2]]
    assert counts.gold[0] == 3
    assert sentence_f1(counts)[0] == pytest.approx(2 / 3)
    assert by_span(counts).ratio[0] == pytest.approx(2 / 3)
    assert label_recall(counts, "NP")[0] == 0.5
    assert label_recall(counts, "VP")[0] == 1.0
    assert np.isnan(label_recall(counts, "PP")[0])


def test_scores_are_those_of_brute_force_on_short_sentences():
    for number in range(60):
        parse = parse_of(sentence("train", number))
        words = len(parse.words)
        distance = RNG.random((2, 2, words - 1))
        found = f1_by_sentence(gather([match_spans(distance, parse.spans)]))[0]
        gold = [span[1:] for span in parse.spans][::-1]
        for head in np.ndindex(2, 2):
            pred = tree_of(distance[head])
            assert found[head] == pytest.approx(brute_f1(pred, gold), abs=1e-12)


def tree_of(distance: np.ndarray, start: int = 0) -> list[tuple[int, int]]:
    if not len(distance):
        return []
    split = int(np.argmax(distance))
    left, rest = tree_of(distance[:split], start), tree_of(distance[split + 1 :], start + split + 1)
    return [*left, *rest, (start, start + len(distance) + 1)]


def test_degenerate_sentences_have_their_published_scores():
    two = match_spans(right(2), [("NP", 0, 2)])
    flat = match_spans(right(4), [("S", 0, 4)])
    chain = match_spans(right(3), [("S", 0, 3), ("VP", 0, 3), ("NP", 1, 3)])
    one, none = match_spans(np.zeros((1, 0)), []), match_spans(np.zeros((1, 0)), [])
    counts = gather([two, flat, chain, one, none])
    # two words: 1; only the whole: 0; a second span of the whole can never be found: 2/3
    np.testing.assert_allclose(f1_by_sentence(counts)[:, 0], [1.0, 0.0, 2 / 3], atol=1e-7)
    assert label_recall(counts, "VP")[0] == 1.0
    assert np.isnan(sentence_f1(gather([one, none]))[0])
    assert np.isnan(by_span(gather([one])).ratio[0])
    assert np.isnan(tied_share(gather([one]))[0])
    with pytest.raises(ValueError, match="at least one sentence"):
        gather([])
    with pytest.raises(ValueError, match="expected one of SBAR"):
        label_recall(counts, "S")


def test_corpus_f1_counts_spans_and_sentence_f1_sentences():
    long, short = match_spans(right(5), SPANS), match_spans(right(3), [("S", 0, 3), ("NP", 0, 2)])
    counts = gather([long, short])
    assert sentence_f1(counts)[0] == pytest.approx(1 / 3)
    assert by_span(counts).ratio[0] == pytest.approx(2 * 2 / (3 + 3 + 1 + 1))


def test_baselines_of_four_words_have_their_trees():
    found = baseline_distances(5, SPANS, RNG)
    trees = {name: set(tree_of(distance)[:-1]) for name, distance in found.items()}
    assert trees["left"] == {(0, 2), (0, 3), (0, 4)}
    assert trees["right"] == trees["equal"] == {(1, 5), (2, 5), (3, 5)}
    assert trees["balanced"] == {(0, 2), (2, 5), (3, 5)}
    assert trees["balanced, longer left"] == {(0, 3), (0, 2), (3, 5)}
    assert trees["oracle"] == {(0, 2), (2, 5), (3, 5)}
    assert all(len(each) == 0 for each in baseline_distances(1, [], RNG).values())


def test_a_planted_chunking_head_is_found_on_one_half_and_holds_on_the_other():
    rows = []
    for number in range(40):
        parse = parse_of(sentence("train", number))
        words = len(parse.words)
        attention = RNG.dirichlet(np.ones(words), (2, 3, words))
        attention[1, 2] = np.eye(words)
        for _, start, end in parse.spans:  # a word looks at the constituents around it
            attention[1, 2, start:end, start:end] += 1.0
        attention[1, 2] /= attention[1, 2].sum(-1, keepdims=True)
        rows.append(match_spans(adjacent_distances(attention), parse.spans))
    tune, test = gather(rows[:20]), gather(rows[20:])
    found = choose_heads(tune, test)
    for name in ("sentence F1", "corpus F1", "NP"):
        assert found[name].head == (1, 2)
    best = found["sentence F1"]
    assert best.tuned == pytest.approx(float(sentence_f1(tune)[1, 2]))
    assert best.tested.ratio == pytest.approx(float(sentence_f1(test)[1, 2]))
    others = np.delete(sentence_f1(test).ravel(), 5)
    assert best.tested.intervals().low > others.max()
    assert set(found) <= {"sentence F1", "corpus F1", *LABELS}


def test_counts_can_be_picked_by_head_and_by_sentence():
    counts = gather([match_spans(RNG.random((2, 3, 4)), SPANS) for _ in range(6)])
    one = counts.pick(1, 2).rows(np.array([0, 0, 5]))
    assert one.hits.shape == (3,)
    assert one.found.shape == (3, len(LABELS))
    assert one.hits.tolist() == counts.hits[[0, 0, 5], 1, 2].tolist()
    assert sentence_f1(counts.pick(1, 2)) == pytest.approx(sentence_f1(counts)[1, 2])
    assert label_recall(counts.pick(0, 1), "NP") == label_recall(counts, "NP")[0, 1]


def test_the_share_of_tied_splits_is_1_for_equal_distances():
    rows = [match_spans(np.stack([np.zeros(4), RNG.random(4)]), SPANS) for _ in range(5)]
    assert tied_share(gather(rows)).tolist() == [1.0, 0.0]


def test_a_score_and_its_interval_are_those_of_its_sentences():
    rows = [match_spans(RNG.random((3, 4)), SPANS) for _ in range(40)]
    counts = gather([*rows, match_spans(np.zeros((3, 0)), [])])
    for name, column in COLUMNS.items():
        found = column(counts)
        assert found.ratio.shape == (3,)
        if name in ("SBAR", "PP", "ADJP", "ADVP"):
            assert np.isnan(found.ratio).all()
            continue
        spread = found.intervals()
        np.testing.assert_allclose(spread.value, found.ratio)
        assert (spread.low < spread.value).all()
        assert (spread.value < spread.high).all() or name == "VP"


def test_a_label_that_either_section_lacks_has_no_best_head():
    tune = gather([match_spans(RNG.random((2, 2, 4)), SPANS)] * 2)
    test = gather([match_spans(RNG.random((2, 2, 4)), [("S", 0, 5), ("NP", 0, 2)])] * 2)
    found = choose_heads(tune, test)
    assert set(found) == {"sentence F1", "corpus F1", "NP"}


def not_coo(distance: np.ndarray) -> np.ndarray:
    """Distances whose trees are those of the parser with a bias of its own (PRPN's, "COO").

    After a split at gap k, gap k + 1 comes next, whatever its distance.
    """
    rank, order = np.zeros(len(distance)), iter(range(len(distance), 0, -1))

    def visit(start: int, end: int) -> None:
        if start < end:
            split = start + int(np.argmax(distance[start:end]))
            rank[split] = next(order)
            if split + 1 < end:
                rank[split + 1] = next(order)
            visit(start, split)
            visit(split + 2, end)

    visit(0, len(distance))
    return rank


@pytest.fixture(scope="module")
def treebank(shared_data) -> dict[str, tuple[list[str], SpanCounts]]:
    """The baselines of both sections: their names, and the counts of their trees."""
    found, chance = {}, np.random.default_rng(0)
    for section in ("00", "01"):
        rows, names = [], []
        for parse in iter_parses(shared_data / "wsj" / f"wsj_{section}.mrg"):
            by_name = baseline_distances(len(parse.words), parse.spans, chance)
            random = chance.random((5, len(by_name["left"])))
            biased, other = skewed(random, 1.5), [not_coo(distance) for distance in random]
            names = [
                *by_name,
                *(n for n in ("chance", "chance, biased", "not COO") for _ in "01234"),
            ]
            distance = np.stack([*by_name.values(), *random, *biased, *other])
            rows.append(match_spans(distance, parse.spans))
        found[section] = (names, gather(rows))
    return found


def test_the_baselines_of_the_treebank_have_the_published_scores(treebank):
    names, _ = treebank["00"]
    counts = SpanCounts(
        *(
            np.concatenate(pair)
            for pair in zip(*(each for _, each in treebank.values()), strict=True)
        )
    )
    assert (counts.words > 1).sum() == 3901
    scores = {"S-F1": sentence_f1(counts), "C-F1": by_span(counts).ratio}
    scores |= {label: label_recall(counts, label) for label in LABELS}
    columns = ["S-F1", "C-F1", *LABELS]
    expected = {
        "left": [8.27, 6.36, 5.1, 12.0, 0.6, 4.6, 1.7, 9.0],
        "right": [39.61, 35.75, 68.3, 23.9, 71.8, 41.9, 28.7, 35.1],
        "balanced": [23.78, 20.54, 13.2, 30.5, 16.3, 26.6, 27.8, 36.3],
        "balanced, longer left": [20.99, 18.55, 11.2, 29.3, 12.6, 22.4, 27.7, 32.9],
        "oracle": [84.25, 84.62],
    }
    for name, row in expected.items():
        head = names.index(name)
        for column, value in zip(columns, row, strict=False):
            digits = 0.006 if column in ("S-F1", "C-F1") else 0.06
            assert 100 * scores[column][head] == pytest.approx(value, abs=digits), (name, column)
    random = {  # five seeds; the mean of five of a label of 410 to 931 constituents has s.d. 0.9
        "chance": [17.71, 15.46, 9.5, 23.5, 12.0, 19.1, 23.8, 26.0],
        "chance, biased": [22.86, 19.51, 19.3, 25.0, 22.4, 22.9, 27.2, 28.0],
        "not COO": [20.18, 17.34, 14.2, 23.4, 17.1, 22.6, 22.8, 27.1],
    }
    for name, row in random.items():
        heads = [head for head, each in enumerate(names) if each == name]
        assert len(heads) == 5
        for column, value in zip(columns, row, strict=True):
            close = {"ADJP": 2.5, "ADVP": 2.5, "SBAR": 1.0}.get(column, 0.5)
            found = 100 * scores[column][heads].mean()
            assert found == pytest.approx(value, abs=close), (name, column)
    assert scores["S-F1"][names.index("equal")] == scores["S-F1"][names.index("right")]


def test_each_section_of_the_treebank_has_its_own_right_branching_scores(treebank):
    expected = {"00": (1914, 39.68, 35.60), "01": (1987, 39.53, 35.89)}
    for section, (names, counts) in treebank.items():
        head, (sentences, s_f1, c_f1) = names.index("right"), expected[section]
        assert (counts.words > 1).sum() == sentences
        assert 100 * sentence_f1(counts)[head] == pytest.approx(s_f1, abs=0.006)
        assert 100 * by_span(counts).ratio[head] == pytest.approx(c_f1, abs=0.006)
