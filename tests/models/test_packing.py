"""Examples that share a row compute what each one alone does, in every family."""

from __future__ import annotations

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.models.layout import runs
from jaxheads.models.model import encode, logits
from jaxheads.models.packing import Packing
from tests.pruning.conftest import CLASSES, CONFIGS, _tiny

LENGTHS = ((3, 6, 2), (5, 0, 4))  # of the examples of two rows; 0: a place without one
LENGTH = 12


SLOW = [name for name in CONFIGS if name != "roberta"]


@pytest.fixture(params=["roberta", *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)])
def rows(request):
    """A tiny model, packed rows, and the same examples one by one."""
    tiny = _tiny(request.param)
    rng = np.random.default_rng(3)
    tokens = np.full((2, LENGTH), tiny.config.pad_token_id, np.int32)
    slots, starts = np.full((2, LENGTH), -1), np.zeros((2, 3), int)
    alone = []
    for row, counts in enumerate(LENGTHS):
        begin = 0
        for place, count in enumerate(counts):
            own = rng.integers(2, 60, count)
            tokens[row, begin : begin + count] = own
            slots[row, begin : begin + count] = place
            starts[row, place] = begin if count else 0
            alone.append(own)
            begin += count
    inputs = tuple(map(jnp.asarray, (tokens, slots >= 0, np.zeros_like(tokens))))
    return tiny, inputs, Packing(jnp.asarray(slots), jnp.asarray(starts)), alone


def test_logits_and_the_gradient_of_each_examples_gate_are_those_of_the_example_alone(rows):
    tiny, inputs, packing, alone = rows
    heads = (tiny.config.num_layers, tiny.config.num_heads)
    gate = jnp.asarray(np.random.default_rng(4).uniform(0.5, 1.5, (6, *heads, 1)), jnp.float32)

    def packed(gate):
        found = logits(tiny.config, CLASSES, tiny.params, *inputs, gate, packing=packing)
        weight = jnp.asarray([len(own) > 0 for own in alone])
        return (found[:, 0] * weight).sum(), found

    @jax.jit
    @functools.partial(jax.value_and_grad, has_aux=True)
    def single(gate, tokens, real):
        found = logits(
            tiny.config, CLASSES, tiny.params, tokens, real, jnp.zeros_like(tokens), gate
        )
        return found[0, 0], found

    (_, found), slope = jax.jit(jax.value_and_grad(packed, has_aux=True))(gate)
    for number, own in enumerate(alone):
        if not len(own):
            assert not np.asarray(slope[number]).any()
            continue
        padded = jnp.zeros(LENGTH, jnp.int32).at[: len(own)].set(jnp.asarray(own))
        real = jnp.arange(LENGTH) < len(own)
        (_, due), due_slope = single(gate[number : number + 1], padded[None], real[None])
        np.testing.assert_allclose(found[number], due[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(slope[number], due_slope[0], rtol=1e-4, atol=2e-6)


def test_positions_begin_anew_with_each_example(rows):
    _, _, packing, _ = rows
    of_each = [[*range(3), *range(6), *range(2)], [*range(5), *range(4)]]
    for row, due in enumerate(of_each):
        assert packing.position_RT[row, : len(due)].tolist() == due


def test_what_reads_rows_one_by_one_is_rejected(rows):
    tiny, inputs, packing, _ = rows
    with pytest.raises(ValueError, match="expected all positions of rows of one example each"):
        encode(tiny.config, tiny.params, *inputs, observe=lambda view: view, packing=packing)


def test_layers_one_after_the_other_compute_what_the_loop_does(rows):
    tiny, inputs, packing, _ = rows
    gate = jnp.ones((6, tiny.config.num_layers, tiny.config.num_heads, 1))

    def slope(unroll: bool):
        def total(gate):
            how = {"packing": packing, "unroll": unroll}
            return logits(tiny.config, CLASSES, tiny.params, *inputs, gate, **how)[:, 0].sum()

        return jax.jit(jax.grad(total)).lower(gate)

    loop, straight = slope(False), slope(True)
    due = loop.compile()(gate)
    np.testing.assert_allclose(straight.compile()(gate), due, rtol=1e-4, atol=1e-6)
    loops = [form.as_text().count("stablehlo.while") for form in (loop, straight)]
    has_loop = any(len(run.layers) > 1 for run in runs(tiny.config))  # not where all are alone
    assert (loops[0] > 0) == has_loop
    assert loops[1] == 0
