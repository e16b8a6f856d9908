"""Streams of attention maps: against one sentence at a time, loops over pieces, and by hand."""

from __future__ import annotations

import functools
import itertools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.data.pieces import pieces_of_words, single_pieces
from jaxheads.data.tokens import EncodedWords
from jaxheads.inference.attention_maps import attention_maps, fitting
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import abstract_params, encode
from jaxheads.objectives import watch_for
from jaxheads.parallel.mesh import make_mesh
from jaxheads.pruning.cut import cut

SIZES = {
    "roberta": encoder_config("roberta", 40, 16, 2, 4, 8, 14, type_vocab_size=1, pad_token_id=1),
    "albert": encoder_config(
        "albert", 40, 16, 2, 4, 8, 12, type_vocab_size=2, embedding_size=4, hidden_groups=1
    ),
    "bert": encoder_config("bert", 40, 16, 2, 4, 8, 12, type_vocab_size=2),
    "distilbert": encoder_config("distilbert", 40, 16, 2, 4, 8, 12),
}
LATER = ("bert", "distilbert")  # the same code with other tables
WORDS = [[1, 1], [6], [2, 1, 3], [1, 1], [1, 1, 1, 1, 1, 1], [3, 3], [2]]  # pieces of each word
MOST, LENGTHS, TOKENS = 12, (12,), 36  # one program a model, three sentences a batch
# Float32 sums of another order, for maps that are at most 1.
SAME = {"rtol": 0, "atol": 1e-6}


def sentence(pieces: list[int], seed: int) -> EncodedWords:
    words = np.repeat(np.arange(len(pieces)), pieces).tolist()
    ids = np.random.default_rng(seed).integers(5, 40, len(words)).tolist()
    return EncodedWords([2, *ids, 3], [-1, *words, -1])


SENTENCES = [sentence(pieces, seed) for seed, pieces in enumerate(WORDS)]


def random_params(config: EncoderConfig):
    rng = np.random.default_rng(0)
    shapes = abstract_params(config, ReadoutConfig())
    return jax.tree.map(lambda leaf: rng.normal(0, 0.5, leaf.shape).astype(np.float32), shapes)


def streamed(config, params, inputs, **more):
    """Every sentence's maps by number."""
    more = {
        "pad_id": 1,
        "most": MOST,
        "lengths": LENGTHS,
        "tokens": TOKENS,
        **more,
    }
    found = {}
    for index_N, maps in attention_maps(watch_for(config), params, inputs, **more):
        assert maps.ndim == 5
        for number, own in zip(index_N.tolist(), maps, strict=True):
            assert number not in found
            found[number] = own
    assert sorted(found) == list(range(len(inputs)))
    return found


def words_by_loop(attention, word_of_piece, words, *, queries="mean", keys="sum", special=False):
    """Attention between words, one pair of words at a time; `special`: those tokens have rows."""
    pieces = [[t for t, w in enumerate(word_of_piece) if w == word] for word in range(words)]
    if special:
        pieces = sorted(pieces + [[t] for t, w in enumerate(word_of_piece) if w < 0])
    parts = {"first": lambda own: own[:1], "last": lambda own: own[-1:]}
    found = np.zeros((*attention.shape[:-2], len(pieces), len(pieces)))
    for (row, start), (column, end) in itertools.product(enumerate(pieces), repeat=2):
        rows, columns = parts.get(queries, list)(start), parts.get(keys, list)(end)
        for t, s in itertools.product(rows, columns):
            found[..., row, column] += attention[..., t, s] / len(rows)
    return found


@functools.partial(jax.jit, static_argnames="config")
def unpadded(config, params, tokens, gate):
    real = jnp.ones(tokens.shape, bool)
    return encode(
        config, params, tokens, real, None, gate, observe=lambda view: view.probs_BHTS
    ).observed


def alone(config, params, ids, gate=None):
    """The maps between pieces of one sentence, without any padding."""
    gate = np.ones((2, 4), np.float32) if gate is None else gate
    return np.asarray(unpadded(config, params, np.array([ids], np.int32), gate))[0].astype("f8")


@pytest.mark.parametrize(
    "family", ["roberta", "albert", *(pytest.param(f, marks=pytest.mark.slow) for f in LATER)]
)
def test_streamed_maps_are_those_of_one_sentence_at_a_time(family):
    config = SIZES[family]
    params = random_params(config)
    inputs = [pieces_of_words(each, len(w)) for each, w in zip(SENTENCES, WORDS, strict=True)]
    found = streamed(config, params, inputs)
    for number, each in enumerate(SENTENCES):
        maps = alone(config, params, each.ids)
        expected = words_by_loop(maps, each.word_of_piece, len(WORDS[number]))
        np.testing.assert_allclose(found[number], expected, **SAME)


@pytest.fixture(scope="module")
def roberta():
    return SIZES["roberta"], random_params(SIZES["roberta"])


def test_devices_give_the_same_maps(roberta):
    inputs = [pieces_of_words(each, len(w)) for each, w in zip(SENTENCES, WORDS, strict=True)]
    one, eight = (streamed(*roberta, inputs, mesh=mesh) for mesh in (None, make_mesh(4, 2)))
    for number in range(len(inputs)):
        np.testing.assert_allclose(one[number], eight[number], **SAME)


@pytest.mark.parametrize("special", ["kept", "absent"])
@pytest.mark.parametrize("choice", [{"queries": "first", "keys": "last"}, {}])
def test_special_tokens_have_rows_or_do_not_enter_the_model(roberta, special, choice):
    each, count = SENTENCES[2] if special == "kept" else sentence([3, 1, 4], 9), 3
    ids, words = each.ids, each.word_of_piece
    if special == "absent":
        ids, words = ids[1:-1], words[1:-1]
    found = streamed(*roberta, [pieces_of_words(each, count, special=special)], **choice)[0]
    expected = words_by_loop(
        alone(*roberta, ids), words, count, special=special == "kept", **choice
    )
    assert found.shape[-1] == (5 if special == "kept" else 3)
    np.testing.assert_allclose(found, expected, **SAME)


def test_pieces_alone_are_raw_maps(roberta):
    found = streamed(*roberta, [single_pieces(each.ids) for each in SENTENCES])
    for number, each in enumerate(SENTENCES):
        np.testing.assert_allclose(found[number], alone(*roberta, each.ids), **SAME)


def test_cut_heads_have_maps_of_zeros_and_the_others_those_of_the_mask(roberta):
    config, params = roberta
    mask = np.array([[1, 0, 1, 1], [0, 1, 1, 0]], bool)
    smaller_params, smaller = cut(params, config, mask)
    inputs = [pieces_of_words(SENTENCES[2], 3)]
    found = streamed(smaller, smaller_params, inputs)[0]
    gated = alone(config, params, SENTENCES[2].ids, mask.astype(np.float32))
    masked = words_by_loop(gated, SENTENCES[2].word_of_piece, 3)
    assert not found[~mask].any()
    np.testing.assert_allclose(found[mask], masked[mask], **SAME)


def test_a_word_without_pieces_is_zero_and_one_word_alone_is_a_map_of_one(roberta):
    dropped = EncodedWords([2, 7, 8, 3], [-1, 0, 2, -1])
    found = streamed(*roberta, [pieces_of_words(dropped, 3), pieces_of_words(SENTENCES[1], 1)])
    assert not found[0][..., 1].any()
    assert not found[0][..., 1, :].any()
    assert (found[0][..., [0, 2], :][..., [0, 2]] > 0).all()
    assert found[1].shape == (2, 4, 1, 1)


def test_sentences_that_are_too_long_are_told_apart_and_refused(roberta):
    inputs = [single_pieces([2] * 12), single_pieces([2] * 13), single_pieces([2])]
    many_words = pieces_of_words(EncodedWords([2, 5, 3], [-1, 0, -1]), 13)
    assert fitting([*inputs, many_words], 12) == ([0, 2], [1, 3])
    with pytest.raises(ValueError, match="sentences 1: expected at most 12 tokens, got up to 13"):
        streamed(*roberta, inputs)


def test_attention_that_is_not_a_number_is_an_error_that_names_the_sentence(roberta):
    config, params = roberta
    bad = jax.tree.map(np.copy, params)
    bad["encoder"]["embeddings"]["word"]["table"][11] = np.nan
    inputs = [single_pieces([2, 5, 3]), single_pieces([2, 11, 3])]
    with pytest.raises(ValueError, match="example 1: expected a finite"):
        streamed(config, bad, inputs)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"queries": "sum"}, "queries: expected one of mean, first, last, got 'sum'"),
        ({"keys": "mean"}, "keys: expected one of sum, first, last, got 'mean'"),
        ({"tokens": 0}, "tokens: expected at least 1, got 0"),
    ],
)
def test_options_that_do_not_fit_are_rejected(roberta, wrong, message):
    with pytest.raises(ValueError, match=message):
        streamed(*roberta, [single_pieces([2, 3])], **wrong)


def test_batches_do_not_depend_on_the_order(roberta):
    inputs = [single_pieces(each.ids) for each in SENTENCES]
    found = streamed(*roberta, inputs[::-1])
    for number, own in streamed(*roberta, inputs).items():
        np.testing.assert_allclose(found[len(inputs) - 1 - number], own, **SAME)


# -- maps between pieces that are given, so that those between words are known

WORD_OF_PIECE = [-1, 0, 1, 1, -1]  # <s> a b ##b </s>
HAND = np.array(
    [
        [0.2, 0.2, 0.2, 0.2, 0.2],
        [0.1, 0.2, 0.3, 0.1, 0.3],
        [0.0, 0.4, 0.2, 0.4, 0.0],
        [0.2, 0.2, 0.1, 0.1, 0.4],
        [0.6, 0.1, 0.1, 0.1, 0.1],
    ],
    np.float32,
)


def of_words(attention, word_of_piece, words, *, special="dropped", **choice):
    """What the stream makes of a map `[H, T, T]` that the model is said to have."""

    def watch(params, gate, batch, observe):
        return observe(SimpleNamespace(probs_BHTS=attention[None]))[:, None]

    size = len(word_of_piece)
    encoded = EncodedWords(list(range(size)), word_of_piece)
    inputs = [pieces_of_words(encoded, words, special=special)]
    ((_, maps),) = attention_maps(watch, {}, inputs, pad_id=0, most=size, **choice)
    return maps[0, 0]


def random_attention(*shape):
    drawn = np.random.default_rng(0).random((*shape, shape[-1]), np.float32)
    return drawn / drawn.sum(-1, keepdims=True)


def test_attention_is_summed_over_to_and_averaged_over_from():
    (found,) = of_words(HAND[None], WORD_OF_PIECE, 2)
    np.testing.assert_allclose(found, [[0.2, 0.4], [0.3, (0.6 + 0.2) / 2]], **SAME)


def test_special_tokens_can_be_kept_in_their_places():
    (found,) = of_words(HAND[None], WORD_OF_PIECE, 2, special="kept")
    expected = [
        [0.2, 0.2, 0.4, 0.2],
        [0.1, 0.2, 0.4, 0.3],
        [0.1, 0.3, 0.4, 0.2],
        [0.6, 0.1, 0.2, 0.1],
    ]
    np.testing.assert_allclose(found, expected, **SAME)


@pytest.mark.parametrize(("piece", "expected"), [("first", [1, 2]), ("last", [1, 3])])
def test_one_piece_can_stand_for_its_word(piece, expected):
    (found,) = of_words(HAND[None], WORD_OF_PIECE, 2, queries=piece, keys=piece)
    np.testing.assert_array_equal(found, HAND[np.ix_(expected, expected)])


def test_rows_and_columns_are_chosen_apart():
    (found,) = of_words(HAND[None], WORD_OF_PIECE, 2, queries="first")
    np.testing.assert_allclose(found, [[0.2, 0.4], [0.4, 0.6]], **SAME)
    (found,) = of_words(HAND[None], WORD_OF_PIECE, 2, keys="last")
    np.testing.assert_allclose(found, [[0.2, 0.1], [0.3, 0.25]], **SAME)


def test_all_heads_at_once_equal_loops_over_words():
    attention, word_of_piece = random_attention(6, 9), [-1, 0, 0, 1, 2, 2, 2, 3, -1]
    found = of_words(attention, word_of_piece, 4)
    np.testing.assert_allclose(found, words_by_loop(attention, word_of_piece, 4), **SAME)


def test_rows_sum_to_one_with_special_tokens_and_to_the_rest_without():
    attention, word_of_piece = random_attention(4, 6), [-1, 0, 0, 1, 2, -1]
    kept = of_words(attention, word_of_piece, 3, special="kept")
    np.testing.assert_allclose(kept.sum(-1), 1, **SAME)
    dropped = of_words(attention, word_of_piece, 3)
    rest = 1 - kept[:, 1:-1, [0, -1]].sum(-1)
    np.testing.assert_allclose(dropped.sum(-1), rest, **SAME)


def test_one_piece_a_word_changes_nothing():
    attention = random_attention(2, 5)
    np.testing.assert_array_equal(of_words(attention, list(range(5)), 5), attention)


def test_half_precision_is_summed_in_single():
    attention = random_attention(2, 40).astype(np.float16)
    found = of_words(attention, [0] * 40, 1)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, 0, 0], attention.astype(float).sum(-1).mean(-1), rtol=1e-6)
