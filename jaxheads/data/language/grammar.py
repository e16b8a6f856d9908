"""The built-in language: an English-like grammar that draws sentences from a seed.

Some hundred words, agreement across phrases and relative clauses, attachment of prepositions to
noun or verb, coordination, negation and quantifiers. Sentence `i` of (seed, split) is a pure
function of these three, and the splits are disjoint: a hash of its text puts every sentence in one.
"""

from __future__ import annotations

import dataclasses
import itertools
import zlib
from collections.abc import Callable, Iterator
from typing import Literal

from jaxheads.data.draws import Draws
from jaxheads.data.language import lexicon
from jaxheads.data.language.clauses import Clause, Phrase, Place, Relative, Statement, Tense, spoken
from jaxheads.data.language.lexicon import BY_KIND, Kinds, Noun, kinds
from jaxheads.data.treebanks.sentences import Sentence

SPLITS = {"train": range(8), "validation": range(8, 9), "test": range(9, 10)}  # tenths of all texts
SHORTEST, LONGEST = 5, 25  # words, the full stop included

Frame = Literal["none", "object", "recipient", "clause", "copula"]
FRAMES: tuple[tuple[int, Frame], ...] = (
    *((26, "none"), (44, "object"), (10, "recipient"), (8, "clause"), (12, "copula")),
)


def iter_sentences(split: str) -> Iterator[Sentence]:
    """Yield the sentences of a split, without an end."""
    return (sentence(split, number) for number in itertools.count())


def sentence(split: str, number: int, *, seed: int = 0) -> Sentence:
    """Draw one sentence of a split."""
    draws = Draws(seed, "sentence", split, number)
    return draw_in_split(split, lambda: draw_sentence(draws))


def draw_in_split(split: str, draw: Callable[[], Sentence]) -> Sentence:
    """Draw until the text belongs to the split."""
    check_split(split)
    while True:
        found = draw()
        if split_of(found.text) == split:
            return found


def check_split(split: str) -> None:
    """Check that `split` is one of `SPLITS`.

    Raises:
      ValueError: for any other name.
    """
    if split not in SPLITS:
        raise ValueError(f"expected a split of {', '.join(SPLITS)}, got {split!r}")


def split_of(text: str) -> str:
    """Return the one split that a text belongs to, for every seed."""
    tenth = zlib.crc32(text.encode()) % 10
    return next(name for name, tenths in SPLITS.items() if tenth in tenths)


def draw_sentence(draws: Draws) -> Sentence:
    """Draw a sentence of any construction, of 5 to 25 words."""
    while True:
        found = spoken(draw_statement(draws))
        if SHORTEST <= len(found.words) <= LONGEST:
            return found


def draw_statement(draws: Draws, tense: Tense | None = None) -> Statement:
    """Draw one clause, or two that are coordinate or subordinate."""
    tense = tense or ("present" if draws.chance(60) else "past")
    first = draw_clause(draws, tense, depth=2)
    word = draws.weighted(((84, ""), (6, "and"), (4, "but"), (3, "because"), (3, "when")))
    if not word:
        return Statement(first)
    return Statement(first, word, draw_clause(draws, tense, depth=0))


# -- clauses


def draw_clause(
    draws: Draws, tense: Tense, depth: int, subject: Phrase | None = None, frame: str = ""
) -> Clause:
    """Draw a clause, for a subject where one is given; `depth` bounds how deep phrases nest."""
    if subject is None:
        kind = draws.weighted(((68, "person"), (26, "animal"), (6, "vehicle")))
        subject = draw_phrase(draws, kinds(kind), depth, tense, subject=True)
    clause = draw_verb(draws, subject.noun.kind, tense, depth, frame)
    clause = dataclasses.replace(clause, subject=subject)
    plain = clause.complement is None
    if plain and not clause.predicate and depth == 2 and draws.chance(8):
        frame = draws.pick(("none", "object"))
        joined = draw_verb(draws, subject.noun.kind, tense, 0, frame)
        return dataclasses.replace(clause, joined=joined)
    if plain and _may_be_passive(clause) and draws.chance(12):
        return dataclasses.replace(clause, passive=True, negation=_plain(clause.negation), often="")
    return clause


def _may_be_passive(clause: Clause) -> bool:
    return clause.object is not None and clause.recipient is None


def _plain(negation: str) -> Literal["", "not"]:
    return "not" if negation else ""


def draw_verb(draws: Draws, kind: str, tense: Tense, depth: int, frame: str = "") -> Clause:
    """Draw a verb for a subject of a kind, and all that follows it; the subject stays out."""
    negation = draws.weighted(((86, ""), (10, "not"), (4, "never")))
    if kind == "vehicle":
        frame = draws.pick(("none", "copula"))
    elif kind == "animal" and frame in ("", "recipient", "clause"):
        frame = draws.weighted(((40, "none"), (48, "object"), (12, "copula")))
    frame = frame or draws.weighted(FRAMES)
    if frame == "copula":
        word = draw_adjective(draws, kind)
        return Clause(None, lexicon.BE, predicate=(word,), tense=tense, negation=negation)
    verbs = {
        "none": lexicon.INTRANSITIVE,
        "object": _TRANSITIVE,
        "recipient": lexicon.DITRANSITIVE,
        "clause": lexicon.SENTENTIAL,
    }[frame]
    verb = draws.pick_early([verb for verb in verbs if kind in verb.subjects])
    clause = Clause(None, verb, tense=tense, negation=negation)
    if frame == "clause":
        complement = draw_clause(draws, tense, 0, frame=draws.pick(("none", "object", "copula")))
        return dataclasses.replace(clause, complement=complement)
    if frame in ("object", "recipient"):
        clause = dataclasses.replace(clause, object=draw_phrase(draws, verb.objects, depth, tense))
    if frame == "recipient":
        recipient = draw_phrase(draws, verb.recipients, 0, tense)
        clause = dataclasses.replace(clause, recipient=recipient, dative=draws.chance(50))
    return _adorned(draws, clause)


_TRANSITIVE = (
    *lexicon.TRANSITIVE[:8],
    *(lexicon.LIKING[0], lexicon.DISLIKING[0]),
    *lexicon.TRANSITIVE[8:],
    *lexicon.LIKING[1:],
    *lexicon.DISLIKING[1:],
)


def _adorned(draws: Draws, clause: Clause) -> Clause:
    """Add adverbs and prepositional phrases to a verb."""
    places = ()
    if clause.verb.tools and clause.object is not None and draws.chance(30):
        places = (Place("with", draw_phrase(draws, kinds("tool"), 0, clause.tense)),)
    elif draws.chance(22):
        places = (draw_place(draws, clause.tense),)
    adverb = draw_manner(draws) if draws.chance(16) else ""
    often = draws.pick(lexicon.OFTEN) if not clause.negation and draws.chance(6) else ""
    return dataclasses.replace(clause, places=places, adverb=adverb, often=often)


def draw_manner(draws: Draws) -> str:
    """Draw an adverb of manner: neutral, positive or negative."""
    groups = (lexicon.MANNER, lexicon.MANNER_POSITIVE, lexicon.MANNER_NEGATIVE)
    return draws.pick(draws.weighted(tuple(zip((60, 20, 20), groups, strict=True))))


# -- noun phrases


def draw_phrase(
    draws: Draws, allowed: Kinds, depth: int, tense: Tense, *, subject: bool = False
) -> Phrase:
    """Draw a noun phrase of the kinds allowed."""
    noun = draw_noun(draws, allowed)
    if subject and noun.kind == "person" and draws.chance(3):
        return Phrase(lexicon.NOBODY, determiner="")
    determiner = draws.weighted(lexicon.RANDOM_DETERMINERS)
    number = lexicon.DETERMINERS[determiner]
    plural = draws.chance(45) if number == 0 else number == 2
    words = (draw_adjective(draws, noun.kind),) if draws.chance(26) else ()
    phrase = Phrase(noun, plural, determiner, words)
    if depth and draws.chance(20 if subject else 12):
        place = draw_attached(draws, tense)
        return dataclasses.replace(phrase, place=place)
    if depth and draws.chance(16 if subject else 8):
        return dataclasses.replace(phrase, relative=draw_relative(draws, noun, tense))
    if depth and determiner != "no" and draws.chance(8):
        other = draw_phrase(draws, frozenset([noun.kind]), 0, tense)
        return dataclasses.replace(phrase, joined=other)
    return phrase


def draw_noun(draws: Draws, allowed: Kinds) -> Noun:
    """Draw a kind of those allowed, people and animals often, then one of its nouns."""
    weights = {"person": 4, "animal": 2}
    kind = draws.weighted([(weights.get(kind, 1), kind) for kind in sorted(allowed)])
    return draws.pick_early(BY_KIND[kind])


def draw_adjective(draws: Draws, kind: str) -> str:
    """Draw an adjective for a kind: neutral ones more often than the others."""
    groups = (lexicon.NEUTRAL, lexicon.POSITIVE, lexicon.NEGATIVE)
    group = draws.weighted(tuple(zip((60, 20, 20), groups, strict=True)))
    return draws.pick_early(lexicon.fitting(group, kind))


def draw_place(draws: Draws, tense: Tense) -> Place:
    """Draw where something happens."""
    if draws.chance(60):
        return Place("in", draw_phrase(draws, kinds("place"), 0, tense))
    return Place(draws.pick(lexicon.NEAR), draw_phrase(draws, kinds("place animal"), 0, tense))


def draw_attached(draws: Draws, tense: Tense) -> Place:
    """Draw a prepositional phrase that belongs to a noun."""
    if draws.chance(30):
        return Place("with", draw_phrase(draws, kinds("thing animal"), 0, tense))
    return Place(draws.pick(lexicon.NEAR), draw_phrase(draws, kinds("any"), 0, tense))


def draw_relative(draws: Draws, noun: Noun, tense: Tense) -> Relative:
    """Draw a relative clause whose gap is its subject or its object."""
    if noun.kind in ("person", "animal", "vehicle") and draws.chance(60):
        frame = draws.weighted(((25, "none"), (60, "object"), (15, "copula")))
        return Relative("subject", draw_verb(draws, noun.kind, tense, 0, frame))
    person = draw_phrase(draws, kinds("person"), 0, tense)
    fits = [verb for verb in _TRANSITIVE if noun.kind in verb.objects]
    fits = [verb for verb in fits if "person" in verb.subjects]
    negation = "not" if draws.chance(10) else ""
    verb = draws.pick_early(fits)
    return Relative("object", Clause(person, verb, tense=tense, negation=negation))
