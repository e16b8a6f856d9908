"""The programs of studies, from shapes alone: lowered for any devices, nothing is allocated."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

from jaxheads.config import EncoderConfig, OptimizerConfig, ReadoutConfig
from jaxheads.data.batch import Batch
from jaxheads.importance.ablation import costs
from jaxheads.importance.gates.gate import Gate, constant
from jaxheads.importance.gates.subset import subset
from jaxheads.importance.gradient import gate_gradients
from jaxheads.inference.attention_maps import UnitBatch, unit_maps
from jaxheads.inference.evaluate import answer
from jaxheads.models.model import abstract_params
from jaxheads.objectives import Objective, objective_for, watch_for
from jaxheads.parallel.mesh import padded_shapes, parameter_specs
from jaxheads.pruning.mask import kept_heads
from jaxheads.training.optimizer import GATES
from jaxheads.training.step import make_step, state_shapes, state_specs

VARIANTS = 8  # of the gate, in a pass of ablation


class Layout(NamedTuple):
    """How a model lies on devices, and what is traded for memory."""

    data: int = 1
    model: int = 1
    shard_opt_state: bool = False
    remat: bool = False

    def __str__(self) -> str:
        sizes = [f"data={self.data}"] + [f"model={self.model}"] * (self.model > 1)
        words = [name for name in ("shard_opt_state", "remat") if getattr(self, name)]
        return ",".join((*sizes, *words))


def parse_layout(text: str) -> Layout:
    """Read "data=4,model=2,shard_opt_state,remat", in any order, any left out.

    Raises:
      ValueError: for any other text.
    """
    found: dict[str, Any] = {}
    for part in text.split(","):
        name, given, size = part.strip().partition("=")
        flag = name in ("shard_opt_state", "remat") and not given
        number = name in ("data", "model") and size.isdecimal() and int(size) > 0
        if name in found or not (flag or number):
            wanted = "data=N,model=M,shard_opt_state,remat"
            raise ValueError(f"--layout: expected {wanted}, or some of them, got {text!r}")
        found[name] = True if flag else int(size)
    return Layout(**found)


class Case(NamedTuple):
    """A model, where it lies, and on what it computes: `examples` are those of all devices."""

    config: EncoderConfig
    readout: ReadoutConfig
    layout: Layout
    devices: Sequence[Any]
    dtype: str
    examples: int
    length: int

    @property
    def mesh(self) -> Mesh | None:
        """The first devices in the layout's shape; no mesh for one device, as in a real run."""
        count = self.layout.data * self.layout.model
        if count == 1:
            return None
        shape = self.layout.data, self.layout.model
        axes = (AxisType.Auto, AxisType.Auto)
        devices = np.array(self.devices[:count]).reshape(shape)
        return Mesh(devices, ("data", "model"), axis_types=axes)

    @property
    def objective(self) -> Objective:
        """The loss of the readout, in the type of the case."""
        how = {"compute_dtype": self.dtype, "remat": self.layout.remat}
        return objective_for(self.config, self.readout, **how)

    @property
    def params(self) -> Any:
        """The parameters where they lie."""
        params = abstract_params(self.config, self.readout)
        if self.mesh is None:
            return self.placed(params)
        params = padded_shapes(self.mesh, params)
        return self.placed(params, parameter_specs(self.mesh, params))

    @property
    def batch(self) -> Batch:
        """Examples of full length, split over `data`."""
        return self.split(example_batch(self.examples, self.length, self.readout))

    def placed(self, tree: Any, specs: Any = None) -> Any:
        """Shapes on the devices: on the one, or by their specs (None: whole on each)."""
        mesh = self.mesh
        specs = jax.tree.map(lambda _: P(), tree) if specs is None else specs

        def place(leaf, spec) -> jax.ShapeDtypeStruct:
            where = SingleDeviceSharding(self.devices[0])
            sharding = where if mesh is None else NamedSharding(mesh, spec)
            return jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype, sharding=sharding)

        return jax.tree.map(place, tree, specs)

    def split(self, tree: Any) -> Any:
        """Shapes whose rows are split over `data`."""
        return self.placed(tree, jax.tree.map(lambda _: P("data"), tree))

    def gates(self, *more: int) -> Any:
        """A gate for every head, or several."""
        shape = (*more, self.config.num_layers, self.config.num_heads)
        return self.placed(jax.ShapeDtypeStruct(shape, jnp.float32))


def example_batch(rows: int, length: int, readout: ReadoutConfig) -> Batch:
    """The shapes of a batch of sentences, of a translation of pairs, as host arrays."""
    translates = readout.kind == "translation"
    tokens = np.zeros((rows, *(2,) * translates, length), np.int32)
    return Batch(
        tokens_BT=tokens,
        real_BT=np.ones(tokens.shape, bool),
        types_BT=tokens,
        labels=np.zeros((rows, *(length,) * translates), np.int32),
        weight_B=np.ones(rows, np.float32),
        index_B=np.arange(rows, dtype=np.int32),
    )


def _gate_gradients(case: Case) -> Any:
    return gate_gradients.lower(
        case.objective, case.params, case.batch, case.gates(), mesh=case.mesh
    )


def fine_tuning(case: Case, gate: Gate | None = None) -> Any:
    """The step of AdamW, by default under a gate of ones."""
    optimizer, mesh, gate = OptimizerConfig(), case.mesh, gate or constant()
    theta = jax.eval_shape(gate.init, jax.random.key(0))
    state = state_shapes(abstract_params(case.config, case.readout), optimizer, theta, GATES)
    split = case.layout.shard_opt_state
    if mesh is None:
        state = case.placed(state)
    else:
        state = padded_shapes(mesh, state)
        state = case.placed(state, state_specs(mesh, state, shard_opt_state=split))
    step: Any = make_step(case.objective, optimizer, mesh, shard_opt_state=split)
    learning_rates = dict.fromkeys(state.trainable, np.float32(1e-5))
    return step.lower(state, case.batch, gate, np.uint32(0), learning_rates)


def _learned_gates(case: Case) -> Any:
    heads = (case.config.num_layers, case.config.num_heads)
    return fine_tuning(case, subset(heads, heads[0] * heads[1] // 2, steps=1000))


def _evaluation(case: Case) -> Any:
    return answer.lower(case.objective, case.params, case.gates(), case.batch, case.mesh)


def _ablation(case: Case) -> Any:
    rows = VARIANTS * case.layout.data
    case = case._replace(examples=-(-case.examples // rows) * case.layout.data)
    return costs.lower(
        case.objective, case.params, case.batch, case.gates(VARIANTS), mesh=case.mesh
    )


def _syntax_maps(case: Case) -> Any:
    rows = example_batch(case.examples, case.length, case.readout)
    weights = np.zeros(rows.tokens_BT.shape, np.float32)
    batch = UnitBatch(*rows[:3], rows.tokens_BT, weights, weights, rows.weight_B, rows.index_B)
    watch = watch_for(case.config, compute_dtype=case.dtype)
    return unit_maps.lower(watch, case.params, case.split(batch), mesh=case.mesh)


def ragged(config: EncoderConfig) -> EncoderConfig:
    """The config without half of its heads, drawn at random, so that layers differ."""
    half = np.arange(config.num_layers * config.num_heads) % 2 == 0
    mask = np.random.default_rng(0).permuted(half).reshape(-1, config.num_heads)
    return dataclasses.replace(config, kept=kept_heads(config, mask))


def _cut_model(case: Case) -> Any:
    return fine_tuning(case._replace(config=ragged(case.config)))


PROGRAMS: dict[str, Callable[[Case], Any]] = {
    "gate gradients": _gate_gradients,
    "fine-tuning": fine_tuning,
    "evaluation": _evaluation,
    "ablation": _ablation,
    "syntax maps": _syntax_maps,
    "learned gates": _learned_gates,
    "cut model": _cut_model,
}
TRAINS = ("fine-tuning", "learned gates", "cut model")
