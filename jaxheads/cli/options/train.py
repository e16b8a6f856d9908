"""Options of the verb `train`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, get_args

from jaxheads.cli.options.fields import option
from jaxheads.cli.options.task import TaskOptions, task_problems
from jaxheads.errors import refuse, too_low
from jaxheads.training.boards import BoardName

NEW = "new:"  # before the size of a model with random weights


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions(TaskOptions):
    """`jaxheads train`: fine-tune or pre-train a model on a task; it can be stopped and resumed."""

    held_out: str | None = option(
        "what to evaluate on, never trained on; of --data with splits: validation", None,
        metavar="FILE_OR_HUB", role="in",
    )  # fmt: skip
    steps: int = option("batches to train on", metavar="N")
    accumulate: int = option("parts of a batch, one after the other, to save memory", 1)
    learning_rate: float = option("the highest learning rate", 2e-5)
    encoder_learning_rate: float | None = option("of the encoder; without it the same", None)
    frozen_steps: int = option("first steps, in which the readout alone is trained", 0)
    warmup: float = option("share of the steps in which it rises", 0.1)
    schedule: Literal["linear", "cosine", "inverse_sqrt", "constant"] = option(
        "how it falls after the warm-up", "linear"
    )
    weight_decay: float = option("of kernels and tables, decoupled", 0.01)
    label_smoothing: float = option("share of the target spread over all classes or tokens", 0.0)
    vocab_size: int = option("pieces of the vocabulary of a new model, --model new:SIZE", 8000)
    dropout: float | None = option("without it the model's own rates", None)
    whole_words: bool = option("masked LM: mask all tokens of a word, or none", False)
    remat: bool = option("keep less for the backward pass: less memory, more time", False)
    shard_opt_state: bool = option(
        "split the optimizer's state over the data axis too (ZeRO-1)", False
    )
    only: Literal["encoder", "readout", "gates"] | None = option(
        "train this part alone", None, metavar="{encoder,readout,gates}"
    )
    seed: int = option("of a new readout, the order of examples, dropout and masks", 0)
    scores: Path | None = option(
        "what `jaxheads score` wrote, to prune by", None, metavar="FILE", role="in"
    )
    gate: Literal["subset", "hardconcrete"] | None = option(
        "learn which heads to keep, instead of --scores: exactly --budget of them (subset), or by "
        "a price on open heads (hardconcrete, with --budget or --strength); also writes its scores "
        "as OUT.npz",
        None,
        metavar="{subset,hardconcrete}",
    )
    budget: int | None = option("heads to keep; the rest is masked, with --gate at the end", None)
    strength: float | None = option(
        "hardconcrete: the price of a head; it sets how many stay", None
    )
    relaxation: Literal["bounded", "chained", "straight_through"] | None = option(
        "subset: bounded (the default), chained (the paper's) or straight_through", None,
        metavar="NAME",
    )  # fmt: skip
    annealing: Literal["safe", "paper", "paper_translation"] | None = option(
        "subset: how the temperature falls, safe (the default: 1 to 0.01), paper (1000 to 1e-8) or "
        "paper_translation (0.1 to 1e-8)",
        None,
        metavar="NAME",
    )
    gate_learning_rate: float | None = option("learning rate of the gates (0.1), constant", None)
    cut: bool = option("take the rest out of the weights instead", False)
    new_classifier: bool = option("put a new readout in the place of the model's own", False)
    window: int = option("batches within which examples of like length meet; 0: none", 0)
    log_every: int = option("steps between two lines of the log", 20)
    eval_every: int = option("steps between two evaluations on what is held out; 0: at the end", 0)
    checkpoints: Path | None = option(
        "a folder to keep the state of the run in; SIGTERM saves there, exit status 143", None,
        metavar="DIR", role="folder",
    )  # fmt: skip
    save_every: int = option("steps between two checkpoints; 0: at the end", 0)
    keep_last: int = option("checkpoints to keep, beside the best", 2)
    resume: bool = option("go on from the last checkpoint, if there is one", False)
    best: bool = option("write the model of the step with the best evaluation", False)
    log: Path | None = option(
        "of JSON lines, OUT.jsonl without it; or a board beside it: tensorboard (the folder "
        "OUT.tensorboard) or wandb (WANDB_PROJECT, WANDB_MODE=offline)",
        None, metavar="FILE|tensorboard|wandb", role="out",
    )  # fmt: skip
    out: Path = option("a free place for the trained model", metavar="DIR", role="out")

    @property
    def roles(self) -> dict[str, str]:
        """Roles of paths, other than those of the fields: a run that has ended may be resumed."""
        return {"out": "again"} if self.resume else {}

    @property
    def board(self) -> BoardName | None:
        """The board that `log` names in the place of a file."""
        return next((name for name in get_args(BoardName) if str(self.log) == name), None)

    @property
    def log_file(self) -> Path:
        """Where the metrics go."""
        return (
            self.log
            if self.log and not self.board
            else self.out.with_name(f"{self.out.name}.jsonl")
        )

    @property
    def learned_scores(self) -> Path:
        """Where the scores of a gate go."""
        return self.out.with_name(f"{self.out.name}.npz")

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
          ValueError: for numbers out of range and options that do not go together, listing all.
        """
        refuse("", _train_problems(self))


def _train_problems(o: TrainOptions) -> Iterator[str]:
    yield from too_low([("--steps", o.steps, 1), ("--budget", o.budget, 0)])
    if o.model.startswith(NEW) and o.data is None:
        yield f"--model {o.model}: expected --data with it, which it learns its vocabulary from"
    if o.gate is None and (o.scores is None) != (o.budget is None):
        yield "--scores and --budget: expected both or none"
    if o.cut and o.gate is None and o.budget is None:
        yield "--cut: expected --scores and --budget with it"
    if o.only is not None and (o.frozen_steps or o.encoder_learning_rate is not None):
        yield f"--only {o.only}: expected it without --frozen-steps and --encoder-learning-rate"
    yield from _gate_problems(o)
    if o.checkpoints is None:
        asked = {"--resume": o.resume, "--best": o.best, "--save-every": o.save_every}
        for flag in (flag for flag, given in asked.items() if given):
            yield f"{flag}: expected --checkpoints with it"
    yield from task_problems(o)


def _gate_problems(o: TrainOptions) -> Iterator[str]:
    """Words about gates that do not go together."""
    if o.gate is not None and o.scores is not None:
        yield "--gate and --scores: expected one of them, since a gate learns which heads to keep"
    if o.gate == "subset" and o.budget is None:
        yield "--gate subset: expected --budget with it"
    if o.gate == "hardconcrete" and (o.budget is None) == (o.strength is None):
        yield "--gate hardconcrete: expected either --budget or --strength with it"
    if o.gate is not None:
        yield from too_low([("--budget", o.budget, 1)])
    if o.relaxation == "straight_through" and o.annealing is not None:
        yield "--annealing: expected another --relaxation than straight_through, which has none"
    for flag, given, gates in (
        ("--strength", o.strength, ("hardconcrete",)),
        ("--relaxation", o.relaxation, ("subset",)),
        ("--annealing", o.annealing, ("subset",)),
        ("--gate-learning-rate", o.gate_learning_rate, ("subset", "hardconcrete")),
        ("--only gates", o.only == "gates" or None, ("subset", "hardconcrete")),
    ):
        if given is not None and o.gate not in gates:
            yield f"{flag}: expected --gate {' or '.join(gates)} with it"
    for flag, value in (("--strength", o.strength), ("--gate-learning-rate", o.gate_learning_rate)):
        if value is not None and not 0 < value < float("inf"):
            yield f"{flag}: expected a positive number, got {value}"
