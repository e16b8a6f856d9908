"""The cells of a study as tasks of a Ray cluster, which places them and tries lost ones again.

A cell takes what `--cell-resources` says, on one node; or on several that compute it together, as
the hosts of a TPU slice must. Only this module and `ray_tasks` import Ray.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import math
import os
import secrets
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any, NamedTuple

import jax

from jaxheads.studies.runner.engines import TRIES, Load, Outcome, lost
from jaxheads.studies.runner.folder import packages
from jaxheads.studies.runner.ray_tasks import (
    MACHINE,
    Where,
    compute_alone,
    compute_together,
    first_of,
    free_address,
)

HOSTS = "hosts"  # among the resources: nodes that compute a cell together
MANY = 10_000  # cells that Ray may be given at once; it lets them wait for their turn
LOOK = 30.0  # seconds between two looks at what the nodes have
TOPOLOGY, POD_TYPE, SLICE = (
    f"ray.io/tpu-{name}" for name in ("topology", "pod-type", "slice-name")
)


class Slices(NamedTuple):
    """TPU slices of several hosts each, as Ray names them."""

    topology: str
    version: str
    chips: int  # of a host

    @property
    def hosts(self) -> int:
        """How many hosts a slice has."""
        return math.prod(map(int, self.topology.split("x"))) // self.chips


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
        self._resources, self.hosts = dict(resources or {}), 1
        self._lacking = False  # whether it was said that no node has what a cell takes
        self._again: list[str] = []  # cells whose nodes were lost together
        self._cells: dict[Any, tuple[str, Any]] = {}  # by what Ray calls the result
        self._tries: dict[str, int] = {}
        self._free: list[Any] = []  # reservations of nodes that compute together

    def __enter__(self) -> RayCluster:
        """Join the cluster.

        Raises:
          ValueError: where there is none, Ray is not installed, or the resources do not go with
            the slices of the cluster.
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
                said = " ".join(str(error).split())[:400]
                if "AuthToken" in f"{log.read()} {error}" or "RAY_AUTH" in said:
                    said = "RAY_AUTH_MODE=token and its token (~/.ray/auth_token) are needed"
                raise ValueError(
                    f"--ray: expected a cluster at {self._address!r}, got none: {said}"
                ) from error
        try:
            self._choose()
        except BaseException:
            ray.shutdown()
            raise
        self._shared = self._ray.put(self._load)
        cores = 0 if {"GPU", "TPU"} & self._resources.keys() else self._resources.get("CPU", 1)
        programs = jax.config.values["jax_compilation_cache_dir"]
        self._where = Where(secrets.token_hex(8), programs, int(cores), self._machine, packages())
        # a process that has held an accelerator, or belonged to a group, cannot be used again
        fresh = self.hosts > 1 or bool({"GPU", "TPU"} & self._resources.keys())
        lasting: dict[str, Any] = {"max_calls": 1} if fresh else {}
        self._task = self._ray.remote(max_retries=TRIES - 1, **lasting)(compute_alone)
        self._together = self._ray.remote(max_retries=0, max_calls=1)(compute_together)
        print(self._said(), flush=True)
        self._check_offered()
        return self

    def _choose(self) -> None:
        """Choose what a cell takes, of how many nodes together."""
        nodes = self._nodes()
        slices = slices_of(nodes)
        if self._resources.keys() <= {HOSTS}:
            self._resources = offered(nodes, slices) | self._resources
        self.hosts = int(self._resources.pop(HOSTS, 1))
        whole = slices is not None and self._resources.get("TPU") == slices.chips
        self._slices = slices if whole else None
        if slices is not None and whole and self.hosts != slices.hosts:
            raise ValueError(
                f"--cell-resources: expected TPU={slices.chips},hosts={slices.hosts}, all of a "
                f"slice, or a part of a host, got hosts={self.hosts}"
            )

    def __exit__(self, *_: object) -> None:
        """End what is still running."""
        for group in self._free:
            _give_back(group)
        self._ray.shutdown()

    @property
    def places(self) -> int:
        """How many cells it may be given: any number, or as many as there are groups of nodes."""
        return MANY if self.hosts == 1 else max(self._groups(), 1)

    def start(self, name: str) -> None:
        """Give Ray a cell."""
        self._tries[name] = self._tries.get(name, 0) + 1
        if self.hosts == 1:
            task = self._task.options(name=name, **_asked(self._resources))
            self._cells[task.remote(self._where, self._shared, name)] = (name, None)
            return
        group = self._free.pop() if self._free else self._reserve()
        on = [self._on(group, number) for number in range(self.hosts)]
        first = self._ray.remote(num_cpus=0)(free_address).options(**on[0]).remote()
        parts = [
            self._together.options(
                name=f"{name} {number + 1}/{self.hosts}", **_asked(self._resources), **place
            ).remote(self._where, self._shared, name, first, self.hosts, number)
            for number, place in enumerate(on)
        ]
        joined = self._ray.remote(num_cpus=0, max_retries=0)(first_of).options(name=f"{name} ends")
        self._cells[joined.remote(*parts)] = (name, (group, parts))

    def ended(self) -> Outcome:
        """Wait for the next cell; one whose nodes are lost together is begun anew."""
        while True:
            # a reservation may have to wait until another cell gives back its own
            while self._again and (self._free or len(self._cells) < self.places):
                self.start(self._again.pop())
            found, _ = self._ray.wait(list(self._cells), timeout=LOOK)
            if not found:
                self._check_offered()
                continue
            name, group = self._cells.pop(found[0])
            try:
                outcome = self._ray.get(found[0])
            except self._ray.exceptions.RayError as error:
                outcome = self._lost(name, group, error)
            else:
                self._free += [group[0]] if group is not None else []
            if outcome is not None:
                return outcome

    def machine(self) -> dict[str, Any]:
        """What those that compute a cell say, and how many nodes there are.

        Raises:
          ValueError: where no cell can be computed.
        """
        self.start(MACHINE)
        outcome = self.ended()
        if outcome.rows is None:
            raise ValueError(f"--ray: {outcome.error}")
        about: Any = outcome.rows[0]
        return {**about, "nodes": len(self._nodes())}

    def _lost(self, name: str, group: Any, error: Exception) -> Outcome | None:
        """A cell that Ray gives up, or None for one to be begun anew on other nodes."""
        lines = str(error).strip().splitlines() or [""]
        if isinstance(error, self._ray.exceptions.RayTaskError):  # nothing was lost
            return Outcome(name, None, error=lines[-1].strip(), trace=lines)
        if group is not None:
            for part in group[1]:
                with contextlib.suppress(Exception):  # it may have ended
                    self._ray.cancel(part, force=True)
            _give_back(group[0])
            if self._tries[name] < TRIES:
                self._again.append(name)
                return None
        outcome, text = lost(name, TRIES), " ".join(" ".join(lines).split())[:300]
        return outcome._replace(error=f"{outcome.error}: {text}")

    def _nodes(self) -> list[Mapping[str, Any]]:
        return [node for node in self._ray.nodes() if node["Alive"]]

    def _groups(self) -> int:
        """How many groups of nodes there are that can compute a cell."""
        nodes = [node for node in self._nodes() if _fits(node, self._resources)]
        if self._slices is None:
            return len(nodes) // self.hosts
        hosts = collections.Counter((node.get("Labels") or {}).get(SLICE) for node in nodes)
        return sum(count == self.hosts for name, count in hosts.items() if name)

    def _check_offered(self) -> None:
        """Say it, once, where no node has what a cell takes: one may come, or come back."""
        before, self._lacking = self._lacking, not self._groups()
        if self._lacking and not before:
            of = "a node" if self.hosts == 1 else f"{self.hosts} nodes"
            print(f"ray: waiting for {of} with {_listed(self._resources)}", flush=True)

    def _reserve(self) -> Any:
        """Nodes that compute together: a slice of TPUs, or any others."""
        self._check_offered()
        if self._slices is not None:
            from ray.util.tpu import SlicePlacementGroup

            kind, chips = self._slices[:2], self._slices.chips
            try:
                return SlicePlacementGroup(
                    *kind, chips_per_vm=chips, head_reservation_timeout_s=None
                )
            except RuntimeError as error:
                raise ValueError(f"--ray: {' '.join(str(error).split())}") from error
        from ray.util.placement_group import placement_group

        return placement_group([self._resources] * self.hosts, strategy="STRICT_SPREAD")

    def _on(self, group: Any, number: int) -> dict[str, Any]:
        from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

        group = getattr(group, "slice_placement_group", group)
        place = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=number)
        return {"scheduling_strategy": place}

    def _said(self) -> str:
        all_of = self._ray.cluster_resources()
        there = ", ".join(f"{all_of[n]:g} {n}" for n in ("CPU", "GPU", "TPU") if n in all_of)
        taken = _listed(self._resources)
        hosts = f" on each of {self.hosts} nodes" if self.hosts > 1 else ""
        return f"ray: {len(self._nodes())} nodes with {there}; a cell takes {taken}{hosts}"


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


def offered(nodes: Sequence[Mapping[str, Any]], slices: Slices | None) -> dict[str, float]:
    """What a cell takes where nobody says it: all of a slice, a node's TPUs, a GPU, or a core."""
    if slices is not None:
        return {"TPU": float(slices.chips), HOSTS: float(slices.hosts)}
    tpus, gpus = (
        max((node["Resources"].get(name, 0.0) for node in nodes), default=0.0)
        for name in ("TPU", "GPU")
    )
    return {"TPU": tpus} if tpus else {"GPU": 1.0} if gpus else {"CPU": 1.0}


def slices_of(nodes: Sequence[Mapping[str, Any]]) -> Slices | None:
    """The cluster's TPU slices, if there are any of several hosts."""
    for node in nodes:
        labels, chips = node.get("Labels") or {}, int(node["Resources"].get("TPU", 0.0))
        if chips and (topology := labels.get(TOPOLOGY)):
            slices = Slices(topology, labels.get(POD_TYPE, "").partition("-")[0], chips)
            if slices.hosts > 1:
                return slices
    return None


def _listed(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in resources.items())


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
