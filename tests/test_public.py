"""The public interface."""

from __future__ import annotations

import subprocess
import sys

import pytest

import jaxheads


def test_every_public_name_is_there():
    assert sorted(jaxheads._ROOM_OF) == sorted(jaxheads.__all__) == dir(jaxheads)
    assert all(getattr(jaxheads, name) is not None for name in jaxheads.__all__)


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="module 'jaxheads' has no attribute 'prune_heads'"):
        jaxheads.prune_heads  # noqa: B018


def test_importing_the_package_starts_neither_jax_nor_transformers():
    check = "import sys, jaxheads; assert not {'jax', 'numpy', 'transformers'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
