"""Trees to dependencies, brackets and CoNLL-U, by hand."""

from __future__ import annotations

from jaxheads.data.clauses import Clause, Phrase, Place, Relative, Statement, spoken
from jaxheads.data.lexicon import BE, INTRANSITIVE, NAMED, TRANSITIVE
from jaxheads.data.sentences import brackets, conllu

SLEEP, SEE = INTRANSITIVE[0], TRANSITIVE[0]
DOG, BARN, FARMER = (Phrase(NAMED[name]) for name in ("dog", "barn", "farmer"))


def dogs_that_sleep() -> Phrase:
    return Phrase(
        NAMED["dog"], True, "two", ("small",), None, Relative("subject", Clause(None, SLEEP))
    )


def test_a_sentence_is_written_as_a_treebank_writes_it():
    found = spoken(Statement(Clause(dogs_that_sleep(), SEE, BARN, negation="not")))
    assert found.text == "two small dogs that sleep do not see the barn ."
    assert brackets(found) == (
        "(ROOT (S (NP (NP (CD two) (JJ small) (NNS dogs)) (SBAR (WHNP (WDT that)) (S (VP (VBP "
        "sleep))))) (VP (VBP do) (RB not) (VP (VB see) (NP (DT the) (NN barn)))) (. .)))"
    )
    assert found.heads == (3, 3, 8, 5, 3, 8, 8, 0, 10, 8, 8)
    assert found.relations == (
        *("nummod", "amod", "nsubj", "nsubj", "acl:relcl", "aux", "advmod", "root"),
        *("det", "obj", "punct"),
    )
    assert found.spans[:4] == (("S", 0, 11), ("NP", 0, 5), ("NP", 0, 3), ("SBAR", 3, 5))


def test_conllu_has_ten_columns_and_two_comments():
    found = spoken(Statement(Clause(DOG, BE, predicate=("good",), tense="past")))
    assert conllu(found, "x-1") == (
        "# sent_id = x-1\n# text = the dog was good .\n"
        "1\tthe\tthe\tDET\tDT\t_\t2\tdet\t_\t_\n"
        "2\tdog\tdog\tNOUN\tNN\tNumber=Sing\t4\tnsubj\t_\t_\n"
        "3\twas\tbe\tAUX\tVBD\tMood=Ind|Number=Sing|Person=3|Tense=Past|VerbForm=Fin\t4\tcop\t_\t_\n"
        "4\tgood\tgood\tADJ\tJJ\t_\t0\troot\t_\t_\n"
        "5\t.\t.\tPUNCT\t.\t_\t4\tpunct\t_\t_\n\n"
    )


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
