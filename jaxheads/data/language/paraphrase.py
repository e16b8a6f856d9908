"""Paraphrases, and what only looks like one: the same words with other roles.

Whether the second sentence is a paraphrase or not, it has the very same words: whoever acts and
whoever is acted on change places, or their adjectives do.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from jaxheads.data.draws import Draws
from jaxheads.data.language import lexicon
from jaxheads.data.language.clauses import Clause, Phrase, Statement, Tense, spoken
from jaxheads.data.language.plain import add_place, draw_neutral, draw_plain

Pair = tuple[Phrase, Phrase]


def draw_paraphrase(draws: Draws, label: int) -> tuple[str, str, str]:
    """Draw two sentences that say the same (1), or the same words of others (0)."""
    tense: Tense = "present" if draws.chance(50) else "past"
    first, second = draws.pick(PATTERNS)(draws, bool(label), tense)
    if draws.chance(50):
        first, second = second, first
    one, other = spoken(first).text, spoken(second).text
    return one, other, one


def draw_two(draws: Draws, kind: str) -> Pair:
    """Two phrases of one kind and number with different nouns, and different adjectives or none."""
    plural = draws.chance(40)
    one, other = (draw_plain(draws, kind, plural=plural) for _ in "ab")
    while other.noun == one.noun:
        other = draw_plain(draws, kind, plural=plural)
    words: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    if draws.chance(50):
        word = draw_neutral(draws, kind)
        words = ((word,), (draw_neutral(draws, kind, but=(word,)),))
    one, other = (
        dataclasses.replace(each, adjectives=adjectives)
        for each, adjectives in zip((one, other), words, strict=True)
    )
    return one, other


def exchanged(draws: Draws, one: Phrase, other: Phrase) -> Pair:
    """The two phrases the other way, or the same way with their adjectives or nouns exchanged."""
    if one.adjectives and other.adjectives and draws.chance(50):
        if draws.chance(50):
            return (
                dataclasses.replace(one, noun=other.noun),
                dataclasses.replace(other, noun=one.noun),
            )
        return (
            dataclasses.replace(one, adjectives=other.adjectives),
            dataclasses.replace(other, adjectives=one.adjectives),
        )
    return other, one


def _voices(draws: Draws, same: bool, tense: Tense) -> tuple[Statement, Statement]:
    """Active and passive."""
    kind = draws.weighted(((70, "person"), (30, "animal")))
    verb = draws.pick(_between(lexicon.TRANSITIVE, kind))
    one, other = draw_two(draws, kind)
    active = add_place(draws, Clause(one, verb, other, tense=tense))
    one, other = (one, other) if same else exchanged(draws, one, other)
    passive = dataclasses.replace(active, subject=one, object=other, passive=True)
    return Statement(active), Statement(passive)


def _between(verbs: tuple[lexicon.Verb, ...], kind: str) -> list[lexicon.Verb]:
    return [verb for verb in verbs if kind in verb.subjects and kind in verb.objects]


def _datives(draws: Draws, same: bool, tense: Tense) -> tuple[Statement, Statement]:
    """ "Gives the girl a cake" and "gives a cake to the girl"."""
    verb = draws.pick(lexicon.DITRANSITIVE)
    thing = draw_plain(draws, "food tool text")
    one, other = draw_two(draws, "person")
    first = add_place(draws, Clause(one, verb, thing, other, tense=tense), 30)
    one, other = (one, other) if same else exchanged(draws, one, other)
    second = dataclasses.replace(first, subject=one, recipient=other, dative=True)
    return Statement(first), Statement(second)


def _conjuncts(draws: Draws, same: bool, tense: Tense) -> tuple[Statement, Statement]:
    """ "The dog and the cat see the fox": the first two may change places, no others may."""
    kind = draws.weighted(((70, "person"), (30, "animal")))
    verb = draws.pick(_between(lexicon.TRANSITIVE, kind))
    one, other = draw_two(draws, kind)
    third = draw_plain(draws, kind, plural=one.plural)
    while third.noun in (one.noun, other.noun):
        third = draw_plain(draws, kind, plural=one.plural)
    first = add_place(draws, Clause(_joined(one, other), verb, third, tense=tense))
    if same:
        subject, thing = _joined(other, one), third
    else:
        subject, thing = draws.pick(
            (
                *((_joined(other, third), one), (_joined(third, other), one)),
                *((_joined(one, third), other), (_joined(third, one), other)),
            )
        )
    return Statement(first), Statement(dataclasses.replace(first, subject=subject, object=thing))


def _joined(one: Phrase, other: Phrase) -> Phrase:
    return dataclasses.replace(one, joined=other)


def _clauses(draws: Draws, same: bool, tense: Tense) -> tuple[Statement, Statement]:
    """ "The dog sleeps and the cat runs" and the two clauses the other way round."""
    kind = draws.weighted(((70, "person"), (30, "animal")))
    fits = [verb for verb in lexicon.INTRANSITIVE if kind in verb.subjects]
    verb = draws.pick(fits)
    another = draws.pick([each for each in fits if each != verb])
    one, other = draw_two(draws, kind)
    left = add_place(draws, Clause(one, verb, tense=tense))
    right = add_place(draws, Clause(other, another, tense=tense))
    first = Statement(left, "and", right)
    one, other = (one, other) if same else exchanged(draws, one, other)
    left, right = dataclasses.replace(left, subject=one), dataclasses.replace(right, subject=other)
    return first, Statement(right, "and", left)


PATTERNS: tuple[Callable[[Draws, bool, Tense], tuple[Statement, Statement]], ...] = (
    *(_voices, _datives, _conjuncts, _clauses),
)
