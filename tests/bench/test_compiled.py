"""What is told of compiled programs, by the CPU's compiler and by a TPU's where it is there."""

from __future__ import annotations

import dataclasses
import json
import math
import os

import jax
import numpy as np
import pytest

from jaxheads.bench import chips, compiled
from jaxheads.bench.counted import Counted, Moved, count
from jaxheads.bench.programs import PROGRAMS, Case, Layout, parse_layout
from jaxheads.bench.shapes import BASE, BINARY, TINY
from jaxheads.cli.main import main

SMALL = ["bench", "--tiny", "--length", "8", "--batch-size", "16"]


@pytest.fixture
def _without_libtpu(monkeypatch):
    jax.devices()  # those of all tests, before more could be asked for
    monkeypatch.setattr(chips, "has_tpu_compiler", lambda: False)


@pytest.mark.usefixtures("_without_libtpu")
def test_without_libtpu_the_cpus_compiler_tells_memory_products_and_collectives(capsys):
    words = ["--compile", "v5e:2x4", "--only", "evaluation", "--layout", "data=4,model=2", "--json"]
    assert main([*SMALL, *words]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    told = ("program", "model", "topology", "layout", "dtype", "examples", "length", "compiler")
    assert [row[name] for name in told] == [
        "evaluation", "tiny", "v5e:2x4", "data=4,model=2", "bfloat16", 16, 8, "cpu"
    ]  # fmt: skip
    assert row["fits"] and 0 < row["state_gib"] < row["peak_gib"] < 0.1
    assert row["bytes"] is row["share_of_peak"] is None
    assert row["flops"] > 0 and set(row["collectives"]) == {"all-reduce"}


@pytest.mark.slow
@pytest.mark.usefixtures("_without_libtpu")
def test_a_split_model_and_state_take_less_of_every_device(capsys):
    layouts = ["--layout", "data=1", "--layout", "data=4,model=2,shard_opt_state,remat"]
    words = ["--compile", "v5e:2x4", "--only", "fine-tuning", "--dtype", "float32", *layouts]
    assert main([*SMALL, *words, "--json"]) == 0
    one, split = json.loads(capsys.readouterr().out)
    assert 0 < 2 * split["state_gib"] < one["state_gib"] < one["peak_gib"]


@pytest.mark.usefixtures("_without_libtpu")
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--compile", "v3:2x2"], "--compile: expected one of v4, v5e, v5p, v6e with its chips"),
        (["--compile", "v5e"], "got 'v5e'"),
        (["--compile", "v5e:16x16"], "--compile: expected at most 8 simulated devices, got 256"),
        (["--compile", "v5e:1x1", "--only", "speed"], "--only: expected one of gate gradients"),
        (["--compile", "v5e:1x1", "--shape", "gpt"], "--shape: expected one of tiny, got gpt"),
        (
            ["--compile", "v5e:2x2", "--layout", "data=8"],
            "--layout: expected at most 4 devices, got data=8",
        ),
        (["--compile", "v5e:1x1", "--layout", "data=x"], "--layout: expected data=N,model=M,"),
        (["--layout", "data=8"], "--shape and --layout: expected --compile with them"),
    ],
)
def test_what_cannot_be_compiled_is_rejected_in_one_line(words, line, capsys):
    assert main([*SMALL, *words]) == 2
    assert line in capsys.readouterr().err.splitlines()[-1]


def test_a_layout_is_read_in_any_order():
    whole = Layout(data=4, model=2, shard_opt_state=True, remat=True)
    assert parse_layout("remat,model=2,shard_opt_state,data=4") == whole
    assert parse_layout(str(whole)) == whole
    assert parse_layout("data=1") == Layout()


def test_the_share_of_the_peak_is_what_the_chips_balance_allows():
    chip = chips.Chip(200, 800, 16, 1.5)  # 250 operations a byte
    found = Counted(10**12, 8 * 10**9, 3 * 10**6, {"all-reduce": Moved(2, 64)}, ())
    told = compiled.figures(found, chip, "tpu")
    assert (told["flops_per_byte"], told["share_of_peak"]) == (125.0, 0.5)
    assert told["estimated_ms"] == 2.0
    assert told["collectives"] == {"all-reduce": {"count": 2, "bytes": 64}}
    assert compiled.figures(found._replace(bytes=10**9), chip, "tpu")["share_of_peak"] == 1.0


@pytest.mark.usefixtures("_without_libtpu")
def test_what_does_not_fit_is_told_with_what_it_needs(monkeypatch, capsys):
    def lower(_case):
        raise jax.errors.JaxRuntimeError(
            "RESOURCE_EXHAUSTED: Ran out of memory in memory space hbm. Used 18.25G of 15.75G hbm."
        )

    monkeypatch.setitem(PROGRAMS, "evaluation", lower)
    words = ["--compile", "v5e:1x1", "--only", "evaluation"]
    assert main([*SMALL, *words, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["fits"], row["peak_gib"], row["chip_gib"], row["flops"]) == (False, 18.25, 16, None)
    assert main([*SMALL, *words]) == 0
    assert "18.25: too much" in capsys.readouterr().out


def test_a_compiler_that_ends_its_process_is_one_line_that_names_the_program():
    with compiled.apart() as call:
        assert call("v5e:1x1", math.prod, [2, 3]) == 6
        with pytest.raises(ValueError, match="layout: expected"):
            call("v5e:1x1", parse_layout, "data=x")
        with pytest.raises(
            ValueError, match="libtpu ended its process at tiny, evaluation on v5e:1x1; "
        ):
            call("tiny, evaluation on v5e:1x1", os.abort)


def crash(*_):
    os.abort()


def test_a_crash_of_the_tpus_compiler_is_told_by_the_command(monkeypatch, capsys):
    monkeypatch.setattr(chips, "has_tpu_compiler", lambda: True)  # here, not in the other process
    monkeypatch.setattr(compiled, "_row", crash)
    assert main([*SMALL, "--compile", "v5e:1x1", "--only", "evaluation"]) == 2
    said = "libtpu ended its process at tiny, evaluation, data=1, bfloat16 on v5e:1x1"
    assert said in capsys.readouterr().err.splitlines()[-1]


# -- by the TPU's own compiler

# What the layouts need: nothing to score or to measure examples that are split over data, their
# gradients' sum to train on them; with heads and feed-forward units split over model the sums of
# each layer's two halves, and what is told of heads (effects, maps, learned gates) whole again.
SUM, BOTH = {"all-reduce"}, {"all-reduce", "all-gather"}
NEEDED = {
    "gate gradients": (set(), BOTH),
    "evaluation": (set(), SUM),
    "ablation": (set(), SUM),
    "syntax maps": (set(), BOTH),
    "fine-tuning": (SUM, SUM),
    "learned gates": (SUM, BOTH),
    "cut model": (SUM, SUM),
}
LAYOUTS = (Layout(data=4), Layout(data=2, model=2))


@pytest.fixture(scope="module")
def uncached():
    """What is compiled for a TPU can be written to the cache of programs, but not read again."""
    was = jax.config.values["jax_enable_compilation_cache"]
    jax.config.update("jax_enable_compilation_cache", False)
    yield
    jax.config.update("jax_enable_compilation_cache", was)


@pytest.mark.tpu_compile
@pytest.mark.usefixtures("uncached")
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("layout", LAYOUTS, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("topology", ["v5e:2x2", "v4:2x2x1"])
def test_every_program_compiles_for_a_tpu_with_the_collectives_that_it_needs(
    topology, dtype, layout, program
):
    pytest.importorskip("libtpu")
    config = dataclasses.replace(TINY, num_layers=4, hidden_dropout=0.0, attention_dropout=0.0)
    devices = chips.open_topology(topology).devices
    case = Case(config, BINARY, layout, devices, dtype, 16, 32)
    built = compiled.compiled(PROGRAMS[program], case, "tpu")
    found = count(built.as_text())
    assert set(found.collectives) == NEEDED[program][layout.model > 1], found.collectives
    largest = max(part.flops for part in found.products)
    if dtype == "bfloat16":  # maps are brought from pieces to words in float32, on purpose
        wide = [part for part in found.products if "f32" in part.dtypes]
        wide = [part for part in wide if program != "syntax maps" or "bf16" in part.dtypes]
        assert all(part.flops < largest / 100 for part in wide), wide
    state, peak = compiled.memory(built)
    assert 0 < state < peak < 2**28


@pytest.mark.tpu_compile
@pytest.mark.usefixtures("uncached")
def test_a_split_optimizers_state_sums_in_the_loop_what_each_device_keeps():
    """So small a model sums whole and cuts; a large one scatters its sums."""
    pytest.importorskip("libtpu")
    config = dataclasses.replace(TINY, num_layers=4, hidden_dropout=0.0, attention_dropout=0.0)
    devices = chips.open_topology("v5e:2x2").devices
    layout = Layout(data=4, shard_opt_state=True)
    case = Case(config, BINARY, layout, devices, "bfloat16", 16, 32)
    text = compiled.compiled(PROGRAMS["fine-tuning"], case, "tpu").as_text()
    assert set(count(text).collectives) == BOTH | {"all-to-all", "collective-permute"}
    loops = [line for line in text.splitlines() if " while(" in line]
    assert any("f32[3,8,64]" in line and "f32[3,32,64]" not in line for line in loops)


@pytest.mark.tpu_compile
@pytest.mark.usefixtures("uncached")
def test_gate_gradients_of_a_base_model_take_half_of_a_v5e_and_move_few_bytes():
    """The aims: 256 examples of 128 tokens in 7 GiB, at least 70% of the rate by balance."""
    pytest.importorskip("libtpu")
    devices, chip, _ = chips.open_topology("v5e:1x1")
    case = Case(BASE, BINARY, Layout(), devices, "bfloat16", 256, 128)
    built = compiled.compiled(PROGRAMS["gate gradients"], case, "tpu")
    assert compiled.memory(built)[1] < 7 * 2**30
    assert compiled.figures(count(built.as_text()), chip, "tpu")["share_of_peak"] >= 0.7


@pytest.mark.tpu_compile
@pytest.mark.usefixtures("uncached")
def test_the_count_of_a_tpus_program_is_xlas_own_where_loops_run_once():
    """Products alone are counted, where XLA counts every addition too."""
    pytest.importorskip("libtpu")
    config = dataclasses.replace(TINY, hidden_size=256, intermediate_size=1024, num_layers=4)
    devices = chips.open_topology("v5e:1x1").devices
    case = Case(config, BINARY, Layout(), devices, "bfloat16", 64, 128)
    built = compiled.compiled(PROGRAMS["gate gradients"], case, "tpu")
    text, xla = built.as_text(), built.cost_analysis()
    assert 0.9 < count(text, once=True).flops / xla["flops"] <= 1
    assert 0.6 < count(text, once=True, everywhere=True).bytes / xla["bytes accessed"] <= 1
    assert count(text).flops > 2 * count(text, once=True).flops  # 3 of 4 layers are turns


@pytest.mark.tpu_compile
def test_the_table_of_one_chip_names_its_memory(capsys):
    pytest.importorskip("libtpu")
    assert main([*SMALL, "--compile", "v6e:1x1", "--only", "evaluation"]) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert "of 32" in head and "flop/byte" in head
    assert line.split()[:4] == ["tiny", "evaluation", "data=1", "bfloat16"]
    assert np.isfinite([float(word) for word in line.split()[4:8]]).all()
