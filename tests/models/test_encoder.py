"""The encoder: gates, positions read, dropout, types, and how blocks are laid out."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.config import ReadoutConfig
from jaxheads.models import encoder
from jaxheads.models.blocks import gelu, positions
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.layout import runs, stacks
from jaxheads.models.model import abstract_params, encode, init_model, logits

SIZES = (50, 16, 3, 4, 32, 24)
LARGE = {"initializer_range": 0.2}
BERT = encoder_config("bert", *SIZES, type_vocab_size=2, **LARGE)
ALBERT = encoder_config(
    "albert", *SIZES, type_vocab_size=2, embedding_size=8, hidden_groups=1, **LARGE
)
ROBERTA = encoder_config("roberta", *SIZES, type_vocab_size=1, pad_token_id=1, **LARGE)
FAMILIES = {
    "roberta": ROBERTA,
    "albert": ALBERT,
    "albert groups": dataclasses.replace(ALBERT, num_layers=4, hidden_groups=2),
    "albert inner": dataclasses.replace(ALBERT, num_layers=4, inner_groups=2),
    "bert": BERT,
    "distilbert": encoder_config("distilbert", *SIZES, **LARGE),
    "modernbert": encoder_config(
        "modernbert",
        50,
        16,
        4,
        4,
        32,
        24,
        rotary_base=500.0,
        local_layers=(1, 2),
        local_window=2,
        local_rotary_base=20.0,
        **LARGE,
    ),
}
BINARY = ReadoutConfig("classification", ("no", "yes"))


def inputs(size: int = 2, length: int = 7):
    """Tokens, real tokens (the second row is padded) and token types."""
    tokens = np.random.default_rng(0).integers(2, 50, (size, length))
    real = np.ones((size, length), bool)
    real[1, 5:] = False
    return jnp.asarray(tokens), jnp.asarray(real), jnp.zeros((size, length), jnp.int32)


def test_local_and_global_layers_are_one_scan():
    layers = range(22)
    base = encoder_config(
        "modernbert", 60, 32, 22, 4, 24, 512,
        rotary_base=500.0, local_layers=tuple(i for i in layers if i % 3), local_window=2,
        local_rotary_base=20.0,
    )  # fmt: skip
    assert [stack.blocks for stack in stacks(base)] == [(0,), tuple(range(1, 21)), (21,)]
    params = abstract_params(base, ReadoutConfig())
    traced = jax.make_jaxpr(lambda params: encode(base, params, *inputs()).hidden_BPD)(params)
    scans = [step for step in traced.eqns if step.primitive.name == "scan"]
    assert [step.params["length"] for step in scans] == [20]


def test_a_token_of_a_local_layer_sees_its_window_and_no_farther():
    config = dataclasses.replace(FAMILIES["modernbert"], num_layers=3, local_layers=(1,))
    params = init_model(config, ReadoutConfig(), jax.random.key(0)).params
    tokens, real, types = inputs(2, 9)
    maps = encode(config, params, tokens, real, types, observe=lambda view: view.probs_BHTS)
    distance = np.abs(np.subtract.outer(np.arange(9), np.arange(9)))
    seen_LTS = np.asarray(maps.observed)[0].min(1) > 0
    np.testing.assert_array_equal(seen_LTS[1], distance <= config.local_window)
    assert seen_LTS[[0, 2]].all()


def test_rotary_attention_depends_on_distances_alone():
    config = dataclasses.replace(FAMILIES["modernbert"], num_layers=1, local_layers=())
    params = init_model(config, ReadoutConfig(), jax.random.key(0)).params
    tokens = jnp.full((1, 6), 7)
    (probs,) = encode(
        config, params, tokens, tokens > 0, observe=lambda view: jnp.log(view.probs_BHTS)
    ).observed  # [L, H, T, S]; of equal tokens, so that nothing but positions tells them apart
    moved = []
    for row_TS in np.asarray(probs)[0]:
        for step in (-2, -1, 1, 2):
            own = np.diagonal(row_TS)[max(-step, 0) :][: 6 - abs(step)]
            moved.append(np.diagonal(row_TS, step) - own)
            assert np.ptp(moved[-1]) < 2e-5
    assert max(abs(each[0]) for each in moved) > 1e-3


def test_an_encoder_of_one_token_type_reads_none():
    params = init_model(ROBERTA, BINARY, jax.random.key(0)).params
    tokens, real, zeros = inputs()
    pair = jnp.where(jnp.arange(7) > 3, 1, zeros)  # of a tokenizer that tells sentences apart
    same = [encode(ROBERTA, params, tokens, real, types).hidden_BPD for types in (pair, zeros)]
    np.testing.assert_array_equal(*same)
    assert np.isfinite(same[0]).all()


@pytest.mark.parametrize("name", FAMILIES)
def test_reading_some_positions_equals_reading_all(name):
    config = FAMILIES[name]
    params = init_model(config, BINARY, jax.random.key(0)).params
    where = jnp.asarray([[0, 3, 3], [4, 0, 1]])
    gate = jax.random.uniform(jax.random.key(1), (2, config.num_layers, 4, 7))

    def both(gate):
        everywhere = encode(config, params, *inputs(), gate).hidden_BPD
        some = encode(config, params, *inputs(), gate, where_BP=where).hidden_BPD
        return jnp.take_along_axis(everywhere, where[..., None], 1), some

    # One summation order differs (rows of a matrix product), in float32: some 1e-7 of each value.
    (wanted, got), (dwanted, dgot) = jax.jit(
        lambda gate: jax.jvp(both, (gate,), (jnp.ones_like(gate),))
    )(gate)
    np.testing.assert_allclose(got, wanted, atol=2e-6)
    np.testing.assert_allclose(dgot, dwanted, atol=1e-5)


def test_a_gate_is_the_same_in_every_shape_it_may_have():
    params = init_model(BERT, BINARY, jax.random.key(0)).params
    gate_LH = jax.random.uniform(jax.random.key(1), (3, 4))
    run = jax.jit(lambda gate: encode(BERT, params, *inputs(), gate).hidden_BPD)
    wanted = run(gate_LH)
    for shape in ((1, 3, 4, 1), (2, 3, 4, 1), (1, 3, 4, 7), (2, 3, 4, 7)):
        np.testing.assert_array_equal(
            run(jnp.broadcast_to(gate_LH[None, :, :, None], shape)), wanted
        )
    tied = jnp.broadcast_to(gate_LH[0], (3, 4))
    np.testing.assert_array_equal(run(gate_LH[None, :1, :, None]), run(tied))


def test_gates_of_one_change_nothing_and_a_gate_of_zero_silences_one_head_alone():
    params = init_model(BERT, BINARY, jax.random.key(0)).params
    run = jax.jit(lambda gate: encode(BERT, params, *inputs(), gate).hidden_BPD)
    plain = jax.jit(lambda: encode(BERT, params, *inputs()).hidden_BPD)()
    np.testing.assert_array_equal(run(jnp.ones((3, 4))), plain)
    silenced = jax.tree.map(jnp.asarray, params)
    out = silenced["encoder"]["stack0"]["attention"]["out"]
    out["kernel"] = out["kernel"].at[1, 2].set(0)
    wanted = jax.jit(lambda: encode(BERT, silenced, *inputs()).hidden_BPD)()
    np.testing.assert_allclose(run(jnp.ones((3, 4)).at[1, 2].set(0)), wanted, atol=1e-6)
    assert np.abs(wanted - plain).max() > 1e-3


@pytest.mark.parametrize(
    "shape", [(4, 3), (3,), (2, 3, 4), (3, 3, 4, 1), (1, 2, 4, 1), (1, 3, 4, 6)]
)
def test_a_gate_of_another_shape_is_rejected(shape):
    params = abstract_params(BERT, BINARY)
    with pytest.raises(ValueError, match=r"head_mask: expected shape \[3, 4\], or .* got \["):
        jax.eval_shape(lambda p: encode(BERT, p, *inputs(), jnp.ones(shape)), params)


def test_observing_some_positions_alone_is_rejected():
    params = abstract_params(BERT, BINARY)
    with pytest.raises(ValueError, match="observe: expected all positions"):
        jax.eval_shape(
            lambda p: encode(
                BERT, p, *inputs(), observe=lambda v: v.probs_BHTS, where_BP=jnp.zeros((2, 1), int)
            ),
            params,
        )


def test_attention_maps_are_distributions_over_real_tokens_and_zero_where_cut():
    config = dataclasses.replace(BERT, kept=((0, 2), (), (1, 3)))
    params = init_model(config, BINARY, jax.random.key(0)).params
    seen = jax.jit(
        lambda: encode(config, params, *inputs(), observe=lambda v: v.probs_BHTS).observed
    )()
    assert seen.shape == (2, 3, 4, 7, 7)
    present = np.zeros((3, 4))
    present[[0, 0, 2, 2], [0, 2, 1, 3]] = 1
    np.testing.assert_allclose(
        seen.sum(-1), np.broadcast_to(present[..., None], (2, 3, 4, 7)), atol=1e-6
    )
    assert np.all(seen[1, ..., 5:] == 0)


def test_padding_changes_no_real_token():
    params = init_model(ROBERTA, BINARY, jax.random.key(0)).params
    tokens, real, types = inputs()
    padded = encode(ROBERTA, params, tokens, real, types).hidden_BPD[1, :5]
    alone = encode(ROBERTA, params, tokens[1:, :5], real[1:, :5], types[1:, :5]).hidden_BPD[0]
    np.testing.assert_allclose(padded, alone, atol=2e-6)


def test_roberta_counts_real_tokens_and_the_others_columns():
    real = jnp.asarray([[True, True, False], [False, True, True]])
    np.testing.assert_array_equal(positions(ROBERTA, real), [[2, 3, 1], [1, 2, 3]])
    np.testing.assert_array_equal(positions(BERT, real), [[0, 1, 2], [0, 1, 2]])


def test_gelu_and_its_derivatives_are_jaxs():
    x = jnp.linspace(-6, 6, 101)
    exact = lambda x: jax.nn.gelu(x, approximate=False)  # noqa: E731
    np.testing.assert_allclose(gelu(x), exact(x), atol=1e-6)
    slope = jax.vmap(jax.grad(gelu))(x)
    np.testing.assert_allclose(slope, jax.vmap(jax.grad(exact))(x), atol=1e-6)
    curve = jax.vmap(jax.grad(jax.grad(gelu)))(x)
    np.testing.assert_allclose(curve, jax.vmap(jax.grad(jax.grad(exact)))(x), atol=1e-5)
    assert gelu(x.astype(jnp.bfloat16)).dtype == jnp.bfloat16


@pytest.mark.parametrize("name", ["albert", "roberta"])
def test_dropout_follows_its_key_and_none_is_off(name):
    config = FAMILIES[name]
    params = init_model(config, BINARY, jax.random.key(0)).params
    run = jax.jit(lambda key: logits(config, BINARY, params, *inputs(), key=key))
    first, again, other = (run(jax.random.key(seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-4


def test_no_dropout_rate_makes_a_key_change_nothing():
    config = dataclasses.replace(BERT, hidden_dropout=0.0, attention_dropout=0.0)
    readout = dataclasses.replace(BINARY, dropout=0.0)
    params = init_model(config, readout, jax.random.key(0)).params
    run = jax.jit(lambda key: logits(config, readout, params, *inputs(), key=key))
    np.testing.assert_array_equal(run(jax.random.key(0)), run(jax.random.key(1)))


def test_bfloat16_computes_over_float32_parameters():
    model = init_model(BERT, BINARY, jax.random.key(0))
    run = jax.jit(
        lambda params, dtype: logits(BERT, BINARY, params, *inputs(), dtype=dtype),
        static_argnames="dtype",
    )
    half, full = run(model.params, dtype=jnp.bfloat16), run(model.params, dtype=jnp.float32)
    assert half.dtype == full.dtype == jnp.float32
    assert 0 < np.abs(half - full).max() < 0.05  # 8 bits of mantissa over three layers


def test_fresh_parameters_follow_the_key_and_have_the_abstract_shapes():
    one, same, other = (init_model(ALBERT, BINARY, jax.random.key(seed)) for seed in (0, 0, 1))
    kernel = lambda model: model.params["encoder"]["stack0"]["up"]["kernel"]  # noqa: E731
    np.testing.assert_array_equal(kernel(one), kernel(same))
    assert np.abs(kernel(one) - kernel(other)).max() > 0.1
    assert abs(float(kernel(one).std()) - ALBERT.initializer_range) < 0.02
    abstract = abstract_params(ALBERT, BINARY)
    shapes = lambda tree: jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), tree)  # noqa: E731
    assert shapes(abstract) == shapes(one.params)


def test_equal_layers_are_one_scan_and_the_last_stands_alone():
    deep = dataclasses.replace(BERT, num_layers=6)
    assert [stack.blocks for stack in stacks(deep)] == [(0, 1, 2, 3, 4), (5,)]
    ragged = dataclasses.replace(deep, kept=((0,), (1,), (0, 1), (), (), ()))
    assert [run.layers for run in runs(ragged)] == [(0, 1), (2,), (3, 4), (5,)]
    assert next(run.heads for run in runs(ragged)) == ((0,), (1,))


@pytest.mark.slow
@pytest.mark.parametrize("trains", [True, False])
def test_a_backward_pass_is_left_less_and_has_the_same_gradient(trains, monkeypatch):
    """What it computes again takes no room; dropout draws the same mask twice."""
    config = dataclasses.replace(BERT, num_layers=5, hidden_size=32, intermediate_size=128)
    params = init_model(config, BINARY, jax.random.key(0)).params
    tokens, key = jnp.ones((8, 24), jnp.int32), jax.random.key(1) if trains else None
    gate = jnp.ones((8, config.num_layers, config.num_heads, 1))

    def made():
        def loss(params, gate):
            inputs = tokens, jnp.ones((8, 24), bool), jnp.zeros_like(tokens)
            return logits(config, BINARY, params, *inputs, gate, key=key).sum()

        program = jax.jit(jax.grad(loss, argnums=0 if trains else 1)).lower(params, gate).compile()
        return program.memory_analysis().temp_size_in_bytes, program(params, gate)

    room, gradient = made()
    monkeypatch.setattr(encoder, "KEPT", jax.checkpoint_policies.everything_saveable)
    all_room, expected = made()
    assert room < 0.85 * all_room
    # fused otherwise, so rounded otherwise: float32 sums of some hundred terms
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), gradient, expected)


def test_shared_blocks_hold_what_any_layer_uses():
    config = dataclasses.replace(ALBERT, num_layers=4, kept=((0, 3), (0, 3), (3,), (3,)))
    assert [stack.heads for stack in stacks(config)] == [((0, 3),)]
    got = [(run.layers, run.select) for run in runs(config)]
    assert got == [((0, 1), None), ((2,), (1,)), ((3,), (1,))]
    assert FAMILIES["albert inner"].block_by_layer == (0, 1, 0, 1)
    assert FAMILIES["albert groups"].block_by_layer == (0, 0, 1, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_heads": 3}, "hidden_size: expected a multiple of num_heads 3, got 16"),
        ({"num_layers": 0}, "num_layers: expected a positive size, got 0"),
        ({"hidden_groups": 1}, "hidden_groups: expected 0 for bert, got 1"),
        ({"hidden_dropout": 1.0}, r"hidden_dropout: expected a rate in \[0, 1\), got 1.0"),
        ({"kept": ((0,), (1,))}, "kept: expected 3 layers, got 2"),
        ({"kept": ((1, 0), (), (4,))}, r"kept\[0\].*kept\[2\]"),
    ],
)
def test_sizes_that_fit_no_encoder_are_rejected(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(BERT, **change)


def test_a_model_is_shown_in_one_line():
    config = encoder_config(
        "roberta", 40, hidden_size=16, num_layers=2, num_heads=4, intermediate_size=24,
        max_positions=12, type_vocab_size=1, pad_token_id=1, kept=((0, 2), (1,)),
    )  # fmt: skip
    model = init_model(config, ReadoutConfig("classification", ("no", "yes")), jax.random.key(0))
    count = sum(leaf.size for leaf in jax.tree.leaves(model.params))
    assert repr(model) == (
        "Model(roberta, 2 layers x 4 heads (3 of 8 kept), width 16, readout classification of 2 "
        f"labels, {count:,} parameters)"
    )
