"""Whether the tests notice faults: `python tests/mutations.py [NAME ...]`, all without a name.

Each fault of the tables in `mutants/` is put into a copy of the package, one at a time, and the
tests that are to notice it run there. NAME is a table ("chiang2021") or a part of a fault's name.
Exit status 1 if any fault survives.
"""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("jaxheads", "tests", "configs", "pyproject.toml", "README.md", ".github")
TESTS_FAILED = 1  # pytest's status


class Fault(NamedTuple):
    """A fault and the tests that notice it; `FAULTS` of a table has these five, as plain tuples."""

    name: str
    file: str  # below the root
    tests: str  # node ids, with spaces between
    old: str  # occurs in the file once
    new: str


def tables() -> dict[str, list[Fault]]:
    """The faults of every table, by its name."""
    paths = sorted((ROOT / "tests" / "mutants").glob("*.py"))
    return {
        path.stem: [Fault(*each) for each in runpy.run_path(str(path))["FAULTS"]] for path in paths
    }


def chosen(names: list[str]) -> list[Fault]:
    """The faults of these tables or with a part of these names; ValueError for a name of none."""
    every = tables()
    faults = [each for found in every.values() for each in found]
    picked = {name: every.get(name) or [f for f in faults if name in f.name] for name in names}
    if unknown := [name for name, found in picked.items() if not found]:
        raise ValueError(f"expected a part of a fault's name or {', '.join(every)}, got {unknown}")
    return list(dict.fromkeys(each for found in picked.values() for each in found)) or faults


def run(root: Path, tests: set[str], *, keep: bool = False) -> int:
    """Run tests in a copy without checks of types, which cost most and notice none of these.

    `keep` compiled modules, of the package without faults alone: the next run would take those of a
    file that has changed within a second.
    """
    environment = os.environ | {
        "PYTHONPATH": str(root),
        "PYTHONDONTWRITEBYTECODE": "" if keep else "1",
        "JAXTYPING_DISABLE": "1",
    }
    environment.setdefault("JAX_COMPILATION_CACHE_DIR", str(ROOT / ".pytest_cache" / "d" / "jax"))
    words = ["-m", "pytest", "-q", "-x", "-m", "", "-p", "no:cacheprovider", *sorted(tests)]
    with tempfile.TemporaryDirectory() as base:
        words.append(f"--basetemp={base}/tests")
        ran = subprocess.run(
            [sys.executable, *words], cwd=root, env=environment, capture_output=True, text=True
        )
    if ran.returncode not in (0, TESTS_FAILED):
        print(ran.stdout[-2000:], ran.stderr[-2000:])
    return ran.returncode


def survives(root: Path, fault: Fault) -> bool:
    """Put a fault into the copy, run its tests, and take it out again."""
    path, begin = root / fault.file, time.monotonic()
    text = path.read_text()
    assert text.count(fault.old) == 1, fault
    path.write_text(text.replace(fault.old, fault.new))
    status = run(root, set(fault.tests.split()))
    path.write_text(text)
    said = {0: "SURVIVED", TESTS_FAILED: "killed"}.get(status, f"BROKEN ({status})")
    print(f"{said:9} {fault.name} ({time.monotonic() - begin:.0f} s)", flush=True)
    return status != TESTS_FAILED


def main(names: list[str]) -> int:
    """Run the chosen faults; the number of those that survive, 1 at most."""
    faults = chosen(names)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in COPIED:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
            copy(ROOT / name, root / name)
        if run(root, {test for fault in faults for test in fault.tests.split()}, keep=True):
            print("the tests fail without any fault")
            return 1
        left = [fault.name for fault in faults if survives(root, fault)]
    print(f"{len(faults) - len(left)} of {len(faults)} killed")
    return int(bool(left))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
