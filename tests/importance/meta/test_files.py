"""A pruner comes back from disk as it was, and nothing that is not understood is read."""

from __future__ import annotations

import json
import shutil

import jax
import numpy as np
import pytest
from safetensors.numpy import load, save

from jaxheads.config import PrunerConfig
from jaxheads.importance.meta.files import SETTINGS, WEIGHTS, load_pruner, save_pruner
from jaxheads.importance.meta.pruner import init_pruner

PRUNER = init_pruner(PrunerConfig(frame=16, width=2, placing="corner"), 3)


@pytest.fixture
def saved(tmp_path):
    save_pruner(tmp_path / "pruner", PRUNER)
    return tmp_path / "pruner"


def test_a_pruner_comes_back_bit_by_bit(saved):
    found = load_pruner(saved)
    assert found.config == PRUNER.config
    assert sorted(path.name for path in saved.iterdir()) == [SETTINGS, WEIGHTS]
    for one, two in zip(*map(jax.tree.leaves, (found, PRUNER)), strict=True):
        if not isinstance(one, PrunerConfig):
            np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"depth": 3}, "depth: unknown"),
        ({"frame": 16.0}, "frame: expected int, got 16.0"),
        ({"frame": 20}, "frame: expected one of 8, 16, 32, 64, 128, got 20"),
        (
            {"width": 3},
            r"conv0/kernel: expected float32 \[4, 4, 1, 3\], got float32 \[4, 4, 1, 2\]",
        ),
    ],
)
def test_settings_that_do_not_fit_are_rejected(saved, change, said):
    settings = json.loads((saved / SETTINGS).read_text())
    (saved / SETTINGS).write_text(json.dumps(settings | change))
    with pytest.raises(ValueError, match=said):
        load_pruner(saved)


def test_all_wrong_arrays_are_named_at_once(saved):
    arrays = load((saved / WEIGHTS).read_bytes())
    del arrays["norm1/mean"]
    arrays["more"] = np.zeros(1, np.float32)
    arrays["out/kernel"] = np.full_like(arrays["out/kernel"], np.nan)
    (saved / WEIGHTS).write_bytes(save(arrays))
    with pytest.raises(ValueError, match=r"more: unknown; norm1/mean: missing; out/kernel: .*nan"):
        load_pruner(saved)


def test_what_is_no_pruner_is_rejected(saved, tmp_path):
    (saved / WEIGHTS).write_bytes(b"no weights")
    with pytest.raises(ValueError, match="expected a whole safetensors file"):
        load_pruner(saved)
    (saved / WEIGHTS).unlink()
    with pytest.raises(ValueError, match=r"pruner.safetensors: no such file"):
        load_pruner(saved)
    shutil.rmtree(saved)
    with pytest.raises(ValueError, match="expected the directory of a pruner, there is none"):
        load_pruner(saved)
