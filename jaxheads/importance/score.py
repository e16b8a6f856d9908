"""`score_heads`: from an objective, parameters and batches to `score_LH`, by any method."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Bool, Float

from jaxheads.config import EncoderConfig
from jaxheads.importance.kept import keep_rows, token_file
from jaxheads.importance.methods import METHODS, Request, Settings
from jaxheads.importance.scores import NORMALIZE, Scores, normalize_layers
from jaxheads.importance.units import UNITS, Mean, tie
from jaxheads.inference.stream import stream
from jaxheads.objectives import Objective
from jaxheads.parallel.mesh import place_params

Gate = Float[np.ndarray, "L H"] | Bool[np.ndarray, "L H"]


def score_heads(
    objective: Objective | None,
    params: Any,
    batches: Iterable[Any],
    *,
    heads: EncoderConfig | tuple[int, int],
    method: str = "gradient",
    unit: str | None = None,
    normalize: str = "none",
    tied: bool | Sequence[int] = False,
    gate: Gate | None = None,
    mesh: Mesh | None = None,
    keep: str | Path | None = None,
    examples: int | None = None,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    model: str = "",
    progress: bool = True,
) -> Scores:
    """The importance of every head on the examples of `batches`; higher means keep.

    objective: the package's (`objective_for`) or your own; None for methods without a loss. Keep
      one function object for all calls: compiled steps are remembered by it.
    batches: `Batch`es, or your own NamedTuples with `weight_B` (1, and 0 for padding rows) and
      `index_B` (the example's number); read once, two in memory at a time. With a mesh of several
      processes each passes the rows of its own `mesh.data_share`.
    heads: the config of a model of this package, or `(L, H)` of your own.
    method, unit: see `METHODS` and `UNITS`; without a unit the method's first.
    normalize: "l2" divides the scores of each layer by their length.
    tied: score heads that share parameters as one, in every layer that uses them: True with a
      config, else the number of each layer's block.
    gate: where the scores are taken, such as the mask so far. A head at 0 scores exactly 0, enters
      no length and is not ablated; heads that a config has cut are at 0 in any case.
    keep: also write the effect on every example, `[N, L, H]` with N = `examples`, untied, to this
      npy file (see `reliability`); for the unit "token" by position to `NAME.token.npy` beside it.
    examples: how many there are, for `keep` and the progress bar.
    settings: knobs of single methods. `model`: a name to put into the scores.

    ValueError for settings that do not fit, listing all; for a loss or score that is not finite.
    """
    config, shape = _heads(heads)
    problems = [
        *method_problems(method, unit, tied),
        *_shape_problems(config, shape, tied, gate),
        *_result_problems(method, normalize, keep, examples),
    ]
    if problems:
        raise ValueError("score: " + "; ".join(problems))
    unit, gate_LH = unit or METHODS[method].units[0], _gate(config, shape, gate)
    blocks = _blocks(config, tied)
    r = Request(method, unit, shape, config, objective, params, gate_LH, blocks, mesh, settings)
    _check_needs(r)
    score_LH, count = _score(r, batches, keep, examples, progress)
    return Scores(normalize_layers(score_LH, normalize, gate_LH != 0), method, unit, count, model)


def _score(
    r: Request,
    batches: Iterable[Any],
    keep: str | Path | None,
    examples: int | None,
    progress: bool,
) -> tuple[Float[np.ndarray, "L H"], int]:
    """Scores that are not yet normalised, and the number of examples that they are from."""
    direct = METHODS[r.method].direct
    if direct is not None:
        return direct(r), 0
    return _mean(r, batches, keep, examples, progress)


def _mean(
    r: Request,
    batches: Iterable[Any],
    keep: str | Path | None,
    examples: int | None,
    progress: bool,
) -> tuple[Float[np.ndarray, "L H"], int]:
    """The unit's mean over the examples of all processes, and their number."""
    method, unit = METHODS[r.method], UNITS[r.unit]
    assert method.prepare is not None  # or the method has `direct`
    step, read = method.prepare(r._replace(params=place_params(r.mesh, r.params)))
    mean = Mean(unit, r.heads, r.settings.group)
    with _keeping(keep, r, examples) as kept:
        rows = stream(step, batches, mesh=r.mesh, total=examples, progress=progress)
        for index_b, fetched in rows:
            named = read(fetched)
            for source, file in kept.items():
                file.fill(index_b, named[source])
            values_bLH = named[unit.source]
            if r.blocks is not None and method.tie in ("sum", "mean") and unit.source != "token":
                values_bLH = tie(values_bLH, r.blocks, method.tie)
            mean.add(index_b, values_bLH)
        return mean.result(everywhere=r.mesh is not None and r.mesh.is_multi_process)


@contextlib.contextmanager
def _keeping(keep: str | Path | None, r: Request, examples: int | None) -> Iterator[dict[str, Any]]:
    """The files to fill, by the name of the array that each keeps."""
    if keep is None or examples is None:
        yield {}
        return
    source, shape = UNITS[r.unit].source, (examples, *r.heads)
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


def method_problems(method: str, unit: str | None, tied: bool | Sequence[int]) -> Iterator[str]:
    """What is wrong with the choice of a method, whatever the model and the data."""
    if method not in METHODS:
        yield f"method: expected one of {', '.join(METHODS)}, got {method!r}"
        return
    found = METHODS[method]
    if unit is not None and unit not in found.units:
        yield f"unit of {method}: expected one of {', '.join(found.units)}, got {unit!r}"
    if tied is not False and found.tie is None:
        yield f"tied: expected another method than {method}, which is about single layers"


def _result_problems(method, normalize, keep, examples):
    if normalize not in NORMALIZE:
        yield f"normalize: expected one of {', '.join(NORMALIZE)}, got {normalize!r}"
    if keep is not None and method in METHODS and METHODS[method].direct is not None:
        yield f"keep: expected a method that reads examples, got {method}"
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


_NEEDS = {
    "objective": "an objective",
    "watch": "a config as heads, or settings.watch",
    "config": "a config as heads",
    "pruner": "settings.pruner, and a config as heads or settings.watch,",
}


def _check_needs(request: Request) -> None:
    needed = METHODS[request.method].needs
    if needed is not None and getattr(request, needed) is None:
        raise ValueError(f"score: expected {_NEEDS[needed]} for {request.method}, got none")
