"""Clauses as plans, and how they are put into words with their trees."""

from __future__ import annotations

import dataclasses
from typing import Literal

from jaxheads.data.language.lexicon import BE, Kinds, Noun, Verb, kinds
from jaxheads.data.treebanks.sentences import Node, Sentence

Tense = Literal["present", "past"]
Negation = Literal["", "not", "never"]


@dataclasses.dataclass(frozen=True)
class Phrase:
    """A noun phrase before it is put into words: "the small dog near the barn that sleeps"."""

    noun: Noun
    plural: bool = False
    determiner: str = "the"  # may be two words, "not every"
    adjectives: tuple[str, ...] = ()
    place: Place | None = None
    relative: Relative | None = None
    joined: Phrase | None = None  # "... and the cat"

    @property
    def many(self) -> bool:
        """Whether a verb agrees with it in the plural."""
        return self.plural or self.joined is not None


@dataclasses.dataclass(frozen=True)
class Place:
    """A preposition and its noun phrase."""

    preposition: str
    phrase: Phrase


@dataclasses.dataclass(frozen=True)
class Relative:
    """A relative clause: its clause has None where the noun that it describes belongs."""

    gap: Literal["subject", "object"]
    clause: Clause


@dataclasses.dataclass(frozen=True)
class Clause:
    """Who does what; a copula has `predicate` adjectives, the second after "but"."""

    subject: Phrase | None
    verb: Verb
    object: Phrase | None = None
    recipient: Phrase | None = None
    complement: Clause | None = None
    predicate: tuple[str, ...] = ()
    tense: Tense = "present"
    negation: Negation = ""
    often: str = ""  # before the verb
    adverb: str = ""  # after it
    places: tuple[Place, ...] = ()
    passive: bool = False
    dative: bool = False  # the recipient after "to"
    joined: Clause | None = None  # "... and sings": the same subject
    deny: bool = False  # "it is false that ..."


@dataclasses.dataclass(frozen=True)
class Statement:
    """One clause, or two with a conjunction: "and", "but", or a subordinate "because", "when"."""

    first: Clause
    conjunction: str = ""
    second: Clause | None = None


def spoken(statement: Statement) -> Sentence:
    """Put a statement into words, with a full stop."""
    first, second = statement.first, statement.second
    stop = _word(".", ".", "punct")
    if second is None:
        top = _clause(first, "root")
        return Sentence(top._replace(children=(*top.children, stop)))
    word = statement.conjunction
    if word in ("and", "but"):
        parts = (_clause(first, "head"), _word(word, "CC", "cc"), _clause(second, "conj"))
        return Sentence(Node("S", "root", (*parts, stop)))
    below = Node("SBAR", "advcl", (_word(word, "IN", "mark"), _clause(second, "head")))
    top = _clause(first, "root")
    *before, verbs = top.children
    verbs = verbs._replace(children=(*verbs.children, below))
    return Sentence(top._replace(children=(*before, verbs, stop)))


# -- noun phrases


def _phrase(phrase: Phrase, relation: str, allows: Kinds) -> Node:
    if phrase.joined is not None:
        alone = dataclasses.replace(phrase, joined=None)
        parts = (_phrase(alone, "head", allows), _word("and", "CC", "cc"))
        return Node("NP", relation, (*parts, _phrase(phrase.joined, "conj", allows)))
    noun = phrase.noun
    form = noun.plural if phrase.plural else noun.singular
    features = "Number=Plur" if phrase.plural else "Number=Sing"
    tag = "NNS" if phrase.plural else "NN"
    children = tuple(_determiner(word) for word in phrase.determiner.split())
    children += tuple(_word(word, "JJ", "amod") for word in phrase.adjectives)
    children += (Node(tag, "head", (), form, noun.singular, features, "", allows),)
    if phrase.place is None and phrase.relative is None:
        return Node("NP", relation, children)
    after = (_place(phrase.place, "nmod"),) if phrase.place else ()
    after += (_relative(phrase.relative, phrase.plural),) if phrase.relative else ()
    return Node("NP", relation, (Node("NP", "head", children), *after))


def _determiner(word: str) -> Node:
    if word == "two":
        return _word(word, "CD", "nummod")
    if word in ("many", "few"):
        return _word(word, "JJ", "amod")
    return _word(word, "RB", "advmod") if word == "not" else _word(word, "DT", "det")


def _place(place: Place, relation: str) -> Node:
    tag = "TO" if place.preposition == "to" else "IN"
    allows = kinds("place") if place.preposition == "in" else kinds("any")
    if relation == "obl" and place.preposition == "with":
        allows = kinds("tool")
    below = _phrase(place.phrase, "head", allows)
    return Node("PP", relation, (_word(place.preposition, tag, "case"), below))


def _relative(relative: Relative, plural: bool) -> Node:
    clause = relative.clause
    if relative.gap == "subject":
        that = Node("WHNP", "nsubj", (_word("that", "WDT", "head"),))
        below = Node("S", "head", (_verbs(clause, plural, "head"),))
    else:
        that = Node("WHNP", "obj", (_word("that", "WDT", "head"),))
        below = _clause(clause, "head")
    return Node("SBAR", "acl:relcl", (that, below))


# -- clauses


def _clause(clause: Clause, relation: str) -> Node:
    if clause.deny:
        return _denied(clause, relation)
    subject = clause.object if clause.passive else clause.subject
    assert subject is not None
    verb = clause.verb
    allows = verb.objects if clause.passive else verb.subjects
    name = "nsubj:pass" if clause.passive else "nsubj"
    verbs = _verbs(clause, subject.many, "head")
    return Node("S", relation, (_phrase(subject, name, allows), verbs))


def _denied(clause: Clause, relation: str) -> Node:
    """ "It is false that ...", with the clause as its logical subject."""
    clause = dataclasses.replace(clause, deny=False)
    it = Node("NP", "expl", (_word("it", "PRP", "head"),))
    false = Node("ADJP", "head", (_word("false", "JJ", "head"),))
    below = Node("SBAR", "csubj", (_word("that", "IN", "mark"), _clause(clause, "head")))
    copula = _finite(BE, False, "present", "cop")
    return Node("S", relation, (it, Node("VP", "head", (copula, false, below))))


def _verbs(clause: Clause, plural: bool, relation: str) -> Node:
    """The verb phrase with everything after the verb; a second one where two are joined."""
    if clause.joined is not None:
        alone = dataclasses.replace(clause, joined=None)
        parts = (_verbs(alone, plural, "head"), _word("and", "CC", "cc"))
        return Node("VP", relation, (*parts, _verbs(clause.joined, plural, "conj")))
    verb, tense = clause.verb, clause.tense
    negation = (_word(clause.negation, "RB", "advmod"),) if clause.negation else ()
    if clause.predicate:
        said = (*negation, _predicate(clause.predicate), *_after(clause))
        return Node("VP", relation, (_finite(BE, plural, tense, "cop"), *said))
    if clause.passive:
        word = Node("VBN", "head", (), verb.participle, verb.base, "Tense=Past|VerbForm=Part")
        inner = Node("VP", "head", (word, *_after(clause)))
        be = _finite(BE, plural, tense, "aux:pass")
        return Node("VP", relation, (be, *negation, inner))
    if clause.negation == "not":
        word = Node("VB", "head", (), verb.base, verb.base, "VerbForm=Inf")
        inner = Node("VP", "head", (word, *_after(clause)))
        return Node("VP", relation, (_finite(DO, plural, tense, "aux"), *negation, inner))
    often = (_adverb(clause.often),) if clause.often else ()
    finite = _finite(verb, plural, tense, "head")
    return Node("VP", relation, (*negation, *often, finite, *_after(clause)))


def _predicate(adjectives: tuple[str, ...]) -> Node:
    """ "dull", or after "not": "dull but lovely"."""
    if len(adjectives) == 1:
        return Node("ADJP", "head", (_word(adjectives[0], "JJ", "head"),))
    first, second = (Node("ADJP", "head", (_word(word, "JJ", "head"),)) for word in adjectives)
    but = _word("but", "CC", "cc")
    return Node("ADJP", "head", (first, but, second._replace(relation="conj")))


def _after(clause: Clause) -> tuple[Node, ...]:
    """What follows the verb: objects, an agent, a clause, an adverb, places."""
    verb, parts = clause.verb, []
    if clause.recipient is not None and not clause.dative:
        parts.append(_phrase(clause.recipient, "iobj", verb.recipients))
    if clause.object is not None and not clause.passive:
        parts.append(_phrase(clause.object, "obj", verb.objects))
    if clause.recipient is not None and clause.dative:
        to = _word("to", "TO", "case")
        parts.append(Node("PP", "obl", (to, _phrase(clause.recipient, "head", verb.recipients))))
    if clause.adverb:
        parts.append(_adverb(clause.adverb))
    if clause.passive and clause.subject is not None:
        by = _word("by", "IN", "case")
        parts.append(Node("PP", "obl:agent", (by, _phrase(clause.subject, "head", verb.subjects))))
    parts += [_place(place, "obl") for place in clause.places]
    if clause.complement is not None:
        that = _word("that", "IN", "mark")
        parts.append(Node("SBAR", "ccomp", (that, _clause(clause.complement, "head"))))
    return tuple(parts)


# -- words

DO = Verb("do", "does", "did", "done", kinds("any"))


def _word(form: str, tag: str, relation: str) -> Node:
    return Node(tag, relation, (), form, form)


def _adverb(word: str) -> Node:
    return Node("ADVP", "advmod", (_word(word, "RB", "head"),))


def _finite(verb: Verb, plural: bool, tense: Tense, relation: str) -> Node:
    """The verb in its tense and number; `other` is its form in the other number, if another."""
    number = "Plur" if plural else "Sing"
    if tense == "past":
        forms = ("was", "were") if verb is BE else (verb.past, verb.past)
    else:
        forms = (verb.third, "are" if verb is BE else verb.base)
    form, other = forms[plural], forms[not plural]
    features = f"Mood=Ind|Number={number}|Person=3|Tense={tense[:4].capitalize()}|VerbForm=Fin"
    tag = "VBD" if tense == "past" else "VBP" if plural else "VBZ"
    return Node(tag, relation, (), form, verb.base, features, other if other != form else "")
