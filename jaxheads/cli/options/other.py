"""Options of the verbs `prune`, `bench` and `doctor`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from jaxheads.cli.options.fields import option, parse_budget
from jaxheads.errors import refuse, too_low


@dataclasses.dataclass(frozen=True, kw_only=True)
class PruneOptions:
    """`jaxheads prune`: a physically smaller model from a model and its scores."""

    model: str = option(
        "model directory, or a name on the Hugging Face Hub", metavar="DIR_OR_HUB", role="in"
    )
    scores: Path = option("what `jaxheads score` wrote", metavar="FILE", role="in")
    budget: int | float = option(
        "heads to keep in the whole model: 36, or a share of those that it has, 50% or 0.5",
        metavar="N", parse=parse_budget,
    )  # fmt: skip
    allow_empty: bool = option("let a budget of 0 take all heads", False)
    per_layer: bool = option("keep equally many heads in every layer", False)
    floor: int = option("keep at least N heads in every layer", 0, metavar="N")
    tied: bool = option("ALBERT: drop a head in all layers that share it, or in none", False)
    zeroed: bool = option("write zeros in the whole layout, for readers of whole models", False)
    out: Path = option("a free place for the smaller model", metavar="DIR", role="out")

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
          ValueError: for numbers out of range, listing all.
        """
        refuse("", too_low([("--floor", self.floor, 0)]))


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """`jaxheads bench`: speed here, beside PyTorch where installed; or what a slice would take."""

    json: bool = option("print one JSON object, with --compile a list", False)
    data: str | None = option(
        "instead: your own examples: scoring, evaluation and fine-tuning beside PyTorch, or "
        "translation", None,
        metavar="FILE_OR_HUB", role="in",
    )  # fmt: skip
    task: str | None = option("of --data: a task of single labels, or translate", None)
    model: str | None = option(
        "of --data: a model, which gets a classifier if it has none", None,
        metavar="DIR_OR_HUB", role="in",
    )  # fmt: skip
    text: str | None = option("of --data: columns of the text", None, metavar="A[,B]")
    label: str | None = option("of --data: column of the label", None, metavar="NAME")
    limit: int | None = option("of --data: the first N examples only", None, metavar="N")
    clock: Literal["wall", "cpu"] = option(
        "of --data: what is measured; on a machine that is shared, the time of the CPU", "wall"
    )
    steady: bool = option("of --data: leave whole commands out", False)
    only: tuple[str, ...] = option(
        "a section, may be repeated: gate_gradient, compile, memory, cut, fine_tune, gate, trees; "
        "with --compile a program: gate gradients, fine-tuning, evaluation, ...", (), metavar="NAME"
    )  # fmt: skip
    batch_size: int | None = option(
        "of the gate-gradient pass (8, on a GPU 256); with --compile of all programs (256 on each "
        "device along data)",
        None,
    )
    training_batch: int = option("of the fine-tuning step", 32)
    length: int = option("tokens in an example", 128)
    repeats: int = option("turns that each workload takes", 5)
    dtype: Literal["float32", "bfloat16"] | None = option(
        "type of the computation (float32; on a GPU and with --compile bfloat16)", None
    )
    treebank: Path | None = option(
        "of trees: CoNLL-U; without it, random sentences about as long as PUD's", None,
        metavar="FILE",
    )  # fmt: skip
    sentences: int | None = option("of trees, at random (100; of a treebank all)", None)
    tiny: bool = option("a tiny model: whether it runs, not how fast", False)
    scaling: bool = option("instead: bytes moved on 1 to 64 simulated devices", False)
    compile: str | None = option(
        "instead: what a TPU's own compiler (libtpu) plans for each program, without a TPU: v4, "
        "v5e, v5p or v6e and its chips, as v5e:1x1, v5e:2x4 or v4:2x2x1", None, metavar="TOPOLOGY",
    )  # fmt: skip
    shape: tuple[str, ...] = option(
        "of --compile, may be repeated: roberta-base, roberta-large, ...", (), metavar="MODEL"
    )
    layout: tuple[str, ...] = option(
        "of --compile, may be repeated: data=N,model=M,shard_opt_state,remat", (), metavar="LAYOUT"
    )
    out: Path | None = option("where --scaling writes; runs/bench without it", None, metavar="DIR")

    @property
    def folder(self) -> Path:
        """Where the figure goes."""
        return self.out or Path("runs", "bench")

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
          ValueError: for numbers out of range and options without that which they are of.
        """
        names = ("batch_size", "training_batch", "length", "repeats", "sentences")
        refuse(
            "", too_low(("--" + name.replace("_", "-"), getattr(self, name), 1) for name in names)
        )
        if (self.data, self.task, self.model).count(None) not in (0, 3):
            raise ValueError("--data, --task and --model: expected all three of them, or none")
        if self.compile is None and (self.shape or self.layout):
            raise ValueError("--shape and --layout: expected --compile with them")


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """`jaxheads doctor`: devices, versions, and what is missing."""

    json: bool = option("print one JSON object", False)
