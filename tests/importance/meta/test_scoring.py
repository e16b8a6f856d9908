"""The meta-pruner's training step against direct loops, and what its masks are."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.config import OptimizerConfig, PrunerConfig, ReadoutConfig
from jaxheads.importance import methods, score_heads
from jaxheads.importance.gates.gate import constant
from jaxheads.importance.meta.pruner import framed, init_pruner, score_frames
from jaxheads.importance.meta.scoring import (
    best_heads,
    departure_objective,
    likeness_loss,
    meta_objective,
    pruner_scores,
    sample_mask,
)
from jaxheads.models.model import encode
from jaxheads.objectives import Represented, represent_for, watch_for
from jaxheads.pruning.mask import mask_from_scores
from jaxheads.training.step import make_step, start

PRUNER = PrunerConfig(frame=16, width=2)
LOSS = jax.jit(likeness_loss)


def test_the_loss_is_that_of_a_direct_loop():
    random = np.random.default_rng(0)
    whole, pruned = random.normal(size=(2, 6, 5)).astype(np.float32)
    found = LOSS(whole, pruned)
    likes = []
    for x in np.float64((whole, pruned)):
        x = x - x.mean(0)  # noqa: PLW2901
        likes.append([[10 * a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in x] for a in x])
    for i in range(6):
        terms = []
        for m in range(0, 6, 2):
            t, q = (np.exp(like[i][m : m + 2]) / np.exp(like[i][m : m + 2]).sum() for like in likes)
            terms += [t[k] * (np.log(t[k]) - np.log(q[k])) for k in range(2)]
        assert float(found[i]) == pytest.approx(
            np.mean(terms), rel=2e-4
        )  # float32 products times 10


def test_the_loss_of_nothing_pruned_is_zero_and_an_odd_batch_is_rejected():
    x = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    assert float(np.abs(LOSS(x, 3 * x + 1)).max()) < 1e-6
    with pytest.raises(ValueError, match="expected an even number of sentences, got 3"):
        LOSS(x[:3], x[:3])


# -- masks

SCORES = jnp.asarray(np.random.default_rng(1).uniform(0, 2, (4, 6)), jnp.float32)
KEYS = jax.random.split(jax.random.key(0), 200)


@pytest.fixture(scope="module")
def sampled():
    return np.asarray(jax.jit(jax.vmap(lambda key: sample_mask(SCORES, 3, key)))(KEYS))


def test_half_of_the_layers_are_whole_and_the_others_keep_exactly_so_many(sampled):
    kept = np.round(sampled, 5).sum(-1)  # straight-through ones are 1 up to rounding
    assert ((kept == 6).sum(1) == 2).all()
    assert ((kept == 3).sum(1) == 2).all()
    assert set(np.round(sampled, 5).ravel().tolist()) == {0.0, 1.0}
    # a layer is whole in half of 200 draws, standard error 0.035
    np.testing.assert_allclose((kept == 6).mean(0), 0.5, atol=0.15)


def test_a_head_with_a_higher_score_is_kept_more_often(sampled):
    pruned = np.round(sampled.sum(-1)) == 3
    for layer, score_H in enumerate(np.asarray(SCORES)):
        share_H = sampled[pruned[:, layer], layer].mean(0)
        assert share_H[score_H.argmax()] > share_H[score_H.argmin()] + 0.2
    assert np.corrcoef(np.asarray(SCORES)[0], sampled[pruned[:, 0], 0].mean(0))[0, 1] > 0.7


def test_the_gradient_goes_into_the_soft_probability_of_the_winning_draw():
    """Against a loop over the draws, with the same noise."""
    key = jax.random.key(5)
    effect = np.random.default_rng(2).normal(size=(4, 6)).astype(np.float32)
    found = jax.jit(jax.grad(lambda s: (sample_mask(s, 3, key) * effect).sum()))(SCORES)
    draw_key, layer_key = jax.random.split(key)
    noise = jax.random.gumbel(draw_key, (30, 4, 6), jnp.float32)
    whole = np.asarray(jax.random.permutation(layer_key, 4) < 2)

    logits = np.asarray(SCORES) + np.asarray(noise)
    soft = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = np.zeros((4, 6))
    for layer in np.flatnonzero(~whole):
        drawn = logits[:, layer].argmax(1).tolist()
        count = next(j for j in range(3, 30) if len(set(drawn[:j])) == 3)
        for head in range(6):
            winner = drawn.index(head) if head in drawn[:count] else 0
            p = soft[winner, layer]
            expected[layer] += effect[layer, head] * p[head] * ((np.arange(6) == head) - p)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert not np.asarray(found)[whole].any()
    assert np.asarray(found)[~whole].all()


def test_keeping_all_or_none_of_a_layer_is_rejected():
    for kept in (0, 6):
        with pytest.raises(ValueError, match=f"kept: expected 1 to 5 heads of a layer, got {kept}"):
            sample_mask(SCORES, kept, KEYS[0])


def test_without_chance_the_best_heads_of_each_layer_stay():
    scores = np.array([[1.0, 3, 2, 3], [0, 0, 0, 0]], np.float32)
    found = np.asarray(best_heads(jnp.asarray(scores), 2)) > 0
    np.testing.assert_array_equal(found, mask_from_scores(scores, 4, per_layer=True))


# -- the objective


@pytest.fixture(scope="module")
def meta(task):
    """A pruner on the random RoBERTa; the label says whether a task is of pairs."""
    represent = represent_for(task.config, ReadoutConfig())
    objective = meta_objective(represent, PRUNER, 2)
    pruner = init_pruner(PRUNER, 0)
    params = {"encoder": task.params["encoder"], "pruner": pruner.params}
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf[:8]), task.data)
    return objective, params, batch, task


def of_task(batch, number):
    return batch._replace(labels=jnp.full(8, number, jnp.int32))


@pytest.mark.parametrize("number", [0, 1])
def test_without_a_key_the_loss_is_that_of_the_best_heads(meta, pruner, number):
    objective, params, batch, task = meta
    params = {**params, "pruner": pruner.params}  # whose outputs differ
    found = jax.jit(objective)(params, None, of_task(batch, number), None)
    score_LH = pruner_scores(
        watch_for(task.config), PRUNER, number, params["pruner"], task.params, batch,
        np.ones((2, 4), np.float32),
    ).mean(0)  # fmt: skip
    np.testing.assert_allclose(found.logits, float(score_LH.mean()), rtol=1e-5)
    mask = mask_from_scores(np.asarray(score_LH), 4, per_layer=True).astype(np.float32)
    states = [
        jax.jit(encode, static_argnums=0)(task.config, task.params, *batch[:3], gate)
        for gate in (np.ones_like(mask), mask)
    ]
    real = np.asarray(batch.real_BT)[..., None]
    two = [
        s.hidden_BPD[:, 0] if number == 0 else (s.hidden_BPD * real).sum(1) / real.sum(1)
        for s in states
    ]
    expected = LOSS(*map(np.asarray, two)) * (1 if number == 0 else 10)
    np.testing.assert_allclose(found.loss_B, expected, rtol=1e-3, atol=1e-6)
    alone = departure_objective(represent_for(task.config, ReadoutConfig()), number)
    np.testing.assert_allclose(
        jax.jit(alone)(task.params, jnp.asarray(mask), batch).loss_B, expected, rtol=1e-3, atol=1e-6
    )
    assert float(found.loss_B.mean()) > 1e-3
    assert found.moved is None


@pytest.mark.slow
def test_training_moves_the_pruner_alone_by_one_program_for_all_seeds(meta):
    objective, params, batch, _ = meta
    config = OptimizerConfig(learning_rate=0.02, clip_norm=1.0, weight_decay=0.0, optimizer="sgd")
    step = make_step(objective, config, accumulate=2)
    held = {"encoder": params["encoder"]}
    mixed = of_task(batch, 0)._replace(labels=jnp.arange(8) % 2)  # one part of each task
    states = []
    for seed in (0, 1):
        state = start({"pruner": params["pruner"]}, config)
        learning_rates = {"params": np.float32(0.02), "gates": np.float32(0)}
        states.append(step(state, mixed, constant(None), np.uint32(seed), learning_rates, held))
    assert step._cache_size() == 1
    before = params["pruner"]
    one, two = (state.trainable["params"]["pruner"] for state in states)
    for name in ("conv0", "conv1", "out"):
        assert (one[name]["kernel"] != before[name]["kernel"]).any()
        assert (one[name]["kernel"] != two[name]["kernel"]).any()
    np.testing.assert_allclose(one["norm1"]["variance"], two["norm1"]["variance"])  # no chance yet


@pytest.mark.slow
def test_a_pruner_learns_to_keep_the_heads_that_carry_something(task):
    """Half of the heads look everywhere alike and write nothing: what they see tells them apart.

    In the last layer a head that writes changes the representation little, so that which of the two
    stands higher hangs on rounding; of both together it does not.
    """
    config = OptimizerConfig(learning_rate=3e-3, clip_norm=1.0, weight_decay=0.0)
    step = make_step(meta_objective(represent_for(task.config, ReadoutConfig()), PRUNER, 2), config)
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf[:16]), task.data)
    batch = batch._replace(labels=jnp.ones(16, jnp.int32))  # of a task of single sentences
    learning_rates = {"params": np.float32(3e-3), "gates": np.float32(0)}
    for silent, writing in ([0, 1], [2, 3]), ([2, 3], [0, 1]):
        encoder = silenced(task.params["encoder"], silent)
        for seed in range(3):
            fresh = init_pruner(PRUNER, seed)
            state = start({"pruner": fresh.params}, config)
            for _ in range(400):
                held = {"encoder": encoder}
                state = step(state, batch, constant(None), np.uint32(seed), learning_rates, held)
            params = jax.device_get(state.trainable["params"]["pruner"])
            planted = task._replace(params={**task.params, "encoder": encoder})
            found = fresh._replace(params=params)
            score_LH = scores_of(planted, [task.data], found, pair=False)
            first_H, last_H = score_LH
            assert first_H[writing].min() > first_H[silent].max()
            assert last_H[writing].mean() > last_H[silent].mean()


def silenced(encoder, heads):
    encoder = jax.tree.map(np.array, encoder)
    for stack in (encoder[name] for name in encoder if name.startswith("stack")):
        attention = stack["attention"]
        attention["out"]["kernel"][:, heads] = 0
        attention["query"]["kernel"][:, :, heads] = 0
        attention["query"]["bias"][:, heads] = 0
    return encoder


@pytest.mark.parametrize("number", [0, 1])
def test_a_fifth_of_the_dimensions_is_seen_in_a_step(meta, number):
    """Of representations of one dimension, which the pruned model turns round or does not show."""
    _, params, batch, _ = meta
    batch = jax.tree.map(lambda leaf: leaf[:4], of_task(batch, number))

    def represent(params, gate, batch, observe=None):
        moved = jnp.array([1.0, -1, 1, -1] if observe else [1.0, 1, -1, -1])[:, None]
        return Represented(moved, moved, jnp.zeros((4, 2, 4, 16, 16)))

    objective = meta_objective(represent, PRUNER, 2)
    losses = jax.jit(jax.vmap(lambda key: objective(params, None, batch, key).loss_B.mean()))
    seen = np.asarray(losses(jax.random.split(jax.random.key(0), 4000))) > 0
    assert seen.mean() == pytest.approx(0.2, abs=0.03)  # standard error 0.006
    assert float(jax.jit(objective)(params, None, batch, None).loss_B.mean()) > 0  # all, without


def test_running_statistics_are_of_all_maps_of_a_part(meta):
    objective, params, batch, task = meta
    moved = jax.jit(objective)(params, None, of_task(batch, 1), jax.random.key(0)).moved["pruner"]

    @jax.jit
    def statistics(params):
        seen = represent_for(task.config, ReadoutConfig())(
            params, None, batch, observe=lambda v: framed(PRUNER, v.probs_BHTS, v.real_BT)
        ).seen
        return score_frames(params["pruner"], seen.reshape(-1, 16, 16), training=True)[1]

    expected = statistics(params)
    for name, norm in expected.items():
        for part, value in norm.items():
            np.testing.assert_allclose(moved[name][part], value, rtol=1e-5, atol=1e-8)


# -- scoring


def scores_of(task, batches, pruner, *, pair=True):
    return score_heads(
        None, task.params, batches, heads=task.config, method=methods.meta(pruner, pair=pair),
        progress=False,
    ).score_LH  # fmt: skip


@pytest.fixture(scope="module")
def pruner():
    """A pruner that tells maps apart."""
    fresh = init_pruner(PRUNER, 0)
    large = jax.tree_util.tree_map_with_path(
        lambda path, leaf: 15 * leaf if "kernel" in str(path) else leaf, fresh.params
    )
    return fresh._replace(params=large)


def test_a_sentence_scores_the_same_however_it_is_padded(task, pruner):
    def with_padding(width):
        pads = ((0, 0), (0, width))
        tokens, real, types = (np.pad(leaf, pads) for leaf in task.data[:3])
        return task.data._replace(tokens_BT=tokens, real_BT=real, types_BT=types)

    one, two = (scores_of(task, [with_padding(width)], pruner) for width in (0, 6))
    assert np.ptp(one) > 0.01
    np.testing.assert_allclose(one, two, atol=2e-5)  # attention over padding differs in the sixth


def test_a_score_is_the_mean_over_examples_and_the_outputs_differ(task, pruner):
    whole = scores_of(task, list(task.batches(20)), pruner)
    np.testing.assert_allclose(scores_of(task, list(task.batches(8)), pruner), whole, atol=1e-6)
    each = [scores_of(task, list(task.batches(1, [n])), pruner) for n in range(4)]
    few = scores_of(task, list(task.batches(4, range(4))), pruner)
    np.testing.assert_allclose(np.mean(each, 0), few, atol=1e-6)
    assert np.abs(scores_of(task, list(task.batches(20)), pruner, pair=False) - whole).max() > 0.01


def test_scoring_without_attention_maps_to_see_is_rejected(task, pruner):
    with pytest.raises(ValueError, match=r"expected a config as heads, or .* for meta, got none"):
        score_heads(None, task.params, [], heads=(2, 4), method=methods.meta(pruner))
