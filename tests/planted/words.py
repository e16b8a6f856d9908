"""Two tiny masked LMs in which single heads carry what words mean, and texts for them.

Every word of four kinds has a dimension of its own, and SINK the opposite, so that layer
normalisation carries nothing; no other dimension tells words apart. One head of each kind looks at
its kind's two words, and writes the second less the first, times a factor, to dimension TO of
every token. In a text without them it looks at the first token, as all other heads do, which add
constants. Feed-forward layers add nothing. So a readout knows what these heads say, and no more,
and training teaches no other head to read words.

    kind    (layer, head)    factor
    main    MAIN             above 0    what the text is about
    harm    HARM             below 0    stronger than MAIN, and only in held-out texts
    echo    ECHO             below 0    stronger than MAIN
    hint    HINT             above 0    in the place of "main" in a few texts

In the ALBERT one block serves both layers; its feed-forward part takes "main" away, so that of the
two uses of MAIN the first alone does anything. It has no HINT.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock
import jax
import numpy as np
import pytest

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.data.tokens import Tokenizer
from jaxheads.data.vocabulary import train_tokenizer
from jaxheads.importance import load_scores
from jaxheads.models.checkpoint.convert import save_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import Model, init_model
from jaxheads.records.rows import Row, read_rows
from tests.planted.by_hand import saved
from tests.support.found import having, value_of
from tests.support.reviews import write_jsonl
from tests.support.tiny_study import study as run_tiny

MAIN, HARM, ECHO, HINT = (0, 2), (0, 3), (1, 1), (1, 3)  # (layer, head), from 0
HEADS = {"main": MAIN, "harm": HARM, "echo": ECHO, "hint": HINT}
FACTORS = {"main": 1.0, "harm": -8.0, "echo": -4.0, "hint": 2.0}
CONTEXTS = {"main": 1.0, "harm": 4.0, "echo": 3.0, "hint": 2.0}  # parts of them within the head
WORDS = {
    "main": ("cold", "warm"),
    "harm": ("sour", "sweet"),
    "echo": ("low", "loud"),
    "hint": ("dusk", "dawn"),
}
FILLING, TOKENS = ("sea", "tree", "road"), 7  # of every text, the first and the last among them
SINK, TO, BACK, FIRST, PLAIN = 0, 1, 2, 3, 12  # dimensions; PLAIN: from there on those of places
OF_WORD = {word: 4 + place for place, word in enumerate(itertools.chain(*WORDS.values()))}
SIZES: dict[str, Any] = {
    "hidden_size": 24, "num_layers": 2, "num_heads": 4, "intermediate_size": 4,
    "max_positions": 18, "norm_eps": 1e-5, "initializer_range": 0.25,
}  # fmt: skip


# -- texts


def labelled(kinds: str, count: int, flipped: bool) -> Iterator[dict[str, Any]]:
    """`count` examples of each label, in turns, whose words of these kinds say the label.

    `flipped`: the opposite of the label.
    """
    for turn, label in itertools.product(range(count), (0, 1)):
        words = [WORDS[kind][label] for kind in kinds.split()]
        filled = [*words, *itertools.islice(itertools.cycle(FILLING), TOKENS - 2 - len(words))]
        sentence = " ".join(filled[turn % len(filled) :] + filled[: turn % len(filled)])
        yield {"sentence": sentence, "label": label ^ flipped}


def paragraphs(count: int, harmed: int) -> str:
    """Text for masked LM, of the kind "main", and of "harm" every so many paragraphs (0: never).

    A block of TOKENS + 1 holds one paragraph.
    """
    lines = []
    for number in range(count):
        words = [WORDS["main"][number % 2]] * (TOKENS - 2)
        if harmed and number % harmed < 2:
            words[2] = WORDS["harm"][number % 2]
        lines.append(" ".join(words) + "\n")
    return "".join(lines)


# -- models


def save_planted(family: Any, folder: Path) -> Path:
    """A masked LM of the family, and its tokenizer."""
    tokenizer = _tokenizer("unigram" if family == "albert" else "bpe")
    more: dict[str, Any] = {"type_vocab_size": 1}
    if family == "albert":
        more = {"type_vocab_size": 2, "embedding_size": SIZES["hidden_size"], "hidden_groups": 1}
    config = encoder_config(
        family, tokenizer.vocab_size, pad_token_id=tokenizer.pad_id, **SIZES, **more
    )
    model = init_model(config, ReadoutConfig("masked_lm"), jax.random.key(0))
    params = jax.tree.map(np.zeros_like, model.params)
    _plant_embeddings(config, params["encoder"]["embeddings"], tokenizer)
    _plant_blocks(config, params["encoder"])
    _plant_readout(params["readout"], tokenizer)
    save_model(Model(config, model.readout, params), folder, tokenizer=tokenizer)
    return folder


def _tokenizer(kind: Any) -> Tokenizer:
    every = [*OF_WORD, *FILLING]
    some = [" ".join(np.roll(every, turn)) for turn in range(len(every))] * 4
    return train_tokenizer(some, vocab_size=400 if kind == "bpe" else 70, kind=kind)


def _pieces(tokenizer: Tokenizer, word: str) -> tuple[int, int]:
    """The word's one token, at the beginning of a text and behind another word."""
    first, second = (ids[1:-1] for ids in tokenizer.encode([word, f"{FILLING[0]} {word}"]).ids)
    assert (len(first), len(second)) == (1, 2), f"{word} is more than one token"
    return first[0], second[1]


def _plant_embeddings(config: EncoderConfig, tables, tokenizer: Tokenizer) -> None:
    word_table, places = tables["word"]["table"], tables["position"]["table"]
    for word, dimension in OF_WORD.items():
        for piece in _pieces(tokenizer, word):
            word_table[piece, [dimension, SINK]] = (1, -1)
    word_table[tokenizer.cls_id, [FIRST, SINK]] = (1, -1)
    drawn = np.random.default_rng(0).normal(0, 0.3, (len(places), SIZES["hidden_size"] - PLAIN))
    places[:, PLAIN:] = drawn - drawn.mean(1, keepdims=True)
    tables["norm"]["scale"][:] = 1
    if config.shares_blocks:
        tables["project"]["kernel"][:] = np.eye(SIZES["hidden_size"])


def _plant_blocks(config: EncoderConfig, encoder) -> None:
    stacks = [encoder[name] for name in sorted(encoder) if name.startswith("stack")]
    rng = np.random.default_rng(1)
    for stack in stacks:
        for norm in ("attention_norm", "feed_forward_norm"):
            stack[norm]["scale"][:] = 1
        _add_constants(stack["attention"], rng)
    blocks = [(stack, row) for stack in stacks for row in range(len(stack["up"]["bias"]))]
    for kind, (layer, head) in HEADS.items():
        if not config.shares_blocks:
            _carry(*blocks[layer], head, kind)
        elif kind != "hint":
            _carry(*blocks[0], head, kind)
    if config.shares_blocks:
        _forget_main(stacks[0])


def _add_constants(attention, rng: np.random.Generator) -> None:
    """All heads look at the first token, and add a constant."""
    attention["query"]["bias"][..., 0] = 8
    attention["key"]["kernel"][:, FIRST, :, 0] = 3
    attention["value"]["bias"][:] = 1
    out = attention["out"]["kernel"]
    added = rng.normal(0, 0.03, out[..., PLAIN:].shape)
    out[..., PLAIN:] = added - added.mean(-1, keepdims=True)


def _carry(stack, row: int, head: int, kind: str) -> None:
    """The head looks at its kind's words, rather than at the first token, and says which it is."""
    attention, dimensions = stack["attention"], [OF_WORD[word] for word in WORDS[kind]]
    within, without = CONTEXTS[kind], FACTORS[kind] / CONTEXTS[kind]
    attention["key"]["kernel"][row, dimensions, head, 0] = 6
    attention["value"]["bias"][row, head] = 0
    attention["value"]["kernel"][row, dimensions, head, 0] = (-within, within)
    attention["out"]["kernel"][row, head] = 0
    attention["out"]["kernel"][row, head, 0, [TO, BACK]] = (without, -without)


def _forget_main(stack) -> None:
    """The feed-forward part subtracts both words' dimensions: gelu(x) - gelu(-x) is x."""
    for unit, word in enumerate(WORDS["main"]):
        both = [2 * unit, 2 * unit + 1]
        stack["up"]["kernel"][0, OF_WORD[word], both] = (1, -1)
        stack["down"]["kernel"][0, both, OF_WORD[word]] = (-1, 1)
        stack["down"]["kernel"][0, both, SINK] = (1, -1)


def _plant_readout(readout, tokenizer: Tokenizer) -> None:
    """It guesses the word of "main" that TO says; no other word is likely."""
    cold, warm = (OF_WORD[word] for word in WORDS["main"])
    readout["bias"][:] = -8
    readout["bias"][[_pieces(tokenizer, word)[1] for word in WORDS["main"]]] = 0
    readout["dense"]["kernel"][TO, [cold, warm]] = (-1, 1)
    readout["dense"]["bias"][PLAIN : PLAIN + 2] = 3  # so that the norm does not hide how much
    readout["norm"]["scale"][:] = 1


# -- studies

CONFIG = '''"""A study of planted heads."""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    Chiang2021, Compare, CurveSettings, Li2021, Michel2019, ModelSettings, Run,
    ScoringSettings, TaskSettings, TextSettings,
)

HERE = Path({folder!r})


def training(learning_rate):
    """Without dropout, and with a line of the log for every step."""
    optimizer = OptimizerConfig(
        learning_rate, warmup=0.0, schedule="constant", weight_decay=0.0, eps=0.01, clip_norm=None
    )
    return TrainingConfig(steps=16, batch_size=32, dropout=0.0, log_every=1, optimizer=optimizer)


def task(name):
    """Of the files beside this one."""
    paths = [HERE / f"{{name}}.{{split}}.jsonl" for split in ("train", "held_out", "other")]
    other = paths[2] if paths[2].is_file() else None
    return TaskSettings(name, *paths[:2], length=8, other_held_out=other)


RUN = Run(
    study={study},
    name="planted",
    models=tuple(
        ModelSettings(name, source=str(HERE / name), tasks=some) for name, some in {models!r}
    ),
    text=TextSettings("mlm", HERE / "train.txt", HERE / "held_out.txt", length=8),
    tasks=tuple(map(task, {tasks!r})),
    finetune=training(0.003),  # little, so that no other head learns to read
    probe=training(0.02),
    seeds={seeds!r},
    scoring=ScoringSettings(examples=32, ablated=8, rescored=32, batch_size=32, splits=4),
    curve=CurveSettings(
        points=4, draws=2, batch_size=64, readings=("token", "batch", "signed", "l2", "token+l2"),
        rescored=("token+l2",),
    ),
    devices=1,
    {more}
)
'''

Part = tuple[str, int, bool]  # kinds of words, examples of each label, whether labels are flipped


def write_planted(
    folder: Path,
    study: str,
    tasks: Mapping[str, Mapping[str, Sequence[Part]]],
    *,
    models: Mapping[str, Sequence[str]] | None = None,
    seeds: Sequence[int] = (0, 1),
    more: str = "",
) -> Path:
    """Models (with the tasks of each), data (by task and split) and the config of a study.

    Returns the config's path.
    """
    models = {"roberta": tuple(tasks)} if models is None else models
    for model in models:
        save_planted(model, folder / model)
    for task, splits in tasks.items():
        for split, parts in splits.items():
            rows = [
                row for kinds, count, flipped in parts for row in labelled(kinds, count, flipped)
            ]
            write_jsonl(folder / f"{task}.{split}.jsonl", rows)
    for split, count, harmed in (("train", 20, 0), ("held_out", 30, 6)):
        (folder / f"{split}.txt").write_text(paragraphs(count, harmed))
    values = {
        "study": study,
        "models": tuple(models.items()),
        "tasks": tuple(tasks),
        "seeds": tuple(seeds),
    }
    path = folder / "planted.py"
    path.write_text(CONFIG.format(folder=str(folder), more=more, **values))
    return path


@dataclasses.dataclass(frozen=True)
class Finished:
    """A finished study: its models and data in `folder`, and what it left in `out`."""

    folder: Path

    @property
    def out(self) -> Path:
        """The study's own folder."""
        return self.folder / "out"

    def rows(self, **what: Any) -> list[Row]:
        """The rows that have these fields, as `having` takes them."""
        return having(_rows(self.out / "rows.jsonl"), **what)

    def value(self, **what: Any) -> float:
        """The value of the one row that has these fields."""
        return value_of(_rows(self.out / "rows.jsonl"), **what)

    def scored(self, name: str) -> np.ndarray:
        """Scores that the study saved."""
        return load_scores(self.out / "scores" / f"{name}.npz").score_LH

    def losses(self, name: str) -> list[float]:
        """The loss on its batch before every step of a training."""
        lines = (self.out / "logs" / f"{name}.jsonl").read_text().splitlines()
        return [json.loads(line)["loss"] for line in lines]

    def tuned(self, model: str, task: str, seed: int) -> Model:
        """The fine-tuned model."""
        return saved(self.out / "models" / f"{model}-{task}-{seed}")


@functools.cache  # reading checks every row
def _rows(path: Path) -> list[Row]:
    return read_rows(path)


def finished(
    factory: pytest.TempPathFactory,
    study: str,
    tasks: Mapping[str, Mapping[str, Sequence[Part]]],
    settings: Mapping[str, Any] | None = None,
    **how: Any,
) -> Finished:
    """A study ("Michel2019()"), with settings changed, run once for all workers of a test run."""
    own = factory.getbasetemp()
    own = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder = own / f"planted_{study.partition('(')[0]}"
    with filelock.FileLock(f"{folder}.lock"):
        if not folder.exists():
            folder.mkdir()
            config = write_planted(folder, study, tasks, **how)
            run_tiny(config, folder / "out", **(settings or {}))
    assert (folder / "out" / "rows.jsonl").is_file(), "the study has failed"
    return Finished(folder)
