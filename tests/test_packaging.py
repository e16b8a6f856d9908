"""What the package imports is what it declares, and its wheel holds all that it needs."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from jaxheads.importance import load_scores
from tests.test_house import PACKAGE_TREES, ROOT, imports_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UNIMPORTED = {  # declared all the same
    "protobuf",  # transformers reads ALBERT's spiece.model with it
}


def distribution(need: str) -> str:
    """The normalised name of a requirement."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", need, maxsplit=1)[0]).lower()


def imported_names(trees) -> set[str]:
    """The top-level names that are neither ours nor Python's."""
    names = {name.split(".")[0] for tree in trees for _, name in imports_of(tree)}
    return names - sys.stdlib_module_names - {"jaxheads"}


def distributions_of(names: set[str]) -> dict[str, set[str]]:
    """The distributions that hold each module; one that is not installed has its own name."""
    known = metadata.packages_distributions()
    return {name: set(map(distribution, known.get(name, [name]))) for name in names}


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    needed = set(map(distribution, PROJECT["dependencies"]))
    extras = {
        distribution(need)
        for extra in ("tpu", "cuda", "tensorboard", "wandb", "translation", "ray", "parity")
        for need in PROJECT["optional-dependencies"][extra]
    }
    held = distributions_of(imported_names(PACKAGE_TREES.values()))
    assert not {name for name, those in held.items() if not those & (needed | extras)}
    assert needed - set().union(*held.values()) == UNIMPORTED


def test_an_undeclared_import_is_seen():
    tree = ast.parse("def f():\n    import os, yaml.nodes\n    from jaxheads.data import batch")
    assert imported_names([tree]) == {"yaml"}
    assert distributions_of({"orbax", "none_such"})["none_such"] == {"none-such"}
    assert "orbax-checkpoint" in distributions_of({"orbax"})["orbax"]


def pip(*words: str | Path) -> None:
    command = [sys.executable, "-m", "pip", *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True)
    if "hatchling" in ran.stderr and "No matching distribution" in ran.stderr:
        pytest.skip("needs hatchling from a package index")
    assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "-q", "--no-deps", "-w", folder, ROOT)
    (path,) = folder.glob("jaxheads-*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(wheel):
    files = [path.relative_to(ROOT) for path in (ROOT / "jaxheads").rglob("*") if path.is_file()]
    own = {str(path) for path in files if "__pycache__" not in path.parts}
    own |= {f"jaxheads/configs/{path.name}" for path in (ROOT / "configs").glob("*.py")}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in held if ".dist-info/" not in name} == own


@pytest.mark.slow
def test_the_wheel_runs_where_the_checkout_is_not(wheel, tmp_path):
    """In an environment of its own, which borrows what the package needs from this one."""
    place = tmp_path / "venv"
    venv.create(place, symlinks=True)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = place / "bin" / "python"
    pip("--python", python, "install", "-q", "--no-deps", "--no-index", wheel)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def run(*words: str | Path) -> str:
        given = {"cwd": tmp_path, "env": environment, "capture_output": True, "text": True}
        ran = subprocess.run(words, **given)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    found = run(python, "-c", "import jaxheads; print(jaxheads.__file__)").strip()
    assert Path(found).is_relative_to(place)
    words = ["--model", "builtin:roberta", "--task", "grammar_mlm", "--limit", "8"]
    run(place / "bin" / "jaxheads", "score", *words, "--mesh", "data=1", "--out", "scores.npz")
    assert load_scores(tmp_path / "scores.npz").score_LH.shape == (4, 4)
    planned = run(place / "bin" / "jaxheads", "study", "quickstart", "--dry-run")
    assert planned.startswith("quickstart: ")
    assert "roberta-score-base" in planned
