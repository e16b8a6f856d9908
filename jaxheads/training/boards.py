"""Where the numbers of a training may go beside its own log: TensorBoard, Weights & Biases."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

BoardName = Literal["tensorboard", "wandb"]


class Board(Protocol):
    """Takes numbers in by name and step."""

    def add_scalar(self, name: str, value: float, step: int) -> object:
        """Take in one number."""
        ...

    def close(self) -> object:
        """All are in."""
        ...


Open = Callable[[], Board]


def board_of(kind: BoardName, out: Path, about: Mapping[str, Any]) -> Open:
    """What opens a board; nothing is written before it is called.

    Args:
      kind: of board. The project and the mode of Weights & Biases are what its own variables say
        (WANDB_PROJECT, WANDB_MODE=offline).
      out: what the training writes: TensorBoard's files go beside it, into OUT.tensorboard.
      about: settings, for Weights & Biases.

    Raises:
      ValueError: without the package, or where Weights & Biases lets nobody in.
    """
    try:
        if kind == "tensorboard":
            from tensorboardX import SummaryWriter  # pyright: ignore[reportMissingImports]

            return lambda: SummaryWriter(f"{out}.tensorboard")
        import wandb  # pyright: ignore[reportMissingImports]
    except ModuleNotFoundError as error:
        raise ValueError(f"{kind} needs a package: pip install 'jaxheads[{kind}]'") from error
    return lambda: _Wandb(wandb, out.name, about)


class _Wandb:
    """A run on Weights & Biases."""

    def __init__(self, wandb: Any, name: str, about: Mapping[str, Any]) -> None:
        project = None if "WANDB_PROJECT" in os.environ else "jaxheads"
        try:
            self._run = wandb.init(project=project, name=name, config=dict(about))
        except wandb.Error as error:
            way = "run `wandb login`, or set WANDB_MODE=offline"
            raise ValueError(f"wandb: {' '.join(str(error).split())}; {way}") from error

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self._run.log({name: value}, step=step)

    def close(self) -> None:
        self._run.finish()
