"""Paraphrases: who does what is read off the words, and the words are the same in both classes."""

from __future__ import annotations

import re
from collections import Counter

from jaxheads.data.draws import Draws
from jaxheads.data.language.lexicon import DITRANSITIVE, INTRANSITIVE, NEAR, NOUNS, TRANSITIVE
from jaxheads.data.language.paraphrase import draw_paraphrase

BASE = {v: verb.base for verb in (*INTRANSITIVE, *TRANSITIVE, *DITRANSITIVE) for v in verb[:4]}
NOUN = "|".join(sorted({form for noun in NOUNS for form in noun[:2]}, key=len, reverse=True))
PHRASE = rf"((?:the|this|these) (?:\w+ )?(?:{NOUN}))"
VERB = rf"({'|'.join(sorted(BASE, key=len, reverse=True))})"
WHERE = rf"(?: ((?:in|{'|'.join(NEAR)}) (?:the|this|these) (?:\w+ )?(?:{NOUN})))?"
PATTERNS = {
    "passive": rf"{PHRASE} (?:is|are|was|were) {VERB} by {PHRASE}{WHERE} \.",
    "conjuncts": rf"{PHRASE} and {PHRASE} {VERB} {PHRASE}{WHERE} \.",
    "to": rf"{PHRASE} {VERB} {PHRASE} to {PHRASE}{WHERE} \.",
    "two objects": rf"{PHRASE} {VERB} {PHRASE} {PHRASE}{WHERE} \.",
    "active": rf"{PHRASE} {VERB} {PHRASE}{WHERE} \.",
    "clauses": rf"{PHRASE} {VERB}{WHERE} and {PHRASE} {VERB}{WHERE} \.",
}


def meaning(text: str) -> tuple[str, object]:
    """The construction, and what is said in an order that does not depend on it."""
    name, parts = next(
        (name, found.groups())
        for name, pattern in PATTERNS.items()
        if (found := re.fullmatch(pattern, text))
    )
    if name == "clauses":
        one, verb, where, other, verb_too, where_too = parts
        return name, frozenset({(one, BASE[verb], where), (other, BASE[verb_too], where_too)})
    order = {
        "passive": lambda x, v, y, at: (y, BASE[v], x, None, at),
        "active": lambda x, v, y, at: (x, BASE[v], y, None, at),
        "to": lambda x, v, y, z, at: (x, BASE[v], y, z, at),
        "two objects": lambda x, v, z, y, at: (x, BASE[v], y, z, at),
        "conjuncts": lambda x, y, v, z, at: (frozenset({x, y}), BASE[v], z, None, at),
    }
    return name, order[name](*parts)


def test_two_sentences_are_equivalent_where_the_roles_are_the_same(generated):
    seen = Counter()
    for each in generated("grammar_paraphrase", "train"):
        (name, one), (_, other) = meaning(each.first), meaning(each.second)
        assert (one == other) == bool(each.label), each
        seen[name, each.label] += 1
    assert set(seen) == {(name, label) for name in PATTERNS for label in (0, 1)}
    assert min(seen.values()) > 50


def test_the_words_are_the_same_in_both_classes():
    for number in range(60):
        same, other = (draw_paraphrase(Draws("p", number), label)[:2] for label in (1, 0))
        shared = set(same) & set(other)
        assert shared, (same, other)
        bags = [sorted(" ".join(texts).split()) for texts in (same, other)]
        assert bags[0] == bags[1]
        assert set(same) != set(other)
