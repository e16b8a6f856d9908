"""Several tasks as one source of training batches, each part of a batch from one of them.

After Zhang et al. 2020, as their code has it (`train_all.py`): a part's task is drawn from a pool
that holds int(N ** 0.2) copies of a task of N examples, so that all tasks come nearly equally
often. Ours: a part's examples are drawn without replacement, anew in each part.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from jaxtyping import Int

from jaxheads.data.batch import Batch
from jaxheads.data.encode import EncodedSource

POWER = 0.2


def copies(examples: int) -> int:
    """How often a task of so many examples stands in the pool."""
    return int(examples**POWER)


@dataclasses.dataclass(frozen=True, eq=False)
class Pool:
    """The examples of several tasks, one task after the other; `labels` has one for each task.

    A batch is drawn as `parts` parts, the rows p, p + parts, ..., as training divides it.

    Raises:
      ValueError: for no task, tasks of single sentences and of pairs, or another number of labels.
    """

    tasks: tuple[EncodedSource, ...]
    labels: tuple[int, ...]  # instead of the examples' own
    parts: int = 1

    def __post_init__(self) -> None:
        sentences = {task.sentences for task in self.tasks}
        if len(sentences) != 1:
            got = ", ".join(map(str, sorted(sentences))) or "no tasks"
            raise ValueError(f"pool: expected tasks of equally many sequences, got {got}")
        if len(self.labels) != len(self.tasks):
            wanted = f"a label for each of {len(self.tasks)} tasks"
            raise ValueError(f"pool: expected {wanted}, got {len(self.labels)}")

    @property
    def lengths(self) -> Int[np.ndarray, "N"]:
        """How many tokens each example has."""
        return self._lengths

    @functools.cached_property
    def _lengths(self) -> Int[np.ndarray, "N"]:
        return np.concatenate([task.lengths for task in self.tasks])

    @functools.cached_property
    def _starts(self) -> Int[np.ndarray, "tasks"]:
        return np.cumsum([0, *(len(task.lengths) for task in self.tasks)])

    def draw(self, step: int, batch_size: int, *, seed: int) -> Int[np.ndarray, "B"]:
        """Return the examples of a step: a task for each part, and examples of it.

        Raises:
          ValueError: for a batch size that `parts` does not divide.
        """
        if batch_size % self.parts:
            raise ValueError(f"batch_size: expected a multiple of {self.parts}, got {batch_size}")
        size = batch_size // self.parts
        drawn = [self._draw_part((seed, step, part), size) for part in range(self.parts)]
        return np.stack(drawn, axis=1).ravel()

    def _draw_part(self, entropy: tuple[int, ...], size: int) -> Int[np.ndarray, "b"]:
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence(entropy)))
        held = [len(task.lengths) for task in self.tasks]
        task = random.choice(np.repeat(np.arange(len(held)), [copies(n) for n in held]))
        return self._starts[task] + random.choice(held[task], size, replace=held[task] < size)

    def rows(
        self, index_B: Int[np.ndarray, "B"], epoch_B: Int[np.ndarray, "B"], length: int
    ) -> Batch:
        """Return the examples `index_B`; -1 makes a padding row, of task 0."""
        task_B = np.searchsorted(self._starts, np.maximum(index_B, 0), side="right") - 1
        own_B = np.where(index_B < 0, -1, index_B - self._starts[task_B])
        found = [
            task.rows(np.where(task_B == number, own_B, -1), epoch_B, length)._replace(
                labels=task_B
            )
            for number, task in enumerate(self.tasks)
        ]
        place_B = np.arange(len(index_B))
        chosen = (np.stack(leaves)[task_B, place_B] for leaves in zip(*(f[:6] for f in found)))  # noqa: B905
        batch = Batch(*chosen)
        label_B = np.asarray(self.labels, np.int32)[task_B]
        return batch._replace(labels=label_B, index_B=index_B.astype(np.int32))
