"""The studies by name, and what runs one of them into its folder."""

from __future__ import annotations

import atexit
import contextlib
import functools
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from jaxheads.config import EncoderConfig
from jaxheads.parallel.processes import broadcast_int, is_primary, run_on_primary, several
from jaxheads.records.folder import SETTINGS
from jaxheads.storage.remote import fetched, mapped
from jaxheads.storage.store import Store
from jaxheads.storage.urls import url_of
from jaxheads.studies.chiang2021 import study as chiang2021
from jaxheads.studies.costs.cells import cost_of, kind_of
from jaxheads.studies.costs.shapes import sketched, with_text
from jaxheads.studies.costs.work import Work
from jaxheads.studies.htut2019 import study as htut2019
from jaxheads.studies.li2021 import compare
from jaxheads.studies.li2021 import study as li2021
from jaxheads.studies.luo2021 import study as luo2021
from jaxheads.studies.michel2019 import study as michel2019
from jaxheads.studies.peyrard2021 import study as peyrard2021
from jaxheads.studies.runner.cells import Cell, needs_by_name
from jaxheads.studies.runner.driver import alone_in, ending_on_sigterm, run_cells
from jaxheads.studies.runner.engines import Here, Load, follow
from jaxheads.studies.runner.folder import open_store, this_machine
from jaxheads.studies.runner.local_workers import LocalWorkers
from jaxheads.studies.runner.progress import note_failure
from jaxheads.studies.runner.ray_cluster import RayCluster
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
    TaskSettings,
    Zhang2020,
)
from jaxheads.studies.workbench import pretrain
from jaxheads.studies.workbench.model import study_models
from jaxheads.studies.workbench.other_studies import check_finished
from jaxheads.studies.workbench.settings import MapStudy
from jaxheads.studies.workbench.tasks import check_tasks
from jaxheads.studies.zhang2020 import study as zhang2020

STUDIES: dict[type, Callable[[Run, Store], Iterable[Cell]]] = {
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


def check_inputs(run: Run) -> dict[str, Path]:
    """Check, before anything is computed, that a run's data and the other studies are there.

    Returns the data files by their settings.

    Raises:
        ValueError: names every data file that is missing, with its setting, or what is wrong with
            the other studies.
    """
    parts: dict[str, object] = {"text": run.text, "study": run.study}
    parts |= {f"tasks.{task.name}": task for task in run.tasks}
    meta, similar = getattr(run.study, "meta", None), []
    for where, part in (("study", run.study), ("study.meta", meta)):
        for group in ("tasks", "similar") if isinstance(part, MetaSettings) else ():
            parts |= {f"{where}.{group}.{task.name}": task for task in getattr(part, group)}
            similar += getattr(part, group) if group == "similar" else ()
    files = {
        f"{group}.{name}": path
        for group, part in parts.items()
        for name in (
            *("train", "held_out", "other_held_out", "validation", "tune", "test", "treebank"),
        )
        if (path := getattr(part, name, None)) is not None
    }
    files = {
        name + side: each
        for name, path in files.items()
        for side, each in (
            zip((", source", ", target"), path, strict=True)
            if isinstance(path, tuple)
            else (("", path),)
        )
    }
    missing = [
        f"{path} (--set {_asked(name)})" for name, path in files.items() if not path.exists()
    ]
    if missing:
        raise ValueError(f"expected the study's data, there is no {'; '.join(missing)}")
    check_tasks([part for part in parts.values() if isinstance(part, TaskSettings)], similar)
    if isinstance(run.study, MapStudy):
        check_finished(run.study.other_studies)
    return files


class Plan(NamedTuple):
    """What a study would do."""

    files: Mapping[str, Path]  # that it reads, by their settings
    needs: Mapping[str, tuple[str, ...]]  # of its cells, in order
    costs: Mapping[str, tuple[str, Work]]  # by cell its kind, and what it does
    lacking: Sequence[str]  # what is not there, or wrong


def _asked(name: str) -> str:
    setting, _, side = name.partition(", ")
    return f"{setting}={'SOURCE,TARGET' if side else 'FILE'}"


def plan(settings: Run, place: str | Path, made: Mapping[str, EncoderConfig] | None = None) -> Plan:
    """What `run` would do; writes nothing, and asks for no weights.

    Args:
        settings: of the study.
        place: where it would be.
        made: shapes of models that other studies make, by where they leave them.

    Raises:
        ValueError: what is wrong with the settings, as `run` says it.
    """
    absolute = mapped(settings, _absolute)
    with fetched(absolute) as local, sketched(local, made) as (drawn, lacking):
        files: dict[str, Path] = {}
        try:
            files = check_inputs(local)
            if not lacking:
                _check_models(local)
        except ValueError as error:
            lacking.append(str(error))
        store = Store(_absolute(Path(place)))
        try:
            cells = _cells(drawn, store)
        except ValueError as error:
            cells = _cells(with_text(drawn), store)
            lacking.append(str(error))
        costs = {name: (kind_of(each), cost_of(each)) for name, each in cells.items()}
    return Plan(files, needs_by_name(list(cells.values())), costs, lacking)


class How(NamedTuple):
    """By what the cells of a study are computed; all can be left out."""

    workers: int = 1  # processes of this machine
    ray: str | None = None  # the address of a cluster
    resources: Mapping[str, float] | None = None  # that a cell takes of it


def run(settings: Run, place: str | Path, how: How | None = None) -> None:
    """Run a study; cells that are finished are left as they are.

    Args:
        settings: of the study.
        place: a folder, which is made where it is missing, or a URL.
        how: its cells are computed.

    Raises:
        ValueError: the place holds something else, another command works there, the study cannot
            run on several processes, or some cells failed.
    """
    how = how or How()
    if how.ray is not None:
        jax.config.update("jax_platforms", "cpu")  # others compute, with this machine's devices too
    settings, store = mapped(settings, _absolute), Store(_absolute(Path(place)))
    with fetched(settings) as local:
        check_inputs(local)
        _check_models(local)
        _check_processes(settings, jax.process_count())
        cells = functools.cache(lambda: _cells(local, store))
        if not is_primary():
            _follow(store, cells())
            return
        load = functools.partial(load_cells, settings if how.ray else local, store)
        own = Store(store.place, alone=True)
        # of several processes that compute together SIGTERM asks all to save (`start_distributed`)
        ending = contextlib.nullcontext() if several() else ending_on_sigterm()
        with _engine(cells, load, how) as engine, ending:
            _check_processes(settings, getattr(engine, "hosts", 1))
            made = list(cells().values())  # while further processes start
            with alone_in(own):
                run_on_primary(lambda: open_store(settings, own, engine.machine))
                run_cells(own, made, engine, fragile=several())


def _engine(
    cells: Callable[[], Mapping[str, Cell]], load: Load, how: How
) -> RayCluster | LocalWorkers | Here:
    if how.ray is not None:
        return RayCluster(load, how.ray, how.resources, this_machine)
    if how.workers > 1:
        return LocalWorkers(load, how.workers, this_machine)
    return Here(cells, this_machine, broadcast_int)


def load_cells(settings: Run, store: Store) -> dict[str, Cell]:
    """The cells of a study, whose inputs are fetched for as long as this process lives.

    Raises:
      ValueError: the study that was begun is not seen here.
    """
    try:
        store.read(SETTINGS, lambda path: path.read_bytes())
    except FileNotFoundError:
        where = (
            f"expected a place that every node and process sees, {socket.gethostname()} does not"
        )
        raise ValueError(f"{store}: {where} (--out)") from None
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return _cells(stack.enter_context(fetched(settings)), store)


def _check_models(local: Run) -> None:
    """Raise ValueError for a checkpoint that does not fit its tokenizer or the run."""
    for model in study_models(local, Store(Path())):
        model.check()


def _cells(local: Run, store: Store) -> dict[str, Cell]:
    return {cell.name: cell for cell in STUDIES[type(local.study)](local, store)}


def _check_processes(settings: Run, hosts: int) -> None:
    """Raise ValueError for a study that several processes cannot compute together."""
    if hosts > 1 and not isinstance(settings.study, ON_HOSTS):
        raise ValueError(
            f"expected one process for the study {settings.study_name}, got {hosts}; several "
            "machines may share its cells (--ray)"
        )


def _follow(store: Store, cells: Mapping[str, Cell]) -> None:
    """Compute with the first process what it says."""
    run_on_primary(lambda: None)
    if not store.exists(SETTINGS):
        raise ValueError(f"{store}: expected a folder that all hosts see, got one of this host")
    outcome = follow(cells, broadcast_int)
    if outcome is not None:
        with contextlib.suppress(OSError):
            note_failure(store, outcome.name, outcome.error, outcome.trace)
        raise ValueError(f"cell {outcome.name}: {outcome.error}")


def _absolute(value: Any) -> Any:
    """A path or the name of a directory that is there, as every process finds it."""
    local = isinstance(value, Path) or (isinstance(value, str) and Path(value).is_dir())
    return type(value)(Path(value).absolute()) if local and not url_of(value) else value
