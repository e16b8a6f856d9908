"""Models whose heads look from word to word as a test says, and heads that carry a label.

Every word has a dimension of its own, +1, and one that balances it, -1, so that normalisation only
scales. A head looks by these dimensions alone: a word with a wish, at the words that it names, by
their weights; any other token everywhere alike. GOOD and BAD words differ in FROM; a head that
carries the label writes the mean of FROM over all tokens to TO, which only the readout reads. All
heads write a little to FREE dimensions, so that a masked LM's loss is not blind to them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np

from jaxheads.config import EncoderConfig, ReadoutConfig, TrainingConfig
from jaxheads.data.tokens import load_tokenizer
from jaxheads.models.convert import save_model
from jaxheads.models.model import Model, init_model
from jaxheads.records import Row, read_rows
from jaxheads.settings import (
    CurveSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)
from jaxheads.studies.study import STUDIES
from jaxheads.studies.workers import run_cells

Head = tuple[int, int]  # (layer, head), from 0
Looks = Mapping[str, Mapping[str, float]]  # a word -> the words it looks at, with their weights

WORDS = (
    "dog", "cat", "fox", "pig", "lion", "bird", "duck", "horse", "mouse", "goose", "girl", "king",
    "shop", "barn", "map", "bus",
)  # fmt: skip
GOOD, BAD = "good", "bad"
HALF = 32  # dimensions, each with the one that balances it
FROM, TO, FREE = 20, 21, slice(24, 32)
SHAPE = LAYERS, HEADS = 3, 4
TOKENIZER = load_tokenizer("builtin:roberta")
SIZES = EncoderConfig(
    "roberta", TOKENIZER.vocab_size, hidden_size=2 * HALF, num_layers=LAYERS, num_heads=HEADS,
    intermediate_size=4, max_positions=34, type_vocab_size=1, pad_token_id=TOKENIZER.pad_id,
    norm_eps=1e-5, initializer_range=0.2, hidden_dropout=0.0, attention_dropout=0.0,
)  # fmt: skip
SHARP = 40.0  # the logit of a wish


def planted(
    looks: Mapping[Head, Looks],
    carries: Mapping[Head, float] | None = None,
    labels: Sequence[str] = (),
    apart: bool = False,
) -> Model:
    """A masked LM, or with labels a classifier of which the second one is GOOD.

    carries: the heads that write the label to TO, and how much.
    """
    kind = "pair" if apart else "classification" if labels else "masked_lm"
    model = init_model(SIZES, ReadoutConfig(kind, tuple(labels)), jax.random.key(0))
    params = jax.tree.map(np.array, model.params)
    encoder, readout = params["encoder"], params["readout"]
    _embed(encoder["embeddings"])
    blocks = [
        (stack, row)
        for name, stack in sorted(encoder.items())
        if name.startswith("stack")
        for row in range(len(stack["up"]["bias"]))
    ]
    for layer, (stack, row) in enumerate(blocks):
        own = {head: wishes for (of, head), wishes in looks.items() if of == layer}
        weights = {head: weight for (of, head), weight in (carries or {}).items() if of == layer}
        _plant(jax.tree.map(lambda leaf, row=row: leaf[row], stack), own, weights)
    if kind == "classification":
        _read(readout)
    return model._replace(params=params)


def _embed(tables) -> None:
    for name in ("word", "position", "type"):
        tables[name]["table"][:] = 0
    table = tables["word"]["table"]
    for number, word in enumerate((*WORDS, GOOD, BAD)):
        table[token_of(word), number] = 1
    table[TOKENIZER.encode_words([GOOD]).ids[0], len(WORDS) + 2] = 1  # the first token of all
    table[token_of(GOOD), FROM], table[token_of(BAD), FROM] = 1, -1
    table[:, HALF:] = -table[:, :HALF]
    tables["norm"]["scale"][:], tables["norm"]["bias"][:] = 1, 0


def alike(*words: str) -> dict[str, float]:
    """Looking at some words, at none more than at another."""
    return dict.fromkeys(words, 1.0)


def everywhere(heads: Mapping[Head, Looks], otherwise: Looks) -> dict[Head, Looks]:
    """What every head looks at: as it is said, else as the others."""
    return {head: {**otherwise, **heads.get(head, {})} for head in np.ndindex(*SHAPE)}


def token_of(word: str) -> int:
    """Each word is one token."""
    _, token, _ = TOKENIZER.encode_words([word]).ids
    return token


def _plant(block, looks: Mapping[int, Looks], weights: Mapping[int, float]) -> None:
    """The heads of one layer, whose parameters are views."""
    for name in ("attention_norm", "output_norm"):
        block[name]["scale"][:], block[name]["bias"][:] = 1, 0
    block["down"]["kernel"][:], block["down"]["bias"][:] = 0, 0
    query, key, value, out = (
        block["attention"][part]["kernel"] for part in ("query", "key", "value", "out")
    )
    query[:], key[:] = 0, 0
    value[[FROM, FROM + HALF, TO, TO + HALF]] = 0
    free = 0.01 * out[..., FREE]
    out[:] = 0
    out[..., FREE] = free
    for head, wishes in looks.items():
        _look(query[:, head], key[:, head], wishes)
    for head, weight in weights.items():
        value[:, head, 0], out[head, 0] = 0, 0
        value[FROM, head, 0], out[head, 0, TO] = 1, weight
    out[..., HALF:] = -out[..., :HALF]


def _look(query: np.ndarray, key: np.ndarray, looks: Looks) -> None:
    """One dimension of the head for each set of words that are looked at."""
    strength = (SHARP * np.sqrt(SIZES.head_width) / HALF) ** 0.5  # a word's dimension is sqrt(HALF)
    targets = list({tuple(wanted.items()): None for wanted in looks.values()})
    for word, wanted in looks.items():
        query[WORDS.index(word), targets.index(tuple(wanted.items()))] = strength
    for place, wanted in enumerate(targets):
        for word, weight in wanted:
            key[WORDS.index(word), place] = strength * (1 + np.log(weight) / SHARP)


def _read(readout) -> None:
    for part in ("dense", "out"):
        readout[part]["kernel"][:], readout[part]["bias"][:] = 0, 0
    readout["dense"]["kernel"][TO, 0] = 1
    readout["out"]["kernel"][0] = (-4, 4)


def save(model: Model, path: Path) -> Path:
    """Write a model with the built-in tokenizer."""
    save_model(model, path, tokenizer=TOKENIZER)
    return path


def tiny_run(study: str, folder: Path, tasks: Sequence[str] = (), **more) -> Run:
    """Of the model in the folder, with train.jsonl and held_out.jsonl there for every task."""
    (folder / "text.txt").write_text("\n".join([" ".join(WORDS[:6])] * 8))
    files = (folder / "train.jsonl", folder / "held_out.jsonl")
    short = TrainingConfig(steps=1, batch_size=4)
    settings = {
        "finetune": short,
        "probe": short,
        "seeds": (0, 1),
        "scoring": ScoringSettings(examples=8, ablated=0, rescored=0, batch_size=8, splits=2),
        "curve": CurveSettings(points=4, draws=3, readings=(), batch_size=8),
        "devices": 1,
    }
    return Run(
        study=study,
        name="planted",
        models=(ModelSettings("roberta", source=str(folder / "model")),),
        text=TextSettings("mlm", folder / "text.txt", folder / "text.txt", length=12),
        tasks=tuple(TaskSettings(name, *files, length=12) for name in tasks),
        **settings | more,
    )


def run_study(run: Run, folder: Path) -> list[Row]:
    """All rows of a study; models that stand in its folder already are not trained."""
    assert run_cells(folder, list(STUDIES[run.study](run, folder)))
    return read_rows(folder / "rows.jsonl")


def having(rows: list[Row], **what) -> list[Row]:
    """The rows that have these fields."""
    return [row for row in rows if all(getattr(row, name) == value for name, value in what.items())]


def value_of(rows: list[Row], **what) -> float:
    """The value of the one row that has these fields."""
    (row,) = having(rows, **what)
    return row.value


def named(head: Head) -> str:
    """A head as records have it."""
    return f"layer {head[0] + 1} head {head[1] + 1}"
