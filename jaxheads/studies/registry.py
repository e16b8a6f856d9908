"""The studies by name, and what runs one of them into its folder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path

import jax

from jaxheads.parallel.processes import broadcast_int, is_primary
from jaxheads.records.folder import SETTINGS
from jaxheads.storage.leases import Worker
from jaxheads.storage.remote import (
    fetch_mirrors,
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
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.runner.folder import open_folder
from jaxheads.studies.runner.workers import ALONE, Hosts, run_cells
from jaxheads.studies.settings import (
    Chiang2021,
    Compare,
    Htut2019,
    Li2021,
    Luo2021,
    MetaSettings,
    Michel2019,
    Peyrard2021,
    Pretrain,
    Run,
    Zhang2020,
)
from jaxheads.studies.workbench import pretrain
from jaxheads.studies.workbench.other_studies import check_finished
from jaxheads.studies.workbench.settings import MapStudy
from jaxheads.studies.workbench.tasks import check_own_tasks
from jaxheads.studies.zhang2020 import study as zhang2020

STUDIES: dict[type, Callable[[Run, Path], Iterable[Cell]]] = {
    Chiang2021: chiang2021.cells,
    Compare: compare.cells,
    Htut2019: htut2019.cells,
    Li2021: li2021.cells,
    Luo2021: luo2021.cells,
    Michel2019: michel2019.cells,
    Peyrard2021: peyrard2021.cells,
    Pretrain: pretrain.cells,
    Zhang2020: zhang2020.cells,
}


# Whose cells several processes can compute together. The others read attention or train pruners,
# of which each process would see its own part alone.
ON_HOSTS = (Chiang2021, Michel2019, Pretrain)


def check_inputs(run: Run) -> None:
    """Check, before anything is computed, that a run's data and the other studies are there.

    Raises:
        ValueError: names every data file that is missing, with its setting, or what is wrong with
            the other studies.
    """
    parts: dict[str, object] = {"text": run.text, "study": run.study}
    parts |= {f"tasks.{task.name}": task for task in run.tasks}
    meta = getattr(run.study, "meta", None)
    for where, part in (("study", run.study), ("study.meta", meta)):
        for group in ("tasks", "similar") if isinstance(part, MetaSettings) else ():
            parts |= {f"{where}.{group}.{task.name}": task for task in getattr(part, group)}
    files = {
        f"{group}.{name}": path
        for group, part in parts.items()
        for name in (
            *("train", "held_out", "other_held_out", "validation", "tune", "test", "treebank"),
        )
        if (path := getattr(part, name, None)) is not None
    }
    missing = [f"{path} (--set {name}=FILE)" for name, path in files.items() if not path.exists()]
    if missing:
        raise ValueError(f"expected the study's data, there is no {'; '.join(missing)}")
    check_own_tasks(run.tasks)
    if isinstance(run.study, MapStudy):
        check_finished(run.study.other_studies)


def run(settings: Run, local: Run, folder: Path, shard: tuple[int, int] = ALONE) -> bool:
    """Run a study into its folder; cells that are finished there are left as they are.

    Args:
        settings: of the study, as its folder keeps them.
        local: the same, with local copies of files that lie elsewhere.
        folder: made where it is missing.
        shard: with which share of the cells to begin, and of how many.

    Returns:
        Whether this worker put the rows together; else another one did.

    Raises:
        ValueError: the folder holds something else, the study cannot run on several processes, or
            some cells failed.
    """
    hosts = Hosts(jax.process_count(), is_primary(), broadcast_int, show_mirrors)
    if hosts.size > 1 and not isinstance(settings.study, ON_HOSTS):
        raise ValueError(
            f"expected one process for the study {settings.study_name}, got {hosts.size}; several "
            "may share its cells (--shard)"
        )
    cells = list(STUDIES[type(settings.study)](local, folder))
    fetch_mirrors()
    write_once(functools.partial(_open_folder, settings, folder))
    _check_seen(folder)
    return run_cells(folder, cells, shard, hosts)


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


def _check_seen(folder: Path) -> None:
    """ValueError on a host that does not see what the first one has written."""
    if not (folder / SETTINGS).is_file():
        raise ValueError(f"{folder}: expected a folder that all hosts see, got one of this host")
