"""The public interface."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import jaxheads


def test_every_public_name_is_what_type_checkers_take_it_for():
    tree = ast.parse(Path(jaxheads.__file__).read_text())
    (typed,) = (node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in typed.body if isinstance(node, ast.ImportFrom)]
    room_of = {alias.name: str(node.module) for node in imports for alias in node.names}
    assert sorted(room_of) == sorted(jaxheads.__all__) == dir(jaxheads)
    for name, room in room_of.items():
        assert getattr(jaxheads, name) is getattr(importlib.import_module(room), name), name


def test_an_unknown_name_is_rejected():
    with pytest.raises(AttributeError, match="module 'jaxheads' has no attribute 'prune_heads'"):
        jaxheads.prune_heads  # noqa: B018


def test_importing_the_package_starts_neither_jax_nor_transformers():
    check = "import sys, jaxheads; assert not {'jax', 'numpy', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_the_version_is_that_of_the_distribution():
    assert jaxheads.__version__ == metadata.version("jaxheads")
