"""Models whose heads look from word to word as a test says, and heads that carry a label.

Every word has a dimension of its own, +1, and one that balances it, -1, so that normalisation only
scales. A head looks by these dimensions alone: a word with a wish, at the words that it names, by
their weights; any other token everywhere alike. Some words say something, which is in FROM; a head
that carries it writes what it looks at to TO, which only the readout reads. All heads write a
little to FREE dimensions, so that a masked LM's loss is not blind to them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from jaxheads.config import ReadoutConfig, TrainingConfig
from jaxheads.data.tokens import load_tokenizer
from jaxheads.models.checkpoint.convert import save_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import Model, init_model
from jaxheads.records.folder import SETTINGS
from jaxheads.records.rows import Row, read_rows
from jaxheads.storage.store import Store
from jaxheads.studies import registry
from jaxheads.studies.runner.folder import this_machine
from jaxheads.studies.settings import (
    CurveSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)
from jaxheads.training.identity import plain
from tests.support.found import having

Head = tuple[int, int]  # (layer, head), from 0
Looks = Mapping[str, Mapping[str, float]]  # a word -> the words it looks at, with their weights

WORDS = (
    "dog", "cat", "fox", "pig", "lion", "bird", "duck", "horse", "mouse", "goose", "girl", "king",
    "shop", "barn", "map", "bus",
)  # fmt: skip
GOOD, BAD, START, END = "good", "bad", "<s>", "</s>"
SEEN = (*WORDS, GOOD, BAD, START, END)  # each has the dimension of its place
HALF = 32  # dimensions, each with the one that balances it
FROM, TO, FREE = 20, 21, slice(24, 32)
SHAPE = LAYERS, HEADS = 3, 4
TOKENIZER = load_tokenizer("builtin:roberta")
SIZES = encoder_config(
    "roberta", TOKENIZER.vocab_size, hidden_size=2 * HALF, num_layers=LAYERS, num_heads=HEADS,
    intermediate_size=4, max_positions=34, type_vocab_size=1, pad_token_id=TOKENIZER.pad_id,
    norm_eps=1e-5, initializer_range=0.2, hidden_dropout=0.0, attention_dropout=0.0,
)  # fmt: skip
SHARP = 40.0  # the logit of a wish


def planted(
    looks: Mapping[Head, Looks],
    carries: Mapping[Head, float] | None = None,
    labels: Sequence[str] = (),
    *,
    says: Mapping[str, float] | None = None,
    siamese: bool = False,
) -> Model:
    """A masked LM, or with labels a classifier that takes the second one where TO is above 0.

    carries: heads that write FROM to TO, and how much of it. says: the words with something in FROM
    (None: GOOD 1, BAD -1). siamese: a pair's label is the second where the first sentence has more.
    """
    kind = "pair" if siamese else "classification" if labels else "masked_lm"
    model = init_model(SIZES, ReadoutConfig(kind, tuple(labels)), jax.random.key(0))
    params = jax.tree.map(np.array, model.params)
    encoder, readout = params["encoder"], params["readout"]
    _embed(encoder["embeddings"], {GOOD: 1, BAD: -1} if says is None else says)
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
    if labels:
        _read(readout, siamese)
    return model._replace(params=params)


def _embed(tables, says: Mapping[str, float]) -> None:
    for name in ("word", "position", "type"):
        tables[name]["table"][:] = 0
    table = tables["word"]["table"]
    for place, word in enumerate(SEEN):
        table[token_of(word), place] = 1
        table[token_of(word), FROM] = (
            says.get(word, 0) / 4
        )  # which hardly changes the word's length
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
    start, *tokens, end = TOKENIZER.encode_words([word]).ids
    if word in (START, END):
        return start if word == START else end
    (token,) = tokens
    return token


def _plant(block, looks: Mapping[int, Looks], weights: Mapping[int, float]) -> None:
    """The heads of one layer, whose parameters are views."""
    for name in ("attention_norm", "feed_forward_norm"):
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
        query[SEEN.index(word), targets.index(tuple(wanted.items()))] = strength
    for place, wanted in enumerate(targets):
        for word, weight in wanted:
            key[SEEN.index(word), place] = strength * (1 + np.log(weight) / SHARP)


def _read(readout, siamese: bool) -> None:
    for part in readout.values():
        part["kernel"][:], part["bias"][:] = 0, 0
    out, readout["out"]["bias"][:] = readout["out"]["kernel"], (0.5, -0.5)  # for what says nothing
    if siamese:  # the mean states of both sentences, side by side
        out[TO], out[TO + 2 * HALF] = (-50, 50), (50, -50)
    else:
        readout["dense"]["kernel"][TO, 0], out[0] = 50, (-4, 4)


def save(model: Model, path: Path) -> Path:
    """Write a model with the built-in tokenizer."""
    save_model(model, path, tokenizer=TOKENIZER)
    return path


def tiny_run(study: Any, folder: Path, tasks: Sequence[str] = (), **more) -> Run:
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
    store = Store(folder)
    if not store.exists(SETTINGS):  # a folder with models alone is no study's yet
        settings = {"run": plain(dataclasses.asdict(run)), "made_on": this_machine()}
        store.write_json(SETTINGS, settings)
    registry.run(run, folder)
    return read_rows(folder / "rows.jsonl")


def together(rows: list[Row], stage: str, *keys: str, **counts) -> dict:
    """The rows of all seeds, by task, metric and these fields: the means of those of single seeds.

    `counts`: how many there are; of two seeds where it says nothing.
    """

    def by(row: Row) -> tuple:
        return (row.task, row.metric, *(getattr(row, key) for key in keys))

    own: dict[tuple, list[Row]] = {}
    for row in having(rows, stage=stage, seeds=None, draws=None):
        if row.low is not None:
            own.setdefault(by(row), []).append(row)
    seeds = {key: found for key, found in own.items() if len({row.seed for row in found}) > 1}
    every = {by(row): row for row in having(rows, stage=stage, **counts or {"seeds": 2})}
    assert every.keys() == seeds.keys() and every
    for key, row in every.items():
        assert row.value == pytest.approx(np.mean([each.value for each in seeds[key]])), key
    return every
