"""What the package imports is what it declares."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib import metadata

from tests.test_house import PACKAGE_TREES, ROOT, imports_of

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
UNIMPORTED = {  # declared all the same
    "datasets",  # to read what users have
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
        for extra in ("tpu", "cuda", "tensorboard", "parity")
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
