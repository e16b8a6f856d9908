"""One step: the mean that it descends, what padding and masked heads do to it, and one program."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

from jaxheads.config import OptimizerConfig
from jaxheads.importance.gates.gate import constant
from jaxheads.importance.gates.hard_concrete import l0, lagrangian
from jaxheads.importance.gates.subset import subset
from jaxheads.parallel.mesh import make_mesh
from jaxheads.training.optimizer import GATES
from jaxheads.training.step import NEVER, make_step, start, take_window
from tests.support.cases import on_device, word_sum

CONFIG = OptimizerConfig(learning_rate=1e-2, weight_decay=0.0)


def rows(case, index):
    index = np.asarray(index)
    return on_device(case.source.rows(index, np.zeros_like(index), 8))


def one_step(case, batch, head_mask=None, mesh=None, **settings):
    """The state and the window after one step at the learning rate 0.01."""
    step = make_step(case.objective, CONFIG, mesh, **settings)
    state = start(case.params, CONFIG, mesh)
    gate = constant(head_mask)
    return take_window(step(state, batch, gate, np.uint32(0), both(1e-2)), mesh)


def both(learning_rate):
    """One learning rate for what is trained of the parameters and of gates."""
    return dict.fromkeys(("params", "gates"), np.float32(learning_rate))


def test_the_loss_is_a_mean_over_terms_and_not_over_examples(simple):
    def by_word(params, gate, batch, key):
        outcome = simple.objective(params, gate, batch, key)
        words_B = batch.real_BT.sum(1).astype(jnp.float32)
        return outcome._replace(loss_B=outcome.loss_B * words_B, terms_B=words_B)

    batch = rows(simple, range(10))
    outcome = by_word(simple.params, None, batch, None)
    assert len(set(np.asarray(outcome.terms_B).tolist())) > 1  # else any mean would do
    _, window = one_step(simple._replace(objective=by_word), batch)
    assert float(window.loss) == pytest.approx(float(outcome.loss_B.sum()), rel=1e-6)
    assert float(window.terms) == float(outcome.terms_B.sum())

    def mean(params):
        each = by_word(params, None, batch, None)
        return each.loss_B.sum() / each.terms_B.sum()

    gradient = jax.tree.leaves(jax.grad(mean)(simple.params))
    norm = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in gradient))
    assert float(window.gradient_norm) == pytest.approx(norm, rel=1e-5)


def test_padding_rows_change_nothing(simple):
    batch, padded = rows(simple, range(6)), rows(simple, [0, -1, 1, 2, -1, 3, 4, 5])
    one, two = one_step(simple, batch), one_step(simple, padded)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)  # sums of 6 and of 8 rows


def test_an_example_of_weight_two_counts_twice(simple):
    doubled = rows(simple, [3, 4])._replace(weight_B=np.float32([2, 1]))
    one, two = one_step(simple, doubled)[0], one_step(simple, rows(simple, [3, 3, 4]))[0]
    for a, b in zip(jax.tree.leaves(one.opt_state), jax.tree.leaves(two.opt_state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-8)


def test_a_batch_of_padding_alone_trains_nothing(simple):
    state, window = one_step(simple, rows(simple, [-1, -1]))
    assert not np.asarray(state.trainable["params"]["table"]).any()
    assert (float(window.terms), int(window.bad_step)) == (0.0, NEVER)


def test_masked_heads_stay_as_they_are(classifier):
    mask = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    state, _ = one_step(classifier, rows(classifier, range(10)), mask)
    for kind in ("query", "value", "out"):
        moved_LH = np.concatenate(
            [
                _moved(
                    kind, params["attention"][kind]["kernel"], other["attention"][kind]["kernel"]
                )
                for params, other in zip(
                    _stacks(classifier.params), _stacks(state.trainable["params"]), strict=True
                )
            ]
        )
        assert np.array_equal(moved_LH, mask > 0)


def _stacks(params):
    encoder = params["encoder"]
    return [encoder[name] for name in sorted(encoder) if name.startswith("stack")]


def _moved(kind, before, after):
    """Which heads `[n, H]` of a stack have changed."""
    return np.asarray(before != after).any((2, 3) if kind == "out" else (1, 3))


@pytest.mark.parametrize("shape", [None, (4, 2)])
def test_one_program_serves_all_steps_seeds_rates_and_masks(simple, shape):
    traced = []

    def counted(params, gate, batch, key):
        traced.append(batch.tokens_BT.shape)
        outcome = simple.objective(params, gate, batch, key)
        return outcome._replace(loss_B=outcome.loss_B * gate.mean())

    mesh = None if shape is None else make_mesh(*shape)
    for learning_rate in (1e-2, 1e-3):
        step = make_step(counted, OptimizerConfig(learning_rate=learning_rate), mesh)
        state = start(simple.params, OptimizerConfig(learning_rate=learning_rate), mesh)
        for number in range(3):
            gate = np.full((2, 2), number, np.float32)
            gate = constant(gate)
            state = step(
                state, rows(simple, range(8)), gate, np.uint32(number), both(learning_rate)
            )
            state, _ = take_window(state, mesh)
    assert len(traced) == 1
    assert step._cache_size() == 1  # and so no state came back in another layout


KINDS = {
    "bounded": lambda k, steps: subset((2, 2), k, steps=steps),
    "chained": lambda k, steps: subset((2, 2), k, steps=steps, relaxation="chained"),
    "straight_through": lambda k, steps: subset(
        (2, 2), k, steps=steps, relaxation="straight_through"
    ),
    "l0": lambda k, steps: l0((2, 2), k / steps),
    "lagrangian": lambda k, _: lagrangian((2, 2), k),
}


@pytest.mark.parametrize("kind", KINDS)
def test_one_program_serves_all_budgets_temperatures_and_seeds_of_a_gate(simple, kind):
    def gated(params, gate, batch, key):
        outcome = simple.objective(params, gate, batch, key)
        return outcome._replace(loss_B=outcome.loss_B * gate.mean())

    step = make_step(gated, OptimizerConfig())
    for budget, steps in ((1, 3), (2, 30), (3, 300)):
        gate = KINDS[kind](budget, steps)
        theta = gate.init(jax.random.key(budget))
        state = start(simple.params, OptimizerConfig(), theta=theta)
        for seed in range(2):
            learning_rates = dict.fromkeys(state.trainable, np.float32(0.1))
            state = step(state, rows(simple, range(8)), gate, np.uint32(seed), learning_rates)
    assert step._cache_size() == 1


def test_a_step_uses_its_state_up_and_leaves_the_callers_parameters(simple):
    state = start(simple.params, CONFIG)
    step = make_step(simple.objective, CONFIG)
    step(state, rows(simple, range(8)), constant(), np.uint32(0), both(1e-2))
    assert state.trainable["params"]["table"].is_deleted()
    assert not simple.params["table"].is_deleted()


def test_parts_of_a_batch_with_other_numbers_of_terms_give_the_same_mean(simple):
    def by_word(params, gate, batch, key):
        outcome = simple.objective(params, gate, batch, key)
        words_B = batch.real_BT.sum(1).astype(jnp.float32)
        return outcome._replace(loss_B=outcome.loss_B * words_B, terms_B=words_B)

    case, batch = simple._replace(objective=by_word), rows(simple, [*range(10), -1, -1])
    words_B = np.asarray(batch.real_BT.sum(1) * batch.weight_B)
    assert len({words_B[part::3].sum() for part in range(3)}) == 3
    (one, window), (two, parts) = one_step(case, batch), one_step(case, batch, accumulate=3)
    for a, b in zip(jax.tree.leaves(one.opt_state), jax.tree.leaves(two.opt_state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(parts, window, rtol=1e-6)


def test_each_part_draws_dropout_of_its_own(simple):
    def noisy(params, gate, batch, key):
        outcome = simple.objective(params, gate, batch, key)
        return outcome._replace(loss_B=jax.random.uniform(key, outcome.loss_B.shape))

    _, window = one_step(simple._replace(objective=noisy), rows(simple, range(2)), accumulate=2)
    _, again = one_step(simple._replace(objective=noisy), rows(simple, range(1)))
    key = jax.random.fold_in(jax.random.key(np.uint32(0)), 0)
    keys = [jax.random.fold_in(key, part) for part in range(2)]
    drawn = [float(jax.random.uniform(each, (1,))[0]) for each in (*keys, key)]
    assert float(window.loss) == pytest.approx(sum(drawn[:2]), rel=1e-6)
    assert float(again.loss) == pytest.approx(drawn[2], rel=1e-6)


def test_rows_that_do_not_divide_into_the_parts_are_rejected(simple):
    with pytest.raises(ValueError, match="accumulate: expected a divisor of the 10 rows, got 4"):
        one_step(simple, rows(simple, range(10)), accumulate=4)


def own_gate(start_LH, price=0.0, sample=None):
    """A gate whose sample is what is trained of it."""
    return constant()._replace(
        init=Partial(lambda key: {"gate": jnp.array(start_LH)}),
        sample=Partial(sample or (lambda theta, key, step: theta["gate"])),
        penalty=Partial(lambda theta, price: price * theta["gate"].sum(), price=np.float32(price)),
    )


def gated_step(case, gate, batch, gates=GATES, learning_rates=None, **settings):
    """The state after one step of `gate`, at the learning rates 0 and 0.1."""
    state = start(case.params, CONFIG, theta=gate.init(None), gates=gates)
    step = make_step(case.objective, CONFIG, gates=gates, **settings)
    learning_rates = learning_rates or {"params": np.float32(0.0), "gates": np.float32(0.1)}
    return step(state, batch, gate, np.uint32(0), learning_rates)


def times_first_row(case):
    def gated(params, gate, batch, key):
        outcome = case.objective(params, None, batch, key)
        return outcome._replace(loss_B=outcome.loss_B * gate[0].sum())

    return case._replace(objective=gated)


def test_gates_are_trained_beside_the_parameters_at_a_rate_of_their_own(simple):
    gate = own_gate(np.full((2, 3), 0.5, np.float32))
    state = gated_step(times_first_row(simple), gate, rows(simple, range(10)))
    assert not np.asarray(state.trainable["params"]["table"]).any()
    # Adam's first step is the learning rate, against the sign of the gradient; no gradient, no step
    expected = [[0.4, 0.4, 0.4], [0.5, 0.5, 0.5]]
    np.testing.assert_allclose(state.trainable["gates"]["gate"], expected, rtol=1e-5)


@pytest.mark.parametrize("parts", [1, 2])
def test_a_penalty_is_added_once_to_the_mean_and_each_group_is_clipped_alone(simple, parts):
    case, gates = times_first_row(simple), dataclasses.replace(GATES, clip_norm=None)
    batch, start_LH = rows(simple, range(10)), np.full((2, 3), 0.5, np.float32)
    state = gated_step(case, own_gate(start_LH, 3.0), batch, gates, accumulate=parts)
    mean = float(np.mean(simple.objective(simple.params, None, batch, None).loss_B))
    opt_state = state.opt_state.inner_states["gates"].inner_state[1].mu["gates"]["gate"]
    expected = [[0.1 * (mean + 3)] * 3, [0.1 * 3] * 3]  # Adam keeps a tenth of the gradient
    np.testing.assert_allclose(opt_state, expected, rtol=1e-5)
    huge = gated_step(case, own_gate(start_LH, 3e9), batch, accumulate=parts)
    for one, two in zip(*(_opt_state(s, "params") for s in (state, huge)), strict=True):
        assert np.array_equal(one, two)
    (clipped,) = _opt_state(huge, "gates")
    assert np.linalg.norm(clipped) == pytest.approx(0.1, rel=1e-5)


def _opt_state(state, group):
    return jax.tree.leaves(state.opt_state.inner_states[group].inner_state[1].mu[group])


def test_one_sample_of_the_gate_serves_all_parts_of_a_batch_and_none_two_steps(simple):
    drawn = []

    def sample(theta, key, step):
        jax.debug.callback(lambda value: drawn.append(float(value)), jax.random.uniform(key))
        return theta["gate"]

    gate = own_gate(np.full((2, 3), 0.5, np.float32), sample=sample)
    case, batch = times_first_row(simple), rows(simple, range(10))
    state = start(case.params, CONFIG, theta=gate.init(None))
    step = make_step(case.objective, CONFIG, accumulate=2)
    for _ in range(2):
        state = step(state, batch, gate, np.uint32(0), both(0.1))
    jax.effects_barrier()
    assert len(set(drawn)) == 2
    assert len(drawn) >= 4


def tracking(params, gate, batch, key):
    """The sum of words with a mean of the batch's number of words, which the pass itself moves."""
    outcome = word_sum(params["model"], gate, batch, key)
    words = batch.real_BT.sum(1).astype(jnp.float32).mean()
    mean = jax.lax.stop_gradient(params["norm"]["mean"])
    moved = {"norm": {"mean": 0.9 * mean + 0.1 * words}}
    return outcome._replace(loss_B=outcome.loss_B + mean, moved=moved)


@pytest.mark.parametrize("parts", [1, 2])
def test_what_a_pass_moves_has_moved_before_the_next(simple, parts):
    norm = {"mean": jnp.float32(3.0), "scale": jnp.float32(1.0)}
    params = {"model": simple.params, "norm": norm}
    batch = rows(simple, range(10))
    case = simple._replace(objective=tracking, params=params)
    state, window = one_step(case, batch, accumulate=parts)
    mean, means = 3.0, []
    for part in range(parts):
        means.append(mean)
        mean = 0.9 * mean + 0.1 * batch.real_BT[part::parts].sum(1).mean()
    plain = one_step(simple, batch, accumulate=parts)
    found = state.trainable["params"]
    assert float(found["norm"]["mean"]) == pytest.approx(float(mean), rel=1e-6)
    assert float(found["norm"]["scale"]) == 1.0
    seen = np.repeat(means, 10 // parts).sum()  # each example's loss has the mean before its part
    assert float(window.loss - plain[1].loss) == pytest.approx(seen, rel=1e-5)
    for a, b in zip(jax.tree.leaves(found["model"]),
                    jax.tree.leaves(plain[0].trainable["params"]), strict=True):  # fmt: skip
        np.testing.assert_array_equal(a, b)
