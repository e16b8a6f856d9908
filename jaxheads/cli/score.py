"""The body of `jaxheads score`: the importance of every head of a checkpoint on a task's file."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from jaxheads.cli.evaluate import below_baseline, measure
from jaxheads.cli.inputs import open_model, read_labelled, read_masked, read_text, task_for, task_of
from jaxheads.cli.options.score import ScoreOptions
from jaxheads.data.batch import Batch
from jaxheads.data.loader import Source
from jaxheads.data.packing import example_batches
from jaxheads.data.tasks.labels import class_numbers
from jaxheads.data.tasks.task import Task
from jaxheads.errors import refuse
from jaxheads.importance import UNITS, Scores, methods, save_scores, score_heads
from jaxheads.importance.kept import gather_kept
from jaxheads.importance.meta.files import load_pruner
from jaxheads.importance.methods import Method
from jaxheads.importance.score import method_problems, unit_problems
from jaxheads.importance.units import GROUP
from jaxheads.inference.evaluate import AnswerRows, evaluation_of
from jaxheads.models.model import Model
from jaxheads.objectives import Objective, objective_for, unrolls
from jaxheads.parallel.mesh import data_share, in_host_memory, open_mesh
from jaxheads.parallel.processes import is_primary, join_hosts, run_on_primary
from jaxheads.pruning.mask import present_heads
from jaxheads.storage.files import write_atomically
from jaxheads.storage.remote import named

SHOWN = 5  # heads at each end of the table


def _meta(options: ScoreOptions) -> Method:
    assert options.pruner is not None, "as the options have checked"
    refuse("", unit_problems("meta", methods.BY_ATTENTION, options.unit))  # before files are read
    pruner = load_pruner(options.pruner)
    return methods.meta(pruner, pair=task_of(options).is_pair)


METHODS: dict[str, Callable[[ScoreOptions], Method]] = {
    "gradient": lambda _: methods.gradient(),
    "integrated": lambda _: methods.integrated(),
    "ablation": lambda _: methods.ablation(),
    "alone": lambda _: methods.alone(),
    "confidence": lambda _: methods.confidence(),
    "entropy": lambda _: methods.entropy(),
    "output_norm": lambda _: methods.output_norm(),
    "meta": _meta,
    "magnitude": lambda _: methods.magnitude(),
    "random": lambda options: methods.random(options.seed),
}


class ScoreJob(NamedTuple):
    """A model, and the examples to score its heads on (None for a method that reads none)."""

    model: Model
    method: Method
    objective: Objective | None
    source: Source | None
    mesh: Mesh | None
    task: Task | None  # with its labels


def run(options: ScoreOptions) -> None:
    """Score, write the scores, and print who stands where.

    Raises:
      ValueError: for options, a model or data that do not fit together.
      OSError: the scores cannot be written.
    """
    join_hosts(options.coordinator, options.num_processes, options.process_id, saves=False)
    method = _method(options)
    with tempfile.TemporaryDirectory(prefix="jaxheads-") as scratch, _place(options.out) as draft:
        job = _prepare(options, method, Path(scratch))
        begin = time.perf_counter()
        answers: list[AnswerRows] | None = [] if _answers(options, job) else None
        scores = _score(options, job, answers)
        seconds = time.perf_counter() - begin
        scores = scores._replace(measured=_measured(options, job, answers))
        run_on_primary(lambda: save_scores(draft, scores))
    if is_primary():
        print(_report(options, job.model, scores, seconds))
        warning = job.task and below_baseline(job.task, job.model, scores.measured)
        if warning:
            print(warning, file=sys.stderr)


def _method(options: ScoreOptions) -> Method:
    if options.method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {options.method!r}")
    method = METHODS[options.method](options)
    refuse("", method_problems(method, options.unit, options.tied))
    return method


@contextlib.contextmanager
def _place(out: Path) -> Iterator[Path]:
    """A draft of the file, of the first process alone; an unwritable place is an error at once."""
    with contextlib.ExitStack() as stack:
        yield Path(run_on_primary(lambda: str(stack.enter_context(write_atomically(out)))))


def _prepare(options: ScoreOptions, method: Method, scratch: Path) -> ScoreJob:
    mesh = open_mesh(*options.mesh)
    with in_host_memory(mesh):
        model, tokenizer = open_model(options)
    objective = source = task = None
    if method.reads_examples:
        task = task_for(options, model) if method.needs_loss else task_of(options)
    if method.needs_loss:
        objective = objective_for(
            model.config,
            model.readout,
            compute_dtype=options.dtype,
            targets="own" if options.own_targets else "labels",
            unroll=unrolls(model.config),
        )
    how = {"split": options.split, "limit": options.limit}
    if task is not None and task.kind == "mlm" and method.needs_loss:
        source = read_masked(options, task, model, tokenizer, seed=options.seed, **how)
    elif task is not None and task.kind == "mlm":
        source = read_text(options, task, model, tokenizer, options.data, **how)
    elif task is not None:
        source = read_labelled(
            options, task, model.readout if method.needs_loss else None, model, tokenizer,
            options.data, share=data_share(mesh), group=_group(options, method), scratch=scratch,
            **how,
        )  # fmt: skip
    return ScoreJob(model, method, objective, source, mesh, task)


def _answers(options: ScoreOptions, job: ScoreJob) -> bool:
    """Whether the pass that scores can also tell what the model answers to the task's labels."""
    return job.method.answers and job.task is not None and not options.own_targets


def _score(options: ScoreOptions, job: ScoreJob, answers: list[AnswerRows] | None) -> Scores:
    scores = score_heads(
        job.objective,
        job.model.params,
        _batches(options, job),
        heads=job.model.config,
        method=job.method,
        unit=options.unit,
        normalize=options.normalize,
        tied=options.tied,
        mesh=job.mesh,
        keep=options.keep_gradients,
        examples=None if job.source is None else len(job.source.lengths),
        model=named(options.model),
        answers=None if answers is None else answers.append,
    )
    if options.keep_gradients is not None:
        gather_kept(options.keep_gradients)
    return scores


def _measured(
    options: ScoreOptions, job: ScoreJob, answers: list[AnswerRows] | None
) -> dict[str, tuple[float, float]]:
    """Loss and metrics of the model on what was scored, and the baseline's, where labels count."""
    if job.objective is None or job.source is None or job.task is None:
        return {}
    if answers is None:
        present_LH = present_heads(job.model.config)
        gate_LH = np.ones(present_LH.shape, np.float32)
        found = measure(options, job.model, job.task, _batches(options, job), job.mesh, gate_LH)
    else:
        classes = class_numbers(job.task, job.model.readout)
        found = evaluation_of(answers, job.task.measured, classes, job.task.labels)
    names = dict.fromkeys(("loss", *job.task.measured))
    return {name: (found.metrics[name], found.floors[name]) for name in names}


def _group(options: ScoreOptions, method: Method) -> int:
    """How many examples in a row must stay together."""
    return GROUP if UNITS[options.unit or method.units[0]].grouped else 1


def _batches(options: ScoreOptions, job: ScoreJob) -> Iterable[Batch]:
    if job.source is None:
        return ()
    return example_batches(
        job.source,
        options.batch_size,
        job.model.readout.kind if job.method.needs_loss else "",
        job.mesh,
        group=_group(options, job.method),
    )


def _report(options: ScoreOptions, model: Model, scores: Scores, seconds: float) -> str:
    layers, heads = scores.score_LH.shape
    how = f"{scores.method}" + (f" per {scores.unit}" if scores.examples else "")
    data = (
        f"{scores.examples} examples of {options.task} in {seconds:.1f} s "
        f"({scores.examples / seconds:.1f}/s with compilation)"
        if scores.examples
        else "no data"
    )
    return "\n".join(
        [
            f"{named(options.model)}: {layers} layers x {heads} heads, {how}, {data}",
            *(
                f"{name:16}  {value:.4f}  majority-class baseline {baseline:.4f}"
                for name, (value, baseline) in scores.measured.items()
            ),
            *_table(scores.score_LH, present_heads(model.config)),
            f"wrote {options.out}",
        ]
    )


def _table(score_LH: Float[np.ndarray, "L H"], present_LH: np.ndarray) -> Iterator[str]:
    """The heads that matter most and least, best first; cut heads are not in it."""
    layer_N, head_N = np.nonzero(present_LH)
    order = np.argsort(-score_LH[layer_N, head_N], kind="stable")
    yield "rank  layer  head  score"
    for rank, place in enumerate(order, start=1):
        if SHOWN < rank <= len(order) - SHOWN:
            if rank == SHOWN + 1:
                yield "  ..."
            continue
        layer, head = layer_N[place], head_N[place]
        yield f"{rank:4}  {layer:5}  {head:4}  {score_LH[layer, head]:.6g}"
