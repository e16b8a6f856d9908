"""Maps of dependencies and constituents beside plain loops over one sentence at a time."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.data.treebanks.constituency import iter_parses
from jaxheads.inference.constituents import constituency_maps
from jaxheads.inference.dependencies import dependency_maps
from tests.support.syntax import (
    CONLLU,
    jensen_shannon,
    small_encoder,
    spans_of,
    word_attention,
    write_all,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("syntax")
    write_all(path)
    return path


def test_maps_are_shown_in_short(folder):
    maps = dependency_maps(*small_encoder(), folder / "trees.conllu")
    assert repr(maps).startswith("HeadMaps(2 layers x 3 heads, highest of each: max ")
    assert len(repr(maps)) < 300
    page = maps._repr_html_()
    assert page.count("<table>") == len(maps)
    assert page.count("<details open>") == 1
    assert page.count("<td") == 6 * len(maps)


def test_shares_of_arcs_are_those_of_a_loop_over_words(folder):
    model, tokenizer = small_encoder()
    found = dependency_maps(model, tokenizer, folder / "trees.conllu")
    counts = {name: np.zeros((2, 3)) for name in ("max", "up", "down", "amod")}
    arcs = dict.fromkeys(counts, 0)
    for sentence in CONLLU:
        words = [word for word, *_ in sentence]
        maps_LHPP = word_attention(model, tokenizer, words, special=True)
        for (layer, head), _ in np.ndenumerate(maps_LHPP[:, :, 0, 0]):
            own = maps_LHPP[layer, head].copy()
            np.fill_diagonal(own, -1)
            for word, (_, parent, relation) in enumerate(sentence):
                if parent and relation != "punct":
                    up, down = own[word].argmax() == parent - 1, own[parent - 1].argmax() == word
                    for name, hit in (("max", up or down), ("up", up), ("down", down)):
                        counts[name][layer, head] += hit
                        arcs[name] += 1
                    if relation == "amod":
                        counts["amod"][layer, head] += up or down
                        arcs["amod"] += 1
    share = {name: counts[name] / (arcs[name] / 6) for name in counts}
    np.testing.assert_allclose(found["max"], share["max"])
    np.testing.assert_allclose(found["dependent_to_head"], share["up"])
    np.testing.assert_allclose(found["head_to_dependent"], share["down"])
    np.testing.assert_allclose(found["amod"], share["amod"])
    assert list(found)[:4] == ["max", "mst", "dependent_to_head", "head_to_dependent"]
    assert set(found) >= {"det", "nsubj", "obj", "acl", "punct", "mst"}


def test_trees_of_heads_are_those_of_a_loop_over_gaps(folder):
    model, tokenizer = small_encoder()
    found = constituency_maps(model, tokenizer, folder / "trees.mrg")
    f1s, noun = [], []
    for parse in iter_parses(folder / "trees.mrg"):
        maps_LHPP = word_attention(model, tokenizer, parse.words, special=False)
        whole = (0, len(parse.words))
        gold = {span[1:] for span in parse.spans} - {whole}
        f1_LH, hits_LH = np.zeros((2, 3)), np.zeros((2, 3))
        for layer, head in np.ndindex(2, 3):
            rows = maps_LHPP[layer, head]
            gaps = [jensen_shannon(*rows[at : at + 2]) for at in range(len(rows) - 1)]
            made = spans_of(gaps)
            both = len((made - {whole}) & gold)
            f1_LH[layer, head] = 2 * both / (len(made) - 1 + len(gold))
            hits_LH[layer, head] = sum(n == "NP" and (a, b) in made for n, a, b in parse.spans)
        f1s.append(f1_LH)
        noun.append((hits_LH, sum(name == "NP" for name, *_ in parse.spans)))
    np.testing.assert_allclose(found["f1"], np.mean(f1s, 0), atol=1e-6)
    np.testing.assert_allclose(found["NP"], sum(h for h, _ in noun) / sum(n for _, n in noun))
    assert list(found) == ["f1", "NP", "VP", "PP"]


@pytest.mark.parametrize("maps", [dependency_maps, constituency_maps])
def test_files_that_are_no_treebank_are_refused(maps, tmp_path):
    model, tokenizer = small_encoder()
    with pytest.raises(ValueError, match="nothing"):
        maps(model, tokenizer, tmp_path / "nothing")
