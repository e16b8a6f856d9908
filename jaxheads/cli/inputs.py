"""What several verbs read: a model with its tokenizer, a task, and the examples of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax

from jaxheads.cli.options.task import TaskOptions, names_in
from jaxheads.cli.options.train import NEW, TrainOptions
from jaxheads.config import ReadoutConfig
from jaxheads.data.encode import EncodedSource
from jaxheads.data.loader import Source
from jaxheads.data.mlm import mask_blocks
from jaxheads.data.sources import encode_shared, read_blocks, task_texts
from jaxheads.data.tasks.examples import stream_examples
from jaxheads.data.tasks.labels import (
    check_readout,
    class_numbers,
    new_readout,
    renamed,
    with_labels_of,
)
from jaxheads.data.tasks.named import task_named
from jaxheads.data.tasks.task import Task
from jaxheads.data.tasks.values import class_number, some_of
from jaxheads.data.tokens import Tokenizer, check_fits, check_length, load_tokenizer
from jaxheads.data.vocabulary import train_tokenizer
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import Model, init_model
from jaxheads.parallel.processes import run_on_primary

# Width, encoder and decoder layers, heads and feed-forward width.
SIZES: dict[str, tuple[int, int, int, int, int]] = {
    "tiny": (32, 1, 1, 4, 64),
    "small": (256, 3, 3, 8, 1024),
    "base": (256, 6, 6, 8, 1024),
    "iwslt": (512, 6, 6, 4, 1024),  # Li et al. 2021, fairseq's transformer_iwslt_de_en
}
POSITIONS = 256  # at least


def task_of(options: TaskOptions) -> Task:
    """The task of the options: their own, or a named one, maybe in other columns.

    Raises:
      ValueError: for an unknown task, or columns that it cannot have.
    """
    if (own := options.own_task) is not None:
        return own
    task = task_named(options.task)
    text = names_in(options.text) if options.text else task.text
    label = names_in(options.label) if options.label else task.label
    return dataclasses.replace(task, text=text, label=label)


def open_model(options: TaskOptions) -> tuple[Model, Tokenizer]:
    """A model with the readout that its checkpoint has, and the tokenizer beside it."""
    model, tokenizer = load_model(options.model), load_tokenizer(options.model)
    check_fits(tokenizer, model.config)
    return model._replace(readout=renamed(model.readout, options.label_names)), tokenizer


def task_for(options: TaskOptions, model: Model) -> Task:
    """The task, with the labels that the model has for it.

    Raises:
      ValueError: for a model that is not for the task.
    """
    task = with_labels_of(task_of(options), model.readout)
    check_readout(task, model.readout)
    return task


def model_to_train(options: TrainOptions) -> tuple[Model, Task]:
    """A model with its own readout, or with a new one where it has none for the task.

    Raises:
      ValueError: for a readout of other labels, which would be lost, unless --new-classifier asks
        for it.
    """
    model, task = load_model(options.model), task_of(options)
    if model.readout.labels and not options.new_classifier:
        try:
            model = model._replace(readout=renamed(model.readout, options.label_names))
            return model, _checked(options, task, model.readout)
        except ValueError as error:
            has = f"{options.model} has a {model.readout.kind} readout for "
            names = some_of(model.readout.labels)
            way_out = "--new-classifier puts a new one in its place"
            raise ValueError(f"{has}{names}; {way_out} ({error})") from error
    if task.kind == "translate" or (model.readout.kind == "masked_lm" and task.kind == "mlm"):
        check_readout(task, model.readout)
        return model, task
    task = _found(options, task)
    key = jax.random.key(options.seed)
    return load_model(options.model, readout=new_readout(task), key=key), task


def _found(options: TrainOptions, task: Task) -> Task:
    """The task with the labels that it has, or else the data."""
    return stream_examples(task, options.data, split="train", reading=options.reading).task


def _checked(options: TrainOptions, task: Task, readout: ReadoutConfig) -> Task:
    """The task, if the readout can do it and has its labels, and those of the data."""
    own = with_labels_of(task, readout)
    check_readout(own, readout)
    class_numbers(own, readout)
    names = _found(options, task).labels if own is not task and not task.is_regression else ()
    if strange := [name for name in names if class_number(own.labels, name) is None]:
        raise ValueError(f"the data have {some_of(strange)}")
    return own


def read_labelled(
    options: TaskOptions,
    task: Task,
    readout: ReadoutConfig | None,
    model: Model,
    tokenizer: Tokenizer,
    data: str | None,
    *,
    split: str,
    limit: int | None,
    share: tuple[int, int],
    group: int = 1,
    scratch: Path | None = None,
) -> EncodedSource:
    """A task's examples as a readout takes them; without one their labels are not read."""
    examples = stream_examples(
        task, data, split=split, limit=limit, reading=options.reading,
        labelled=readout is not None,
    )  # fmt: skip
    return encode_shared(
        tokenizer, examples, readout, check_length(model.config, options.max_length),
        long=options.long, scratch=scratch, share=share, group=group,
    )  # fmt: skip


def read_masked(
    options: TaskOptions,
    task: Task,
    model: Model,
    tokenizer: Tokenizer,
    *,
    split: str,
    limit: int | None,
    seed: int,
) -> Source:
    """A text for masked LM, with the same masks every time."""
    blocks = read_text(options, task, model, tokenizer, options.data, split=split, limit=limit)
    length = check_length(model.config, options.max_length)
    return mask_blocks(blocks, tokenizer, length=length, seed=seed, fixed=True)


def read_text(
    options: TaskOptions,
    task: Task,
    model: Model,
    tokenizer: Tokenizer,
    data: str | None,
    *,
    split: str,
    limit: int | None,
) -> EncodedSource:
    """A text in blocks, as it is.

    Raises:
      ValueError: for a text that is not there, or cannot be read.
    """
    if data is None and not task.generated:
        raise ValueError("task mlm: expected a text with --data FILE, got none")
    length = check_length(model.config, options.max_length)
    return read_blocks(
        tokenizer, data, length, task=task, split=split, limit=limit, reading=options.reading
    )


def started(options: TrainOptions) -> TrainOptions:
    """The options with a model in a directory: a new one is written beside OUT first.

    Its vocabulary, byte-level BPE of both sides together, is learnt from the training data.

    Raises:
      ValueError: for an unknown size, a task that needs no new model, and data that cannot be read.
    """
    if not options.model.startswith(NEW):
        return options
    size, task = options.model.removeprefix(NEW), task_of(options)
    if size not in SIZES or task.kind != "translate":
        wanted = f"{NEW}{', '.join(SIZES)} with --task translate"
        raise ValueError(f"--model: expected {wanted}, got {options.model} with {task.title}")
    target = options.out.with_name(f"{options.out.name}.start")
    if not (options.resume and target.is_dir()):
        run_on_primary(lambda: _write(options, size, target))
    return dataclasses.replace(options, model=str(target))


def _write(options: TrainOptions, size: str, target: Path) -> None:
    how = {"limit": options.limit, "reading": options.reading}
    texts = task_texts(task_of(options), options.data, **how)
    tokenizer = train_tokenizer(texts, vocab_size=options.vocab_size)
    width, encoder_layers, decoder_layers, heads, inner = SIZES[size]
    config = encoder_config(
        "marian",
        tokenizer.vocab_size,
        width,
        encoder_layers + 2 * decoder_layers,
        heads,
        inner,
        max(POSITIONS, options.max_length),
        decoder_layers=decoder_layers,
        activation="relu",
        norm_eps=1e-5,
        initializer_range=width**-0.5,
        pad_token_id=tokenizer.pad_id,
        eos_token_id=tokenizer.sep_id,
        start_token_id=tokenizer.cls_id,
        scales_embeddings=True,
    )
    model = init_model(config, ReadoutConfig("translation"), jax.random.key(options.seed))
    save_model(model, target, tokenizer=tokenizer, overwrite=True)
