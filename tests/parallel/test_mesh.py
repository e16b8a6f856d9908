from __future__ import annotations

import time
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from jaxheads.config import ReadoutConfig
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import abstract_params
from jaxheads.parallel import processes
from jaxheads.parallel.mesh import (
    PARAMETER_SPECS,
    data_share,
    local_rows,
    make_mesh,
    pad_rows,
    parameter_specs,
    place_batch,
    place_params,
)
from jaxheads.parallel.processes import cannot_begin, gather_processes, start_distributed

SIZES = {"vocab_size": 60, "num_layers": 3, "intermediate_size": 24, "max_positions": 9}
ROBERTA = encoder_config(family="roberta", hidden_size=16, num_heads=4, **SIZES)
ALBERT = encoder_config(
    family="albert", hidden_size=16, num_heads=4, embedding_size=8, hidden_groups=1, **SIZES
)
MASKED_LM = ReadoutConfig("masked_lm", tied=False)

EXPECTED = {  # every parameter that is split, and over which of its dimensions
    "attention/query/kernel": 2,
    "attention/key/kernel": 2,
    "attention/value/kernel": 2,
    "attention/query/bias": 1,
    "attention/key/bias": 1,
    "attention/value/bias": 1,
    "attention/out/kernel": 1,
    "up/kernel": 2,
    "up/bias": 1,
    "down/kernel": 1,
    "encoder/embeddings/word/table": 0,
    "readout/decoder/kernel": 1,
    "readout/bias": 0,
}


class Rows(NamedTuple):
    x_BT: np.ndarray
    weight_B: np.ndarray
    index_B: np.ndarray


def rows(count: int) -> Rows:
    x = np.arange(count * 2).reshape(count, 2)
    return Rows(x, np.ones(count, np.float32), np.arange(count))


def named(tree) -> dict:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda x: isinstance(x, P))
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in leaves}


@pytest.mark.parametrize("config", [ROBERTA, ALBERT])
def test_heads_feed_forward_units_and_vocabulary_are_split_and_nothing_else(config):
    shapes = abstract_params(config, MASKED_LM)
    specs, met = named(parameter_specs(make_mesh(4, 2), shapes)), set()
    for name, spec in specs.items():
        matches = [key for key in EXPECTED if name.endswith(key)]
        axes = [None] * len(spec)
        if matches:
            axes[EXPECTED[matches[0]]] = "model"
            met.add(matches[0])
            assert named(shapes)[name].shape[EXPECTED[matches[0]]] in (4, 24, 60)
        assert tuple(spec) == tuple(axes), name
    assert met == set(EXPECTED)
    patterns = len(PARAMETER_SPECS)
    assert patterns <= len(EXPECTED)


def test_a_gated_feed_forward_without_biases_is_split_too():
    modern = encoder_config(
        family="modernbert", hidden_size=16, num_heads=4, rotary_base=100.0, **SIZES
    )
    shapes = abstract_params(modern, MASKED_LM)
    specs = named(parameter_specs(make_mesh(4, 2), shapes))
    split = {name.partition("/stack0/")[2]: spec for name, spec in specs.items() if any(spec)}
    assert tuple(split["factor/kernel"]) == tuple(split["up/kernel"]) == (None, None, "model")
    whole = {name.rpartition("/")[2] for name, spec in specs.items() if not any(spec)}
    assert whole == {"scale", "kernel"}  # of norms, and of the readout's first layer
    assert not any(specs["readout/dense/kernel"])


def test_a_dimension_that_the_axis_does_not_divide_is_replicated():
    odd = encoder_config(family="roberta", hidden_size=15, num_heads=3, **SIZES)
    specs = named(parameter_specs(make_mesh(4, 2), abstract_params(odd, MASKED_LM)))
    assert tuple(specs["encoder/stack0/attention/query/kernel"]) == (None, None, None)
    assert tuple(specs["encoder/stack0/up/kernel"]) == (None, None, "model")


def test_optimizer_states_lie_as_their_parameters():
    params = abstract_params(ROBERTA, MASKED_LM)
    specs = named(parameter_specs(make_mesh(4, 2), {"mu": params, "count": jnp.zeros(())}))
    assert tuple(specs["mu/encoder/stack0/up/bias"]) == (None, "model")
    assert tuple(specs["count"]) == ()


def test_placed_parameters_have_their_shards_and_values():
    params = {"encoder": {"stack0": {"up": {"bias": np.arange(24.0).reshape(1, 24)}}}}
    placed = place_params(make_mesh(4, 2), params)["encoder"]["stack0"]["up"]["bias"]
    assert placed.addressable_shards[0].data.shape == (1, 12)
    np.testing.assert_array_equal(placed, params["encoder"]["stack0"]["up"]["bias"])
    assert isinstance(place_params(None, params)["encoder"]["stack0"]["up"]["bias"], jax.Array)


def test_meshes_have_automatic_axes_and_all_devices_unless_told():
    assert make_mesh().shape == {"data": 8, "model": 1}
    mesh = make_mesh(model=2)
    assert mesh.shape == {"data": 4, "model": 2}
    assert mesh.axis_types == (AxisType.Auto, AxisType.Auto)
    assert make_mesh(2, 2).size == 4  # one process may leave devices out


@pytest.mark.parametrize("shape", [(16, 1), (None, 3), (None, 16), (0, 1), (4, -1)])
def test_a_mesh_that_the_devices_cannot_make_is_rejected(shape):
    with pytest.raises(ValueError, match=f"mesh: expected .*data={shape[0]}, model={shape[1]}"):
        make_mesh(*shape)


def test_a_batch_is_split_over_data_and_padded_to_the_devices():
    placed = place_batch(make_mesh(4, 2), rows(6))
    assert placed.x_BT.shape == (8, 2) and placed.x_BT.sharding.spec == P("data")
    np.testing.assert_array_equal(placed.x_BT[:6], rows(6).x_BT)
    np.testing.assert_array_equal(placed.weight_B, [1] * 6 + [0] * 2)
    np.testing.assert_array_equal(placed.index_B, [0, 1, 2, 3, 4, 5, -1, -1])
    np.testing.assert_array_equal(local_rows(placed.index_B), placed.index_B)
    assert place_batch(None, rows(6)).index_B.shape == (6,)


def test_padding_copies_the_last_row_and_keeps_types():
    found = pad_rows(rows(3), 4)
    np.testing.assert_array_equal(found.x_BT[3], found.x_BT[2])
    assert found.weight_B.dtype == np.float32 and found.index_B.dtype == np.int64
    assert pad_rows(rows(4), 4).x_BT.shape == (4, 2)


class FakeDevice(NamedTuple):
    process_index: int


class FakeMesh(NamedTuple):
    devices: np.ndarray


def fake_mesh(processes) -> FakeMesh:
    devices = np.empty(np.shape(processes), object)
    for place in np.ndindex(devices.shape):
        devices[place] = FakeDevice(int(np.asarray(processes)[place]))
    return FakeMesh(devices)


@pytest.mark.parametrize(
    ("processes", "me", "expected"),
    [
        ([[0], [0], [1], [1]], 1, (1, 2)),
        ([[1], [0]], 0, (1, 2)),
        ([[0, 1]], 1, (0, 1)),
        ([[0, 1], [2, 3]], 3, (1, 2)),
        ([[0, 0], [1, 1], [2, 2]], 2, (2, 3)),
    ],
)
def test_processes_that_differ_along_model_alone_read_the_same_part(
    monkeypatch, processes, me, expected
):
    from jaxheads.parallel import mesh

    monkeypatch.setattr(mesh.jax, "process_index", lambda: me)
    # the check of types would want a true mesh, which takes true processes
    assert mesh.data_share.__wrapped__(fake_mesh(processes)) == expected


def test_without_a_mesh_and_with_one_process_everything_is_read():
    assert data_share(None) == data_share(make_mesh(4, 2)) == (0, 1)


def test_gathering_keeps_every_bit_of_float64():
    values = np.array([[1 / 3, np.pi], [1e300, -0.0]])
    found = gather_processes(values)
    assert found.dtype == np.float64 and found.tobytes() == values[None].tobytes()


@pytest.mark.parametrize("given", [("localhost:1", None, None), (None, 2, 0)])
def test_several_hosts_need_all_arguments_or_none(given):
    with pytest.raises(ValueError, match="expected coordinator, num_processes, process_id, got no"):
        start_distributed(*given)


def test_no_cluster_and_no_coordinator_is_one_clear_error(monkeypatch):
    def fail(*arguments, **timeouts):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    with pytest.raises(ValueError, match=r"several hosts: expected a cluster .* jax says"):
        start_distributed()


@pytest.mark.parametrize(("seconds", "told"), [(0.0, 0), (0.3, 1)])
def test_whoever_waits_for_others_for_long_is_told_why(monkeypatch, caplog, seconds, told):
    monkeypatch.setattr(processes, "LOST", 0.1)
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_, **__: time.sleep(seconds))
    start_distributed(saves=False)
    time.sleep(0.2)
    assert caplog.text.count("not all processes have come within") == told


def test_who_is_alone_tells_nobody_that_it_cannot_begin(monkeypatch, caplog):
    monkeypatch.setattr(jax.distributed, "initialize", lambda *_, **__: pytest.fail("joins"))
    cannot_begin(ValueError("no model"), None, None, None)
    assert not caplog.text


def test_who_cannot_join_has_said_why_it_cannot_begin(monkeypatch, caplog):
    def fail(*arguments, **timeouts):
        raise RuntimeError("no coordinator")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    cannot_begin(ValueError("no model"), "localhost:1", 2, 1)
    assert "waiting for the other processes, to tell them: no model" in caplog.text
