"""`score_heads`: from an objective, parameters and batches to `score_LH`, by any method."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float

from jaxheads.config import EncoderConfig
from jaxheads.errors import refuse
from jaxheads.importance.kept import Rows, keep_rows, token_file
from jaxheads.importance.methods import Method, Pass, Request, gradient
from jaxheads.importance.scores import NORMALIZE, Scores, normalize_layers
from jaxheads.importance.units import GROUP, UNITS, Mean
from jaxheads.inference.evaluate import AnswerRows
from jaxheads.inference.stream import stream
from jaxheads.models.layout import HeadKinds
from jaxheads.objectives import Objective
from jaxheads.parallel.mesh import place_params

Gate = Float[np.ndarray, "L H"] | Bool[np.ndarray, "L H"] | HeadKinds


def score_heads(
    objective: Objective | None,
    params: Any,
    batches: Iterable[Any],
    *,
    heads: EncoderConfig | tuple[int, int],
    method: Method = gradient(),  # noqa: B008 (a record of functions, never changed)
    unit: str | None = None,
    group: int = GROUP,
    normalize: str = "none",
    tied: bool | Sequence[int] = False,
    gate: Gate | None = None,
    mesh: Mesh | None = None,
    keep: str | Path | None = None,
    examples: int | None = None,
    model: str = "",
    progress: bool = True,
    answers: Callable[[AnswerRows], None] | None = None,
) -> Scores:
    """The importance of every head on the examples of `batches`; higher means keep.

    Args:
      objective: the package's (`objective_for`) or your own; None for methods without a loss. Keep
        one function object for all calls: compiled steps are remembered by it.
      batches: `Batch`es, or your own NamedTuples with `weight_B` (1, and 0 for padding rows) and
        `index_B` (the example's number); read once, two in memory at a time. With a mesh of several
        processes each passes the rows of its own `mesh.data_share`.
      heads: the config of a model of this package, or `(L, H)` of your own.
      method: from a constructor of `importance.methods`, such as `integrated(points=16)`.
      unit: how effects on examples become one number, see `UNITS`; None: the method's first.
      group: consecutive examples whose effects are summed, for the unit "batch".
      normalize: "l2" divides the scores of each layer by their length.
      tied: score heads that share parameters as one, in every layer that uses them: True with a
        config, else the number of each layer's block.
      gate: where the scores are taken, `[L, H]`, such as the mask so far. A head at 0 scores 0,
        enters no length and is not ablated; heads that a config has cut are at 0 in any case.
      keep: also write the effects on every example, `[N, L, H]` with N = `examples`, untied, to
        this npy file (see `reliability`); by position to `NAME.token.npy` for the unit "token".
      examples, model: how many there are, for `keep` and the bar; a name to put into the scores.
      answers: is told what the model answers ("gradient" alone), see `evaluate.evaluation_of`.

    Raises:
      ValueError: for arguments that do not fit, for what the method needs and does not get, for no
        example or one that comes twice or is not kept, for a loss or score that is not finite.
    """
    (config, shape), gate = _heads(heads), None if gate is None else np.asarray(gate)
    problems = [*method_problems(method, unit, tied), *_shape_problems(config, shape, tied, gate)]
    refuse("score", [*problems, *_result_problems(method, normalize, keep, examples, answers)])
    unit, gate_LH = unit or method.units[0], _gate(config, shape, gate)
    blocks = _blocks(config, tied)
    placed = place_params(mesh, params) if method.reads_examples else params
    r = Request(shape, config, objective, placed, gate_LH, blocks, unit == "token", mesh, answers)
    found, count = method.start(r), 0
    if isinstance(found, Pass):
        rows = stream(found.step, batches, mesh=mesh, total=examples, progress=progress)
        named = ((index_b, found.read(fetched)) for index_b, fetched in rows)
        with _keeping(keep, UNITS[unit].source, examples, shape) as kept:
            found, count = _mean(named, method, r, Mean(UNITS[unit], shape, group), kept)
    found = normalize_layers(found, normalize, gate_LH != 0)
    return Scores(found, method.name, unit, count, model)


def _mean(
    named_rows: Iterable[tuple[np.ndarray, dict[str, np.ndarray]]],
    method: Method,
    r: Request,
    mean: Mean,
    kept: dict[str, Rows],
) -> tuple[Float[np.ndarray, "L H"], int]:
    """The unit's mean over the examples of all processes, and their number."""
    source = mean.unit.source
    for index_b, named in named_rows:
        for name, file in kept.items():
            file.fill(index_b, named[name])
        value_bLH = named[source]
        if r.blocks is not None and method.tie is not None and source != "token":
            value_bLH = method.tie(value_bLH, r.blocks)
        mean.add(index_b, value_bLH)
    return mean.result(everywhere=r.mesh is not None and r.mesh.is_multi_process)


@contextlib.contextmanager
def _keeping(
    keep: str | Path | None, source: str, examples: int | None, heads: tuple[int, int]
) -> Iterator[dict[str, Rows]]:
    """The files to fill, by the name of the array that each keeps."""
    if keep is None or examples is None:
        yield {}
        return
    shape = (examples, *heads)
    with contextlib.ExitStack() as files:
        kept = {"effect" if source == "token" else source: keep_rows(keep, shape)}
        if source == "token":
            kept["token"] = keep_rows(token_file(keep), shape)
        yield {name: files.enter_context(file) for name, file in kept.items()}


def _heads(heads: EncoderConfig | tuple[int, int]) -> tuple[EncoderConfig | None, tuple[int, int]]:
    if isinstance(heads, EncoderConfig):
        return heads, (heads.num_layers, heads.num_heads)
    return None, heads


def _blocks(config: EncoderConfig | None, tied: bool | Sequence[int]) -> tuple[int, ...] | None:
    if isinstance(tied, bool):
        return config.block_by_layer if tied and config is not None else None
    return tuple(tied)


def _gate(config: EncoderConfig | None, shape: tuple[int, int], gate: Gate | None):
    gate_LH = np.ones(shape, np.float32) if gate is None else np.array(gate, np.float32)
    for layer, kept in enumerate(config.heads_by_layer if config else ()):
        gate_LH[layer, sorted(set(range(shape[1])) - set(kept))] = 0
    return gate_LH


def method_problems(method: Method, unit: str | None, tied: bool | Sequence[int]) -> Iterator[str]:
    """What is wrong with the choice of a unit for a method, whatever the model and the data."""
    yield from unit_problems(method.name, method.units, unit)
    if tied is not False and method.tie is None:
        yield f"tied: expected another method than {method.name}, which is about single layers"


def unit_problems(method: str, units: tuple[str, ...], unit: str | None) -> Iterator[str]:
    """Whether the unit is none of those of the method so called."""
    if unit is not None and unit not in units:
        yield f"unit of {method}: expected one of {', '.join(units)}, got {unit!r}"


def _result_problems(method: Method, normalize: str, keep, examples, answers):
    if answers is not None and not method.answers:
        yield f"answers: expected the method gradient, got {method.name}"
    if normalize not in NORMALIZE:
        yield f"normalize: expected one of {', '.join(NORMALIZE)}, got {normalize!r}"
    if keep is not None and not method.reads_examples:
        yield f"keep: expected a method that reads examples, got {method.name}"
    if keep is not None and examples is None:
        yield "keep: expected the number of examples, got none"


def _shape_problems(config, shape, tied, gate):
    if tied is True and config is None:
        yield "tied: expected the block of each layer where heads is no config, got True"
    if not isinstance(tied, bool) and len(tied) != shape[0]:
        yield f"tied: expected the blocks of {shape[0]} layers, got {len(tied)}"
    if gate is not None and gate.shape != shape:
        yield f"gate: expected shape {list(shape)}, got {list(gate.shape)}"
    elif gate is not None and not np.isfinite(gate).all():
        yield "gate: expected finite numbers, got inf or nan"
