"""Bytes that collectives move, counted in programs written by hand and in compiled ones."""

from __future__ import annotations

import dataclasses
import json

import jax
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jaxheads.bench import simulated
from jaxheads.bench.traffic import bytes_moved
from jaxheads.cli.main import main
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


def test_loops_count_once_a_turn_and_what_is_started_counts_once():
    found = bytes_moved(HLO.replace("TRIPS", TRIPS))
    assert found == {"all-reduce": 12 * 16 + 2 * 3 * 2 + 4, "all-gather": 32}


def test_the_numbers_in_long_tuples_hide_neither_a_collective_nor_a_loop():
    """A compiler writes one before every fifth part, and a gradient's tuple has many parts."""
    long = HLO.replace("(bf16[2,3]{1,0}, f32[])", "(bf16[2,3]{1,0}, /*index=1*/f32[])")
    long = long.replace("= (s32[], f32[4]{0}) while", "= (s32[], /*index=1*/f32[4]{0}) while")
    assert long.count("/*") == 2
    found = bytes_moved(long.replace("TRIPS", TRIPS))
    assert found == {"all-reduce": 12 * 16 + 2 * 3 * 2 + 4, "all-gather": 32}


def test_a_loop_of_unknown_length_with_a_collective_is_rejected():
    with pytest.raises(ValueError, match="body: expected a loop with a known number of turns"):
        bytes_moved(HLO.replace("TRIPS", "metadata={}"))
    with pytest.raises(ValueError, match="expected the text of a compiled program"):
        bytes_moved("no program")


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
    found = bytes_moved(text)
    assert found["all-reduce"] >= 5 * 6 * 4 and found["all-reduce"] % (6 * 4) == 0, found


@pytest.fixture
def _quick(monkeypatch):
    """Without dropout, whose random numbers take most of the time to compile and move nothing."""
    plain = dataclasses.replace(simulated.TINY, hidden_dropout=0.0, attention_dropout=0.0)
    monkeypatch.setattr(simulated, "TINY", plain)


@pytest.mark.slow
@pytest.mark.usefixtures("_quick")
def test_scoring_moves_nothing_and_training_its_gradient_on_any_number_of_devices(tmp_path, capsys):
    words = ["bench", "--scaling", "--tiny", "--length", "8", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "scaling.svg" in capsys.readouterr().out and (tmp_path / "scaling.svg").is_file()
    rows = json.loads((tmp_path / "scaling.json").read_text())
    assert [row["devices"] for row in rows] == [1, 2, 4, 8]
    heads = 3 * 4
    for row in rows:
        alone, gradient = row["devices"] == 1, row["gradient"]
        assert row["scoring, a step"] == 0, row
        assert row["scoring, once a pass"] == (0 if alone else 8 * row["devices"] * (heads + 2)), (
            row
        )
        moved = row["fine-tuning, a step"]  # with the sums of losses and of terms
        assert moved == 0 if alone else gradient <= moved <= gradient + 16, row


@pytest.mark.slow
@pytest.mark.usefixtures("_quick")
def test_a_spread_state_takes_less_of_every_device(capsys):
    words = ["bench", "--sizes", "--tiny", "--length", "8", "--training-batch", "8", "--json"]
    assert main(words) == 0
    one, sharded = json.loads(capsys.readouterr().out)["sizes"]
    assert (one["data"], one["model axis"], one["shard_opt_state"]) == (1, 1, False)
    assert (sharded["data"], sharded["model axis"], sharded["shard_opt_state"]) == (4, 2, True)
    assert 0 < 2 * sharded["state, MiB"] < one["state, MiB"] < one["peak, MiB"]
