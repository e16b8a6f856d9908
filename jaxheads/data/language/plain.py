"""Simple phrases of the built-in language: definite, neutral, nothing that negates or counts."""

from __future__ import annotations

import dataclasses

from jaxheads.data.draws import Draws
from jaxheads.data.language import lexicon
from jaxheads.data.language.clauses import Clause, Phrase, Place
from jaxheads.data.language.lexicon import BY_KIND, kinds

WEIGHTS = {"person": 4, "animal": 2}


def draw_plain(draws: Draws, allowed: str, *, plural: bool | None = None) -> Phrase:
    """Draw a definite phrase of the kinds named, with a neutral adjective in two of five."""
    kind = draws.weighted([(WEIGHTS.get(kind, 1), kind) for kind in sorted(kinds(allowed))])
    noun = draws.pick(BY_KIND[kind])
    many = draws.chance(40) if plural is None else plural
    determiner = draws.weighted(((80, "the"), (20, "these" if many else "this")))
    words = (draw_neutral(draws, kind),) if draws.chance(40) else ()
    return Phrase(noun, many, determiner, words)


def draw_neutral(draws: Draws, kind: str, but: tuple[str, ...] = ()) -> str:
    """Draw a neutral adjective for a kind, none of those in `but`."""
    words = lexicon.fitting(lexicon.NEUTRAL, kind)
    return draws.pick([word for word in words if word not in but])


def draw_where(draws: Draws) -> Place:
    """Draw where something happens, with a plain phrase."""
    if draws.chance(70):
        return Place("in", draw_plain(draws, "place"))
    return Place(draws.pick(lexicon.NEAR), draw_plain(draws, "place vehicle"))


def draw_attached_plain(draws: Draws) -> Place:
    """Draw a prepositional phrase for a noun: "near the barn", "with the hammer"."""
    if draws.chance(40):
        return Place("with", draw_plain(draws, "tool text food"))
    return Place(draws.pick(lexicon.NEAR), draw_plain(draws, "place vehicle animal"))


def add_place(draws: Draws, clause: Clause, percent: int = 40) -> Clause:
    """Add a place to a clause in `percent` of cases."""
    if not draws.chance(percent):
        return clause
    return dataclasses.replace(clause, places=(*clause.places, draw_where(draws)))
