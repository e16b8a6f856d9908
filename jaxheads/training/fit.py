"""The training loop: any objective, any source of examples, one device or many."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.data.batch import Batch
from jaxheads.data.loader import LENGTHS, Source, training_batches
from jaxheads.data.packing import packed_training_batches
from jaxheads.importance.gates.gate import Gate, Theta, constant, describe
from jaxheads.objectives import Objective, Params
from jaxheads.parallel.mesh import (
    data_devices,
    data_share,
    pad_rows,
    place_batch,
    place_params,
    without_padding,
)
from jaxheads.training.boards import Open
from jaxheads.training.checkpoint import Checkpoints
from jaxheads.training.optimizer import GATES, learning_rate_schedule
from jaxheads.training.saving import Saving, naming_last_good, open_keeper, resumed
from jaxheads.training.step import gate_key, make_step, start, state_shapes, take_window
from jaxheads.training.watch import EvalPoint, Gated, Point, TrainingLog, agreement

Evaluator = Callable[[Params, Theta], Mapping[str, float]]
OPEN = constant()
GROUPS = ("params", "gates")


class Fitted(NamedTuple):
    """Trained parameters, and how it went."""

    params: Params  # after the last step
    theta: Theta  # what was trained of the gate, for its `score`; empty for a constant one
    log: tuple[Point, ...]
    evals: tuple[EvalPoint, ...]
    gated: tuple[Gated, ...]
    best_step: int | None  # of the checkpoint with the best evaluation


def fit(
    objective: Objective,
    params: Params,
    source: Source,
    config: TrainingConfig,
    *,
    gate: Gate = OPEN,
    gates: OptimizerConfig = GATES,
    only: str | None = None,
    evaluate: Evaluator | None = None,
    checkpoints: Checkpoints | None = None,
    mesh: Mesh | None = None,
    lengths: Sequence[int] | None = LENGTHS,
    log: str | Path | None = None,
    board: Open | None = None,
    name: str = "training",
) -> Fitted:
    """Train a copy of `params` for `config.steps` steps; a pure function of the arguments.

    `gate` is on the heads: `constant` is a mask, others are trained with the parameters, by the
    optimizer `gates`. `only` names the top-level group of `params` to train ("readout"), or "gates"
    for those alone: the rest has no gradient. Without `lengths` single sequences share rows. `log`
    names a file of JSON lines (`Point`, `Gated`, `EvalPoint`); `board` takes the same numbers.

    `evaluate` measures the parameters and the trained gate every `config.eval_every` steps and at
    the end, and must not keep them; its first metric tells the best step (highest; of a `loss`
    lowest). `checkpoints` keep the state then, and every `config.save_every` steps. A resumed run
    goes on from the newest whole one, bit-identical to one never stopped but for its times.

    Raises:
      Diverged: a ValueError that names, within `2 * log_every` steps, the first that is not finite.
      Preempted: after SIGTERM, when the step has ended and the state is saved.
    """
    trained, held = divide(params, "readout" if config.frozen_steps == config.steps else only)
    seed, step = np.uint32(config.seed), _step(objective, config, gates, mesh)
    theta = gate.init(gate_key(seed))
    how = {"gates": gates, "shard_opt_state": config.shard_opt_state}
    state = start(trained, config.optimizer, mesh, theta=theta, **how)
    held, placed_gate = place_params(mesh, held), place_params(mesh, gate)
    learning_rates = learning_rates_of(config, gates)
    about = {"gate": describe(gate), "gates": dataclasses.asdict(gates), "only": only}
    shapes = functools.partial(state_shapes, trained, config.optimizer, theta, gates)
    with open_keeper(checkpoints, config, source, shapes, **about) as keeper:
        state, done, lines = resumed(keeper, checkpoints, state)
        order = _order(source, config, done, mesh, lengths)
        watch = TrainingLog(config, log, name, done=done, lines=lines, board=board)
        with naming_last_good(keeper), watch, Saving(keeper, config, watch) as saving:
            for batch in itertools.islice(order, config.steps - done):
                placed = place_batch(mesh, _even(batch, config.accumulate, mesh))
                state = step(state, placed, placed_gate, seed, learning_rates(done), held)
                done += 1
                if done % config.log_every == 0 or done == config.steps:
                    state, window = take_window(state, mesh)
                    watch.add(done, window, agreement(placed_gate, state, seed))
                metrics = _evaluated(evaluate, config, done, state, held)
                saving.after(done, state, metrics)
        trained, theta = jax.block_until_ready(tuple(map(state.trainable.get, GROUPS)))
        best = None if keeper is None else keeper.best()
    whole = without_padding(mesh, {**held, **trained}, params)
    return Fitted(whole, theta, tuple(watch.points), tuple(watch.evals), tuple(watch.gated), best)


def _step(objective: Objective, config: TrainingConfig, gates: OptimizerConfig, mesh: Mesh | None):
    how = {
        "accumulate": config.accumulate,
        "gates": gates,
        "shard_opt_state": config.shard_opt_state,
    }
    return make_step(objective, config.optimizer, mesh, **how)


def _order(source: Source, config: TrainingConfig, done: int, mesh: Mesh | None, lengths):
    """This process's batches from a step on."""
    how = {"seed": config.seed, "start_step": done, "share": data_share(mesh)}
    size = config.batch_size
    if lengths is None:
        return packed_training_batches(source, size, devices=data_devices(mesh), **how)
    return training_batches(source, size, lengths=lengths, window=config.window, **how)


def learning_rates_of(
    config: TrainingConfig, gates: OptimizerConfig
) -> Callable[[int], dict[str, np.float32]]:
    """The learning rates by step: of "params", of "gates", and of an encoder that has its own.

    An encoder that is frozen for the first steps has its whole schedule, warm-up included, in the
    steps after them.
    """
    own, frozen = config.optimizer, config.frozen_steps
    schedules = {
        "params": learning_rate_schedule(own, config.steps),
        "gates": learning_rate_schedule(gates, config.steps),
    }
    if 0 < frozen < config.steps or own.encoder_learning_rate is not None:
        rate = own.encoder_learning_rate or own.learning_rate
        encoder = dataclasses.replace(own, learning_rate=rate)
        after = learning_rate_schedule(encoder, config.steps - frozen)
        schedules["encoder"] = lambda step: after(step - frozen) if step >= frozen else 0.0
    return lambda step: {name: np.float32(rate(step)) for name, rate in schedules.items()}


def _evaluated(evaluate: Evaluator | None, config: TrainingConfig, done: int, state, held):
    """The metrics where the step is one to evaluate after, else nothing."""
    due = done == config.steps or (config.eval_every and done % config.eval_every == 0)
    if evaluate is None or not due:
        return {}
    return evaluate({**held, **state.trainable["params"]}, state.trainable["gates"])


def divide(params: Params, only: str | None) -> tuple[Params, Params]:
    """What is trained of the parameters, and what is held as it is.

    Raises:
      ValueError: for a name that is no group of parameters, or an empty one.
    """
    if only is None:
        return params, {}
    if only == "gates":
        return {}, params
    if only not in params or not jax.tree.leaves(params[only]):
        groups = ", ".join(name for name in params if jax.tree.leaves(params[name]))
        raise ValueError(f"only: expected one of {groups}, got {only}")
    return {only: params[only]}, {name: params[name] for name in params if name != only}


def _even(batch: Batch, parts: int, mesh: Mesh | None) -> Batch:
    """The batch with padding rows, so that every device has equally many rows in every part."""
    devices = 1 if mesh is None else mesh.shape["data"] // data_share(mesh)[1]
    return pad_rows(batch, parts * devices) if parts > 1 else batch
