"""Attention in texts of one's own, beside single passes; distances of heads, beside plain loops."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.analysis.similarity import compare_heads
from jaxheads.inference.text_maps import attention_maps
from jaxheads.models.model import encode
from tests.support.syntax import jensen_shannon, small_encoder, word_attention

TEXTS = ("the dog sees", "new cats see the old dog and a girl")


def test_tokens_have_the_weights_of_a_pass_of_their_own():
    model, tokenizer = small_encoder()
    for text, found in zip(TEXTS, attention_maps(model, tokenizer, TEXTS), strict=True):
        ids = jnp.array(tokenizer.encode([text]).ids)
        trace = encode(model.config, model.params, ids, jnp.ones(ids.shape, bool),
                       observe=lambda view: view.probs_BHTS)  # fmt: skip
        np.testing.assert_allclose(found.attention, trace.observed[0], atol=1e-5)
        assert found.tokens[0] == "<s>"
        assert len(found.tokens) == ids.shape[1]


def test_words_attend_by_the_mean_of_their_pieces_and_are_attended_by_the_sum():
    model, tokenizer = small_encoder()
    for text, found in zip(TEXTS, attention_maps(model, tokenizer, TEXTS, words=True), strict=True):
        assert found.tokens == tuple(text.split())
        expected = word_attention(model, tokenizer, text.split(), special=True)
        np.testing.assert_allclose(found.attention, expected, atol=1e-5)


def test_the_second_sentence_of_a_pair_has_its_own_token_type():
    from jaxheads.data.tokens import load_tokenizer
    from jaxheads.models.checkpoint.convert import load_model

    model, tokenizer = load_model("builtin:albert"), load_tokenizer("builtin:albert")
    (found,) = attention_maps(model, tokenizer, [("the dog sees", "a cat")])
    encoded = tokenizer.encode(["the dog sees"], ["a cat"])
    assert set(encoded.types[0]) == {0, 1}
    ids, types = jnp.array(encoded.ids), jnp.array(encoded.types)
    trace = encode(model.config, model.params, ids, jnp.ones(ids.shape, bool), types,
                   observe=lambda view: view.probs_BHTS)  # fmt: skip
    np.testing.assert_allclose(found.attention, trace.observed[0], atol=1e-5)


@pytest.mark.parametrize(
    ("texts", "words", "said"),
    [
        ("the dog", False, "got one text"),
        ([("a", "b")], True, "text 0: words"),
        (["the dog", " "], True, "text 1: expected a word"),
        (["the dog " * 40], False, "expected at most 32 tokens"),
    ],
)
def test_texts_that_have_no_map_are_refused(texts, words, said):
    with pytest.raises(ValueError, match=said):
        attention_maps(*small_encoder(), texts, words=words)


def test_distances_are_those_of_a_loop_over_heads_and_rows():
    rng = np.random.default_rng(0)
    one, two = ([rng.dirichlet(np.ones(size), (*shape, size)) for size in (3, 5)]
                for shape in ((2, 3), (1, 4)))  # fmt: skip
    two[0][0, 2], two[1][0, 2] = one[0][1, 0], one[1][1, 0]  # a head of one is a head of two
    found = compare_heads(one, two)
    for place in np.ndindex(2, 3, 1, 4):
        rows = [
            jensen_shannon(a, b)
            for mine, theirs in zip(one, two, strict=True)
            for a, b in zip(mine[place[:2]], theirs[place[2:]], strict=True)
        ]
        assert found.distance[place] == pytest.approx(np.mean(rows))
    assert found.match[1, 0].tolist() == [0, 2]
    assert found.match_distance[1, 0] == pytest.approx(0)
    assert found.same_place is None
    own = compare_heads(one, one)
    assert own.same_place is not None
    np.testing.assert_allclose(own.same_place, 0, atol=1e-9)


def test_other_texts_and_weights_below_zero_are_refused():
    one = [np.full((1, 1, 2, 2), 0.5)]
    with pytest.raises(ValueError, match="the same texts"):
        compare_heads(one, [np.full((1, 1, 3, 3), 0.5)])
    with pytest.raises(ValueError, match="at least 0"):
        compare_heads(one, [-one[0]])
