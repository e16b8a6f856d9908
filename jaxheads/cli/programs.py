"""What is kept: compiled programs between commands, freed memory within one. Never starts jax.

A command compiles for some seconds to minutes what the one before it has compiled too. jax keeps it
in a folder of its own for each kind of processor, locks it, and removes what was used least lately.

XLA asks for the buffers of a program each time that it runs and frees them at its end. glibc gives
what is large back to the system at once, which then has to clear as many pages again: 18% of the
CPU's time of a gate-gradient pass that needs 139 MiB.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import platform
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import NamedTuple

FOLDER, SWITCH = "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"
LIMITS = {
    "JAX_COMPILATION_CACHE_MAX_SIZE": str(2 * 2**30),  # bytes
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",
}
PATIENCE = 5.0  # seconds to wait for another process's lock


class Setting(NamedTuple):
    """Of glibc's malloc: its number for `mallopt` in this process, its value."""

    number: int
    value: int


SETTINGS = {
    "MALLOC_ARENA_MAX": Setting(-8, 1),  # all threads share one heap: others map what is large
    "MALLOC_MMAP_MAX_": Setting(-4, 0),  # nothing is mapped by itself
    "MALLOC_TRIM_THRESHOLD_": Setting(-1, 2**31 - 1),  # bytes free at the end of the heap
}


def keep_memory(environment: MutableMapping[str, str]) -> None:
    """Let glibc keep what is freed, here and (by the environment) in what this process starts.

    Where the user has set one of these variables, or there is no glibc, all stays as it is.
    """
    if "jax" in sys.modules or sys.platform != "linux" or SETTINGS.keys() & environment.keys():
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for name, setting in SETTINGS.items():
        environment[name] = str(setting.value)
        if mallopt is not None:
            mallopt(*setting)


def keep_programs(environment: MutableMapping[str, str], *, keep: bool = True) -> None:
    """Tell jax to keep what it compiles in the user's cache folder, or (`keep` False) nowhere.

    A folder that the user has named stays. Nothing is kept where the folder cannot be written.
    """
    if "jax" in sys.modules:  # which has read its settings
        return
    if not keep:
        environment[SWITCH] = "false"
    elif FOLDER not in environment:
        folder = programs_folder(environment)
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                _remove_halves(folder)
                environment[FOLDER] = str(folder)
                for name, value in LIMITS.items():
                    environment.setdefault(name, value)


def programs_folder(environment: MutableMapping[str, str]) -> Path:
    """The folder of this kind of processor: another may lack the instructions of a program."""
    caches = environment.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "jaxheads" / "programs" / _processor()


def _processor() -> str:
    words = platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        words += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()}-{hashlib.sha256(words.encode()).hexdigest()[:8]}"


def _remove_halves(folder: Path) -> None:
    """Remove programs that a killed command has left half-written, which stop all later ones."""
    from filelock import FileLock, Timeout

    with contextlib.suppress(Timeout), FileLock(folder / ".lockfile", timeout=PATIENCE):
        for program in folder.glob("*-cache"):
            if not program.with_name(program.name.removesuffix("-cache") + "-atime").exists():
                program.unlink(missing_ok=True)
