"""The body of `jaxheads study`: a config file, with changes, to the study that it names."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from jaxheads.cli.options.fields import Shard
from jaxheads.cli.options.study import StudyOptions
from jaxheads.cli.overrides import load_config, override
from jaxheads.parallel.processes import join_hosts
from jaxheads.storage.remote import fetched, localised, url_behind
from jaxheads.studies import registry
from jaxheads.studies.registry import STUDIES
from jaxheads.studies.runner import local_workers
from jaxheads.studies.workbench.settings import Run


def run(options: StudyOptions) -> int | None:
    """Run the study into `options.folder`; cells that are finished there are left as they are.

    None if this worker put the rows together, 0 if another one did.

    Raises:
      ValueError: for a config that is no study, or settings that it cannot have; and as
        `registry.run`.
    """
    if options.workers > 1:
        _run_workers(options)
        return None
    settings = override(load_config(options.config), options.set)
    if not isinstance(settings, Run):
        got = type(settings).__name__
        raise ValueError(f"{options.config}: expected RUN to be a studies.settings.Run, got {got}")
    if type(settings.study) not in STUDIES:
        known, got = ", ".join(each.__name__ for each in STUDIES), type(settings.study).__name__
        raise ValueError(f"{options.config}: expected study to be one of {known}, got {got}")
    with fetched(settings) as local:
        registry.check_inputs(local)
        saves = _saves(dataclasses.asdict(settings))
        join_hosts(options.coordinator, options.num_processes, options.process_id, saves=saves)
        whole = registry.run(settings, local, options.folder, options.shard)
    return None if whole else 0


def _run_workers(options: StudyOptions) -> None:
    """Let several workers of this machine share the study's cells."""
    url, place, scratch = url_behind(options.folder), options.out, None
    if url is not None:  # of a folder elsewhere each worker has its own copy
        place, scratch = Path(url), str(options.folder.parent)
    first, *others = [
        dataclasses.replace(options, workers=1, shard=Shard(number, options.workers), out=out)
        for number, out in enumerate([options.out, *[place] * (options.workers - 1)], start=1)
    ]
    jobs = [functools.partial(run, first), *(functools.partial(_run_copy, job) for job in others)]
    local_workers.run(jobs, scratch)


def _run_copy(options: StudyOptions) -> None:
    """Run the study in a further worker, in a copy of its own of what lies elsewhere."""
    with localised(options) as local:
        run(local)


def _saves(settings: object) -> bool:
    """Whether any training of a run keeps checkpoints."""
    if isinstance(settings, dict):
        return bool(settings.get("save_every")) or any(map(_saves, settings.values()))
    return isinstance(settings, (list, tuple)) and any(map(_saves, settings))
