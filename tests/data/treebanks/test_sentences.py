"""Trees to dependencies and constituents, by hand."""

from __future__ import annotations

from jaxheads.data.language.clauses import Clause, Phrase, Place, Relative, Statement, spoken
from jaxheads.data.language.lexicon import BE, INTRANSITIVE, NAMED, TRANSITIVE

SLEEP, SEE = INTRANSITIVE[0], TRANSITIVE[0]
DOG, BARN, FARMER = (Phrase(NAMED[name]) for name in ("dog", "barn", "farmer"))


def dogs_that_sleep() -> Phrase:
    return Phrase(
        NAMED["dog"], True, "two", ("small",), None, Relative("subject", Clause(None, SLEEP))
    )


def test_a_sentence_has_the_tags_constituents_and_arcs_of_a_treebank():
    found = spoken(Statement(Clause(dogs_that_sleep(), SEE, BARN, negation="not")))
    assert found.text == "two small dogs that sleep do not see the barn ."
    assert " ".join(found.tags) == "CD JJ NNS WDT VBP VBP RB VB DT NN ."
    assert found.heads == (3, 3, 8, 5, 3, 8, 8, 0, 10, 8, 8)
    assert found.relations == (
        *("nummod", "amod", "nsubj", "nsubj", "acl:relcl", "aux", "advmod", "root"),
        *("det", "obj", "punct"),
    )
    assert found.spans == (
        *(("S", 0, 11), ("NP", 0, 5), ("NP", 0, 3), ("SBAR", 3, 5), ("WHNP", 3, 4), ("S", 4, 5)),
        *(("VP", 4, 5), ("VP", 5, 10), ("VP", 7, 10), ("NP", 8, 10)),
    )


def test_words_have_their_lemmas_and_features():
    found = spoken(Statement(Clause(DOG, BE, predicate=("good",), tense="past")))
    assert found.text == "the dog was good ."
    assert [(leaf.label, leaf.lemma, leaf.features) for leaf in found.leaves[1:4]] == [
        ("NN", "dog", "Number=Sing"),
        ("VBD", "be", "Mood=Ind|Number=Sing|Person=3|Tense=Past|VerbForm=Fin"),
        ("JJ", "good", "_"),
    ]
    assert found.heads == (2, 4, 4, 0, 4)
    assert found.relations == ("det", "nsubj", "cop", "root", "punct")


def heads_and_relations(clause: Clause, **more) -> dict[str, tuple[str, str]]:
    """Each word with its relation and the word above it; words must not repeat."""
    found = spoken(Statement(clause, **more))
    assert len(set(found.words)) == len(found.words), found.text
    above = [found.words[head - 1] if head else "" for head in found.heads]
    pairs = zip(found.relations, above, strict=True)
    return dict(zip(found.words, pairs, strict=True))


def test_a_conjunction_belongs_to_the_conjunct_after_it():
    cat = Phrase(NAMED["cat"], True, "some")
    got = heads_and_relations(Clause(Phrase(NAMED["dog"], joined=cat), SLEEP))
    assert (got["and"], got["cats"], got["dog"]) == (
        *(("cc", "cats"), ("conj", "dog"), ("nsubj", "sleep")),
    )
    got = heads_and_relations(Clause(DOG, SLEEP, joined=Clause(None, INTRANSITIVE[1])))
    assert (got["and"], got["runs"], got["sleeps"]) == (
        *(("cc", "runs"), ("conj", "sleeps"), ("root", "")),
    )


def test_a_passive_has_an_agent_and_a_preposition_its_noun():
    somewhere = Place("in", Phrase(NAMED["garden"], determiner="this"))
    seen = Phrase(NAMED["cat"], True, "most")
    passive = Clause(DOG, SEE, seen, passive=True, places=(somewhere,))
    assert spoken(Statement(passive)).text == "most cats are seen by the dog in this garden ."
    got = heads_and_relations(passive)
    assert got["cats"] == ("nsubj:pass", "seen")
    assert got["are"] == ("aux:pass", "seen")
    assert got["dog"] == ("obl:agent", "seen")
    assert got["by"] == ("case", "dog")
    assert got["garden"] == ("obl", "seen")


def test_clauses_below_others_have_their_marks():
    known = Clause(FARMER, INTRANSITIVE[0])
    when = heads_and_relations(
        Clause(Phrase(NAMED["king"], determiner="a"), SEE, Phrase(NAMED["dog"], True, "")),
        conjunction="when",
        second=known,
    )
    assert when["when"] == ("mark", "sleeps")
    assert when["sleeps"] == ("advcl", "sees")
    said = Clause(Phrase(NAMED["dog"], determiner="every"), SLEEP, deny=True)
    got = heads_and_relations(said)
    assert got["false"] == ("root", "")
    assert got["it"] == ("expl", "false")
    assert got["sleeps"] == ("csubj", "false")
    assert got["that"] == ("mark", "sleeps")
