"""Entailment: the answers against every small world, and against the words alone."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from jaxheads.data.language.entailment import CELLS, CONTRADICTION, ENTAILMENT, NEUTRAL
from jaxheads.data.language.lexicon import INTRANSITIVE, NOUNS, TRANSITIVE

BASE = {form: verb.base for verb in (*INTRANSITIVE, *TRANSITIVE) for form in verb[:4]}
ABOVE = {low: high for noun in NOUNS for low, high in ((noun.singular, noun.above),) if high}
SINGULAR = {form: noun.singular for noun in NOUNS for form in noun[:2]}

# A thing is (how far it is of the noun, how far of the predicate): 0 not, 1 weakly, 2 strongly too.
THINGS = tuple(itertools.product(range(3), range(3)))
WORLDS = [
    world for size in range(1, 10) for world in itertools.combinations(THINGS, size)
]  # all that can differ: which sorts of thing there are


def truth(quantifier: str, noun: int, predicate: int, world: tuple, chosen: tuple) -> bool:
    """Whether a statement holds; noun and predicate are 1 (the weak one) or 2 (the strong one)."""
    of = [thing for thing in world if thing[0] >= noun]
    done = [thing for thing in of if thing[1] >= predicate]
    return {
        "some": bool(done),
        "no": not done,
        "every": len(of) == len(done),
        "not every": len(of) != len(done),
        "the": chosen[1] >= predicate,
        "the ... not": chosen[1] < predicate,
    }[quantifier]


def judge(premise: tuple, hypothesis: tuple) -> int:
    """The answer over all worlds, for two of (denied, quantifier, noun, predicate)."""
    seen = set()
    for world in WORLDS:
        for chosen in [thing for thing in world if thing[0] == 2] or world:
            one, other = (
                truth(*said[1:], world, chosen) != said[0] for said in (premise, hypothesis)
            )
            if one:
                seen.add(other)
    return ENTAILMENT if seen == {True} else CONTRADICTION if seen == {False} else NEUTRAL


def parsed(text: str) -> tuple[bool, str, list[str]]:
    """Whether it is denied, its quantifier, and the rest with verbs in their base form."""
    denied = text.startswith("it is false that ")
    words = text.removeprefix("it is false that ").removesuffix(" .").split()
    count = 2 if words[:2] == ["not", "every"] else 1
    quantifier, rest = " ".join(words[:count]), words[count:]
    if quantifier == "the" and "not" in rest:
        quantifier = "the ... not"
    skipped = {"not", "do", "does", "did"}
    return denied, quantifier, [BASE.get(word, word) for word in rest if word not in skipped]


def compared(one: list[str], other: list[str]) -> tuple[bool, bool]:
    """Whether the first has the stronger phrase, and whether that is the noun's."""
    weak, strong = sorted((one, other), key=len)
    pairs = zip(weak, strong, strict=False)
    place = next((n for n, (x, y) in enumerate(pairs) if x != y), len(weak))
    verb = next(n for n, word in enumerate(weak) if word in BASE.values())
    if len(one) == len(other):
        lower, upper = (SINGULAR[words[place]] for words in (one, other))
        assert ABOVE.get(lower) == upper or ABOVE.get(upper) == lower
        return ABOVE.get(lower) == upper, place < verb
    return len(one) > len(other), place <= verb and place < len(weak)


def answer(first: str, second: str) -> tuple[int, bool]:
    (denied, quantifier, one), (denied_too, quantifier_too, other) = parsed(first), parsed(second)
    first_is_strong, of_noun = compared(one, other)
    levels = (2, 1) if first_is_strong else (1, 2)
    noun, noun_too = levels if of_noun else (2, 2)
    done, done_too = (1, 1) if of_noun else levels
    premise = (denied, quantifier, noun, done)
    return judge(premise, (denied_too, quantifier_too, noun_too, done_too)), of_noun


def test_every_answer_holds_in_all_small_worlds(generated):
    seen = Counter()
    for each in generated("grammar_entailment", "train")[:900]:
        found, of_noun = answer(each.first, each.second)
        assert found == each.label, each
        seen[parsed(each.first)[1].removeprefix("not "), of_noun, each.label] += 1
    # some, no, every: noun and predicate; the, the ... not: predicate; each with every label
    assert len(seen) == (3 * 2 + 2) * 3


@pytest.mark.parametrize(
    ("first", "second", "label"),
    [
        ("some small dog sleeps .", "some dog sleeps .", ENTAILMENT),
        ("some dog sleeps .", "some small dog sleeps .", NEUTRAL),
        ("no dogs sleep .", "no small dogs sleep .", ENTAILMENT),
        ("every dog sleeps .", "every small dog sleeps .", ENTAILMENT),
        ("every small dog sleeps .", "not every dog sleeps .", NEUTRAL),
        ("every worker eats a pear .", "not every farmer eats a pear .", CONTRADICTION),
        ("every farmer eats a pear .", "every farmer eats a fruit .", ENTAILMENT),
        ("it is false that some dog sleeps .", "some small dog sleeps .", CONTRADICTION),
        ("the dog does not sleep .", "the dog slept slowly .", CONTRADICTION),
        ("the dog slept slowly .", "it is false that the dog did not sleep .", ENTAILMENT),
    ],
)
def test_the_judge_of_these_tests_knows_plain_cases(first: str, second: str, label: int):
    assert answer(first, second)[0] == label


def test_no_part_of_a_cell_tells_the_label():
    for cells in CELLS.values():
        for part in zip(*cells, strict=True):
            assert sum(part) * 2 == len(part)
