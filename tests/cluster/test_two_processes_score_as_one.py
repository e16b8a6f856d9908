from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxheads.importance.kept import open_kept
from jaxheads.importance.score import score_heads
from jaxheads.importance.scores import load_scores
from tests.support.random_tasks import make_task

PROGRAM = Path(__file__).with_name("scorer_of_two.py")


def run_two(folder: Path, *shapes: str) -> None:
    """Two processes with two devices each; both must end well."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    command = [sys.executable, str(PROGRAM), coordinator]
    environment = {**os.environ, "JAX_NUM_CPU_DEVICES": "2", "JAX_PLATFORMS": "cpu"}
    running = [
        subprocess.Popen(
            [*command, str(process), str(folder), *shapes],
            env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for process in (0, 1)
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=240)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0], "\n".join(said)


SLOW = [pytest.param(shape, marks=pytest.mark.slow) for shape in ("2,2", "1,4")]


@pytest.mark.parametrize("shape", ["4,1", *SLOW])
def test_two_processes_give_the_scores_of_one(tmp_path, shape):
    task = make_task()
    run_two(tmp_path, shape)
    expected = score_heads(
        task.objective, task.params, task.batches(20),
        heads=task.config, unit="batch", group=3,
    )  # fmt: skip
    found = load_scores(tmp_path / f"{shape}.npz")
    np.testing.assert_allclose(found.score_LH, expected.score_LH, rtol=2e-5, atol=1e-7)
    assert found[1:] == expected[1:] and found.examples == 20
    assert np.isfinite(open_kept(tmp_path / f"{shape}.npy")).all()
