from __future__ import annotations

import jax
import numpy as np

from jaxheads.importance import methods
from jaxheads.importance.ablation import (
    alone_in_layer,
    chunks,
    costs,
    effects,
    without_each,
)
from jaxheads.importance.score import score_heads

ONES = np.ones((2, 4), np.float32)


def brute_force(task, gate_LH, measure=None):
    """A function from a gate to the cost of every example, one gate at a time."""

    @jax.jit
    def cost(gate_LH):
        outcome = task.objective(task.params, gate_LH, task.data, None)
        return outcome.loss_B if measure is None else -measure(outcome, task.data)

    return lambda change: np.asarray(cost(change(gate_LH.copy())))


def first_logit(outcome, batch):
    return outcome.logits[:, 0]


def without(layer, head):
    def change(gate_LH):
        gate_LH[layer, head] = 0
        return gate_LH

    return change


def alone(layer, head):
    def change(gate_LH):
        gate_LH[layer, np.arange(4) != head] = 0
        return gate_LH

    return change


def test_ablation_scores_are_loss_increases_of_one_gate_at_a_time(task):
    gate_LH = ONES.copy()
    gate_LH[1, 1] = 0
    cost = brute_force(task, gate_LH)
    full_B = cost(lambda gate: gate)
    for method, change, sign in ((methods.ablation(), without, 1), (methods.alone(), alone, -1)):
        scores = score_heads(
            task.objective, task.params, task.batches(20),
            heads=task.config, method=method, gate=gate_LH,
        )  # fmt: skip
        expected_LH = np.zeros((2, 4))
        for layer, head in np.argwhere(gate_LH):
            expected_LH[layer, head] = sign * (cost(change(layer, head)) - full_B).mean()
        if method.name == "alone":  # higher is better: the least harm by the loss of all others
            assert scores.score_LH.argmax() == np.where(gate_LH, expected_LH, -9).argmax()
        np.testing.assert_allclose(scores.score_LH, expected_LH, atol=1e-6)
        assert scores.score_LH[1, 1] == 0 and scores.unit == "signed" and scores.examples == 20


def test_a_measure_of_which_more_is_better_takes_the_place_of_the_loss(task):
    scores = score_heads(
        task.objective, task.params, task.batches(20), heads=task.config,
        method=methods.ablation(measure=first_logit),
    )  # fmt: skip
    cost = brute_force(task, ONES, first_logit)
    full_B = cost(lambda gate: gate)
    drop = [(cost(without(*entry)) - full_B).mean() for entry in np.ndindex(2, 4)]
    assert np.abs(drop).min() > 1e-4
    np.testing.assert_allclose(scores.score_LH.ravel(), drop, atol=1e-6)


def test_all_variants_of_all_batches_share_one_compilation(task):
    run = lambda **more: score_heads(  # noqa: E731
        task.objective, task.params, task.batches(10), heads=task.config, **more
    )
    run(method=methods.ablation(rows=30))
    before = costs._cache_size()
    run(method=methods.alone(rows=30))
    run(method=methods.ablation(rows=30), gate=ONES * [1, 0, 1, 0])
    assert costs._cache_size() == before


def test_variants_are_the_gate_itself_then_each_present_head_once():
    gate_LH = ONES.copy()
    gate_LH[0, 1] = 0
    gate_LH[1, 2] = 0.5
    removed, left = without_each(gate_LH), alone_in_layer(gate_LH)
    assert len(removed.gates_VLH) == len(left.gates_VLH) == 8
    np.testing.assert_array_equal(removed.gates_VLH[0], gate_LH)
    assert {(int(rows[0]), int(heads[0])) for rows, heads in removed.entries} == {
        (layer, head) for layer, head in np.argwhere(gate_LH)
    }
    assert ((removed.gates_VLH[1:] != gate_LH).sum((1, 2)) == 1).all()
    position = [(int(r[0]), int(h[0])) for r, h in left.entries].index((1, 2))
    np.testing.assert_array_equal(left.gates_VLH[1 + position], [gate_LH[0], [0, 0, 0.5, 0]])


def test_tied_variants_remove_a_head_from_every_layer_that_shares_and_has_it():
    gate_LH = np.ones((4, 2), np.float32)
    gate_LH[1, 0] = 0
    tied = without_each(gate_LH, block_by_layer=(0, 0, 1, 1))
    found = {(tuple(map(int, rows)), int(heads[0])) for rows, heads in tied.entries}
    assert found == {((0,), 0), ((0, 1), 1), ((2, 3), 0), ((2, 3), 1)}
    for (rows, heads), changed in zip(tied.entries, tied.gates_VLH[1:], strict=True):
        assert (changed[rows, heads] == 0).all()
        assert (changed != gate_LH).sum() == len(rows)
    costs_1V = np.array([[1.0, 5, 6, 7, 8]], np.float32)
    np.testing.assert_array_equal(
        effects(tied, costs_1V)[0], [[-4, -5], [0, -5], [-6, -7], [-6, -7]]
    )


def test_the_last_chunk_is_filled_up_with_the_unchanged_gate():
    variants = without_each(ONES)
    pieces = list(chunks(variants, 4))
    assert [piece.shape for piece in pieces] == [(4, 2, 4)] * 3
    np.testing.assert_array_equal(np.concatenate(pieces)[:9], variants.gates_VLH)
    np.testing.assert_array_equal(np.concatenate(pieces)[9:], np.stack([ONES] * 3))
