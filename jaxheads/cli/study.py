"""The body of `jaxheads study`: a config file, with changes, to the study that it names."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import jax

from jaxheads.cli.overrides import closest, load_config, override
from jaxheads.cli.study_options import StudyOptions
from jaxheads.parallel.processes import join_hosts, leads, tell
from jaxheads.storage.leases import Worker
from jaxheads.storage.remote import (
    fetch_mirrors,
    fetched,
    put_mirrors,
    show_mirrors,
    url_behind,
    write_once,
)
from jaxheads.studies.chiang2021 import study as chiang2021
from jaxheads.studies.htut2019 import study as htut2019
from jaxheads.studies.li2021 import compare
from jaxheads.studies.li2021 import study as li2021
from jaxheads.studies.luo2021 import study as luo2021
from jaxheads.studies.michel2019 import study as michel2019
from jaxheads.studies.peyrard2021 import study as peyrard2021
from jaxheads.studies.runner.cells import SETTINGS, Cell
from jaxheads.studies.runner.folder import open_folder
from jaxheads.studies.runner.workers import Hosts, run_cells
from jaxheads.studies.settings import Run
from jaxheads.studies.workbench import pretrain
from jaxheads.studies.workbench.other_studies import check_finished
from jaxheads.studies.zhang2020 import study as zhang2020

STUDIES: dict[str, Callable[[Run, Path], Iterable[Cell]]] = {
    "chiang2021": chiang2021.cells,
    "compare": compare.cells,
    "htut2019": htut2019.cells,
    "li2021": li2021.cells,
    "luo2021": luo2021.cells,
    "michel2019": michel2019.cells,
    "peyrard2021": peyrard2021.cells,
    "pretrain": pretrain.cells,
    "zhang2020": zhang2020.cells,
}


# Whose cells several processes can compute together. The others read attention or train pruners,
# of which each process would see its own part alone.
ON_HOSTS = ("chiang2021", "michel2019", "pretrain")
MAPPED = ("htut2019", "luo2021", "peyrard2021")  # compare maps of heads, those beside them too


def run(options: StudyOptions) -> int | None:
    """Run the study into `options.folder`; cells that are finished there are left as they are.

    None if this worker put the rows together, 0 if another one did.
    """
    settings = override(load_config(options.config), options.set)
    if not isinstance(settings, Run):
        got = type(settings).__name__
        raise ValueError(f"{options.config}: expected RUN to be a studies.settings.Run, got {got}")
    if settings.study not in STUDIES:
        raise ValueError(
            f"{options.config}: no study {settings.study!r}{closest(settings.study, STUDIES)}"
        )
    if settings.beside and settings.study not in MAPPED:
        raise ValueError(
            f"{options.config}: expected no studies beside {settings.study}, which compares no "
            f"maps, got {', '.join(map(str, settings.beside))}"
        )
    with fetched(settings) as local:
        check_files(local)
        check_finished(local.beside)
        saves = _saves(dataclasses.asdict(settings))
        join_hosts(options.coordinator, options.num_processes, options.process_id, saves=saves)
        hosts = Hosts(jax.process_count(), leads(), tell, show_mirrors)
        if hosts.size > 1 and settings.study not in ON_HOSTS:
            raise ValueError(
                f"{options.config}: expected one process for the study {settings.study}, got "
                f"{hosts.size}; several may share its cells (--shard)"
            )
        cells = list(STUDIES[settings.study](local, options.folder))
        fetch_mirrors()
        write_once(functools.partial(_open_folder, settings, options.folder))
        _check_seen(options.folder)
        return None if run_cells(options.folder, cells, options.shard, hosts) else 0


def _open_folder(settings: Run, folder: Path) -> None:
    """Make the study's folder, or take it up: a new one elsewhere, one worker after the other."""
    url = url_behind(folder)
    if url is None or any(folder.iterdir()):
        open_folder(settings, folder)
        return
    with Worker(url) as worker:
        worker.wait(SETTINGS)
        fetch_mirrors()
        open_folder(settings, folder)
        put_mirrors()


def _saves(settings: object) -> bool:
    """Whether any training of a run keeps checkpoints."""
    if isinstance(settings, dict):
        return bool(settings.get("save_every")) or any(map(_saves, settings.values()))
    return isinstance(settings, (list, tuple)) and any(map(_saves, settings))


def _check_seen(folder: Path) -> None:
    """ValueError on a host that does not see what the first one has written."""
    if not (folder / SETTINGS).is_file():
        raise ValueError(f"{folder}: expected a folder that all hosts see, got one of this host")


def check_files(run: Run) -> None:
    """ValueError that names every data file that is missing, and the setting that holds it."""
    parts: dict[str, object] = {"text": run.text, "dependencies": run.dependencies}
    parts |= {"humor": run.humor, "constituency": run.constituency}
    parts |= {f"tasks.{task.name}": task for task in run.tasks}
    if run.meta is not None:
        for group in ("tasks", "similar"):
            parts |= {f"meta.{group}.{task.name}": task for task in getattr(run.meta, group)}
    files = {
        f"{group}.{name}": path
        for group, part in parts.items()
        for name in (
            *("train", "held_out", "other_held_out", "validation", "tune", "test", "treebank"),
        )
        if (path := getattr(part, name, None)) is not None
    }
    missing = [f"{path} (--set {name}=FILE)" for name, path in files.items() if not path.is_file()]
    if missing:
        raise ValueError(f"expected the study's data, there is no {'; '.join(missing)}")
