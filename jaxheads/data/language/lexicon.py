"""The words of the built-in language: what they look like, and what they go with.

Every noun has one kind, and every verb says of which kinds its subject and its objects may be. No
word that can follow "a" begins with a vowel sound, so the article never changes.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

Kinds = frozenset[str]


class Noun(NamedTuple):
    """A noun in both numbers; `above` is the noun that holds of all it holds of."""

    singular: str
    plural: str
    kind: str
    above: str = ""


class Verb(NamedTuple):
    """A verb, its forms, and the kinds that it goes with; an empty set means that none is there."""

    base: str
    third: str
    past: str
    participle: str
    subjects: Kinds
    objects: Kinds = frozenset()
    recipients: Kinds = frozenset()
    tools: bool = False  # may be done "with" a tool


@functools.cache
def kinds(text: str) -> Kinds:
    """Split names of kinds; "creature" and "thing" stand for several."""
    wide = {
        "creature": "person animal",
        "thing": "food tool vehicle text",
        "any": "person animal food tool vehicle text place",
    }
    return frozenset(kind for word in text.split() for kind in wide.get(word, word).split())


def _nouns(kind: str, words: str, above: str = "") -> list[Noun]:
    """Read "dog" (plural with s) or "child/children"."""
    parted = (word.partition("/") for word in words.split())
    return [Noun(one, many or one + "s", kind, above) for one, _, many in parted]


NOUNS: tuple[Noun, ...] = (
    *_nouns("person", "farmer baker miner sailor gardener", "worker"),
    *_nouns("person", "singer painter dancer poet/poets", "performer"),
    *_nouns("person", "girl boy", "child"),
    *_nouns("person", "man/men woman/women child/children teacher doctor king neighbor student"),
    *_nouns("person", "worker performer person/people"),
    *_nouns("animal", "dog cat horse fox/foxes goat pig mouse/mice lion"),
    *_nouns("animal", "crow duck goose/geese swan", "bird"),
    *_nouns("animal", "bird"),
    *_nouns("food", "cake loaf/loaves potato/potatoes carrot sausage"),
    *_nouns("food", "pear plum cherry/cherries lemon", "fruit"),
    *_nouns("food", "fruit"),
    *_nouns("tool", "hammer knife/knives broom shovel ladder brush/brushes bucket"),
    *_nouns("vehicle", "truck wagon boat bus/buses"),
    *_nouns("text", "letter poem book map story/stories"),
    *_nouns("place", "barn school mill shop church/churches", "building"),
    *_nouns("place", "garden forest village market river hill"),
    *_nouns("place", "building"),
)
NOBODY = Noun("nobody", "nobody", "person")
EVERYBODY = Noun("everybody", "everybody", "person")
NAMED: dict[str, Noun] = {noun.singular: noun for noun in NOUNS}


def _of_kind(kind: str) -> tuple[Noun, ...]:
    """Order the nouns of a kind so that those with a hypernym and those without mix."""
    found = [noun for noun in NOUNS if noun.kind == kind]
    return tuple(found[::3] + found[1::3] + found[2::3])


BY_KIND: dict[str, tuple[Noun, ...]] = {
    kind: _of_kind(kind)
    for kind in ("person", "animal", "food", "tool", "vehicle", "text", "place")
}


def _verb(
    forms: str, subjects: str, objects: str = "", recipients: str = "", *, tools: bool = False
) -> Verb:
    """Read "walk", "chase", "eat ate" or "give gave given"; the third person is regular."""
    base, *rest = forms.split()
    hisses = base.endswith(("s", "sh", "ch", "x"))
    sounded = base.endswith("y") and base[-2] not in "aeou"
    third = base[:-1] + "ies" if sounded else base + ("es" if hisses else "s")
    regular = base[:-1] + "ied" if sounded else base + ("d" if base.endswith("e") else "ed")
    past = rest[0] if rest else regular
    participle = rest[1] if len(rest) > 1 else past
    return Verb(
        *(base, third, past, participle),
        *(kinds(subjects), kinds(objects), kinds(recipients)),
        tools=tools,
    )


INTRANSITIVE: tuple[Verb, ...] = (
    _verb("sleep slept", "creature"),
    _verb("run ran run", "creature"),
    _verb("wait", "creature"),
    _verb("dance", "person"),
    _verb("laugh", "person"),
    _verb("work", "person", tools=True),
    _verb("sing sang sung", "person"),
    _verb("hide hid hidden", "creature"),
    _verb("rest", "creature"),
    _verb("smile", "person"),
    _verb("turn", "vehicle creature"),
    _verb("crash", "vehicle"),
)
TRANSITIVE: tuple[Verb, ...] = (
    _verb("see saw seen", "creature", "any"),
    _verb("eat ate eaten", "creature", "food", tools=True),
    _verb("chase", "creature", "creature vehicle"),
    _verb("help", "person", "creature"),
    _verb("read read", "person", "text"),
    _verb("follow", "creature", "creature vehicle"),
    _verb("carry", "person", "food tool text"),
    _verb("write wrote written", "person", "text", tools=True),
    _verb("find found", "creature", "any"),
    _verb("repair", "person", "tool vehicle", tools=True),
    _verb("visit", "person", "person place"),
    _verb("drive drove driven", "person", "vehicle"),
    _verb("watch", "creature", "creature vehicle"),
    _verb("bake", "person", "food"),
    _verb("paint", "person", "vehicle place", tools=True),
    _verb("bite bit bitten", "animal", "creature food"),
    _verb("clean", "person", "tool vehicle place", tools=True),
    _verb("feed fed", "person", "animal"),
    _verb("thank", "person", "person"),
    _verb("buy bought", "person", "thing animal"),
)
DITRANSITIVE: tuple[Verb, ...] = (
    _verb("give gave given", "person", "food tool text", "person"),
    _verb("show showed shown", "person", "thing animal", "person"),
    _verb("send sent", "person", "food tool text", "person"),
    _verb("sell sold", "person", "food tool text vehicle", "person"),
    _verb("bring brought", "person", "food tool text", "person"),
)
SENTENTIAL: tuple[Verb, ...] = (
    _verb("say said", "person"),
    _verb("think thought", "person"),
    _verb("know knew known", "person"),
    _verb("believe", "person"),
    _verb("hope", "person"),
)
THINKING = (SENTENTIAL[1], SENTENTIAL[3])  # to deny that one thinks so is to think it is not so
BE = Verb("be", "is", "was", "been", kinds("any"))
LIKING: tuple[Verb, ...] = tuple(
    _verb(base, "person", "any") for base in ("love", "like", "enjoy", "praise")
)
DISLIKING: tuple[Verb, ...] = tuple(
    _verb(base, "person", "any") for base in ("hate", "dislike", "blame", "fear")
)


class Adjectives(NamedTuple):
    """Adjectives that may be said of some kinds."""

    words: tuple[str, ...]
    said_of: Kinds


def _adjectives(words: str, said_of: str) -> Adjectives:
    return Adjectives(tuple(words.split()), kinds(said_of))


NEUTRAL: tuple[Adjectives, ...] = (
    _adjectives("small big famous strange", "any"),
    _adjectives("young tall hungry quiet tired", "creature"),
    _adjectives("new red green brown white", "thing place"),
    _adjectives("heavy", "tool vehicle text"),
)
POSITIVE: tuple[Adjectives, ...] = (
    _adjectives("good lovely wonderful splendid perfect", "any"),
    _adjectives("kind clever brave gentle", "creature"),
)
NEGATIVE: tuple[Adjectives, ...] = (
    _adjectives("bad terrible dreadful horrible nasty", "any"),
    _adjectives("cruel rude lazy selfish", "creature"),
)
MANNER = ("quickly", "slowly", "quietly", "carefully", "suddenly")
MANNER_POSITIVE = ("gladly", "gracefully", "neatly")
MANNER_NEGATIVE = ("badly", "clumsily", "poorly")
OFTEN = ("often", "rarely", "always")
NEAR = ("near", "behind", "beside")
DETERMINERS = {  # determiner -> the number of its noun: 1 singular, 2 plural, 0 either
    "the": 0,
    "a": 1,
    "every": 1,
    "some": 0,
    "no": 0,
    "most": 2,
    "many": 2,
    "few": 2,
    "two": 2,
    "this": 1,
    "these": 2,
}
RANDOM_DETERMINERS = (
    *((46, "the"), (18, "a"), (7, "every"), (7, "some"), (3, "no"), (4, "most"), (4, "many")),
    *((3, "few"), (3, "two"), (2, "this"), (2, "these")),
)


def fitting(groups: tuple[Adjectives, ...], kind: str) -> tuple[str, ...]:
    """Return the adjectives that may be said of a kind."""
    return tuple(word for group in groups if kind in group.said_of for word in group.words)
