"""Options of the verb `score`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from jaxheads.cli.options.fields import option
from jaxheads.cli.options.task import NAMED, TaskOptions, task_problems
from jaxheads.errors import refuse, too_low

WITHOUT_DATA = ("magnitude", "random")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreOptions(TaskOptions):
    """`jaxheads score`: the importance of every head of a model on a task."""

    task: str = option(f"{NAMED}; none for magnitude and random, which read no data", "")
    split: str = option("which split of the Hub's data set", "train")
    method: str = option(
        "gradient, integrated, ablation, alone, confidence, entropy, output_norm, meta, magnitude "
        "or random",
        "gradient",
    )
    pruner: str | None = option(
        "what scores attention maps for the method meta: a directory, or builtin:pruner", None,
        metavar="DIR",
    )  # fmt: skip
    unit: str | None = option(
        "example, token, batch, signed, fisher or mean: how the effects on examples become one "
        "number; without it the method's own, for gradient: example",
        None,
    )
    normalize: Literal["none", "l2"] = option("divide each layer's scores by their norm", "none")
    tied: bool = option("ALBERT: score a head that layers share as one", False)
    own_targets: bool = option("label-free: the model's own predictions are the targets", False)
    seed: int = option("for everything random: masking, the random method", 0)
    keep_gradients: Path | None = option(
        "also write every example's own gradients, [N, L, H], as npy",
        None,
        metavar="FILE",
        role="out",
    )
    out: Path = option("where the scores go, an npz file", metavar="FILE", role="out")

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
          ValueError: for numbers out of range and options that do not go together, listing all.
        """
        refuse("", _score_problems(self))


def _score_problems(o: ScoreOptions) -> Iterator[str]:
    yield from too_low([("--seed", o.seed, 0)])
    if (o.pruner is None) == (o.method == "meta"):
        got = f"--method {o.method}" if o.pruner is not None else "none"
        wanted = "--method meta with it" if o.pruner is not None else "one for the method meta"
        yield f"--pruner: expected {wanted}, got {got}"
    if not o.task and o.method not in WITHOUT_DATA:
        yield f"expected --task for the method {o.method}; {' and '.join(WITHOUT_DATA)} need none"
    if o.out.suffix != ".npz":
        yield f"--out: expected a name that ends in .npz, got {o.out}"
    if o.keep_gradients is not None and o.keep_gradients.suffix != ".npy":
        yield f"--keep-gradients: expected a name that ends in .npy, got {o.keep_gradients}"
    yield from task_problems(o)
