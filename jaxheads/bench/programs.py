"""Compiled programs of scoring and training from shapes alone: nothing is allocated.

On simulated devices, so that a laptop tells what a slice would hold and send.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxheads.config import EncoderConfig, OptimizerConfig, ReadoutConfig
from jaxheads.data.batch import Batch
from jaxheads.importance.gates.gate import constant
from jaxheads.importance.gradient import gate_gradients
from jaxheads.models.model import abstract_params
from jaxheads.objectives import objective_for
from jaxheads.parallel.mesh import padded_shapes, parameter_specs
from jaxheads.training.step import make_step, state_shapes, state_specs

# Machine code is never run: its optimizer is left out.
QUICK = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
}
MOST = 64  # simulated devices


class Memory(NamedTuple):
    """Bytes of a device: what lies there before a step, and the most while it runs."""

    state: int
    peak: int


class Layout(NamedTuple):
    """How a model lies on devices, and what is traded for memory."""

    data: int = 1
    model: int = 1
    shard_opt_state: bool = False
    remat: bool = False
    dtype: str = "float32"

    @property
    def mesh(self) -> Mesh:
        """The first devices, in the layout's shape."""
        devices = np.array(jax.devices()[: self.data * self.model])
        axes = (AxisType.Auto, AxisType.Auto)
        return Mesh(devices.reshape(self.data, self.model), ("data", "model"), axis_types=axes)


def simulate_devices(count: int) -> None:
    """Make this process one of so many CPU devices, if jax has not started in it."""
    try:
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", count)
    except RuntimeError:  # it has: those that are there must do
        return


def scoring(config: EncoderConfig, readout: ReadoutConfig, layout: Layout, batch: Batch) -> Any:
    """The compiled step of gradient scores."""
    mesh = layout.mesh
    params = padded_shapes(mesh, abstract_params(config, readout))
    params = _placed(mesh, params, parameter_specs(mesh, params))
    gate = jax.ShapeDtypeStruct(
        (config.num_layers, config.num_heads), jnp.float32, sharding=NamedSharding(mesh, P())
    )
    objective = objective_for(config, readout, compute_dtype=layout.dtype)
    lowered = gate_gradients.lower(objective, params, _split(mesh, batch), gate, mesh=mesh)
    return lowered.compile(QUICK)


def training(config: EncoderConfig, readout: ReadoutConfig, layout: Layout, batch: Batch) -> Any:
    """The compiled step of AdamW."""
    mesh, optimizer = layout.mesh, OptimizerConfig()
    state = padded_shapes(mesh, state_shapes(abstract_params(config, readout), optimizer))
    state = _placed(mesh, state, state_specs(mesh, state, shard_opt_state=layout.shard_opt_state))
    objective = objective_for(config, readout, compute_dtype=layout.dtype, remat=layout.remat)
    step: Any = make_step(objective, optimizer, mesh, shard_opt_state=layout.shard_opt_state)
    learning_rates = dict.fromkeys(state.trainable, np.float32(1e-5))
    args = (state, _split(mesh, batch), constant(), np.uint32(0), learning_rates)
    return step.lower(*args).compile(QUICK)


def memory(program: Any) -> Memory:
    """What the compiler plans for a program."""
    found = program.memory_analysis()
    kept = found.argument_size_in_bytes
    grown = found.temp_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    return Memory(kept, kept + grown)


def example_batch(rows: int, length: int) -> Batch:
    """The shapes of a batch of sentences, as host arrays."""
    tokens = np.zeros((rows, length), np.int32)
    return Batch(
        tokens_BT=tokens,
        real_BT=np.ones((rows, length), bool),
        types_BT=tokens,
        labels=np.zeros(rows, np.int32),
        weight_B=np.ones(rows, np.float32),
        index_B=np.arange(rows, dtype=np.int32),
    )


def _placed(mesh: Mesh, tree: Any, specs: Any) -> Any:
    return jax.tree.map(
        lambda leaf, spec: jax.ShapeDtypeStruct(
            leaf.shape, leaf.dtype, sharding=NamedSharding(mesh, spec)
        ),
        tree, specs,
    )  # fmt: skip


def _split(mesh: Mesh, batch: Batch) -> Batch:
    return _placed(mesh, batch, jax.tree.map(lambda _: P("data"), batch))
