"""AdamW decays what it should, at the learning rate that its settings say."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.config import OptimizerConfig, ReadoutConfig, TrainingConfig
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import abstract_params
from jaxheads.training.optimizer import decay_mask, learning_rate_schedule, make_optimizer

SIZES = {"hidden_size": 8, "num_layers": 2, "num_heads": 2, "intermediate_size": 8}
FAMILIES = {
    "roberta": {"type_vocab_size": 1, "pad_token_id": 1},
    "bert": {"type_vocab_size": 2},
    "distilbert": {},
    "albert": {"type_vocab_size": 2, "embedding_size": 4, "hidden_groups": 1},
}
READOUTS = (
    ReadoutConfig("masked_lm"),
    ReadoutConfig("masked_lm", tied=False),
    ReadoutConfig("classification", ("a", "b")),
    ReadoutConfig("pair", ("a", "b")),
)


@pytest.mark.parametrize("readout", READOUTS, ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_kernels_and_tables_decay_and_biases_and_norms_do_not(family, readout):
    config = encoder_config(family, 20, max_positions=10, **SIZES, **FAMILIES[family])
    mask = decay_mask({"params": abstract_params(config, readout)})
    decayed = {
        jax.tree_util.keystr(path, simple=True, separator="/"): decays
        for path, decays in jax.tree_util.tree_leaves_with_path(mask)
    }
    assert all(decays == path.endswith(("/kernel", "/table")) for path, decays in decayed.items())
    assert decayed["params/encoder/stack0/attention/query/kernel"]
    assert not decayed["params/encoder/stack0/feed_forward_norm/scale"]
    assert not decayed["params/encoder/stack0/attention/out/bias"]  # [n, D]: no matter its rank


def test_a_parameter_of_an_unknown_kind_is_rejected():
    with pytest.raises(ValueError, match="params/gate: expected a parameter named kernel"):
        decay_mask({"params": {"gate": jnp.ones(3)}})


def by_hand(config, params, gradients):
    """AdamW written out (Loshchilov and Hutter 2019), float64, with clipping before it."""
    state = dict.fromkeys(params, (0.0, 0.0))
    params = {name: np.float64(value) for name, value in params.items()}
    for step, gradient in enumerate(gradients):
        norm = np.sqrt(sum(np.sum(np.square(g)) for g in gradient.values()))
        shrink = min(1.0, config.clip_norm / norm)
        learning_rate = learning_rate_schedule(config, len(gradients))(step)
        for name, raw in gradient.items():
            g = shrink * np.float64(raw)
            m, v = state[name]
            m = config.beta1 * m + (1 - config.beta1) * g
            v = config.beta2 * v + (1 - config.beta2) * g**2
            state[name] = m, v
            fair_m = m / (1 - config.beta1 ** (step + 1))
            fair_v = v / (1 - config.beta2 ** (step + 1))
            update = fair_m / (np.sqrt(fair_v) + config.eps)
            decay = config.weight_decay * params[name] if name == "kernel" else 0.0
            params[name] = params[name] - learning_rate * (update + decay)
    return params


def test_updates_are_those_of_adamw_written_out():
    config = OptimizerConfig(
        learning_rate=0.1, weight_decay=0.3, clip_norm=2.0, warmup=0.5, eps=1e-3
    )
    rng = np.random.default_rng(0)
    params = {"kernel": np.float32(rng.normal(size=(3, 2))), "bias": np.float32(rng.normal(size=2))}
    gradients = [
        {name: np.float32(scale * rng.normal(size=p.shape)) for name, p in params.items()}
        for scale in (3.0, 0.1, 5.0, 1.0)  # above and below the norm at which they are clipped
    ]
    optimizer, learning_rate = (
        make_optimizer(config),
        learning_rate_schedule(config, len(gradients)),
    )
    trained = {"params": jax.tree.map(jnp.asarray, params)}
    state = optimizer.init(trained)
    for step, gradient in enumerate(gradients):
        way, state = jax.jit(optimizer.update)({"params": gradient}, state, trained)
        moves = jax.tree.map(functools.partial(jnp.multiply, -learning_rate(step)), way)
        trained = jax.tree.map(jnp.add, trained, moves)
    expected = by_hand(config, params, gradients)
    for name in params:
        # 1 - beta2 ** step loses four digits in float32
        np.testing.assert_allclose(trained["params"][name], expected[name], rtol=2e-4)


def test_plain_descent_follows_the_clipped_gradient():
    config = OptimizerConfig(learning_rate=0.1, weight_decay=0.5, clip_norm=2.0, optimizer="sgd")
    trained = {"params": {"kernel": jnp.float32([3.0]), "bias": jnp.float32([1.0])}}
    optimizer = make_optimizer(config)
    gradient = {"params": {"kernel": jnp.float32([6.0]), "bias": jnp.float32([8.0])}}  # of norm 10
    way, _ = optimizer.update(gradient, optimizer.init(trained), trained)
    np.testing.assert_allclose(way["params"]["kernel"], [6 / 5 + 0.5 * 3], rtol=1e-6)
    np.testing.assert_allclose(way["params"]["bias"], [8 / 5], rtol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0.25, 0.5, 0.75, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.25, 0.5, 0.75, 1.0, 1.0, 0.85355339, 0.5, 0.14644661]),
        ("inverse_sqrt", [0.25, 0.5, 0.75, 1.0, 1.0, 0.89442719, 0.81649658, 0.75592895]),
        ("constant", [0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_the_rate_rises_and_falls_as_its_closed_form(schedule, expected):
    learning_rate = learning_rate_schedule(
        OptimizerConfig(learning_rate=3e-4, warmup=0.5, schedule=schedule), 8
    )
    learning_rates = [learning_rate(step) for step in range(8)]
    np.testing.assert_allclose(learning_rates, 3e-4 * np.array(expected), rtol=1e-6)


def test_without_warm_up_the_rate_starts_at_its_height():
    learning_rate = learning_rate_schedule(OptimizerConfig(learning_rate=1.0, warmup=0.0), 4)
    assert [learning_rate(step) for step in range(5)] == [1.0, 0.75, 0.5, 0.25, 0.0]


def test_one_step_alone_trains_at_the_whole_rate():
    learning_rate = learning_rate_schedule(OptimizerConfig(learning_rate=1.0, warmup=1.0), 1)
    assert learning_rate(0) == 1.0


def test_without_clipping_a_gradient_goes_in_as_it_is():
    config = OptimizerConfig(clip_norm=None, weight_decay=0.0, eps=1.0)
    optimizer = make_optimizer(config)
    params = {"params": {"kernel": jnp.zeros(1)}}
    way, _ = optimizer.update(
        {"params": {"kernel": jnp.array([9.0])}}, optimizer.init(params), params
    )
    assert float(way["params"]["kernel"][0]) == pytest.approx(0.9, rel=1e-4)  # 9 / (9 + eps)


def test_settings_out_of_range_are_named_together():
    with pytest.raises(
        ValueError,
        match=r"optimizer: learning_rate: .*0\.0; .*warmup: .*1\.5; "
        r".*clip_norm",
    ):
        OptimizerConfig(learning_rate=0.0, warmup=1.5, clip_norm=-1.0)
    with pytest.raises(ValueError, match=r"training: steps: .*got 0; log_every: .*got 0"):
        TrainingConfig(steps=0, log_every=0)


def test_gates_are_clipped_and_decay_by_settings_of_their_own():
    config = OptimizerConfig(clip_norm=1.0, weight_decay=0.5, eps=1.0)
    gates = OptimizerConfig(clip_norm=None, weight_decay=0.0, eps=1.0)
    optimizer = make_optimizer(config, gates=gates)
    tree = {"params": {"kernel": jnp.ones(1)}, "gates": jnp.ones((1, 1))}
    gradient = {"params": {"kernel": jnp.array([9.0])}, "gates": jnp.array([[9.0]])}
    way, _ = optimizer.update(gradient, optimizer.init(tree), tree)
    assert float(way["params"]["kernel"][0]) == pytest.approx(1 / (1 + 1) + 0.5, rel=1e-4)
    assert float(way["gates"][0, 0]) == pytest.approx(9 / (9 + 1), rel=1e-4)


def test_a_fall_from_the_end_of_a_warm_up_needs_one():
    with pytest.raises(ValueError, match=r"warmup: expected above 0 for inverse_sqrt.*got 0"):
        OptimizerConfig(warmup=0.0, schedule="inverse_sqrt")
    shorter_than_a_step = OptimizerConfig(1.0, 0.01, "inverse_sqrt")
    first, second = map(learning_rate_schedule(shorter_than_a_step, 4), (0, 1))
    assert first == 1.0 > second
