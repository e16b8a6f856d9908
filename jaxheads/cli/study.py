"""The body of `jaxheads study`: a config file, with changes, to the study that it names."""

from __future__ import annotations

import dataclasses

from jaxheads.cli.options.study import StudyOptions
from jaxheads.cli.overrides import load_config, override
from jaxheads.parallel.processes import is_primary, join_hosts
from jaxheads.storage.store import Store
from jaxheads.studies import registry
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


def planned(options: StudyOptions) -> str:
    """What the command would do, cell by cell, after a check of all that it would read.

    Raises:
      ValueError: as `run`, for settings and inputs.
    """
    settings = settings_of(options)
    files, cells = registry.plan(settings, options.folder)
    place = {name: number for number, name in enumerate(cells, 1)}
    done = {name for name in cells if Store(options.folder).exists(cell_file(name))}
    width = len(str(len(cells)))
    lines = [f"{settings.name}: {len(cells)} cells, {len(done)} done; nothing was run or written"]
    lines += [f"reads {path} ({name})" for name, path in files.items()]
    for name, needs in cells.items():
        after = ", ".join(str(place[need]) for need in needs)
        said = f"  after {after}" * bool(after) + "  done" * (name in done)
        lines.append(f"{place[name]:{width}}  {name}{said}")
    return "\n".join(lines)


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
