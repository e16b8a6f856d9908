"""The body of `jaxheads bench`: what is measured here, or compiled for other devices."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import jax

from jaxheads.bench import compiled, main, own_job, scaling, translating
from jaxheads.bench.programs import parse_layout
from jaxheads.cli.inputs import task_of
from jaxheads.cli.options.other import BenchOptions
from jaxheads.cli.options.task import TaskOptions
from jaxheads.data.encode import encode_task
from jaxheads.data.tasks.examples import read_examples
from jaxheads.data.tasks.labels import check_readout, new_readout, with_labels_of
from jaxheads.data.tokens import check_fits, check_length, load_tokenizer
from jaxheads.models.checkpoint.convert import load_model, save_model


def run(options: BenchOptions) -> int | None:
    """Print the sections asked for; None where a figure is to follow."""
    if options.data is not None:
        with tempfile.TemporaryDirectory(prefix="jaxheads-") as folder:
            job = _own_job(options, Path(folder))
            how: dict[str, Any] = {"clock": options.clock, "repeats": options.repeats}
            how["as_json"] = options.json
            if job.model.readout.kind == "translation":
                translating.run(job, **how)
            else:
                own_job.run(job, whole=not options.steady, **how)
        return 0
    if options.scaling:
        scaling.run(options.folder, tiny=options.tiny, length=options.length, as_json=options.json)
        return 0 if options.json else None
    if options.compile is not None:
        compiled.run(
            options.compile,
            only=options.only,
            models=options.shape,
            layouts=[parse_layout(text) for text in options.layout],
            dtypes=(options.dtype,) if options.dtype else (),
            examples=options.batch_size,
            length=options.length,
            tiny=options.tiny,
            as_json=options.json,
        )
        return 0
    main.run(
        options.only,
        batch_size=options.batch_size,
        training_batch=options.training_batch,
        length=options.length,
        repeats=options.repeats,
        dtype=options.dtype,
        treebank=options.treebank,
        sentences=options.sentences,
        tiny=options.tiny,
        as_json=options.json,
    )
    return 0


def _own_job(options: BenchOptions, folder: Path) -> own_job.OwnJob:
    """A classifier or a translator, saved where both sides read it, and the examples.

    Raises:
      ValueError: for a task of another kind, and what cannot be read.
    """
    given = {name: getattr(options, name) for name in ("data", "text", "label", "limit")}
    assert options.model is not None and options.task is not None, "as the options have checked"
    size = {"batch_size": options.batch_size or 32, "dtype": options.dtype or "float32"}
    own = TaskOptions(model=options.model, task=options.task, long="truncate", **given, **size)
    task, model, tokenizer = task_of(own), load_model(own.model), load_tokenizer(own.model)
    if task.kind not in ("classify", "regress", "translate"):
        wanted = "a task of single labels, or translate"
        raise ValueError(f"bench --data: expected {wanted}, got {task.title}")
    task = with_labels_of(task, model.readout)
    if model.readout.labels:
        check_readout(task, model.readout)
    check_fits(tokenizer, model.config)
    how = {"split": "validation", "limit": own.limit, "reading": own.reading}
    examples = read_examples(task, own.data, **how)
    if not model.readout.labels and task.kind != "translate":
        model = load_model(own.model, readout=new_readout(examples.task), key=jax.random.key(0))
    wanted = "translation" if task.kind == "translate" else "classification"
    if model.readout.kind != wanted:
        raise ValueError(f"bench --data: expected a {wanted} readout, got {model.readout.kind}")
    save_model(model, folder / "model", tokenizer=tokenizer)
    most = check_length(model.config, own.max_length)
    source = encode_task(tokenizer, examples, model.readout, most, long="truncate")
    words = ["--model", str(folder / "model"), "--task", own.task, "--long", "truncate"]
    for name, value in given.items():
        words += [] if value is None else [f"--{name}", str(value)]
    texts = [(each.text, each.second) for each in examples]
    return own_job.OwnJob(model, source, folder, words, texts, own.batch_size, own.dtype)
