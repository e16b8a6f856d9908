"""Pairs of headlines: alignment against brute force, both formats, refusals, and real counts."""

from __future__ import annotations

import json
from random import Random

import pytest

from jaxheads.data.headlines.pairs import (
    Pair,
    check_groups,
    edited_places,
    generated_pairs,
    is_small_edit,
    read_pairs,
    with_random_words,
)
from jaxheads.data.language.incongruity import aligned_pairs
from jaxheads.data.language.lexicon import NOUNS


def unfun(funny: str, serious: str, **more) -> dict:
    fields = {"id": "1", "group": "g", "funny": funny, "serious": serious, "n_ratings": 2}
    return fields | {"mean_seriousness": None} | more


@pytest.fixture
def written(tmp_path):
    """Write records as JSON lines and return the path."""

    def write(*records: dict | str):
        path = tmp_path / "pairs.jsonl"
        lines = (each if isinstance(each, str) else json.dumps(each) for each in records)
        path.write_text("\n".join(lines))
        return path

    return write


def pair_of(funny: str, serious: str) -> Pair:
    sides = tuple(funny.split()), tuple(serious.split())
    return Pair("1", "g", *sides, *edited_places(*sides), None, "")


@pytest.mark.parametrize(
    ("funny", "serious", "places"),
    [
        ("a b c", "a x c", ((1,), (1,))),
        ("a b c", "a c", ((1,), ())),
        ("a c", "a b c", ((), (1,))),
        ("the dog saw the dog", "the dog saw the cat", ((4,), (4,))),
        ("the the a", "the a", ((0,), ())),
        ("a b c d", "a c b d", ((1, 2), (1, 2))),  # a swap is two edited words
        ("x y z", "a b", ((0, 1, 2), (0, 1))),
        ("man bites very big dog", "man sees dog", ((1, 2, 3), (1,))),
        ("", "a", ((), (0,))),
    ],
)
def test_edited_words_are_found_by_alignment(funny, serious, places):
    assert edited_places(funny.split(), serious.split()) == places


def test_the_alignment_is_a_shortest_edit():
    random = Random(0)
    for _ in range(300):
        one, two = ([random.choice("abc") for _ in range(random.randint(0, 6))] for _ in "xy")
        left, right = edited_places(one, two)
        kept = [
            [word for place, word in enumerate(side) if place not in gone]
            for side, gone in ((one, left), (two, right))
        ]
        assert kept[0] == kept[1]
        assert max(len(left), len(right)) <= distance(tuple(one), tuple(two))
        assert len(left) + len(right) <= 2 * distance(tuple(one), tuple(two))


def distance(one: tuple, two: tuple) -> int:
    """Levenshtein's definition."""
    if not one or not two:
        return len(one) + len(two)
    rest = distance(one[:-1], two[:-1]) + (one[-1] != two[-1])
    return min(rest, distance(one[:-1], two) + 1, distance(one, two[:-1]) + 1)


def test_both_formats_are_read_and_lowered(written):
    path = written(
        unfun("Nation Loves  Dogs", "NATION LOVES CATS", mean_seriousness=0.5),
        {"id": "7", "original": "The <White House/> Says No", "edit": "Onion", "mean_grade": 1.0},
    )
    first, second = read_pairs(path)
    assert first.funny == ("nation", "loves", "dogs")
    assert (first.funny_edits, first.serious_edits) == ((2,), (2,))
    assert (first.group, first.seriousness, first.place) == ("g", 0.5, f"{path}:1")
    assert second.funny == ("the", "onion", "says", "no")
    assert second.serious == ("the", "white", "house", "says", "no")
    assert (second.funny_edits, second.serious_edits) == ((1,), (1, 2))
    assert second.group == "The White House Says No"


def test_what_the_sides_oppose_is_read_where_it_is_known(written):
    names = ["normal/abnormal", "good/bad", "good/bad"]
    found = read_pairs(written(unfun("a", "b", oppositions=names), unfun("c", "d")))
    assert [pair.oppositions for pair in found] == [("normal/abnormal", "good/bad"), ()]


def test_an_edit_may_hold_what_a_pattern_would_read(written):
    (found,) = read_pairs(written({"id": "1", "original": "a <b/> c", "edit": r"\g<0>"}))
    assert found.funny == ("a", r"\g<0>", "c")


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ("{", "not JSON"),
        ({"id": "1", "text": "a"}, "expected the fields id, group, funny.*got id, text"),
        (unfun(" ", "b"), "funny: expected text, got ' '"),
        (unfun("a", "b", id=3), "id: expected text, got 3"),
        (unfun("a b", "a  B"), "expected two different headlines"),
        (unfun("a", "b", mean_seriousness=2), "mean_seriousness: expected a number from 0 to 1"),
        (unfun("a", "b", mean_seriousness=True), "mean_seriousness: expected a number from 0 to 1"),
        (unfun("a", "b", oppositions="x"), "oppositions: expected a list of names, got 'x'"),
        (unfun("a", "b", oppositions=[1]), "oppositions: expected a list of names"),
        ({"id": "1", "original": "a b", "edit": "c"}, "original: expected one <marked part/>"),
        ({"id": "1", "original": "a </> b", "edit": "c"}, "original: expected one <marked part/>"),
        ({"id": "1", "original": "<a/> <b/>", "edit": "c"}, "original: expected one <marked"),
        ({"id": "1", "original": "a <b/>", "edit": ""}, "edit: expected text, got ''"),
    ],
)
def test_a_malformed_record_is_named_by_file_and_line(written, record, problem):
    with pytest.raises(ValueError, match=rf"pairs\.jsonl:2: {problem}") as caught:
        read_pairs(written(unfun("a", "b"), record))
    assert "\n" not in str(caught.value)


def test_up_to_five_problems_are_named_and_an_empty_file_is_one(written):
    with pytest.raises(ValueError, match=r":1: .*:5: .*; and perhaps more$"):
        read_pairs(written(*["{}"] * 9))
    with pytest.raises(ValueError, match="expected pairs, got an empty file"):
        read_pairs(written(""))


def test_the_pairs_of_the_built_in_language_keep_their_place():
    drawn = aligned_pairs(0, "test", 12)
    found = generated_pairs(drawn)
    for number, (pair, each) in enumerate(zip(found, drawn, strict=True)):
        assert (" ".join(pair.funny), " ".join(pair.serious)) == (each.funny, each.serious)
        assert pair.funny_edits == pair.serious_edits == (each.place,)
        assert (pair.name, pair.group) == (str(number), str(number // 2))
        (odd,) = [noun for noun in NOUNS if pair.funny[each.place] in (noun.singular, noun.plural)]
        assert pair.oppositions == (odd.kind,)
        assert is_small_edit(pair)


def test_no_original_may_stand_in_two_splits():
    def named(name: str, group: str, funny: str) -> Pair:
        return pair_of(funny, "s")._replace(name=name, group=group)

    train = [named("1", "g", "a b"), named("2", "g", "a c"), named("3", "h", "d")]
    test = [named("4", "i", "e")]
    check_groups({"train": train, "test": test})
    with pytest.raises(ValueError, match=r"'group h' \(train 3, test 5\)$") as caught:
        check_groups({"train": train, "test": [*test, named("5", "h", "f")]})
    assert "\n" not in str(caught.value)
    with pytest.raises(ValueError, match=r"'headline a c' \(train 2, test 5\)$"):
        check_groups({"train": train, "test": [*test, named("5", "j", "a c")]})
    many = [named(str(n), f"g{n}", f"w{n // 2}") for n in range(6)]
    with pytest.raises(ValueError, match=r"; and 4 more$"):
        check_groups({"train": many, "test": many})


def test_the_built_in_language_shares_no_original_between_splits():
    splits = {
        split: generated_pairs(aligned_pairs(0, split, 40), split) for split in ("train", "test")
    }
    check_groups(splits)
    assert splits["test"][3].group == "test1"


@pytest.mark.parametrize(
    ("funny", "serious", "small"),
    [
        ("a b c", "a x c", True),
        ("a b", "a x", False),  # two words
        ("a b c d", "a c b d", True),  # a swap: no word that only one side has
        ("a b c", "x y c", False),
        ("a b c", "a b c d", False),
        ("a b c d e", "b c d e a", False),  # the same words at other places
    ],
)
def test_small_edits_pass_the_published_filter(funny, serious, small):
    assert is_small_edit(pair_of(funny, serious)) is small


def test_the_size_of_an_edit_is_the_jaccard_distance():
    assert pair_of("a b c", "a x c").size == 0.5
    assert pair_of("a a b", "b a").size == 0.0


def test_a_random_word_is_one_of_another_headline():
    pairs = [pair_of("a b c", "a x c"), pair_of("d e", "d f"), pair_of("a c", "c")]
    found = list(with_random_words(pairs, 0))
    assert found == list(with_random_words(pairs, 0))
    for old, new in zip(pairs, found, strict=True):
        changed = [p for p, (a, b) in enumerate(zip(old.funny, new.funny, strict=True)) if a != b]
        assert tuple(changed) == old.funny_edits
        assert all(new.funny[place] not in (*old.funny, *old.serious) for place in changed)
        assert new.serious == old.serious
    assert {next(with_random_words(pairs, seed)).funny[1] for seed in range(20)} == {"d", "e"}
    with pytest.raises(ValueError, match="expected other words to put in, got none"):
        list(with_random_words(pairs[:1], 0))


def test_real_pairs_have_the_published_counts(shared_data):
    splits = {
        name: read_pairs(shared_data / "humor" / "unfun" / f"{name}.jsonl")
        for name in ("train", "validation", "test")
    }
    assert [len(pairs) for pairs in splits.values()] == [5507, 286, 549]
    small = {
        name: [each for each in pairs if is_small_edit(each)] for name, pairs in splits.items()
    }
    single = {
        name: [each for each in pairs if len(each.funny_edits) == 1]
        for name, pairs in small.items()
    }
    assert sum(map(len, small.values())) == 1791
    assert sum(map(len, single.values())) == 1760
    assert len(single["validation"]) + len(single["test"]) == 204
    every = [pair for pairs in single.values() for pair in pairs]
    final = sum(pair.funny_edits[0] == len(pair.funny) - 1 for pair in every) / len(every)
    assert 0.25 < final < 0.27
    assert round(sum(1 / len(pair.funny) for pair in every) / len(every), 3) == 0.127
    check_groups(splits)


def test_marked_headlines_have_the_published_share_of_final_words(shared_data):
    pairs = read_pairs(shared_data / "humor" / "humicroedit_test.jsonl")
    single = [pair for pair in pairs if is_small_edit(pair)]
    assert (len(pairs), len(single)) == (3024, 2837)
    final = sum(pair.funny_edits[0] == len(pair.funny) - 1 for pair in single) / len(single)
    assert 0.17 < final < 0.21
