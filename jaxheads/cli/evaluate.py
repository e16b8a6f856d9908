"""`jaxheads evaluate`: loss and metrics of a model on a data set, with all heads and with some."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh

from jaxheads.cli.inputs import open_model, read_labelled, read_masked, task_for
from jaxheads.cli.options.evaluate import EvaluateOptions
from jaxheads.cli.options.task import TaskOptions
from jaxheads.cli.prune import choose_heads
from jaxheads.data.batch import Batch
from jaxheads.data.loader import Source
from jaxheads.data.packing import example_batches
from jaxheads.data.tasks.examples import stream_examples
from jaxheads.data.tasks.labels import class_numbers
from jaxheads.data.tasks.task import Task
from jaxheads.data.tasks.values import some_of
from jaxheads.data.tokens import Tokenizer, max_tokens
from jaxheads.inference.evaluate import Evaluation, evaluate
from jaxheads.inference.translating import constant_text, text_scores, translate
from jaxheads.models.model import Model
from jaxheads.objectives import objective_for
from jaxheads.parallel.mesh import data_share, in_host_memory, open_mesh
from jaxheads.parallel.processes import is_primary, join_hosts
from jaxheads.pruning.cost import count_parameters
from jaxheads.pruning.mask import present_heads
from jaxheads.storage.files import write_atomically
from jaxheads.storage.remote import named
from jaxheads.studies.workbench.latency import latencies

BATCHES = (1, 16)  # at which models are timed beside each other


def run(options: EvaluateOptions) -> None:
    """Measure the model and print what was found.

    Raises:
      ValueError: for options, a model or data that do not fit together.
      OSError: the result cannot be written.
    """
    join_hosts(options.coordinator, options.num_processes, options.process_id, saves=False)
    mesh = open_mesh(*options.mesh)
    places = (options.model, *options.beside)
    several = [_measured(options, place, mesh) for place in places]
    found, models, task = {}, {}, several[0].task
    for place, each in zip(places, several, strict=True):
        for heads, evaluation in each.found.items():
            name = f"{_short(place, places)}, {heads}" if options.beside else heads
            found[name], models[name] = evaluation, each.model
    told: dict[str, str] = several[0].told
    costs = _costs(models, options.max_length) if options.beside else {}
    if is_primary():
        if options.out is not None:
            with write_atomically(options.out) as draft:
                said = {**_as_json(task, found), **({"signatures": told} if told else {})}
                said |= {"costs": costs} if costs else {}
                draft.write_text(json.dumps(said, indent=2) + "\n")
        title = " and ".join(map(named, places))
        print("\n".join((f"{title} on {task.title}", *table_of(task, found, costs))))
        for name, signature in told.items():
            print(f"{name:16}  {signature}")
        if options.out is not None:
            print(f"wrote {options.out}")
        for name, each in found.items():
            value_of = {key: (each.metrics[key], each.floors[key]) for key in task.measured}
            warning = below_baseline(task, models[name], value_of)
            if warning and (options.beside or name == next(iter(found))):
                print(warning, file=sys.stderr)


class _Measured(NamedTuple):
    """What was found of one model, by heads."""

    model: Model
    task: Task
    found: dict[str, Evaluation]
    told: dict[str, str]  # the signatures of scores of texts


def _measured(options: EvaluateOptions, place: str, mesh: Mesh | None) -> _Measured:
    own = dataclasses.replace(options, model=place, beside=())
    with in_host_memory(mesh):
        model, tokenizer = open_model(own)
    task, found, told = task_for(own, model), {}, {}
    gates = _gates(own, model, scored=place == options.model)
    source = _source(own, task, model, tokenizer, mesh)
    for heads, gate_LH in gates.items():
        batches = example_batches(source, own.batch_size, model.readout.kind, mesh)
        found[heads] = measure(own, model, task, batches, mesh, gate_LH)
    if task.kind == "translate" and options.beams:
        told = _add_texts(own, model, tokenizer, task, source, mesh, gates, found)
    return _Measured(model, task, found, told)


def _short(place: str, places: Sequence[str]) -> str:
    """The last part of a model's name where no other model has it, else the whole."""
    parts = [PurePosixPath(each).name for each in places]
    last = PurePosixPath(place).name
    return last if parts.count(last) == 1 else place


def _costs(models: Mapping[str, Model], length: int) -> dict[str, dict[str, float]]:
    """By column the size of its model, and the milliseconds of a forward pass by batch."""
    length = min(length, *(max_tokens(model.config) for model in models.values()))
    distinct = {id(model): model for model in models.values()}
    took = latencies({str(key): model for key, model in distinct.items()}, BATCHES, length)
    return {
        name: {
            "parameters": float(count_parameters(model.params)),
            **{f"ms, batch {n}": ms for n, ms in took[str(id(model))].items()},
        }
        for name, model in models.items()
    }


def _add_texts(
    options: EvaluateOptions,
    model: Model,
    tokenizer: Tokenizer,
    task: Task,
    source: Source,
    mesh: Mesh | None,
    gates: Mapping[str, np.ndarray],
    found: dict[str, Evaluation],
) -> dict[str, str]:
    """Add how good the translations are to what was found under each gate; the signatures."""
    how = {"split": options.split, "limit": options.limit, "reading": options.reading}
    references = [each.second or "" for each in stream_examples(task, options.data, **how)]
    floor, signatures = text_scores(constant_text(references), references)
    for heads, gate_LH in gates.items():
        batches = example_batches(source, options.batch_size, model.readout.kind, mesh)
        texts = translate(model, tokenizer, batches, gate_LH, beams=options.beams, mesh=mesh)
        scores, each = text_scores(texts, references), found[heads]
        found[heads] = each._replace(
            metrics=each.metrics | scores.values, floors=each.floors | floor
        )
    return signatures


def _source(
    options: EvaluateOptions, task: Task, model: Model, tokenizer: Tokenizer, mesh: Mesh | None
) -> Source:
    how = {"split": options.split, "limit": options.limit}
    if task.kind == "mlm":
        return read_masked(options, task, model, tokenizer, seed=options.seed, **how)
    return read_labelled(
        options, task, model.readout, model, tokenizer, options.data, share=data_share(mesh), **how
    )


def _gates(options: EvaluateOptions, model: Model, *, scored: bool) -> dict[str, np.ndarray]:
    """The gates to measure under, by how many heads they leave; by scores, where it is `scored`."""
    present_LH = present_heads(model.config)
    gates = {f"all {present_LH.sum()} heads": np.ones(present_LH.shape, np.float32)}
    if scored and options.scores is not None and options.budget is not None:
        mask_LH = choose_heads(options.scores, model, options.budget)
        gates[f"{mask_LH.sum()} heads"] = mask_LH.astype(np.float32)
    return gates


def measure(
    options: TaskOptions,
    model: Model,
    task: Task,
    batches: Iterable[Batch],
    mesh: Mesh | None,
    gate_LH: np.ndarray,
) -> Evaluation:
    """The task's metrics of a model under a gate."""
    return evaluate(
        objective_for(model.config, model.readout, compute_dtype=options.dtype),
        model.params,
        batches,
        task.measured,
        classes=class_numbers(task, model.readout),
        names=task.labels,
        gate=gate_LH,
        mesh=mesh,
    )


def below_baseline(task: Task, model: Model, value_of: Mapping[str, tuple[float, float]]) -> str:
    """What to look at where the model is worse than a constant answer, by values and baselines."""
    first = next((name for name in task.measured if name != "loss"), "")
    value, baseline = value_of.get(first, (0.0, 0.0))
    if value >= baseline:
        return ""
    order = some_of(model.readout.labels) or "those of the text"
    return (
        f"jaxheads: warning: {first} {value:.4f} is below the majority-class baseline "
        f"{baseline:.4f}: is the model for this task, and do its labels mean what the data's mean "
        f"({order})?"
    )


def table_of(
    task: Task,
    found: Mapping[str, Evaluation],
    costs: Mapping[str, Mapping[str, float]] | None = None,
):
    """Lines of a table: a column for each gate, the majority-class baseline; below, costs."""
    first = next(iter(found.values()))
    columns = [*found, "majority-class baseline"]
    yield "  ".join([f"{f'{first.examples} examples':16}", *columns])
    for name in dict.fromkeys((*task.measured, *first.metrics)):
        values = [each.metrics[name] for each in found.values()] + [first.floors[name]]
        cells = [
            f"{value:<{len(column)}.4f}" for value, column in zip(values, columns, strict=True)
        ]
        yield "  ".join([f"{name:16}", *cells]).rstrip()
    costs = costs or {}
    for name in next(iter(costs.values()), ()):
        values = [
            f"{costs[column][name]:<{len(column)},.{3 * ('ms' in name)}f}" for column in found
        ]
        yield "  ".join([f"{name:16}", *values]).rstrip()


def _as_json(task: Task, found: Mapping[str, Evaluation]) -> dict:
    first = next(iter(found.values()))
    return {
        "task": task.title,
        "examples": first.examples,
        "metrics": {heads: each.metrics for heads, each in found.items()},
        "majority_class_baseline": first.floors,
    }
