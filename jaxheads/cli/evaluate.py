"""`jaxheads evaluate`: loss and metrics of a model on a data set, with all heads and with some."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping

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
from jaxheads.data.tokens import Tokenizer
from jaxheads.inference.evaluate import Evaluation, evaluate
from jaxheads.inference.translating import constant_text, text_scores, translate
from jaxheads.models.model import Model
from jaxheads.objectives import objective_for
from jaxheads.parallel.mesh import data_share, in_host_memory, open_mesh
from jaxheads.parallel.processes import is_primary, join_hosts
from jaxheads.pruning.mask import present_heads
from jaxheads.storage.files import write_atomically
from jaxheads.storage.remote import named


def run(options: EvaluateOptions) -> None:
    """Measure the model and print what was found.

    Raises:
      ValueError: for options, a model or data that do not fit together.
      OSError: the result cannot be written.
    """
    join_hosts(options.coordinator, options.num_processes, options.process_id, saves=False)
    mesh = open_mesh(*options.mesh)
    with in_host_memory(mesh):
        model, tokenizer = open_model(options)
    task = task_for(options, model)
    source = _source(options, task, model, tokenizer, mesh)
    found = {}
    for heads, gate_LH in _gates(options, model).items():
        batches = example_batches(source, options.batch_size, model.readout.kind, mesh)
        found[heads] = measure(options, model, task, batches, mesh, gate_LH)
    told: dict[str, str] = {}
    if task.kind == "translate" and options.beams:
        told = _add_texts(options, model, tokenizer, task, source, mesh, found)
    if is_primary():
        if options.out is not None:
            with write_atomically(options.out) as draft:
                said = {**_as_json(task, found), **({"signatures": told} if told else {})}
                draft.write_text(json.dumps(said, indent=2) + "\n")
        print("\n".join((f"{named(options.model)} on {task.title}", *table_of(task, found))))
        for name, signature in told.items():
            print(f"{name:16}  {signature}")
        if options.out is not None:
            print(f"wrote {options.out}")
        whole = next(iter(found.values()))
        value_of = {name: (whole.metrics[name], whole.floors[name]) for name in task.measured}
        if warning := below_baseline(task, model, value_of):
            print(warning, file=sys.stderr)


def _add_texts(
    options: EvaluateOptions,
    model: Model,
    tokenizer: Tokenizer,
    task: Task,
    source: Source,
    mesh: Mesh | None,
    found: dict[str, Evaluation],
) -> dict[str, str]:
    """Add how good the translations are to what was found under each gate; the signatures."""
    how = {"split": options.split, "limit": options.limit, "reading": options.reading}
    references = [each.second or "" for each in stream_examples(task, options.data, **how)]
    floor, signatures = text_scores(constant_text(references), references)
    for heads, gate_LH in _gates(options, model).items():
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


def _gates(options: EvaluateOptions, model: Model) -> dict[str, np.ndarray]:
    """The gates to measure under, by how many heads they leave."""
    present_LH = present_heads(model.config)
    gates = {f"all {present_LH.sum()} heads": np.ones(present_LH.shape, np.float32)}
    if options.scores is not None and options.budget is not None:
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


def table_of(task: Task, found: Mapping[str, Evaluation]):
    """Lines of a table: a column for each gate, and the majority-class baseline."""
    first = next(iter(found.values()))
    columns = [*found, "majority-class baseline"]
    yield "  ".join([f"{f'{first.examples} examples':16}", *columns])
    for name in dict.fromkeys((*task.measured, *first.metrics)):
        values = [each.metrics[name] for each in found.values()] + [first.floors[name]]
        cells = [
            f"{value:<{len(column)}.4f}" for value, column in zip(values, columns, strict=True)
        ]
        yield "  ".join([f"{name:16}", *cells]).rstrip()


def _as_json(task: Task, found: Mapping[str, Evaluation]) -> dict:
    first = next(iter(found.values()))
    return {
        "task": task.title,
        "examples": first.examples,
        "metrics": {heads: each.metrics for heads, each in found.items()},
        "majority_class_baseline": first.floors,
    }
