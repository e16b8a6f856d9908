"""One of two processes that score heads together.

    python tests/cluster/scorer_of_two.py COORDINATOR PROCESS FOLDER SHAPE...

Each SHAPE is data,model. Process 0 writes `FOLDER/SHAPE.npz`.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import jax
import numpy as np

from jaxheads.importance import save_scores, score_heads
from jaxheads.importance.kept import gather_kept
from jaxheads.parallel.mesh import data_share, make_mesh
from jaxheads.parallel.processes import start_distributed
from tests.support.random_tasks import make_task


def main(coordinator: str, process: str, folder: str, *shapes: str) -> None:
    start_distributed(coordinator, num_processes=2, process_id=int(process))
    task = make_task()
    for shape in shapes:
        mesh = make_mesh(*map(int, shape.split(",")))
        part, parts = data_share(mesh)
        own = np.array_split(np.arange(20), parts)[part]  # the fourth group of three lies on both
        scores = score_heads(
            task.objective, task.params, task.batches(4, own), heads=task.config, unit="batch",
            mesh=mesh, group=3, keep=Path(folder, f"{shape}.npy"), examples=20,
        )  # fmt: skip
        gather_kept(Path(folder, f"{shape}.npy"))
        if jax.process_index() == 0:
            save_scores(Path(folder, f"{shape}.npz"), scores)


if __name__ == "__main__":
    main(*sys.argv[1:])
