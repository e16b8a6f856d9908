"""Pre-train models from scratch, and measure them beside guesses that need no model."""

from __future__ import annotations

from collections.abc import Iterator

from jaxheads.data.baselines import guess_accuracies
from jaxheads.data.encode import EncodedSource
from jaxheads.data.sources import read_blocks
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.records.folder import PRETRAINING, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.runner.cells import Cell, cell
from jaxheads.studies.workbench.model import StudyModel, study_models
from jaxheads.studies.workbench.settings import Run

COUNTED = 20_000  # blocks of training text whose neighbours are counted
HALF = "float16"


def cells(run: Run, store: Store) -> Iterator[Cell]:
    """Each model is trained and measured, and stored again in half precision."""
    for model in study_models(run, store):
        yield (base := pretrained_cell(model))
        yield cell(guesses, model, after=[base])
        yield cell(halved, model, after=[base])


def made_cells(model: StudyModel) -> list[Cell]:
    """The cell that pre-trains a model; none where the model came pre-trained."""
    return [] if model.settings.pretrain is None else [pretrained_cell(model)]


def pretrained_cell(model: StudyModel) -> Cell:
    """The cell that pre-trains a model, unless it came so, and measures it on text.

    Raises:
      ValueError: for a run without such a text.
    """
    text = model.corpus
    if text.task == "mlm" and None in (text.train, text.held_out):
        raise ValueError(
            f"{model.run.name}: expected plain text for masked LM (--set text.train=FILE --set "
            f"text.held_out=FILE), got {text.train} and {text.held_out}"
        )
    return cell(pretrained, model)


def pretrained(model: StudyModel) -> list[Row]:
    """Pre-train, unless the model came so, and measure it beside the majority-class baseline."""
    model.pretrain()
    found = model.scorer.measure(model.base, model.text)
    return [
        *model.make_rows(PRETRAINING, found.floors, stage=Stage.FLOOR),
        *model.make_rows(PRETRAINING, found.metrics, stage=Stage.WHOLE),
    ]


def guesses(model: StudyModel) -> list[Row]:
    """How many tokens of the held-out text are guessed from their neighbours alone.

    The neighbours are those of the text as it is, where a masked LM finds some of them masked.
    """
    text, tokenizer = model.corpus, model.tokenizer
    train, test = (
        read_blocks(
            tokenizer, path, text.length, task=text.task, split=split, limit=limit,
            texts=text.paragraphs if split == "train" else None,
        )
        for path, split, limit in (
            (text.train, "train", COUNTED),
            (text.held_out, "validation", text.held_out_blocks),
        )
    )  # fmt: skip
    found = guess_accuracies(_rows(train), _rows(test), unpredicted=tokenizer.special_ids)
    values = {f"{Metric.ACCURACY}, {name} guess": value for name, value in found._asdict().items()}
    return model.make_rows(PRETRAINING, values, stage=Stage.FLOOR)


def halved(model: StudyModel) -> list[Row]:
    """Store the model in half precision, as built-in models are, and measure what is read back."""
    name = f"{HALF}/{model.name}"
    model.save_model(model.base, name, dtype=HALF)
    found = model.scorer.measure(model.store.read(name, load_model), model.text)
    return model.make_rows(PRETRAINING, found.metrics, stage=f"stored as {HALF}")


def _rows(source: EncodedSource) -> Iterator[list[int]]:
    """The tokens of every block."""
    for start, end in zip(source.starts[:-1], source.starts[1:], strict=True):
        yield source.tokens[start:end].tolist()
