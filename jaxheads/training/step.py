"""One training step: a jitted function of a state that it uses up."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int

from jaxheads.config import OptimizerConfig
from jaxheads.data.batch import Batch
from jaxheads.importance.gates.gate import Gate, Theta
from jaxheads.objectives import Objective, Params
from jaxheads.parallel.mesh import parameter_specs, place_params
from jaxheads.training.optimizer import GATES, make_optimizer

NEVER = np.iinfo(np.int32).max


class Window(NamedTuple):
    """Sums since the last `take_window`, kept on the device so that no step waits for the host.

    `bad_step` is the first step whose loss or gradient was not finite, `NEVER` if none was.
    """

    loss: Float[Array | np.ndarray, ""]
    terms: Float[Array | np.ndarray, ""]
    gradient_norm: Float[Array | np.ndarray, ""]  # of the last step, before clipping
    bad_step: Int[Array | np.ndarray, ""]


class TrainState(NamedTuple):
    """All that a step changes. The order of data and dropout follow from `step` and the seed."""

    trainable: Any  # {"params": ..., "gates": ...}: either is empty where it is not trained
    opt_state: Any  # of the optimizer
    step: Int[Array | np.ndarray, ""]
    window: Window


# (state, batch, gate, seed, learning_rates, held) -> state; the state that went in is used up.
# `learning_rates` has one for "params" and one for "gates"; a top-level group of the parameters
# ("encoder") may have one of its own. `held` are parameters beside those of the state, which stay
# as they are.
Step = Callable[..., TrainState]


def start(
    params: Params,
    config: OptimizerConfig,
    mesh: Mesh | None = None,
    *,
    theta: Theta | None = None,
    gates: OptimizerConfig = GATES,
    shard_opt_state: bool = False,
) -> TrainState:
    """The state before step 0. It holds copies: the caller's `params` stay usable.

    `theta` is what is trained of a gate (`Gate.init`), and `gates` its optimizer. With
    `shard_opt_state` the state of the optimizers is split over `data` too (ZeRO-1).
    """
    placed = place_params(mesh, {"params": params, "gates": theta or {}})
    copied = jax.tree.map(jnp.copy, placed)  # placing may have shared the caller's memory
    opt_state = _opt_state_init(_unscheduled(config), _unscheduled(gates), mesh, shard_opt_state)(
        copied
    )
    rest = place_params(mesh, (np.zeros((), np.int32), fresh_window()))
    return TrainState(copied, opt_state, *rest)


@functools.lru_cache
def _opt_state_init(
    config, gates, mesh: Mesh | None, shard_opt_state: bool
) -> Callable[[Any], Any]:
    """The initial state of the optimizers, made where it is to be."""
    optimizer = make_optimizer(config, gates=gates)
    if mesh is None:
        return optimizer.init

    @jax.jit
    def init(trainable):
        opt_state = optimizer.init(trainable)
        return _constrained(
            mesh, opt_state, parameter_specs(mesh, opt_state, over_data=shard_opt_state)
        )

    return init


def state_shapes(
    params: Params,
    config: OptimizerConfig,
    theta: Theta | None = None,
    gates: OptimizerConfig = GATES,
) -> TrainState:
    """The state's own shapes, without what fills it up on devices; nothing is computed."""
    return jax.eval_shape(
        lambda params, theta: start(params, config, theta=theta, gates=gates), params, theta
    )


def gate_key(seed, step=None):
    """The key of a run's gate: to begin with, or for the sample of one step."""
    key = jax.random.fold_in(jax.random.key(seed), NEVER)  # which no step's dropout has
    return key if step is None else jax.random.fold_in(key, step)


def state_specs(mesh: Mesh, state: TrainState, *, shard_opt_state: bool = False) -> TrainState:
    """How a state (arrays or shapes) is split: the tree of `PartitionSpec`."""
    specs = parameter_specs(mesh, state._replace(opt_state=None))
    return specs._replace(
        opt_state=parameter_specs(mesh, state.opt_state, over_data=shard_opt_state)
    )


def take_window(state: TrainState, mesh: Mesh | None = None) -> tuple[TrainState, Window]:
    """The window so far, and the state with a new one; neither waits for a step to end."""
    return state._replace(window=place_params(mesh, fresh_window())), state.window


def fresh_window() -> Window:
    """The sums before a step."""
    zero = np.zeros((), np.float32)
    return Window(loss=zero, terms=zero, gradient_norm=zero, bad_step=np.asarray(NEVER, np.int32))


def make_step(
    objective: Objective,
    config: OptimizerConfig,
    mesh: Mesh | None = None,
    *,
    accumulate: int = 1,
    gates: OptimizerConfig = GATES,
    shard_opt_state: bool = False,
) -> Step:
    """A step for any objective: the mean over all terms of the batch, AdamW, dropout by step.

    The mean is `sum(weight * loss) / sum(weight * terms)`: per example for classification, per
    predicted token for a masked LM. Padding rows change nothing. Learning rates are an argument, so
    that runs which differ in them, or in their length, share one compiled program; so is the gate,
    with one sample for the whole batch and its penalty added to the mean.

    With `accumulate` parts the batch goes through the model a part at a time, in the memory of one
    part: the same mean, by sums in another order; dropout draws anew in each part. What a pass
    itself moves (`Outcome.moved`) has moved before the next part. `gates` is the optimizer of what
    a gate trains; `shard_opt_state` is that of `start`.

    Raises:
      ValueError: by the step, where the rows do not divide into the parts.
    """
    return _make_step(
        objective, _unscheduled(config), mesh, accumulate, _unscheduled(gates), shard_opt_state
    )


def _unscheduled(config: OptimizerConfig) -> OptimizerConfig:
    """The optimizer without its learning rates: one for all that differ in nothing else."""
    return dataclasses.replace(
        config, learning_rate=1.0, encoder_learning_rate=None, warmup=0.0, schedule="constant"
    )


@functools.lru_cache  # one function for one set of arguments, so that jit compiles it once
def _make_step(
    objective: Objective, config, mesh: Mesh | None, accumulate: int, gates, shard_opt_state: bool
) -> Step:
    optimizer = make_optimizer(config, gates=gates)

    @functools.partial(jax.jit, donate_argnums=0)
    def step(
        state: TrainState, batch: Batch, gate: Gate, seed, learning_rates, held=None
    ) -> TrainState:
        key = jax.random.fold_in(jax.random.key(seed), state.step)
        place = (gate_key(seed, state.step), state.step)
        total = functools.partial(_total_loss, objective, gate, place, held or {})
        if accumulate == 1:
            gradient, sums, moved = _gradient(total, gate, state.trainable, batch, key)
        else:
            parts = _parts(mesh, batch, accumulate)
            gradient, sums, moved = _gradient_by_parts(total, gate, state.trainable, parts, key)
        direction, opt_state = optimizer.update(gradient, state.opt_state, state.trainable)
        trainable = _with_moved(_move(state.trainable, direction, learning_rates), moved)
        window = _extend(state.window, state.step, sums, _norm(gradient))
        return _settle(
            mesh, TrainState(trainable, opt_state, state.step + 1, window), shard_opt_state
        )

    return step


def _move(trainable, direction, learning_rates):
    """Each group a step along its direction, at its own learning rate."""

    def moved(group, way, rate):
        return jax.tree.map(lambda x, along: x - rate * along, group, way)

    params = {
        name: moved(
            group, direction["params"][name], learning_rates.get(name, learning_rates["params"])
        )
        for name, group in trainable["params"].items()
    }
    gates = moved(trainable["gates"], direction["gates"], learning_rates["gates"])
    return {"params": params, "gates": gates}


class _Sums(NamedTuple):
    loss: Float[Array, ""]
    terms: Float[Array, ""]


def _total_loss(objective: Objective, gate: Gate, place, held, trainable, batch: Batch, key):
    """Sums over the rows of a batch under the gate's sample of this step, and what it moves."""
    gate_LH = gate.sample(trainable["gates"], *place)
    outcome = objective({**held, **trainable["params"]}, gate_LH, batch, key)
    weight_B = jnp.asarray(batch.weight_B)
    loss = jnp.where(weight_B > 0, weight_B * outcome.loss_B, 0.0).sum()
    return _Sums(loss, (weight_B * outcome.terms_B).sum()), outcome.moved


def _with_moved(trainable, moved):
    """The trainable tree with the parameters that passes have moved."""
    if moved is None:
        return trainable
    return {**trainable, "params": _overlaid(trainable["params"], moved)}


def _overlaid(tree, part):
    """A tree with the leaves of a part of it in their places."""
    if not isinstance(part, dict):
        return part
    return {**tree, **{name: _overlaid(tree[name], inner) for name, inner in part.items()}}


def _part_like(tree, shapes):
    """The part of a tree that a tree of shapes names."""
    if not isinstance(shapes, dict):
        return tree
    return {name: _part_like(tree[name], inner) for name, inner in shapes.items()}


def _gradient(total, gate: Gate, trainable, batch: Batch, key):
    """The gradient of the mean over terms with the gate's penalty, the sums, and what moves."""

    def mean(trainable):
        sums, moved = total(trainable, batch, key)
        mean = sums.loss / _at_least_one(sums.terms)
        return mean + gate.penalty(trainable["gates"]), (sums, moved)

    gradient, (sums, moved) = jax.grad(mean, has_aux=True)(trainable)
    return gradient, sums, moved


def _gradient_by_parts(total, gate: Gate, trainable, parts: Batch, key):
    """The same from a batch `[parts, rows, ...]`: sums over the parts, divided at the end."""

    def add(carry, part):
        (number, batch), (so_far, moved) = part, carry
        part_key = jax.random.fold_in(key, number)

        def summed(trainable):
            sums, moved = total(trainable, batch, part_key)
            return sums.loss, (sums, moved)

        here = _with_moved(trainable, moved)
        gradient, (sums, moved) = jax.grad(summed, has_aux=True)(here)
        return (jax.tree.map(jnp.add, so_far, (gradient, sums)), moved), None

    first = jax.tree.map(lambda leaf: leaf[0], parts)
    shapes = jax.eval_shape(lambda: total(trainable, first, key)[1])
    unmoved = None if shapes is None else _part_like(trainable["params"], shapes)
    nothing = (jax.tree.map(jnp.zeros_like, trainable), _Sums(jnp.zeros(()), jnp.zeros(())))
    count = jnp.arange(len(parts.weight_B))
    ((gradient, sums), moved), _ = jax.lax.scan(add, (nothing, unmoved), (count, parts))
    gradient = jax.tree.map(lambda leaf: leaf / _at_least_one(sums.terms), gradient)
    price = jax.grad(gate.penalty)(trainable["gates"])
    gradient["gates"] = jax.tree.map(jnp.add, gradient["gates"], price)
    return gradient, sums, moved


def _at_least_one(terms):
    return jnp.where(terms > 0, terms, 1.0)


def _parts(mesh: Mesh | None, batch: Batch, count: int) -> Batch:
    """`[B, ...]` as `[count, B / count, ...]`; part p has the rows p, p + count, ...

    So every device's own rows are spread over all parts, and none is sent to another device.
    """
    rows = len(batch.weight_B)
    if rows % count:
        raise ValueError(f"accumulate: expected a divisor of the {rows} rows, got {count}")

    def divide(leaf):
        parts = jnp.swapaxes(jnp.reshape(leaf, (rows // count, count, *leaf.shape[1:])), 0, 1)
        if mesh is None:
            return parts
        spec = NamedSharding(mesh, PartitionSpec(None, "data"))
        return jax.lax.with_sharding_constraint(parts, spec)

    return jax.tree.map(divide, batch)


def _norm(gradient) -> Float[Array, ""]:
    return jnp.sqrt(sum(jnp.square(leaf).sum() for leaf in jax.tree.leaves(gradient)))


def _extend(window: Window, step, sums: _Sums, norm) -> Window:
    finite = jnp.isfinite(sums.loss) & jnp.isfinite(norm)
    bad_step = jnp.minimum(window.bad_step, jnp.where(finite, NEVER, step))
    return Window(window.loss + sums.loss, window.terms + sums.terms, norm, bad_step)


def _settle(mesh: Mesh | None, state: TrainState, shard_opt_state: bool) -> TrainState:
    """The state split over the mesh as it came, so that the next step is the same program."""
    if mesh is None:
        return state
    return _constrained(mesh, state, state_specs(mesh, state, shard_opt_state=shard_opt_state))


def _constrained(mesh: Mesh, tree: Any, specs: Any) -> Any:
    return jax.tree.map(
        lambda leaf, spec: jax.lax.with_sharding_constraint(leaf, NamedSharding(mesh, spec)),
        tree, specs,
    )  # fmt: skip
