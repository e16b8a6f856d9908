"""The cells of a study as tasks of a Ray cluster, which places them and tries lost ones again.

A cell takes what `--cell-resources` says, on one node; or on several that compute it together, as
the hosts of a TPU slice must. Only this module imports Ray.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import jax

from jaxheads.parallel.processes import part_hosts, start_distributed
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.runner.engines import TRIES, Load, Outcome, compute, lost
from jaxheads.studies.runner.local_workers import keep_programs, take_cores

HOSTS = "hosts"  # among the resources: nodes that compute a cell together
MANY = 10_000  # cells that Ray may be given at once; it lets them wait for their turn
TOPOLOGY, POD_TYPE, SLICE = (
    f"ray.io/tpu-{name}" for name in ("topology", "pod-type", "slice-name")
)


class Where(NamedTuple):
    """What a task needs to know beside its cell."""

    study: str  # of which the process keeps the cells
    programs: str | None  # where compiled programs are kept, if the user says so
    cores: int  # to compute with, where that is said


class RayCluster:
    """An engine of Ray tasks: a context manager that lets the cluster go.

    Args:
      load: makes the cells, in each process.
      address: of the cluster: "auto", or HOST:PORT of its head.
      resources: that a cell takes, of a node; None: what the nodes offer.
      machine: what a process computes on.
    """

    def __init__(
        self,
        load: Load,
        address: str,
        resources: Mapping[str, float] | None,
        machine: Callable[[], dict[str, Any]],
    ) -> None:
        self._load, self._address, self._machine = load, address, machine
        self._resources = dict(resources or {})
        self._cells: dict[Any, tuple[str, Any]] = {}  # by what Ray calls the result
        self._tries: dict[str, int] = {}
        self._free: list[Any] = []  # reservations of nodes that compute together

    def __enter__(self) -> RayCluster:
        """Join the cluster.

        Raises:
          ValueError: where there is none, or Ray is not installed.
        """
        # else the last words of a lost node, a page long, are printed
        os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "state-dump")
        try:
            import ray
            from ray.exceptions import RayError
        except ModuleNotFoundError as error:
            raise ValueError("--ray needs a package: pip install 'jaxheads[ray]'") from error
        self._ray: Any = ray
        with tempfile.TemporaryFile() as log:
            try:
                with _terminal_as(log):  # Ray writes a line for each of its tries
                    _check_answers(self._address)
                    ray.init(self._address, log_to_driver=False, logging_level=logging.ERROR)
            except (OSError, RuntimeError, ValueError, RayError) as error:
                log.seek(0)
                said = (str(error).strip().splitlines() or [""])[0]
                if "AuthToken" in f"{log.read()} {error}" or "RAY_AUTH" in said:
                    said = "RAY_AUTH_MODE=token and its token (~/.ray/auth_token) are needed"
                raise ValueError(
                    f"--ray: expected a cluster at {self._address!r}, got none: {said}"
                ) from error
        nodes = [node for node in self._ray.nodes() if node["Alive"]]
        self._slice = None if self._resources else slice_of(nodes)
        self._resources = self._resources or offered(nodes, self._slice)
        self._hosts = int(self._resources.pop(HOSTS, 1))
        self._shared = self._ray.put(self._load)
        cores = 0 if {"GPU", "TPU"} & self._resources.keys() else self._resources.get("CPU", 1)
        programs = jax.config.values["jax_compilation_cache_dir"]
        self._where = Where(secrets.token_hex(8), programs, int(cores))
        # a process that has held an accelerator, or belonged to a group, cannot be used again
        fresh = self._hosts > 1 or bool({"GPU", "TPU"} & self._resources.keys())
        lasting: dict[str, Any] = {"max_calls": 1} if fresh else {}
        self._task = self._ray.remote(max_retries=TRIES - 1, **lasting)(_compute)
        self._together = self._ray.remote(max_retries=0, max_calls=1)(_compute_together)
        print(self._said(nodes), flush=True)
        return self

    def __exit__(self, *_: object) -> None:
        """End what is still running."""
        for group in self._free:
            _give_back(group)
        self._ray.shutdown()

    @property
    def places(self) -> int:
        """How many cells it may be given: any number, or as many as there are groups of nodes."""
        if self._hosts == 1:
            return MANY
        alive = sum(node["Alive"] and _fits(node, self._resources) for node in self._ray.nodes())
        return max(alive // self._hosts, 1)

    def start(self, name: str) -> None:
        """Give Ray a cell."""
        self._tries[name] = self._tries.get(name, 0) + 1
        if self._hosts == 1:
            task = self._task.options(name=name, **_asked(self._resources))
            self._cells[task.remote(self._where, self._shared, name)] = (name, None)
            return
        group = self._free.pop() if self._free else self._reserve()
        on = [self._on(group, number) for number in range(self._hosts)]
        where = None
        if self._slice is None:  # on a TPU jax finds the other hosts by itself
            where = self._ray.remote(num_cpus=0)(_free_address).options(**on[0]).remote()
        parts = [
            self._together.options(
                name=f"{name} {number + 1}/{self._hosts}", **_asked(self._resources), **place
            ).remote(self._where, self._shared, name, where, self._hosts, number)
            for number, place in enumerate(on)
        ]
        joined = self._ray.remote(num_cpus=0, max_retries=0)(_first_of).options(name=f"{name} ends")
        self._cells[joined.remote(*parts)] = (name, (group, parts))

    def ended(self) -> Outcome:
        """Wait for the next cell; one whose nodes are lost together is begun anew."""
        while True:
            (found,), _ = self._ray.wait(list(self._cells))
            name, group = self._cells.pop(found)
            try:
                outcome = self._ray.get(found)
            except self._ray.exceptions.RayError as error:
                outcome = self._lost(name, group, error)
            else:
                self._free += [group[0]] if group is not None else []
            if outcome is not None:
                return outcome

    def machine(self) -> dict[str, Any]:
        """What one of the processes says, and how many nodes there are."""
        asked = self._ray.remote(max_calls=1)(_about).options(**_asked(self._resources))
        about = self._ray.get(asked.remote(self._where, self._machine))
        return {**about, "nodes": len([node for node in self._ray.nodes() if node["Alive"]])}

    def _lost(self, name: str, group: Any, error: Exception) -> Outcome | None:
        """A cell that Ray gives up, or one to be begun anew on other nodes."""
        if group is not None:
            for part in group[1]:
                with contextlib.suppress(Exception):  # it may have ended
                    self._ray.cancel(part, force=True)
            _give_back(group[0])
            if self._tries[name] < TRIES:
                self.start(name)
                return None
        outcome, text = lost(name, TRIES), " ".join(str(error).split())[:300]
        return outcome._replace(error=f"{outcome.error}: {text}")

    def _reserve(self) -> Any:
        """Nodes that compute together: a slice of TPUs, or any others."""
        if self._slice is not None:
            from ray.util.tpu import SlicePlacementGroup

            return SlicePlacementGroup(*self._slice)
        from ray.util.placement_group import placement_group

        return placement_group([self._resources] * self._hosts, strategy="STRICT_SPREAD")

    def _on(self, group: Any, number: int) -> dict[str, Any]:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        group = getattr(group, "slice_placement_group", group)
        place = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=number)
        return {"scheduling_strategy": place}

    def _said(self, nodes: Sequence[Mapping[str, Any]]) -> str:
        all_of = self._ray.cluster_resources()
        there = ", ".join(f"{all_of[n]:g} {n}" for n in ("CPU", "GPU", "TPU") if n in all_of)
        taken = ", ".join(f"{name}={value:g}" for name, value in self._resources.items())
        hosts = f" on each of {self._hosts} nodes" if self._hosts > 1 else ""
        fits = any(_fits(node, self._resources) for node in nodes)
        more = "" if fits else "; no node has that yet"
        return f"ray: {len(nodes)} nodes with {there}; a cell takes {taken}{hosts}{more}"


@contextlib.contextmanager
def _terminal_as(file: IO[bytes]) -> Iterator[None]:
    """What this process and its libraries write to standard error goes into a file meanwhile."""
    sys.stderr.flush()
    terminal = os.dup(2)
    os.dup2(file.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _check_answers(address: str) -> None:
    """Raise OSError where nothing answers: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()


def offered(
    nodes: Sequence[Mapping[str, Any]], tpu_slice: tuple[str, str] | None
) -> dict[str, float]:
    """What a cell takes where nobody says it: a node's TPUs, else a GPU, else a core."""
    most = {
        name: max((node["Resources"].get(name, 0.0) for node in nodes), default=0.0)
        for name in ("TPU", "GPU")
    }
    if most["TPU"]:
        return {"TPU": most["TPU"], HOSTS: float(_hosts_of(nodes, tpu_slice))}
    return {"GPU": 1.0} if most["GPU"] else {"CPU": 1.0}


def slice_of(nodes: Sequence[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Topology and version of the cluster's TPU slices, if they are of several hosts each."""
    for node in nodes:
        labels = node.get("Labels") or {}
        topology, version = labels.get(TOPOLOGY), labels.get(POD_TYPE, "").partition("-")[0]
        if topology and _hosts_of(nodes, (topology, version)) > 1:
            return topology, version
    return None


def _hosts_of(nodes: Sequence[Mapping[str, Any]], tpu_slice: tuple[str, str] | None) -> int:
    """How many hosts a slice of this topology has."""
    if tpu_slice is None:
        return 1
    chips = 1
    for side in tpu_slice[0].split("x"):
        chips *= int(side)
    return max(1, chips // int(max(node["Resources"].get("TPU", 1.0) for node in nodes)))


def _fits(node: Mapping[str, Any], resources: Mapping[str, float]) -> bool:
    return all(node["Resources"].get(name, 0.0) >= value for name, value in resources.items())


def _asked(resources: Mapping[str, float]) -> dict[str, Any]:
    """Resources as the options of a task."""
    rest = dict(resources)
    return {"num_cpus": rest.pop("CPU", 0.0), "num_gpus": rest.pop("GPU", 0.0), "resources": rest}


def _give_back(group: Any) -> None:
    """Let other cells have the nodes of a reservation."""
    if hasattr(group, "shutdown"):
        group.shutdown()
        return
    from ray.util.placement_group import remove_placement_group

    remove_placement_group(group)


# -- in the tasks

_cells: dict[str, Mapping[str, Cell]] = {}  # of the study that this process last worked on
_held: list[Any] = []  # files that are locked as long as this process lives


def _compute(where: Where, load: Load, name: str) -> Outcome:
    """Compute a cell in a process that may have computed others of its study."""
    _prepare(where)
    return compute(name, functools.partial(_run, where, load, name))


def _compute_together(
    where: Where, load: Load, name: str, first: str | None, count: int, number: int
) -> tuple[int, Outcome]:
    """Compute a cell with other processes; this one's number, and how it ended here."""
    _prepare(where)
    if first is None:
        start_distributed(saves=False)
    else:
        start_distributed(first, count, number, saves=False)
    outcome = compute(name, functools.partial(_run, where, load, name))
    if outcome.rows is not None:
        part_hosts()
    return jax.process_index(), outcome


def _first_of(*parts: tuple[int, Outcome]) -> Outcome:
    """How a cell ended that several processes computed: as in one in which it failed, if any."""
    failed = [outcome for _, outcome in sorted(parts) if outcome.rows is None]
    return failed[0] if failed else min(parts)[1]


def _free_address() -> str:
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    import ray

    return f"{ray.util.get_node_ip_address()}:{port}"


def _about(where: Where, machine: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    _prepare(where)
    return machine()


def _run(where: Where, load: Load, name: str) -> Iterable[Row]:
    if where.study not in _cells:
        _cells.clear()
        _cells[where.study] = load()
    return _cells[where.study][name].run()


def _prepare(where: Where) -> None:
    """Before this process computes for the first time."""
    if _held:
        return
    import ray

    session = ray.get_runtime_context().get_session_name()
    programs = Path(tempfile.gettempdir(), f"jaxheads-programs-{os.getuid()}-{session}")
    keep_programs(where.programs or str(programs))
    _held.append(take_cores(where.cores, Path(tempfile.gettempdir(), f"jaxheads-{session}")))
