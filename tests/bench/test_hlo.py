"""What is counted in programs written by hand, and in compiled ones against XLA's own figures."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jaxheads.bench.counted import Moved, Product, count
from jaxheads.parallel.mesh import make_mesh

HLO = """HloModule step, entry_computation_layout={(f32[4]{0})->f32[4]{0}}

%add (x: f32[], y: f32[]) -> f32[] {
  %x = f32[] parameter(0)
  %y = f32[] parameter(1)
  ROOT %sum = f32[] add(%x, %y)
}

%body (carry: (s32[], f32[4])) -> (s32[], f32[4]) {
  %carry = (s32[], f32[4]{0}) parameter(0)
  %row = f32[4]{0} get-tuple-element(%carry), index=1
  %inner = f32[4]{0} all-reduce(%row), channel_id=1, to_apply=%add
  ROOT %out = (s32[], f32[4]{0}) tuple(%carry, %inner)
}

%test (carry: (s32[], f32[4])) -> pred[] {
  ROOT %more = pred[] constant(true)
}

ENTRY %main (p: f32[4]) -> f32[4] {
  %p = f32[4]{0} parameter(0)
  %loop = (s32[], f32[4]{0}) while(%p), condition=%test, body=%body, TRIPS
  %both = (bf16[2,3]{1,0}, f32[]) all-reduce(%p, %p), channel_id=2, to_apply=%add
  %part = (f32[4]{0}, f32[8]{0}) all-gather-start(%p), channel_id=3, dimensions={0}
  %whole = f32[8]{0} all-gather-done(%part)
  ROOT %last = f32[4]{0} copy(%p)
}
"""
TRIPS = 'backend_config={"known_trip_count":{"n":"12"}}'


MOVED = {"all-reduce": Moved(13, 12 * 16 + 2 * 3 * 2 + 4), "all-gather": Moved(1, 32)}


def test_loops_count_once_a_turn_and_what_is_started_counts_once():
    assert count(HLO.replace("TRIPS", TRIPS)).collectives == MOVED


def test_the_numbers_in_long_tuples_hide_neither_a_collective_nor_a_loop():
    """A compiler writes one before every fifth part, and a gradient's tuple has many parts."""
    long = HLO.replace("(bf16[2,3]{1,0}, f32[])", "(bf16[2,3]{1,0}, /*index=1*/f32[])")
    long = long.replace("= (s32[], f32[4]{0}) while", "= (s32[], /*index=1*/f32[4]{0}) while")
    assert long.count("/*") == 2
    assert count(long.replace("TRIPS", TRIPS)).collectives == MOVED


def test_a_loop_of_unknown_length_with_a_collective_is_rejected():
    with pytest.raises(ValueError, match="body: expected a loop with a known number of turns"):
        count(HLO.replace("TRIPS", "metadata={}"))
    with pytest.raises(ValueError, match="expected the text of a compiled program"):
        count("no program")


def test_a_compiled_loop_is_read_with_its_turns():
    mesh = make_mesh(8)
    split = NamedSharding(mesh, P("data"))

    @jax.jit
    def step(x_BD):
        def turn(total, _):
            return total + jax.lax.with_sharding_constraint(
                (x_BD * total).sum(0), NamedSharding(mesh, P())
            ), None

        return jax.lax.scan(turn, x_BD[0], None, length=5)[0]

    text = step.lower(jax.ShapeDtypeStruct((16, 6), np.float32, sharding=split)).compile().as_text()
    found = count(text).collectives["all-reduce"]
    assert found.bytes >= 5 * 6 * 4 and found.bytes % (6 * 4) == 0, found


# -- as a TPU's compiler writes: layouts with tiles and memory spaces, products as convolutions

LOOP = """HloModule m

%body (c: (s32[], bf16[2,4,130])) -> (s32[], bf16[2,4,130]) {
  %c = (s32[]{:T(128)}, bf16[2,4,130]{2,1,0:T(8,128)(2,1)}) parameter(0)
  %n = s32[]{:T(128)} get-tuple-element(%c), index=0
  %kept = bf16[2,4,130]{2,1,0:T(8,128)(2,1)} get-tuple-element(%c), index=1
  %chip = bf16[4,130]{1,0:T(8,128)(2,1)S(1)} fusion(%kept, %n), kind=kLoop, calls=%part, CYCLES
  %in = bf16[2,4,130]{2,1,0:T(8,128)(2,1)} fusion(%kept, %chip, %n), kind=kLoop, calls=%put
  ROOT %o = (s32[]{:T(128)}, bf16[2,4,130]{2,1,0:T(8,128)(2,1)}) tuple(%n, %in)
}

%part (a: bf16[2,4,130], i: s32[]) -> bf16[4,130] {
  %a = bf16[2,4,130]{2,1,0:T(8,128)(2,1)} parameter(0)
  %i = s32[]{:T(128)} parameter(1)
  %cut = bf16[1,4,130]{2,1,0:T(8,128)(2,1)} dynamic-slice(%a, %i, %i, %i)
  ROOT %flat = bf16[4,130]{1,0:T(8,128)(2,1)S(1)} bitcast(%cut)
}

%put (b: bf16[2,4,130], u: bf16[4,130], j: s32[]) -> bf16[2,4,130] {
  %b = bf16[2,4,130]{2,1,0:T(8,128)(2,1)} parameter(0)
  %u = bf16[4,130]{1,0:T(8,128)(2,1)S(1)} parameter(1)
  %j = s32[]{:T(128)} parameter(2)
  %one = bf16[1,4,130]{2,1,0:T(8,128)(2,1)} bitcast(%u)
  ROOT %set = bf16[2,4,130]{2,1,0:T(8,128)(2,1)} dynamic-update-slice(%b, %one, %j, %j, %j)
}

%more (c: (s32[], bf16[2,4,130])) -> pred[] {
  %end = s32[]{:T(128)} constant(7)
  %c = (s32[]{:T(128)}, bf16[2,4,130]{2,1,0:T(8,128)(2,1)}) parameter(0)
  %n = s32[]{:T(128)} get-tuple-element(%c), index=0
  ROOT %lt = pred[]{:T(512)} compare(%n, %end), direction=LT
}

ENTRY %main (p: bf16[2,4,130]) -> bf16[2,4,130] {
  %p = bf16[2,4,130]{2,1,0:T(8,128)(2,1)} parameter(0)
  %zero = s32[]{:T(128)} constant(2)
  %begin = s32[]{:T(128)} copy(%zero)
  %t = (s32[]{:T(128)}, bf16[2,4,130]{2,1,0:T(8,128)(2,1)}) tuple(%begin, %p)
  %w = (s32[]{:T(128)}, bf16[2,4,130]{2,1,0:T(8,128)(2,1)}) while(%t), condition=%more, body=%body
  ROOT %r = bf16[2,4,130]{2,1,0:T(8,128)(2,1)} get-tuple-element(%w), index=1
}
"""
CYCLES = 'backend_config={"window_config":{"estimated_cycles":"30"}}'


def test_turns_follow_from_the_condition_and_bytes_from_parts_in_main_memory():
    """5 turns; each reads one row [4, 130] and writes one, filled up to tiles of 8 x 128."""
    found = count(LOOP.replace("CYCLES", CYCLES))
    row, number = 8 * 256 * 2, 4
    scalars = 4 * number  # the place, read by both fusions, and the copied start
    assert found.bytes == pytest.approx(5 * (row + row), abs=5 * scalars)
    assert found.cycles == 5 * 30
    once = count(LOOP.replace("CYCLES", CYCLES), once=True)
    assert once.cycles == 30
    everywhere = count(LOOP.replace("CYCLES", CYCLES), everywhere=True)
    assert everywhere.bytes - found.bytes >= 5 * 2 * row  # what stays on the chip, both ways


PRODUCT = """HloModule m

%sum (p: bf16[2,3,5], q: bf16[2,7,5], r: f32[4]) -> bf16[2,3,7] {
  %p = bf16[2,3,5]{2,1,0} parameter(0)
  %q = bf16[2,7,5]{2,1,0} parameter(1)
  %r = f32[4]{0} parameter(2)
  %sent = f32[4]{0} all-reduce(%r), channel_id=9, to_apply=%add
  ROOT %made = bf16[2,3,7]{2,1,0} convolution(%p, %q), WORDS
}

%again (r: f32[4]) -> f32[4] {
  %r = f32[4]{0} parameter(0)
  ROOT %sent = f32[4]{0} all-reduce(%r), channel_id=9, to_apply=%add
}

ENTRY %main (p: bf16[2,3,5], q: bf16[2,7,5], r: f32[4]) -> bf16[2,3,7] {
  %p = bf16[2,3,5]{2,1,0} parameter(0)
  %q = bf16[2,7,5]{2,1,0} parameter(1)
  %r = f32[4]{0} parameter(2)
  %first = f32[4]{0} fusion(%r), kind=kCustom, calls=%again
  ROOT %f = bf16[2,3,7]{2,1,0} fusion(%p, %q, %first), kind=kOutput, calls=%sum
}
"""


def test_a_batched_product_written_as_a_convolution_has_its_own_operations():
    """The batch of 2 stands as a place that is dilated so that each meets only its own."""
    words = "window={size=2 stride=1 lhs_dilate=2}, dim_labels=0bf_0oi->0bf"
    found = count(PRODUCT.replace("WORDS", words))
    assert found.products == (Product(("bf16", "bf16"), 2 * 2 * 3 * 5 * 7, "made"),)


def test_a_collective_in_several_parts_counts_once():
    words = "window={size=2 stride=1 lhs_dilate=2}, dim_labels=0bf_0oi->0bf"
    assert count(PRODUCT.replace("WORDS", words)).collectives == {"all-reduce": Moved(1, 16)}


def test_the_operations_of_a_compiled_scan_are_xlas_own_and_count_with_its_turns():
    @jax.jit
    def step(x_BD, w_DD):
        return jax.lax.scan(lambda x, _: (x @ w_DD, None), x_BD, None, length=6)[0]

    shapes = (jax.ShapeDtypeStruct((8, 32), np.float32), jax.ShapeDtypeStruct((32, 32), np.float32))
    built = step.lower(*shapes).compile({"xla_backend_optimization_level": 0})
    found = count(built.as_text())
    assert found.flops == 6 * 2 * 8 * 32 * 32
    assert count(built.as_text(), once=True).flops == pytest.approx(
        built.cost_analysis()["flops"], rel=0.01
    )
