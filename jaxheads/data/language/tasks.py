"""Tasks of the built-in language whose answers are known, and which no count of words gives away.

In every task each word is as likely under one label as under another; what decides is who does what
and what is negated. Labels are balanced: each run of as many examples as there are labels has every
label once. Example `i` of (task, seed, split) is a pure function of these.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

from jaxheads.data.draws import Draws
from jaxheads.data.language import lexicon
from jaxheads.data.language.clauses import (
    Clause,
    Negation,
    Phrase,
    Relative,
    Statement,
    Tense,
    spoken,
)
from jaxheads.data.language.entailment import draw_entailment
from jaxheads.data.language.grammar import (
    check_split,
    draw_attached,
    draw_clause,
    draw_phrase,
    draw_relative,
    draw_statement,
    sentence,
    split_of,
)
from jaxheads.data.language.incongruity import aligned_pair
from jaxheads.data.language.lexicon import kinds
from jaxheads.data.language.paraphrase import draw_paraphrase
from jaxheads.data.language.plain import add_place, draw_plain
from jaxheads.data.treebanks.sentences import Sentence


class Drawn(NamedTuple):
    """One example: a sentence or two, and the number of its label."""

    first: str
    second: str | None
    label: int


Maker = Callable[[Draws, int], tuple[str, str | None, str]]  # texts, and the text that is split by


def iter_drawn(task: str, split: str, *, seed: int = 0) -> Iterator[Drawn]:
    """Yield the examples of a split of a task, without an end."""
    check_split(split)
    number = 0
    while True:
        yield draw_example(task, split, number, seed=seed)
        number += 1


@functools.lru_cache(1 << 15)  # drawn again for each model's tokenizer, and for counts of words
def draw_example(task: str, split: str, number: int, *, seed: int = 0) -> Drawn:
    """Draw one example of a task."""
    check_split(split)
    if task == "grammar_mlm":
        return Drawn(sentence(split, number, seed=seed).text, None, 0)
    classes = 3 if task == "grammar_entailment" else 2
    shift = Draws(seed, task, split, "label", number // classes).below(classes)
    label = (number + shift) % classes
    if task == "grammar_incongruity":
        pair = aligned_pair(split, number, seed=seed)
        return Drawn((pair.funny, pair.serious)[label], None, label)
    if task == "grammar_incongruity_pair":
        pair = aligned_pair(split, number, seed=seed)
        first, second = (pair.funny, pair.serious) if label else (pair.serious, pair.funny)
        return Drawn(first, second, label)
    draws = Draws(seed, task, split, number)
    while True:
        first, second, key = MAKERS[task](draws, label)
        if split_of(key) == split:
            return Drawn(first, second, label)


# -- acceptability


def draw_acceptability(draws: Draws, label: int) -> tuple[str, None, str]:
    """A sentence (1), or the same with one finite verb in the wrong number (0).

    The verb's right number is a coin's; half the sentences are made with a noun of the other number
    between subject and verb.
    """
    wanted = draws.pick(("Number=Sing", "Number=Plur"))
    attracted = draws.chance(50)
    while True:
        found = _with_attractor(draws) if attracted else _mostly_present(draws)
        places = [n for n in agreeing_verbs(found) if wanted in found.leaves[n].features]
        if places and len(found.words) <= 25:
            place = draws.pick(places[:1] if attracted else places)
            text = found.text if label else found.replaced(place, found.leaves[place].other)
            return text, None, found.text


def agreeing_verbs(found: Sentence) -> list[int]:
    """Return the places of the verbs whose form would be plainly wrong in the other number.

    Left out are "read", which could be the past, and the second of two verbs or clauses joined by
    "and" or "but", which could be part of what stands before ("sees the dogs and the cat sleep").
    The verb of the main clause comes first.
    """
    places = []
    for place, leaf in enumerate(found.leaves):
        auxiliary = found.relations[place] in ("aux", "aux:pass", "cop")
        relation = found.relations[found.heads[place] - 1 if auxiliary else place]
        if leaf.other and relation != "conj" and leaf.lemma != "read":
            places.append((relation != "root", place))
    return [place for _, place in sorted(places)]


def _mostly_present(draws: Draws) -> Sentence:
    tense: Tense = "present" if draws.chance(85) else "past"
    return spoken(draw_statement(draws, tense))


def _with_attractor(draws: Draws) -> Sentence:
    """A clause whose subject has a phrase after it with a noun of the other number."""
    while True:
        subject = draw_phrase(draws, kinds("creature"), 0, "present", subject=True)
        if draws.chance(55):
            place = draw_attached(draws, "present")
            subject = dataclasses.replace(subject, place=place)
            between = place.phrase
        else:
            relative = draw_relative(draws, subject.noun, "present")
            subject = dataclasses.replace(subject, relative=relative)
            clause = relative.clause
            between = clause.subject if relative.gap == "object" else clause.object
        if between is not None and between.plural != subject.plural:
            return spoken(Statement(draw_clause(draws, "present", 0, subject)))


# -- sentiment


def draw_sentiment(draws: Draws, label: int) -> tuple[str, None, str]:
    """What is said of somebody or something is good (1) or bad (0), once the negations are read."""
    tense: Tense = "present" if draws.chance(60) else "past"
    found = draws.pick(SENTIMENTS)(draws, label, tense)
    text = spoken(found).text
    return text, None, text


def _flip(negated: bool, draws: Draws) -> Negation:
    return draws.weighted(((70, "not"), (30, "never"))) if negated else ""


def _said_of(phrase: Phrase, good: int, draws: Draws, negation: Negation) -> Clause:
    """ "The song is (not) lovely": an adjective of the polarity `good` for what it is said of."""
    groups = lexicon.POSITIVE if good else lexicon.NEGATIVE
    word = draws.pick(lexicon.fitting(groups, phrase.noun.kind))
    return Clause(phrase, lexicon.BE, predicate=(word,), negation=negation)


def _neutrally(phrase: Phrase | None, kind: str, draws: Draws, negated: bool) -> Clause:
    word = draws.pick(lexicon.fitting(lexicon.NEUTRAL, kind))
    return Clause(phrase, lexicon.BE, predicate=(word,), negation=_flip(negated, draws))


def _in_tense(clause: Clause, tense: Tense) -> Clause:
    return dataclasses.replace(clause, tense=tense)


def _negated_inside(draws: Draws, label: int, tense: Tense) -> Statement:
    """One negation: of what is said, or of the relative clause, where it changes nothing."""
    negated = draws.chance(50)
    phrase = draw_plain(draws, "any")
    inside = _in_tense(_neutrally(None, phrase.noun.kind, draws, not negated), tense)
    phrase = dataclasses.replace(phrase, relative=Relative("subject", inside))
    said = _said_of(phrase, label ^ negated, draws, _flip(negated, draws))
    return Statement(add_place(draws, _in_tense(said, tense)))


def _negated_beside(draws: Draws, label: int, tense: Tense) -> Statement:
    """One negation: of what is said, or of a clause of reason or time."""
    negated = draws.chance(50)
    said = _said_of(draw_plain(draws, "any"), label ^ negated, draws, _flip(negated, draws))
    other = draw_plain(draws, "any")
    beside = _neutrally(other, other.noun.kind, draws, not negated)
    if other.noun.kind == "person" and draws.chance(60):
        verb = draws.pick([verb for verb in lexicon.INTRANSITIVE if "person" in verb.subjects])
        beside = Clause(other, verb, negation=beside.negation)
    word = draws.pick(("because", "when"))
    return Statement(_in_tense(said, tense), word, _in_tense(beside, tense))


def _thought(draws: Draws, label: int, tense: Tense) -> Statement:
    """Two negations at most, each of which turns the whole: "does not think that it is not"."""
    outer, inner = draws.chance(50), draws.chance(50)
    said = _said_of(draw_plain(draws, "any"), label ^ outer ^ inner, draws, _flip(inner, draws))
    verb = draws.pick(lexicon.THINKING)
    negation = "not" if outer else ""
    thinker = draw_plain(draws, "person")
    said = _in_tense(said, tense)
    return Statement(Clause(thinker, verb, complement=said, negation=negation, tense=tense))


def _contrasted(draws: Draws, label: int, tense: Tense) -> Statement:
    """ "Not dull but lovely": both words are there, the second counts."""
    phrase = draw_plain(draws, "any")
    wrong = _said_of(phrase, 1 - label, draws, "not")
    right = _said_of(phrase, label, draws, "")
    said = dataclasses.replace(wrong, predicate=wrong.predicate + right.predicate, tense=tense)
    return Statement(add_place(draws, said))


def _liked(draws: Draws, label: int, tense: Tense) -> Statement:
    """One negation: of love or hate, or of the relative clause of who loves or hates."""
    negated = draws.chance(50)
    verb = draws.pick(lexicon.LIKING if label ^ negated else lexicon.DISLIKING)
    inner = draws.pick([verb for verb in lexicon.INTRANSITIVE if "person" in verb.subjects])
    inside = Clause(None, inner, negation=_flip(not negated, draws), tense=tense)
    phrase = dataclasses.replace(draw_plain(draws, "person"), relative=Relative("subject", inside))
    negation = _flip(negated, draws)
    liked = draw_plain(draws, "any")
    return Statement(Clause(phrase, verb, liked, negation=negation, tense=tense))


def _liked_by_all(draws: Draws, label: int, tense: Tense) -> Statement:
    """ "Nobody hates the song", "everybody loves it"."""
    negated = draws.chance(50)
    verb = draws.pick(lexicon.LIKING if label ^ negated else lexicon.DISLIKING)
    who = Phrase(lexicon.NOBODY if negated else lexicon.EVERYBODY, determiner="")
    return Statement(add_place(draws, Clause(who, verb, draw_plain(draws, "any"), tense=tense)))


SENTIMENTS: tuple[Callable[[Draws, int, Tense], Statement], ...] = (
    *(_negated_inside, _negated_beside, _thought, _contrasted, _liked, _liked_by_all),
)

MAKERS: dict[str, Maker] = {
    "grammar_acceptability": draw_acceptability,
    "grammar_sentiment": draw_sentiment,
    "grammar_entailment": draw_entailment,
    "grammar_paraphrase": draw_paraphrase,
}
