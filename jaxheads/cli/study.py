"""The body of `jaxheads study`: a config file, with changes, to the study that it names."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxheads.cli.options.study import StudyOptions
from jaxheads.cli.overrides import load_config, override
from jaxheads.config import EncoderConfig
from jaxheads.parallel.processes import is_primary, join_hosts
from jaxheads.storage.store import Store
from jaxheads.studies import registry
from jaxheads.studies.costs.passes import ASSUMED
from jaxheads.studies.costs.shapes import KNOWN
from jaxheads.studies.costs.work import Rate, Work, rate_of
from jaxheads.studies.registry import STUDIES, How
from jaxheads.studies.runner.cells import cell_file
from jaxheads.studies.workbench.settings import Run


def run(options: StudyOptions) -> int | None:
    """Run the study into `options.folder`; cells that are finished there are left as they are.

    None in the process that put the rows together, 0 in those that computed with it.

    Raises:
      ValueError: for a config that is no study, or settings that it cannot have; and as
        `registry.run`.
    """
    settings = settings_of(options)
    saves = _saves(dataclasses.asdict(settings))
    if options.ray is None:
        join_hosts(options.coordinator, options.num_processes, options.process_id, saves=saves)
    how = How(options.workers, options.ray, options.cell_resources or None)
    registry.run(settings, options.folder, how)
    return None if is_primary() else 0


def planned(options: StudyOptions) -> int:
    """Print what the command would do, cell by cell, and what it costs; 2 where it could not.

    Raises:
      ValueError: as `run`, for settings.
    """
    settings, rate = settings_of(options), rate_of(options.on)
    shapes = {m.source: made for m in settings.models if m.source and (made := _made(m.source))}
    plan = registry.plan(settings, options.folder, shapes)
    place = {name: number for number, name in enumerate(plan.needs, 1)}
    done = {name for name in place if Store(options.folder).exists(cell_file(name))}
    width = len(str(len(place)))
    lines = [f"{settings.name}: {len(place)} cells, {len(done)} done; nothing was run or written"]
    lines += [f"reads {path} ({name})" for name, path in plan.files.items()]
    for name, needs in plan.needs.items():
        after = ", ".join(str(place[need]) for need in needs)
        said = f"  after {after}" * bool(after) + "  done" * (name in done)
        lines.append(f"{place[name]:{width}}  {name}{said}")
    left = [plan.costs[name] for name in place if name not in done]
    print("\n".join((*lines, "", *_costs(left, rate, options))))
    if plan.lacking:
        raise ValueError(f"it cannot run yet: {'; '.join(dict.fromkeys(plan.lacking))}")
    return 0


def _costs(left: Sequence[tuple[str, Work]], rate: Rate, options: StudyOptions) -> Iterator[str]:
    """A table of what cells cost that are not done, by kind and in all."""
    kinds: dict[str, list[Work]] = {}
    for kind, work in left:
        kinds.setdefault(kind, []).append(work)
    rows: list[tuple[str, ...]] = [
        ("to do", "cells", "forward", "backward", "flops", "memory", "disk", "hours")
    ]
    for kind, works in (*kinds.items(), ("all", [work for _, work in left])):
        whole = functools.reduce(Work.__or__, works, Work())
        hours = rate.seconds(whole) / 3600 / options.workers
        sizes = (f"{size / 2**30:.2f} GiB" for size in (whole.memory, whole.disk))
        examples = (f"{whole.forward:,}", f"{whole.backward:,}", f"{whole.flops:.1e}")
        rows.append((kind, str(len(works)), *examples, *sizes, f"{hours:,.2f}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *rest in rows:
        cells = (f"{cell:>{width}}" for cell, width in zip(rest, widths[1:], strict=True))
        yield "  ".join((f"{first:{widths[0]}}", *cells))
    yield (
        "forward, backward: examples, passed forward alone or both ways; memory: float32 of a "
        "device with a whole batch; disk: models and effects of heads; data to measure on whose "
        f"size is not known are taken as {ASSUMED:,} examples"
    )
    by = f" by {options.workers} workers" * (options.workers > 1)
    yield f"hours on {options.on}{by}: {rate.said}"


def _made(source: str) -> EncoderConfig | None:
    """The shape of a model that a shipped study makes, by where the study leaves it."""
    found = re.fullmatch(r"runs/(\w+)/models/(\w+)", source)
    try:
        run = load_config(Path(found[1])) if found else None
    except (ValueError, OSError):
        return None
    models = {model.name: model for model in run.models} if isinstance(run, Run) else {}
    model = models.get(found[2]) if found else None
    return model and (model.encoder or KNOWN.get(model.source or ""))


def settings_of(options: StudyOptions) -> Run:
    """The settings of a config file, with changes.

    Raises:
      ValueError: for a config that is no study, or settings that it cannot have.
    """
    settings = override(load_config(options.config), options.set)
    if not isinstance(settings, Run):
        got = type(settings).__name__
        raise ValueError(f"{options.config}: expected RUN to be a studies.settings.Run, got {got}")
    if type(settings.study) not in STUDIES:
        known, got = ", ".join(each.__name__ for each in STUDIES), type(settings.study).__name__
        raise ValueError(f"{options.config}: expected study to be one of {known}, got {got}")
    return settings


def _saves(settings: object) -> bool:
    """Whether any training of a run keeps checkpoints."""
    if isinstance(settings, dict):
        return bool(settings.get("save_every")) or any(map(_saves, settings.values()))
    return isinstance(settings, (list, tuple)) and any(map(_saves, settings))
