"""`jaxheads bench --compile`: what a TPU's own compiler plans for each program of a study.

Nothing is run and nothing allocated: memory, products, bytes and collectives are the compiler's.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import multiprocessing
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import jax

from jaxheads.bench import chips
from jaxheads.bench.chips import Chip, open_topology
from jaxheads.bench.counted import Counted, count
from jaxheads.bench.programs import PROGRAMS, TRAINS, Case, Layout
from jaxheads.bench.shapes import BINARY, SHAPES, TINY

GIB = 2**30
# Machine code of simulated devices is never run: its optimizer is left out.
QUICK = {"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
DTYPES = ("float32", "bfloat16")
_TOO_MUCH = re.compile(r"Used ([\d.]+)([KMGT]?) of [\d.]+[KMGT]? hbm")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def run(
    topology: str,
    *,
    only: Sequence[str] = (),
    models: Sequence[str] = (),
    layouts: Sequence[Layout] = (),
    dtypes: Sequence[str] = (),
    examples: int | None = None,
    length: int = 128,
    tiny: bool = False,
    as_json: bool = False,
) -> None:
    """Compile programs for a topology and print what the compiler says of each.

    Args:
        topology: the kind of chip and how many stand along each axis, as "v5e:2x4".
        only: names of `PROGRAMS`; all of them where there are none.
        models: names of `SHAPES`; roberta-base where there are none.
        layouts: where each model lies; those that the topology suggests where there are none.
        dtypes: of the computation; bfloat16 where there are none.
        examples: of a step over all devices; None: 256 for each along `data`.
        length: tokens in an example.
        tiny: compile for a tiny model instead.
        as_json: print a list of JSON objects instead of a table.

    Raises:
        ValueError: for a topology, program, model or layout that there is not, or ends libtpu.
    """
    shapes = {"tiny": TINY} if tiny else SHAPES
    names = tuple(models) or tuple(shapes)[:1]
    programs = tuple(only) or tuple(PROGRAMS)
    _check("--only", programs, PROGRAMS)
    _check("--shape", names, shapes)
    rows = []
    here = contextlib.nullcontext(lambda _, function, *words: function(*words))
    with apart() if chips.has_tpu_compiler() else here as call:
        chosen = call(topology, _layouts, topology, tuple(layouts))
        for name, layout, dtype, program in _each(names, chosen, dtypes or DTYPES[1:], programs):
            size = examples or 256 * layout.data
            case = Case(shapes[name], BINARY, layout, (), dtype, size, length)
            begun = f"{name}, {program}, {layout}, {dtype}"
            rows.append(call(f"{begun} on {topology}", _row, program, name, topology, case))
            print(f"{begun}: {rows[-1]['seconds']} s", file=sys.stderr)
    print(json.dumps(rows, indent=1) if as_json else "\n".join(_table(rows, topology)))


@contextlib.contextmanager
def apart() -> Iterator[Callable[..., Any]]:
    """`call(what is begun, function, *arguments)` in a process that it may end, as libtpu does."""
    how = {"initializer": signal.signal, "initargs": (signal.SIGINT, signal.SIG_IGN)}
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), **how) as pool:

        def call(begun: str, function: Callable[..., Any], *words: Any) -> Any:
            try:
                return pool.submit(function, *words).result()
            except BrokenProcessPool as error:
                raise ValueError(
                    f"--compile: libtpu ended its process at {begun}; --only, --shape, --layout "
                    "and --dtype choose other programs, and another libtpu may not have the fault"
                ) from error

        yield call


def _layouts(topology: str, given: Sequence[Layout]) -> Sequence[Layout]:
    """The layouts, if the topology has so many devices; those that it suggests if none is given."""
    count = len(open_topology(topology).devices)
    if larger := [each for each in given if each.data * each.model > count]:
        raise ValueError(f"--layout: expected at most {count} devices, got {larger[0]}")
    return given or tuple(suggested(count))


def _each(names, layouts, dtypes, programs) -> Iterator[tuple[str, Layout, str, str]]:
    for name in names:
        for layout in layouts:
            for dtype in dtypes:
                for program in programs:
                    if program in TRAINS or not (layout.shard_opt_state or layout.remat):
                        yield name, layout, dtype, program


def suggested(count: int) -> Iterator[Layout]:
    """The layouts that so many devices suggest."""
    yield Layout(data=count)
    if count > 1:
        yield Layout(data=count, shard_opt_state=True)
    if count > 1 and count % 2 == 0:
        yield Layout(data=count // 2, model=2)


def compiled(lower: Callable[[Case], Any], case: Case, compiler: str) -> Any:
    """A compiled program of `PROGRAMS`."""
    return lower(case).compile(QUICK if compiler == "cpu" else None)


@contextlib.contextmanager
def _uncached() -> Iterator[None]:
    """Without the cache of compiled programs: a TPU's could be written, but not read again."""
    was = jax.config.values["jax_enable_compilation_cache"]
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", was)


def _row(program: str, model: str, topology: str, case: Case) -> dict[str, Any]:
    devices = open_topology(topology)
    case = case._replace(devices=devices.devices)
    row: dict[str, Any] = {
        "program": program, "model": model, "topology": topology, "layout": str(case.layout),
        "dtype": case.dtype, "examples": case.examples, "length": case.length,
        "compiler": devices.compiler, "fits": None, "state_gib": None, "peak_gib": None,
        "chip_gib": devices.chip.gib,
    }  # fmt: skip
    begin = time.perf_counter()
    try:
        with _uncached():
            built = compiled(PROGRAMS[program], case, devices.compiler)
    except jax.errors.JaxRuntimeError as error:
        needed = _TOO_MUCH.search(str(error))
        if needed is None:
            raise
        peak = float(needed[1]) * _UNITS[needed[2]] / GIB
        row |= {"fits": False, "peak_gib": _rounded(peak)} | dict.fromkeys(FIGURES)
        return row | {"seconds": round(time.perf_counter() - begin, 1)}
    row["seconds"] = round(time.perf_counter() - begin, 1)
    row["state_gib"], row["peak_gib"] = (_rounded(size / GIB) for size in memory(built))
    row["fits"] = row["peak_gib"] <= devices.chip.gib
    return row | figures(count(built.as_text()), devices.chip, devices.compiler)


FIGURES = ("flops", "bytes", "flops_per_byte", "share_of_peak", "estimated_ms", "collectives")


def figures(found: Counted, chip: Chip, compiler: str) -> dict[str, Any]:
    """What one device does in a run; the CPU's compiler tells nothing of a TPU's bytes."""
    moved = {kind: dataclasses.asdict(part) for kind, part in found.collectives.items()}
    told: dict[str, Any] = dict.fromkeys(FIGURES) | {"flops": found.flops, "collectives": moved}
    if compiler == "cpu":
        return told
    ratio = found.flops / found.bytes if found.bytes else math.inf
    return told | {
        "bytes": found.bytes,
        "flops_per_byte": _rounded(ratio),
        "share_of_peak": _rounded(min(1.0, ratio / chip.balance)),
        "estimated_ms": _rounded(found.cycles / chip.clock / 1e6),
    }


def _rounded(number: float) -> float:
    return float(f"{number:.4g}")


def memory(built: Any) -> tuple[int, int]:
    """Bytes of a device: what lies there before a program runs, and the most while it does."""
    found = built.memory_analysis()
    kept = found.argument_size_in_bytes
    grown = found.temp_size_in_bytes + found.output_size_in_bytes - found.alias_size_in_bytes
    return kept, kept + grown


def _check(flag: str, given: Sequence[str], known: dict[str, Any]) -> None:
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(f"{flag}: expected one of {', '.join(known)}, got {', '.join(unknown)}")


def _table(rows: Sequence[dict[str, Any]], topology: str) -> Iterator[str]:
    if not chips.has_tpu_compiler():
        yield (
            "by the CPU's compiler, which fuses in another way than a TPU's and widens part of "
            "bfloat16: `pip install libtpu` brings the TPU's own"
        )
    gib = chips.CHIPS[chips.parse_topology(topology)[0]].gib
    head = (
        "model", "program", "layout", "type", "examples", "s", "GiB", f"of {gib:g}",
        "Tflop", "GiB moved", "flop/byte", "share", "ms", "collectives",
    )  # fmt: skip
    lines = [head, *map(_cells, rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(head))]
    for line in lines:
        yield "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    def shown(value: float | None, form: str) -> str:
        return "-" if value is None else format(value, form)

    moved = "; ".join(
        f"{kind} {part['count']} x, {part['bytes'] / 2**20:.4g} MiB"
        for kind, part in (row["collectives"] or {}).items()
    )
    return (
        row["model"], row["program"], row["layout"], row["dtype"], str(row["examples"]),
        shown(row["seconds"], ".0f"), shown(row["state_gib"], ".2f"),
        shown(row["peak_gib"], ".2f") + ("" if row["fits"] else ": too much"),
        shown(row["flops"] and row["flops"] / 1e12, ".3g"),
        shown(row["bytes"] and row["bytes"] / GIB, ".4g"), shown(row["flops_per_byte"], ".0f"),
        shown(row["share_of_peak"], ".0%"), shown(row["estimated_ms"], ".3g"), moved or "-",
    )  # fmt: skip
