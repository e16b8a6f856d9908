"""TPU chips, and devices to compile for where there are none: `jax.experimental.topologies`.

The libtpu package holds the TPU's own compiler, which needs no TPU. Without it the CPU's compiler
takes its place, for as many simulated devices.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import os
import re
from typing import Any, NamedTuple

import jax

SIMULATED = 64  # CPU devices
# So that libtpu asks no metadata server what it stands on, and does not say that it cannot know.
NO_TPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-8",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
}


class Chip(NamedTuple):
    """What a chip has, by Google's system architecture pages for Cloud TPU."""

    teraflops: float  # of bfloat16 matrix products in a second
    gigabytes: float  # that its main memory moves in a second
    gib: float  # of main memory
    clock: float  # GHz
    topology: dict[str, str] = {}  # noqa: RUF012 (never changed)

    @property
    def balance(self) -> float:
        """Operations for each byte moved at which both limits are reached at once."""
        return 1e3 * self.teraflops / self.gigabytes


CHIPS = {
    "v4": Chip(275, 1228, 32, 1.05, {"chip_config_name": "megacore"}),  # a device is a chip
    "v5e": Chip(197, 819, 16, 1.5),
    "v5p": Chip(459, 2765, 95, 1.75),
    "v6e": Chip(918, 1640, 32, 1.75),
}


class Devices(NamedTuple):
    """Devices that programs can be compiled for, and by which compiler ("tpu" or "cpu")."""

    devices: list[Any]
    chip: Chip
    compiler: str


def parse_topology(text: str) -> tuple[str, tuple[int, ...]]:
    """The kind and the sides of a topology such as "v5e:2x4".

    Raises:
      ValueError: for any other text, or an unknown kind.
    """
    found = re.fullmatch(r"(\w+):(\d+(?:x\d+){1,2})", text)
    if found is None or found[1] not in CHIPS:
        raise ValueError(
            f"--compile: expected one of {', '.join(CHIPS)} with its chips, as v5e:1x1, v5e:2x4 "
            f"or v4:2x2x1, got {text!r}"
        )
    return found[1], tuple(int(side) for side in found[2].split("x"))


def has_tpu_compiler() -> bool:
    """Whether the libtpu package is there."""
    return importlib.util.find_spec("libtpu") is not None


def open_topology(text: str) -> Devices:
    """The devices of a topology; no TPU is looked for, and the process computes on CPUs.

    Raises:
      ValueError: for a topology that there is not.
    """
    kind, sides = parse_topology(text)
    chip, count = CHIPS[kind], math.prod(sides)
    with contextlib.suppress(RuntimeError):  # it has started: those that are there must do
        jax.config.update("jax_platforms", "cpu")
        if not has_tpu_compiler():
            jax.config.update("jax_num_cpu_devices", SIMULATED)
    if not has_tpu_compiler():
        devices = jax.devices("cpu")
        if count > len(devices):
            raise ValueError(
                f"--compile: expected at most {len(devices)} simulated devices, got {count}; "
                "`pip install libtpu` brings the TPU's own compiler"
            )
        return Devices(devices[:count], chip, "cpu")
    return Devices(_described(text, chip, sides), chip, "tpu")


def _described(text: str, chip: Chip, sides: tuple[int, ...]) -> list[Any]:
    from jax.experimental import topologies

    how: dict[str, Any] = dict(chip.topology)
    if math.prod(sides) == 1:
        how["chips_per_host_bounds"] = [1, 1, 1]
    for name, value in NO_TPU.items():
        os.environ.setdefault(name, value)
    try:
        found = topologies.get_topology_desc(text, platform="tpu", **how)
    except jax.errors.JaxRuntimeError as error:
        words = str(error).splitlines()[0]
        raise ValueError(f"--compile: no topology {text}: {words}") from error
    return list(found.devices)
