"""What each verb of the command line can be told: frozen dataclasses. A leaf that never starts jax.

A field is an option: `batch_size` is `--batch-size`, its type parses the text, and without a
default it must be given. `cli.main` builds the parsers from these; what a verb runs takes one.
Names that another room owns (tasks, methods, units) are plain text here and checked by that room.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from jaxheads.cli.flags import MeshShape, below, option, parse_mesh, process_problems, refuse


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """`jaxheads score`: the importance of every head of a model on a task."""

    model: str = option(
        "model directory, or a name on the Hugging Face Hub", metavar="DIR_OR_HUB", role="in"
    )
    task: str = option(
        "cola, sst2, rte, mrpc, stsb, mnli, qqp, qnli, wnli, sick, humor_pair, humor_single or "
        "mlm; or of the built-in language: grammar_mlm, grammar_acceptability, grammar_sentiment, "
        "grammar_entailment, grammar_paraphrase, grammar_incongruity, grammar_incongruity_pair"
    )
    data: Path | None = option(
        "JSONL, CSV, TSV or Parquet with the Hub's field names, for mlm also plain text; without "
        "it the Hub is used, or the built-in language generated",
        None,
        metavar="FILE",
        role="in",
    )
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
    limit: int | None = option("score the first N examples only", None, metavar="N")
    batch_size: int = option("examples per step, over all devices", 32, metavar="B")
    dtype: Literal["float32", "bfloat16"] = option("what the forward pass computes in", "float32")
    mesh: MeshShape = option(
        "devices per axis; without it all devices share the batch",
        MeshShape(),
        metavar="data=N,model=M",
        parse=parse_mesh,
    )
    max_length: int = option("longest example in pieces", 128, metavar="T")
    long: Literal["error", "truncate"] = option("what to do with a longer one", "error")
    seed: int = option("for everything random: masking, the random method", 0)
    keep_gradients: Path | None = option(
        "also write every example's own gradients, [N, L, H], as npy",
        None,
        metavar="FILE",
        role="out",
    )
    coordinator: str | None = option("first process, for several hosts", None, metavar="HOST:PORT")
    num_processes: int | None = option("how many processes there are", None, metavar="N")
    process_id: int | None = option("which one this is, from 0", None, metavar="I")
    out: Path = option("where the scores go, an npz file", metavar="FILE", role="out")

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
          ValueError: for numbers out of range and options that do not go together, listing all.
        """
        refuse(_score_problems(self))


def _score_problems(o: ScoreOptions) -> Iterator[str]:
    yield from below(1, o.limit, "--limit")
    yield from below(1, o.batch_size, "--batch-size")
    yield from below(3, o.max_length, "--max-length")  # two special tokens and a word
    yield from below(0, o.seed, "--seed")
    if (o.pruner is None) == (o.method == "meta"):
        got = f"--method {o.method}" if o.pruner is not None else "none"
        wanted = "--method meta with it" if o.pruner is not None else "one for the method meta"
        yield f"--pruner: expected {wanted}, got {got}"
    if o.out.suffix != ".npz":
        yield f"--out: expected a name that ends in .npz, got {o.out}"
    if o.keep_gradients is not None and o.keep_gradients.suffix != ".npy":
        yield f"--keep-gradients: expected a name that ends in .npy, got {o.keep_gradients}"
    yield from process_problems(o.coordinator, o.num_processes, o.process_id)


@dataclasses.dataclass(frozen=True, kw_only=True)
class PruneOptions:
    """`jaxheads prune`: a physically smaller model from a model and its scores."""

    model: str = option(
        "model directory, or a name on the Hugging Face Hub", metavar="DIR_OR_HUB", role="in"
    )
    scores: Path = option("what `jaxheads score` wrote", metavar="FILE", role="in")
    budget: int = option("heads to keep in the whole model", metavar="N")
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
        refuse((*below(0, self.budget, "--budget"), *below(0, self.floor, "--floor")))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """`jaxheads train`: fine-tune or pre-train a model on a task; it can be stopped and resumed."""

    model: str = option(
        "model directory, or a name on the Hugging Face Hub", metavar="DIR_OR_HUB", role="in"
    )
    task: str = option("what to train: a task that `jaxheads score` knows")
    data: Path | None = option(
        "what to train on, in the formats of `jaxheads score`; without it the Hub is used", None,
        metavar="FILE", role="in",
    )  # fmt: skip
    held_out: Path | None = option(
        "what to evaluate on, never trained on", None, metavar="FILE", role="in"
    )
    steps: int = option("batches to train on", metavar="N")
    batch_size: int = option("examples per step, over all devices", 32, metavar="B")
    accumulate: int = option("parts of a batch, one after the other, to save memory", 1)
    learning_rate: float = option("the highest learning rate", 2e-5)
    encoder_learning_rate: float | None = option("of the encoder; without it the same", None)
    frozen_steps: int = option("first steps, in which the readout alone is trained", 0)
    warmup: float = option("share of the steps in which it rises", 0.1)
    schedule: Literal["linear", "cosine", "constant"] = option(
        "how it falls after the warm-up", "linear"
    )
    weight_decay: float = option("of kernels and tables, decoupled", 0.01)
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
    annealing: Literal["safe", "paper"] | None = option(
        "subset: how the temperature falls, safe (the default: 1 to 0.01) or paper (1000 to 1e-8)",
        None,
        metavar="{safe,paper}",
    )
    gate_learning_rate: float | None = option("learning rate of the gates (0.1), constant", None)
    cut: bool = option("take the rest out of the weights instead", False)
    limit: int | None = option("train on the first N examples only", None, metavar="N")
    max_length: int = option("longest example in pieces", 128, metavar="T")
    long: Literal["error", "truncate"] = option("what to do with a longer one", "error")
    window: int = option("batches within which examples of like length meet; 0: none", 0)
    dtype: Literal["float32", "bfloat16"] = option("what the forward pass computes in", "float32")
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
    mesh: MeshShape = option(
        "devices per axis; without it all devices share the batch",
        MeshShape(),
        metavar="data=N,model=M",
        parse=parse_mesh,
    )
    coordinator: str | None = option("first process, for several hosts", None, metavar="HOST:PORT")
    num_processes: int | None = option("how many processes there are", None, metavar="N")
    process_id: int | None = option("which one this is, from 0", None, metavar="I")
    log: Path | None = option("JSON lines; OUT.jsonl without it", None, metavar="FILE", role="out")
    tensorboard: Path | None = option("also for TensorBoard (tensorboardX)", None, metavar="DIR")
    out: Path = option("a free place for the trained model", metavar="DIR", role="out")

    @property
    def roles(self) -> dict[str, str]:
        """Roles of paths, other than those of the fields: a run that has ended may be resumed."""
        return {"out": "again"} if self.resume else {}

    @property
    def log_file(self) -> Path:
        """Where the metrics go."""
        return self.log or self.out.with_name(f"{self.out.name}.jsonl")

    @property
    def learned_scores(self) -> Path:
        """Where the scores of a gate go."""
        return self.out.with_name(f"{self.out.name}.npz")

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
          ValueError: for numbers out of range and options that do not go together, listing all.
        """
        refuse(_train_problems(self))


def _train_problems(o: TrainOptions) -> Iterator[str]:
    for name in ("steps", "batch_size", "limit"):
        yield from below(1, getattr(o, name), "--" + name.replace("_", "-"))
    yield from below(0, o.budget, "--budget")
    yield from below(3, o.max_length, "--max-length")
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
    yield from process_problems(o.coordinator, o.num_processes, o.process_id)


def _gate_problems(o: TrainOptions) -> Iterator[str]:
    """Words about gates that do not go together."""
    if o.gate is not None and o.scores is not None:
        yield "--gate and --scores: expected one of them, since a gate learns which heads to keep"
    if o.gate == "subset" and o.budget is None:
        yield "--gate subset: expected --budget with it"
    if o.gate == "hardconcrete" and (o.budget is None) == (o.strength is None):
        yield "--gate hardconcrete: expected either --budget or --strength with it"
    if o.gate is not None:
        yield from below(1, o.budget, "--budget")
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """`jaxheads bench`: speed here, beside PyTorch where installed; or what a slice would take."""

    json: bool = option("print one JSON object", False)
    only: tuple[str, ...] = option(
        "a section, may be repeated: gate_gradient, compile, memory, cut, fine_tune, gate, trees",
        (),
        metavar="NAME",
    )
    batch_size: int | None = option("of the gate-gradient pass (8, on a GPU 256)", None)
    training_batch: int = option("of the fine-tuning step", 32)
    length: int = option("tokens in an example", 128)
    repeats: int = option("turns that each workload takes", 5)
    dtype: Literal["float32", "bfloat16"] | None = option(
        "type of the computation (float32, on a GPU bfloat16)", None
    )
    treebank: Path | None = option(
        "of trees: CoNLL-U; without it, random sentences about as long as PUD's",
        None,
        metavar="FILE",
    )
    sentences: int | None = option("of trees, at random (100; of a treebank all)", None)
    tiny: bool = option("a tiny model: whether it runs, not how fast", False)
    scaling: bool = option("instead: bytes moved on 1 to 64 simulated devices", False)
    sizes: bool = option("instead: memory of a device, by model and layout", False)
    out: Path | None = option("where --scaling writes; runs/bench without it", None, metavar="DIR")

    @property
    def folder(self) -> Path:
        """Where the figure goes."""
        return self.out or Path("runs", "bench")

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
          ValueError: for numbers out of range, listing all.
        """
        refuse(
            problem
            for flag, value in (
                ("--batch-size", self.batch_size),
                ("--training-batch", self.training_batch),
                ("--length", self.length),
                ("--repeats", self.repeats),
                ("--sentences", self.sentences),
            )
            for problem in below(1, value, flag)
        )


@dataclasses.dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    """`jaxheads doctor`: devices, versions, and what is missing."""

    json: bool = option("print one JSON object", False)
