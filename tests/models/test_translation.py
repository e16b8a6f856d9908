"""An encoder-decoder with random parameters: gates, cuts, and what each example's loss knows."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.data.batch import Batch
from jaxheads.importance.gradient import gate_gradients
from jaxheads.importance.methods import ablation, integrated, magnitude
from jaxheads.importance.score import score_heads
from jaxheads.models.layout import HeadKinds, by_kind, kinds_of
from jaxheads.models.model import abstract_params, encode, logits, trace_translation
from jaxheads.objectives import objective_for
from jaxheads.pruning.cost import count_parameters
from jaxheads.pruning.cut import cut, fold, zero
from jaxheads.pruning.mask import mask_from_scores, random_mask
from tests.support.translation import CONFIG, TRANSLATION, random_batch, random_params

PARAMS = random_params(CONFIG)
KINDS = {"encoder": 3, "decoder": 2, "cross": 2}
BATCH = random_batch(CONFIG)


OBJECTIVE = objective_for(CONFIG, TRANSLATION)
compiled = jax.jit(logits, static_argnums=(0, 1))


def logits_of(params, config: EncoderConfig, gate=None, batch: Batch = BATCH):
    inputs = (batch.tokens_BT, batch.real_BT, batch.types_BT)
    return compiled(config, TRANSLATION, params, *inputs, gate)


@jax.jit
def losses(gate):
    return OBJECTIVE(PARAMS, gate, BATCH, None).loss_B[:3]


def at_targets(found, batch: Batch = BATCH) -> np.ndarray:
    return np.asarray(found)[np.asarray(batch.labels) >= 0]


MASKS = {
    "chance": random_mask(7, 4, 13, 0),
    "one head": np.eye(7, 4, dtype=bool) & (np.arange(7) == 3)[:, None],
    "no encoder": np.asarray(HeadKinds(*(np.full((n, 4), n != 3) for n in (3, 2, 2)))),
    "no decoder": np.repeat([True, False, True], [3, 2, 2])[:, None] & np.ones((1, 4), bool),
    "no cross": np.repeat([True, True, False], [3, 2, 2])[:, None] & np.ones((1, 4), bool),
    "layers without": random_mask(7, 4, 20, 1) & np.array([1, 0, 1, 0, 1, 1, 0], bool)[:, None],
    "none": np.zeros((7, 4), bool),
}  # fmt: skip


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in MASKS if name != "layers without"]


@pytest.mark.parametrize("name", ["layers without", *SLOW])
def test_masked_and_cut_models_give_the_same_logits(name):
    params, config = cut(PARAMS, CONFIG, MASKS[name])
    masked = logits_of(PARAMS, CONFIG, MASKS[name].astype(np.float32))
    np.testing.assert_allclose(
        at_targets(logits_of(params, config)), at_targets(masked), rtol=0, atol=1e-5
    )
    assert count_parameters(config) == count_parameters(params["encoder"])


@pytest.mark.slow
def test_gates_of_all_heads_still_fit_a_smaller_model():
    params, config = cut(PARAMS, CONFIG, MASKS["layers without"])
    found = logits_of(params, config, np.ones((7, 4), np.float32))
    want = at_targets(logits_of(params, config))
    np.testing.assert_allclose(at_targets(found), want, rtol=0, atol=1e-5)


def test_zeroed_and_folded_parameters_compute_what_gates_do():
    mask_LH = MASKS["chance"]
    silent = zero(PARAMS, CONFIG, mask_LH)
    want = at_targets(logits_of(PARAMS, CONFIG, mask_LH.astype(np.float32)))
    np.testing.assert_allclose(at_targets(logits_of(silent, CONFIG)), want, rtol=0, atol=1e-5)
    gate_LH = np.random.default_rng(0).random((7, 4)).astype(np.float32)
    folded = at_targets(logits_of(fold(PARAMS, CONFIG, gate_LH), CONFIG))
    want = at_targets(logits_of(PARAMS, CONFIG, gate_LH))
    np.testing.assert_allclose(folded, want, rtol=0, atol=1e-5)


def test_gates_by_kind_are_those_of_one_array():
    gate_LH = np.random.default_rng(0).random((7, 4)).astype(np.float32)
    tree = by_kind(CONFIG, gate_LH)
    assert [part.shape for part in tree] == [(3, 4), (2, 4), (2, 4)]
    np.testing.assert_array_equal(np.asarray(tree), gate_LH)
    named = kinds_of(CONFIG, gate_LH)
    assert {name: len(part) for name, part in named.items()} == KINDS
    found, want = logits_of(PARAMS, CONFIG, tree), logits_of(PARAMS, CONFIG, gate_LH)
    np.testing.assert_array_equal(found, want)


@pytest.mark.slow
def test_gradients_by_kind_are_those_of_one_array():
    gate_LH = np.random.default_rng(0).random((7, 4)).astype(np.float32)
    tree, slope = by_kind(CONFIG, gate_LH), jax.grad(lambda gate: losses(gate).sum())
    np.testing.assert_allclose(np.asarray(slope(tree)), slope(gate_LH), rtol=1e-4, atol=1e-6)


def test_scores_masks_and_cuts_take_heads_by_kind():
    score = by_kind(CONFIG, np.random.default_rng(0).random((7, 4)))
    mask = mask_from_scores(score, 10)
    assert isinstance(mask, HeadKinds)
    np.testing.assert_array_equal(mask, mask_from_scores(np.asarray(score), 10))
    one, two = (cut(PARAMS, CONFIG, each)[1] for each in (mask, np.asarray(mask)))
    assert one == two
    how = {"heads": CONFIG, "progress": False}
    found = score_heads(OBJECTIVE, PARAMS, [BATCH], gate=mask, **how)
    assert (found.score_LH[~np.asarray(mask)] == 0).all()
    assert (found.score_LH[np.asarray(mask)] > 0).all()


def test_each_kind_matters_and_removals_agree_with_the_plain_loop():
    how = {"heads": CONFIG, "progress": False, "unit": "signed"}
    found = score_heads(OBJECTIVE, PARAMS, [BATCH], method=ablation(), **how).score_LH
    whole = losses(np.ones((7, 4), np.float32))
    for layer, head in ((0, 1), (3, 2), (5, 0), (6, 3)):
        gate_LH = np.ones((7, 4), np.float32)
        gate_LH[layer, head] = 0
        loss = losses(gate_LH)
        np.testing.assert_allclose(found[layer, head], (loss - whole).mean(), rtol=1e-3, atol=1e-5)
    assert score_heads(None, PARAMS, [BATCH], heads=CONFIG, method=magnitude()).score_LH.all()


def test_integrated_effects_add_up_to_the_loss_of_all_heads():
    how = {"heads": CONFIG, "progress": False, "unit": "signed"}
    found = score_heads(OBJECTIVE, PARAMS, [BATCH], method=integrated(points=16), **how)
    none = losses(np.zeros((7, 4), np.float32))
    whole = losses(np.ones((7, 4), np.float32))
    np.testing.assert_allclose(found.score_LH.sum(), (none - whole).mean(), rtol=1e-3)


def test_gradients_are_those_of_one_example_at_a_time_and_of_finite_differences():
    ones_LH = np.ones((7, 4), np.float32)
    both = gate_gradients(OBJECTIVE, PARAMS, BATCH, ones_LH, token=True)
    for row in range(3):
        alone = jax.tree.map(lambda leaf, row=row: leaf[[row] * 4], BATCH)  # no other beside it
        own = gate_gradients(OBJECTIVE, PARAMS, alone, ones_LH, token=True).effect_BLH[0]
        np.testing.assert_allclose(both.effect_BLH[row], own, rtol=1e-3, atol=1e-5)
    assert (np.abs(both.effect_BLH) <= both.token_BLH + 1e-5).all()
    for layer, head in ((1, 0), (4, 3), (6, 1)):
        step = np.zeros((7, 4), np.float32)
        step[layer, head] = 1e-2
        ends = [losses(ones_LH + s * step) for s in (1, -1)]
        slope = (np.asarray(ends[0], np.float64) - np.asarray(ends[1])) / 2e-2
        np.testing.assert_allclose(both.effect_BLH[:3, layer, head], slope, rtol=2e-2, atol=2e-3)


def test_a_target_position_sees_none_after_it_and_padding_is_not_seen():
    later = np.array(BATCH.tokens_BT)
    later[:, 1, 3:] = 7
    found, want = (
        logits_of(PARAMS, CONFIG, batch=BATCH._replace(tokens_BT=tokens))
        for tokens in (later, BATCH.tokens_BT)
    )
    np.testing.assert_allclose(found[:, :3], want[:, :3], rtol=0, atol=1e-5)
    assert np.abs(found[0, 3:] - want[0, 3:]).max() > 1e-3
    filled = np.where(BATCH.real_BT, BATCH.tokens_BT, 9)
    again = logits_of(PARAMS, CONFIG, batch=BATCH._replace(tokens_BT=filled))
    np.testing.assert_allclose(at_targets(again), at_targets(want), rtol=0, atol=1e-5)


def test_dropout_differs_by_key_and_is_off_without_one():
    rates = {"hidden_dropout": 0.5, "attention_dropout": 0.5}
    dropping = jax.jit(objective_for(dataclasses.replace(CONFIG, **rates), TRANSLATION))
    keys = jax.random.split(jax.random.key(0))
    one, two, again = (dropping(PARAMS, None, BATCH, key).loss_B for key in (*keys, keys[0]))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - two)[:3].min() > 1e-3


def test_sizes_and_gates_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="num_layers: expected at least 1 beside 2 for each of 3"):
        dataclasses.replace(CONFIG, num_layers=6, decoder_layers=3)
    with pytest.raises(ValueError, match=r"head_mask: expected shape \[7, 4\]"):
        logits_of(PARAMS, CONFIG, np.ones((5, 4), np.float32))
    alone = dataclasses.replace(CONFIG, num_layers=3, decoder_layers=0)
    params = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), abstract_params(alone, TRANSLATION))
    with pytest.raises(ValueError, match="expected an encoder-decoder, got an encoder alone"):
        logits_of(params, alone)
    assert encode(alone, params, *(jnp.asarray(x[:, 0]) for x in (BATCH.tokens_BT, BATCH.real_BT)))
    assert ReadoutConfig("translation") == TRANSLATION


def test_what_each_head_looks_at_is_seen_by_kind_and_zero_where_cut():
    params, config = cut(PARAMS, CONFIG, MASKS["layers without"])

    @jax.jit
    def watched(params, tokens, real):
        look = lambda view: view.probs_BHTS  # noqa: E731
        return trace_translation(config, params, tokens, real, observe=look).observed

    seen = np.asarray(watched(params, BATCH.tokens_BT, BATCH.real_BT))
    assert seen.shape == (4, 7, 4, 6, 6)
    kept = MASKS["layers without"]
    assert (seen[:, ~kept] == 0).all()
    np.testing.assert_allclose(seen[:, kept].sum(-1), 1, rtol=1e-5)
    found = by_kind(config, np.moveaxis(seen, 0, 2))  # [L, H, B, T, S]
    real_BS, real_BT = (np.asarray(BATCH.real_BT)[:, side] for side in (0, 1))
    for part, real in ((found.encoder, real_BS), (found.decoder, real_BT), (found.cross, real_BS)):
        assert (np.moveaxis(part, -2, -1)[..., ~real[:, :, None].repeat(6, 2)] == 0).all()
    assert (np.triu(found.decoder, 1) == 0).all()
    assert (np.triu(found.cross, 1) > 0).any()
