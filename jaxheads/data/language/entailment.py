"""Entailment by construction: a phrase made more specific or less, under quantifiers and negation.

Let one statement be stronger than another where its phrase holds of fewer things. In a context that
keeps the order ("some", the predicate of "every" and of "the") the stronger entails the weaker; the
noun of "every" turns it round. With a negation on both sides the order turns again; with one on one
side the answer is contradiction or neutral. "It is false that" negates with other words than "no"
and "not", so that not even the difference between the two sides' words tells.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

from jaxheads.data.draws import Draws
from jaxheads.data.language import lexicon
from jaxheads.data.language.clauses import Clause, Phrase, Relative, Statement, spoken
from jaxheads.data.language.lexicon import BY_KIND, NAMED
from jaxheads.data.language.plain import add_place, draw_attached_plain, draw_neutral, draw_where

DeterminerFamily = Literal["some", "every", "the"]
ENTAILMENT, NEUTRAL, CONTRADICTION = range(3)

# label -> (premise negative, hypothesis negative, premise the stronger) where order is kept
CELLS: dict[int, tuple[tuple[bool, bool, bool], ...]] = {
    ENTAILMENT: ((False, False, True), (True, True, False)),
    CONTRADICTION: ((False, True, True), (True, False, False)),
    NEUTRAL: (
        *((False, False, False), (True, True, True)),
        *((False, True, False), (True, False, True)),
    ),
}
DENIALS = ((2, (False, False)), (1, (True, False)), (1, (False, True)))

Two = tuple[Clause, Clause]  # the weaker, the stronger


def draw_entailment(draws: Draws, label: int) -> tuple[str, str, str]:
    """Draw a premise and a hypothesis: entailment 0, neutral 1, contradiction 2.

    They are split by their core (see `_core`), which every sentence has but one of, so that no
    sentence of a split occurs in another one, on neither side.
    """
    family: DeterminerFamily = draws.pick(("some", "every", "the"))
    weak, strong, kept = _draw_two(draws, family)
    negative, negative_too, drops = draws.pick(CELLS[label])
    premise, hypothesis = (strong, weak) if drops == kept else (weak, strong)
    denied, denied_too = draws.weighted(DENIALS)
    first = _said(premise, family, negative, denied)
    second = _said(hypothesis, family, negative_too, denied_too)
    return first, second, _core(weak)


def _core(clause: Clause) -> str:
    """What no edit changes and a reader sees: the verb, the number, the nouns at their widest."""
    assert clause.subject is not None
    nouns = [phrase.noun for phrase in (clause.subject, clause.object) if phrase is not None]
    tops = [noun.above or noun.singular for noun in nouns]
    return " ".join([clause.verb.base, str(clause.subject.plural), *tops])


def _said(clause: Clause, family: DeterminerFamily, negative: bool, denied: bool) -> str:
    """Put a clause into words that mean its negation if `negative`, denied or not."""
    assert clause.subject is not None
    negated = negative != denied  # two negations are none
    determiner, negation = FORMS[family, negated]
    subject = dataclasses.replace(clause.subject, determiner=determiner)
    clause = dataclasses.replace(clause, subject=subject, negation=negation, deny=denied)
    return spoken(Statement(clause)).text


FORMS: dict[tuple[DeterminerFamily, bool], tuple[str, Literal["", "not"]]] = {
    ("some", False): ("some", ""),
    ("some", True): ("no", ""),
    ("every", False): ("every", ""),
    ("every", True): ("not every", ""),
    ("the", False): ("the", ""),
    ("the", True): ("the", "not"),
}


def _draw_two(draws: Draws, family: DeterminerFamily) -> tuple[Clause, Clause, bool]:
    """Draw a weaker and a stronger clause, and whether the context keeps the order."""
    kind = draws.weighted(((75, "person"), (25, "animal")))
    plural = family != "every" and draws.chance(45)
    subject = Phrase(draws.pick(BY_KIND[kind]), plural)
    clause = _draw_clause(draws, subject)
    if family != "the" and draws.chance(50):
        weak, strong = draws.pick(NOUN_EDITS)(draws, subject)
        if weak.adjectives == strong.adjectives == () and draws.chance(30):
            words = (draw_neutral(draws, kind),)
            weak, strong = (dataclasses.replace(each, adjectives=words) for each in (weak, strong))
        clause = add_place(draws, clause, 30)
        loose, strict = (dataclasses.replace(clause, subject=each) for each in (weak, strong))
        return loose, strict, family != "every"
    if draws.chance(40):
        subject = dataclasses.replace(subject, adjectives=(draw_neutral(draws, kind),))
        clause = dataclasses.replace(clause, subject=subject)
    edits = [VERB_EDITS[name] for name in ("place", "adverb")]
    edits += [VERB_EDITS["adjective"], VERB_EDITS["noun"]] if clause.object else []
    edits += [VERB_EDITS["joined"]] if family != "the" else []
    return (*draws.pick(edits)(draws, clause), True)


def _draw_clause(draws: Draws, subject: Phrase) -> Clause:
    """A verb with an object "a ..." or without one, in either tense."""
    kind = subject.noun.kind
    verbs = lexicon.INTRANSITIVE if draws.chance(40) else lexicon.TRANSITIVE
    verb = draws.pick([verb for verb in verbs if kind in verb.subjects])
    thing = _draw_object(draws, verb) if verb.objects else None
    tense: Literal["present", "past"] = "present" if draws.chance(60) else "past"
    return Clause(subject, verb, thing, tense=tense)


def _draw_object(draws: Draws, verb: lexicon.Verb) -> Phrase:
    kind = draws.pick(sorted(verb.objects))
    return Phrase(draws.pick(BY_KIND[kind]), determiner="a")


# -- what makes a noun phrase more specific


def _with_adjective(draws: Draws, phrase: Phrase) -> tuple[Phrase, Phrase]:
    word = draw_neutral(draws, phrase.noun.kind)
    return phrase, dataclasses.replace(phrase, adjectives=(word,))


def _with_place(draws: Draws, phrase: Phrase) -> tuple[Phrase, Phrase]:
    return phrase, dataclasses.replace(phrase, place=draw_attached_plain(draws))


def _with_relative(draws: Draws, phrase: Phrase) -> tuple[Phrase, Phrase]:
    kind = phrase.noun.kind
    verb = draws.pick([verb for verb in lexicon.INTRANSITIVE if kind in verb.subjects])
    said = Clause(None, verb)
    if draws.chance(50):
        said = Clause(None, lexicon.BE, predicate=(draw_neutral(draws, kind),))
    return phrase, dataclasses.replace(phrase, relative=Relative("subject", said))


def _with_hyponym(draws: Draws, phrase: Phrase) -> tuple[Phrase, Phrase]:
    low = draws.pick([noun for noun in BY_KIND[phrase.noun.kind] if noun.above])
    strong = dataclasses.replace(phrase, noun=low)
    return dataclasses.replace(phrase, noun=NAMED[low.above]), strong


NOUN_EDITS: tuple[Callable[[Draws, Phrase], tuple[Phrase, Phrase]], ...] = (
    *(_with_adjective, _with_place, _with_relative, _with_hyponym, _with_hyponym),
)

# -- what makes a predicate more specific


def _happens_somewhere(draws: Draws, clause: Clause) -> Two:
    return clause, dataclasses.replace(clause, places=(draw_where(draws),))


def _happens_somehow(draws: Draws, clause: Clause) -> Two:
    return clause, dataclasses.replace(clause, adverb=draws.pick(lexicon.MANNER))


def _object_described(draws: Draws, clause: Clause) -> Two:
    assert clause.object is not None
    weak, strong = _with_adjective(draws, clause.object)
    return _of_objects(clause, weak, strong)


def _object_narrowed(draws: Draws, clause: Clause) -> Two:
    assert clause.object is not None
    if not any(noun.above for noun in BY_KIND[clause.object.noun.kind]):
        return _object_described(draws, clause)
    return _of_objects(clause, *_with_hyponym(draws, clause.object))


def _of_objects(clause: Clause, weak: Phrase, strong: Phrase) -> Two:
    one, other = (dataclasses.replace(clause, object=each) for each in (weak, strong))
    return one, other


def _does_more(draws: Draws, clause: Clause) -> Two:
    assert clause.subject is not None
    kind, done = clause.subject.noun.kind, clause.verb
    fits = [verb for verb in lexicon.INTRANSITIVE if kind in verb.subjects and verb != done]
    more = Clause(None, draws.pick(fits), tense=clause.tense)
    return clause, dataclasses.replace(clause, joined=more)


VERB_EDITS: dict[str, Callable[[Draws, Clause], Two]] = {
    "place": _happens_somewhere,
    "adverb": _happens_somehow,
    "adjective": _object_described,
    "noun": _object_narrowed,
    "joined": _does_more,
}
