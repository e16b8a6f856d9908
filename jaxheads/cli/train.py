"""`jaxheads train`: fine-tune or pre-train a model on one task.

A run that is killed goes on with the same words and `--resume`, and writes the same model.
"""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxheads.cli.gates import Mask, gates_optimizer, kept_by_gate, learned
from jaxheads.cli.inputs import model_to_train, read_labelled, read_text, started
from jaxheads.cli.options.train import TrainOptions
from jaxheads.cli.prune import TokenizerFiles, choose_heads, without_heads
from jaxheads.config import EncoderConfig, OptimizerConfig, TrainingConfig
from jaxheads.data.loader import Source, bucket_lengths
from jaxheads.data.mlm import mask_blocks
from jaxheads.data.packing import example_batches
from jaxheads.data.tasks.labels import class_numbers
from jaxheads.data.tasks.task import Task
from jaxheads.data.tasks.values import some_of
from jaxheads.data.tokens import Tokenizer, check_fits, check_length, load_tokenizer
from jaxheads.importance.gates.gate import Gate, Theta, constant
from jaxheads.importance.scores import Scores, save_scores
from jaxheads.inference.evaluate import evaluate
from jaxheads.models.checkpoint.convert import save_model
from jaxheads.models.model import Model, Params
from jaxheads.objectives import Objective, objective_for, training_objective
from jaxheads.parallel.mesh import (
    data_share,
    in_host_memory,
    open_mesh,
    whole_params,
)
from jaxheads.parallel.processes import is_primary, join_hosts, run_on_primary
from jaxheads.pruning.cut import check_zero, zero
from jaxheads.storage.remote import named
from jaxheads.storage.store import carried
from jaxheads.training.boards import board_of
from jaxheads.training.checkpoint import Checkpoints
from jaxheads.training.fit import Evaluator, Fitted, fit
from jaxheads.training.saving import load_trained


class TrainJob(NamedTuple):
    """What is trained, and on what."""

    model: Model
    mask_LH: Mask | None  # of heads that are masked and not cut
    gate: Gate
    objective: Objective
    train: Source
    held_out: Source | None
    mesh: Mesh | None
    task: Task  # with its labels


def run(options: TrainOptions) -> None:
    """Train, write the model and its log, and print how it went.

    Raises:
      ValueError: for options, a model or data that do not fit together.
      OSError: the model or its log cannot be written.
    """
    saves = options.checkpoints is not None
    join_hosts(options.coordinator, options.num_processes, options.process_id, saves=saves)
    with contextlib.ExitStack() as stack:
        put = _nothing
        if options.checkpoints is not None:
            folder, put = stack.enter_context(carried(options.checkpoints))
            options = dataclasses.replace(options, checkpoints=folder)
        _train(options, put)


def _lengths(job: TrainJob, config: TrainingConfig) -> tuple[int, ...] | None:
    """The padded lengths of batches; None where a classifier's examples share rows.

    Dropout is drawn by rows, and how examples share them depends on the number of processes.
    """
    encoder, readout, drops = job.model.config, job.model.readout, config.dropout
    if drops is None:
        drops = max(encoder.hidden_dropout, encoder.attention_dropout, readout.dropout or 0.0)
    packs = config.accumulate == 1 and not config.window and not drops
    if packs and readout.kind == "classification":
        return None
    return bucket_lengths(int(job.train.lengths.max()))


def _nothing() -> None:
    """Put nothing anywhere."""


def _train(options: TrainOptions, put: Callable[[], None]) -> None:
    config = _training(options)
    _check_place(options)
    about = {"model": named(options.model), "task": options.task, **dataclasses.asdict(config)}
    board = board_of(options.board, options.out, about) if options.board else None
    options = started(options)
    job = _prepare(options, config)
    measure = None if job.held_out is None else _evaluator(options, job, config.batch_size)
    fitted = fit(
        job.objective,
        job.model.params,
        job.train,
        config,
        gate=job.gate,
        gates=gates_optimizer(options),
        only=options.only,
        evaluate=measure,
        checkpoints=_checkpoints(options, job, put),
        mesh=job.mesh,
        lengths=_lengths(job, config),
        log=options.log_file,
        board=board,
        name=options.task,
    )
    if options.best:
        fitted = _at_its_best(options, job, fitted)
    fitted = fitted._replace(params=whole_params(fitted.params))
    job, fitted = _decided(options, job, fitted)
    run_on_primary(lambda: _save(options, job, fitted))
    if is_primary():
        print(_report(options, job, fitted))


def _training(options: TrainOptions) -> TrainingConfig:
    optimizer = OptimizerConfig(
        learning_rate=options.learning_rate,
        encoder_learning_rate=options.encoder_learning_rate,
        warmup=options.warmup,
        schedule=options.schedule,
        weight_decay=options.weight_decay,
    )
    same = {field.name for field in dataclasses.fields(TrainingConfig)} - {"optimizer"}
    named = {name: getattr(options, name) for name in same if hasattr(options, name)}
    return TrainingConfig(optimizer=optimizer, **named)


def _check_place(options: TrainOptions) -> None:
    """Raise before the work where its result could not be written after it."""
    if options.out.is_dir() and any(options.out.iterdir()) and not options.resume:
        raise FileExistsError(f"{options.out}: expected a free place, got a directory with files")
    if options.log_file.is_file() and not _is_log(options.log_file):
        said = "expected a free place for the log, got another file; --log names one"
        raise FileExistsError(f"{options.log_file}: {said}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=options.out.parent).close()


def _is_log(path: Path) -> bool:
    """Whether a file is the log of an earlier run, or empty."""
    with path.open("rb") as file:
        start = file.readline()
    return not start.strip() or start.startswith(b'{"step": ')


# -- what is trained


def _prepare(options: TrainOptions, config: TrainingConfig) -> TrainJob:
    mesh, tokenizer = open_mesh(*options.mesh), load_tokenizer(options.model)
    with in_host_memory(mesh):
        model, task = model_to_train(options)
        check_fits(tokenizer, model.config)
        model, mask_LH = _masked_model(options, model)
    return TrainJob(
        model=model,
        mask_LH=mask_LH,
        gate=constant(mask_LH) if options.gate is None else learned(options, model.config),
        objective=training_objective(model.config, model.readout, config),
        train=_source(options, task, model, tokenizer, options.data),
        held_out=_held_out(options, task, model, tokenizer, mesh),
        mesh=mesh,
        task=task,
    )


def _masked_model(options: TrainOptions, model: Model) -> tuple[Model, Mask | None]:
    """The model without the heads that are cut, and the mask of those that are not."""
    mask_LH = None
    if options.scores is not None and options.budget is not None:
        mask_LH = choose_heads(options.scores, model, options.budget)
    if mask_LH is not None and options.cut:
        model, mask_LH = without_heads(model, mask_LH, zeroed=False), None
    elif mask_LH is not None:
        check_zero(model.config, mask_LH)
    elif options.gate is not None and not options.cut:
        _check_apart(options, model.config)
    return model, mask_LH


def _check_apart(options: TrainOptions, config: EncoderConfig) -> None:
    """Raise ValueError for a gate whose heads only a cut could write, which says what each layer
    has.
    """
    if len(set(config.block_by_layer)) < config.num_layers:
        raise ValueError(
            f"--gate: expected --cut with it, since the layers of {options.model} share their "
            "weights and a gate may drop a head of one layer alone"
        )


def _held_out(
    options: TrainOptions, task: Task, model: Model, tokenizer: Tokenizer, mesh: Mesh | None
) -> Source | None:
    """The data that were named, or beside a task without data its validation split.

    Of a task with labels only the examples of this process.
    """
    if options.held_out is None and (options.data is not None or task.name == "mlm"):
        return None
    return _source(options, task, model, tokenizer, options.held_out, share=data_share(mesh))


def _source(
    options: TrainOptions,
    task: Task,
    model: Model,
    tokenizer: Tokenizer,
    data: str | None,
    *,
    share: tuple[int, int] | None = None,
) -> Source:
    """What is trained on, or with a `share` what is held out."""
    held_out = share is not None
    limit, split = None if held_out else options.limit, "validation" if held_out else "train"
    if task.kind != "mlm":
        if options.whole_words:
            raise ValueError(f"--whole-words: expected a masked-LM task, got {task.title}")
        return read_labelled(
            options, task, model.readout, model, tokenizer, data, split=split, limit=limit,
            share=share or (0, 1),
        )  # fmt: skip
    blocks = read_text(options, task, model, tokenizer, data, split=split, limit=limit)
    return mask_blocks(  # others in each epoch to train on, always the same to evaluate on
        blocks, tokenizer, length=check_length(model.config, options.max_length),
        seed=0 if held_out else options.seed, fixed=held_out, whole_words=options.whole_words,
    )  # fmt: skip


def _checkpoints(
    options: TrainOptions, job: TrainJob, put: Callable[[], None]
) -> Checkpoints | None:
    if options.checkpoints is None:
        return None
    about = {
        "model": named(options.model),
        "task": options.task,
        "encoder": dataclasses.asdict(job.model.config),
        "readout": dataclasses.asdict(job.model.readout),
    }
    return Checkpoints(options.checkpoints, options.resume, about, put)


def _evaluator(options: TrainOptions, job: TrainJob, batch_size: int) -> Evaluator:
    """The task's metrics over all that is held out, the one to compare by first.

    Under an exact mask: a gate that is trained is evaluated by the heads that it would keep now.
    """
    held_out, metrics = job.held_out, job.task.measured
    assert held_out is not None, "there is something to evaluate on"
    objective = objective_for(job.model.config, job.model.readout, compute_dtype=options.dtype)

    def measure(params: Params, theta: Theta) -> dict[str, float]:
        mask_LH = kept_by_gate(options, job.gate, job.model.config, theta) if theta else job.mask_LH
        gate = None if mask_LH is None else mask_LH.astype(np.float32)
        order = example_batches(held_out, batch_size, job.model.readout.kind, job.mesh)
        found = evaluate(
            objective, params, order, metrics, classes=class_numbers(job.task, job.model.readout),
            names=job.task.labels, gate=gate, mesh=job.mesh,
        ).metrics  # fmt: skip
        return {name: found[name] for name in (*metrics, *found)}

    return measure


# -- what comes of it


def _at_its_best(options: TrainOptions, job: TrainJob, fitted: Fitted) -> Fitted:
    """The parameters of the checkpoint with the best evaluation."""
    if fitted.best_step is None or options.checkpoints is None:
        raise ValueError("--best: expected held-out examples to evaluate on, got none")
    names = {None: tuple(fitted.params), "gates": ()}.get(options.only, (options.only,))
    trained = {name: fitted.params[name] for name in names}
    best, theta = load_trained(
        options.checkpoints, trained, fitted.theta, step=fitted.best_step, mesh=job.mesh
    )
    return fitted._replace(params={**fitted.params, **best}, theta=theta)


def _decided(options: TrainOptions, job: TrainJob, fitted: Fitted) -> tuple[TrainJob, Fitted]:
    """After a gate was trained: the heads that it keeps, which are cut if asked for."""
    if not fitted.theta:
        return job, fitted
    mask_LH = kept_by_gate(options, job.gate, job.model.config, fitted.theta)
    if not options.cut:
        return job._replace(mask_LH=mask_LH), fitted
    smaller = without_heads(job.model._replace(params=fitted.params), mask_LH, zeroed=False)
    return job._replace(model=smaller), fitted._replace(params=smaller.params)


def _save(options: TrainOptions, job: TrainJob, fitted: Fitted) -> None:
    """A directory that appears whole or not at all; heads that were masked are zeros in it."""
    params = jax.device_get(fitted.params)
    if job.mask_LH is not None:
        params = zero(params, job.model.config, job.mask_LH)
    save_model(
        job.model._replace(params=params),
        options.out,
        tokenizer=TokenizerFiles(options.model),
        source=options.model,
        overwrite=options.resume,
    )
    if fitted.theta:
        score_LH = np.asarray(job.gate.score(fitted.theta), np.float64)
        method, count = f"{options.gate} gate", len(job.train.lengths)
        scores = Scores(score_LH, method, "none", count, named(options.model))
        save_scores(options.learned_scores, scores)


def _report(options: TrainOptions, job: TrainJob, fitted: Fitted) -> str:
    first, last = fitted.log[0], fitted.log[-1]
    lines = [
        f"{named(options.model)}: {last.step} steps of {options.batch_size} of "
        f"{len(job.train.lengths)} examples of {options.task}, seed {options.seed}",
        f"training loss  {first.loss:.4f} at step {first.step}, {last.loss:.4f} at the end",
    ]
    if job.model.readout.labels:
        lines.append(f"labels         {some_of(job.model.readout.labels)}")
    for last_evaluation in fitted.evals[-1:]:
        step = fitted.best_step if options.best else last_evaluation.step
        found = next(each for each in reversed(fitted.evals) if each.step == step)
        values = ", ".join(f"{name} {value:.4f}" for name, value in found.metrics.items())
        lines.append(f"held out       {values} at step {step}")
    wrote = [options.out, options.log_file, *[options.learned_scores] * bool(fitted.theta)]
    if fitted.theta:
        kept = job.model.config.heads_by_layer if options.cut else job.mask_LH
        assert kept is not None, "a gate that was trained has decided"
        counts = [len(row) if options.cut else int(sum(row)) for row in kept]
        lines.append(f"kept           {sum(counts)} heads, in layers {' '.join(map(str, counts))}")
    return "\n".join([*lines, f"wrote {', '.join(map(str, wrote))}"])
