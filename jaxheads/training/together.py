"""Several trainings at once: the step of `fit` under `vmap`, its leading axis split over `data`.

For small models, which leave a device idle: seeds, masks and budgets of one shape are one program.
No device waits for another, since each has whole trainings of its own.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.data.loader import LENGTHS, Source, batches_together
from jaxheads.importance.gate import Gate
from jaxheads.mesh import place_rows
from jaxheads.objectives import Objective, Params
from jaxheads.training.fit import GROUPS, OPEN, Fitted, divide, rates_of
from jaxheads.training.gating import agreement
from jaxheads.training.optimizer import GATES
from jaxheads.training.step import TrainState, fresh_window, gate_key, make_step, start
from jaxheads.training.watch import Watch


class Member(NamedTuple):
    """One of the trainings: where it starts, its seed (of data, dropout and gate), its gate."""

    name: str
    params: Params
    seed: int
    gate: Gate = OPEN
    log: Path | None = None


def fit_together(
    objective: Objective,
    members: Sequence[Member],
    source: Source,
    config: TrainingConfig,
    *,
    gates: OptimizerConfig = GATES,
    only: str | None = None,
    mesh: Mesh | None = None,
    lengths: Sequence[int] = LENGTHS,
) -> list[Fitted]:
    """What `fit` gives for each member, with its seed for that of `config`, to rounding.

    Members have trees of one structure and shape, and gates of one kind; ValueError if not. What is
    not trained (`only`) and is the same array in every member is kept once. A batch is padded to
    the longest example of all members, so with dropout, whose noise follows the shape, a member
    differs from `fit` where its own batch would be shorter. Memory grows with the members of a
    device. With a `mesh` they are split over `data`; its size along `model` must be 1 and its
    devices must be those of one process. There are no checkpoints and no judge. Diverged names the
    member.
    """
    _check(members, mesh)
    devices = 1 if mesh is None else mesh.shape["data"]
    filled = [*members, *[members[-1]] * (-len(members) % devices)]  # equally many on each device
    seeds_R = np.asarray([each.seed for each in filled], np.uint32)
    parts = [divide(each.params, only) for each in filled]
    states = [
        start(own, config.optimizer, theta=each.gate.init(gate_key(seed)), gates=gates)
        for (own, _), each, seed in zip(parts, filled, seeds_R, strict=True)
    ]
    held, is_shared = _once([rest for _, rest in parts])
    gate = _rowwise([each.gate for each in filled])
    state, gate, seeds_R, held = place_rows(
        mesh, (_rowwise(states), gate, seeds_R, held), whole=(False, False, False, is_shared)
    )
    step = _step(objective, config, gates, mesh, _Frozen(is_shared))
    order = batches_together(
        source, config.batch_size, seeds=seeds_R.tolist(), lengths=lengths, window=config.window
    )
    rates = rates_of(config, gates)
    with contextlib.ExitStack() as stack:
        watches = [stack.enter_context(Watch(config, each.log, each.name)) for each in members]
        for done, batch in enumerate(itertools.islice(order, config.steps), start=1):
            state = step(state, place_rows(mesh, batch), gate, seeds_R, rates(done - 1), held)
            if done % config.log_every == 0 or done == config.steps:
                state = _look(watches, done, state, gate, seeds_R, mesh)
    trained = jax.device_get(tuple(map(state.trainable.get, GROUPS)))
    return [_fitted(watch, parts[row][1], *_row(trained, row)) for row, watch in enumerate(watches)]


def _check(members: Sequence[Member], mesh: Mesh | None) -> None:
    if not members:
        raise ValueError("together: expected at least one training, got none")
    if mesh is not None and (mesh.shape["model"] > 1 or jax.process_count() > 1):
        raise ValueError(
            f"together: expected devices of one process, 1 along model, got {dict(mesh.shape)} in "
            f"{jax.process_count()} processes"
        )
    first, *rest = (_shapes((each.params, each.gate)) for each in members)
    for each, found in zip(members[1:], rest, strict=True):
        if found != first:
            raise ValueError(
                f"together: expected parameters and gates of one shape, {each.name} has others "
                f"than {members[0].name}"
            )
    names = [each.name for each in members]
    if len(set(names)) < len(names):
        raise ValueError(f"together: expected different names, got {', '.join(names)}")


def _shapes(tree: Any) -> tuple:
    leaves, structure = jax.tree.flatten(tree)
    return structure, [(np.shape(leaf), jnp.result_type(leaf)) for leaf in leaves]


def _rowwise(trees: Sequence[Any]) -> Any:
    """Trees as one, `[R, ...]`."""
    return jax.tree.map(lambda *leaves: np.stack(jax.device_get(leaves)), *trees)


def _row(tree: Any, row: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[row], tree)


def _once(trees: Sequence[Any]) -> tuple[Any, Any]:
    """Trees as one, `[R, ...]` but for arrays that are the same everywhere; and which those are."""

    is_shared = jax.tree.map(lambda *leaves: all(x is leaves[0] for x in leaves), *trees)
    held = jax.tree.map(
        lambda shared, *leaves: leaves[0] if shared else _rowwise(leaves), is_shared, *trees
    )
    return held, is_shared


class _Frozen:
    """A tree of bools as a hashable argument."""

    def __init__(self, tree: Any) -> None:
        leaves, structure = jax.tree.flatten(tree)
        self.tree, self._key = tree, (tuple(leaves), structure)

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Frozen) and self._key == other._key


@functools.lru_cache  # one function for one set of arguments, so that jit compiles it once
def _step(
    objective: Objective,
    config: TrainingConfig,
    gates: OptimizerConfig,
    mesh: Mesh | None,
    shared: _Frozen,
) -> Callable[..., TrainState]:
    """The step of all members; each device runs those it has and nothing else."""
    one = make_step(objective, config.optimizer, accumulate=config.accumulate, gates=gates)
    axes = jax.tree.map(lambda same: None if same else 0, shared.tree)
    every = jax.vmap(one, in_axes=(0, 0, 0, 0, None, axes))
    if mesh is not None:
        rows, all_of = P("data"), P()
        held = jax.tree.map(lambda same: all_of if same else rows, shared.tree)
        every = jax.shard_map(
            every, mesh=mesh, in_specs=(rows, rows, rows, rows, all_of, held), out_specs=rows
        )
    return jax.jit(every, donate_argnums=0)


def _look(
    watches: Sequence[Watch], done: int, state: TrainState, gate: Gate, seeds_R, mesh: Mesh | None
) -> TrainState:
    """Give every watch its window, and return the state with new ones."""
    seen = _agreements(gate, state, seeds_R) if jax.tree.leaves(state.trainable["gates"]) else {}
    for row, watch in enumerate(watches):
        watch.add(done, *_row((state.window, seen), row))
    window = _rowwise([fresh_window()] * len(seeds_R))
    return state._replace(window=place_rows(mesh, window))


_agreements = jax.jit(jax.vmap(agreement))


def _fitted(watch: Watch, held: Params, trained: Params, theta: Any) -> Fitted:
    points, gated = tuple(watch.points), tuple(watch.gated)
    return Fitted({**held, **trained}, theta, points, (), gated, None)
