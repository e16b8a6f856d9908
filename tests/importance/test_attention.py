from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.config import PrunerConfig
from jaxheads.importance import methods
from jaxheads.importance.attention import Counted, confidence, focus, output_norm
from jaxheads.importance.meta.pruner import Pruner
from jaxheads.importance.score import score_heads
from jaxheads.models.model import trace_translation
from jaxheads.objectives import watch_for
from tests.support.translation import CONFIG, random_batch, random_params


class View(NamedTuple):
    """As models.attention.View."""

    probs_BHTS: jax.Array
    context_BTHK: jax.Array
    out_kernel_HKD: jax.Array
    real_BT: jax.Array


@pytest.fixture
def view() -> View:
    rng = np.random.default_rng(0)
    real = np.array([[True, True, True, True], [True, True, False, False]])
    probs = rng.random((2, 3, 4, 4)) * real[:, None, None, :]
    probs /= probs.sum(-1, keepdims=True)
    probs[0, 0, 0] = [0, 1, 0, 0]  # a head that is sure, at the first token
    arrays = (probs, rng.normal(size=(2, 4, 3, 5)), rng.normal(size=(3, 5, 8)))
    return View(*(jnp.asarray(array, jnp.float32) for array in arrays), jnp.asarray(real))


def by_hand(view: View, counted, value):
    """The mean over counted queries of `value(b, h, t)`."""
    found = np.zeros((2, 3))
    for b, h in np.ndindex(2, 3):
        found[b, h] = np.mean([value(b, h, t) for t in range(4) if counted[b, t]])
    return found


def test_confidence_is_the_mean_of_the_greatest_weight_on_a_counted_token(view):
    counted = view.real_BT.at[0, 1].set(False)  # the end of the sentence, say
    expected = by_hand(view, counted, lambda b, h, t: view.probs_BHTS[b, h, t][counted[b]].max())
    np.testing.assert_allclose(confidence(view, Counted(counted, counted)), expected, rtol=1e-5)


def test_entropy_is_scored_by_focus_and_a_weight_of_zero_adds_nothing(view):
    def value(b, h, t):
        p = view.probs_BHTS[b, h, t]
        return (p[p > 0] * np.log(p[p > 0])).sum()

    found = focus(view, Counted(view.real_BT, view.real_BT))
    np.testing.assert_allclose(found, by_hand(view, view.real_BT, value), rtol=1e-5)
    assert (np.asarray(found) <= 0).all()


def test_output_norm_is_the_mean_length_of_what_a_head_writes(view):
    def value(b, h, t):
        return np.linalg.norm(view.context_BTHK[b, t, h] @ view.out_kernel_HKD[h])

    expected = by_hand(view, view.real_BT, value)
    np.testing.assert_allclose(
        output_norm(view, Counted(view.real_BT, view.real_BT)), expected, rtol=1e-5
    )


def test_attention_scores_are_means_over_examples_of_the_maps_that_the_model_shows(task):
    watch = watch_for(task.config)
    probs_BLHTS = np.asarray(watch(task.params, None, task.data, lambda view: view.probs_BHTS))
    skipped = int(task.data.tokens_BT[0, 1])
    counted = task.data.real_BT & (task.data.tokens_BT != skipped)
    assert (counted != task.data.real_BT).any()
    best = np.where(counted[:, None, None, None], probs_BLHTS, 0).max(-1)
    weight = counted / counted.sum(1, keepdims=True)
    expected_LH = np.einsum("blht,bt->lh", best, weight) / len(counted)
    gate = np.ones((2, 4))
    gate[1, 0] = 0
    scores = score_heads(
        None, task.params, task.batches(20), heads=task.config, gate=gate,
        method=methods.confidence(skipped=(skipped,)),
    )  # fmt: skip
    assert scores.score_LH[1, 0] == 0
    np.testing.assert_allclose(scores.score_LH[gate == 1], expected_LH[gate == 1], rtol=1e-5)


KINDS = {"encoder": (0, 0), "decoder": (1, 1), "cross": (1, 0)}  # whose queries, whose keys


def by_head(view):
    kernel_BHKD = jnp.broadcast_to(view.out_kernel_HKD, (4, *view.out_kernel_HKD.shape))
    return view.probs_BHTS, jnp.swapaxes(view.context_BTHK, 1, 2), kernel_BHKD


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("entropy", "output_norm")]


@pytest.mark.parametrize("name", ["confidence", *SLOW])
def test_attention_scores_of_an_encoder_decoder_are_those_of_plain_loops_by_kind(name):
    """Each head of each pair by itself, with the tokens that its kind has on either side."""
    params, batch = random_params(CONFIG), random_batch(CONFIG)

    @jax.jit
    def watched(tokens, real):
        return trace_translation(CONFIG, params, tokens, real, observe=by_head).observed

    probs, context, out = map(np.asarray, watched(batch.tokens_BT, batch.real_BT))
    skipped = int(batch.tokens_BT[0, 0, 1])
    counted = batch.real_BT & (batch.tokens_BT != skipped)

    def value(b, layer, h, t, keys):
        p = probs[b, layer, h, t]
        if name == "confidence":
            return p[counted[b, keys]].max(initial=0)
        if name == "entropy":
            return (p[p > 0] * np.log(p[p > 0])).sum()
        return np.linalg.norm(context[b, layer, h, t] @ out[b, layer, h])

    want_LH = np.zeros((7, 4))
    for layer, kind in enumerate(["encoder"] * 3 + ["decoder"] * 2 + ["cross"] * 2):
        queries, keys = KINDS[kind]
        for b, h in np.ndindex(3, 4):
            asked = np.flatnonzero(counted[b, queries])
            want_LH[layer, h] += np.mean([value(b, layer, h, t, keys) for t in asked]) / 3
    method = getattr(methods, name)(skipped=(skipped,))
    scores = score_heads(None, params, [batch], heads=CONFIG, method=method, progress=False)
    np.testing.assert_allclose(scores.score_LH, want_LH, rtol=1e-4, atol=1e-5)


def test_what_is_about_single_sentences_refuses_an_encoder_decoder():
    params, batch = random_params(CONFIG), random_batch(CONFIG)
    sentences = batch._replace(tokens_BT=batch.tokens_BT[:, 0], real_BT=batch.real_BT[:, 0])
    with pytest.raises(ValueError, match="single sentences: expected an encoder alone, got an enc"):
        watch_for(CONFIG)(params, None, sentences, confidence)
    pruner = Pruner(PrunerConfig(frame=16, width=2), {})
    with pytest.raises(ValueError, match="expected an encoder alone for meta, got an encoder-deco"):
        score_heads(None, params, [batch], heads=CONFIG, method=methods.meta(pruner, pair=True))
