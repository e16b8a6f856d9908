"""Where compiled programs are kept between commands. Never starts jax, which reads the variables.

A command compiles for some seconds to minutes what the one before it has compiled too. jax keeps it
in a folder of its own for each kind of processor, locks it, and removes what was used least lately.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import sys
from collections.abc import MutableMapping
from pathlib import Path

FOLDER, SWITCH = "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"
LIMITS = {
    "JAX_COMPILATION_CACHE_MAX_SIZE": str(2 * 2**30),  # bytes
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",
}
PATIENCE = 5.0  # seconds to wait for another process's lock


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
