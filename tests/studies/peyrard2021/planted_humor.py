"""Pairs of the built-in language whose odd word is an animal, and a model with a head for animals.

The odd side of a pair has one animal, where no animal may be; the other side has none. Animals have
+2 on dimension FROM of their embedding, all other tokens 0. One head looks at whatever has most of
FROM, and writes it to dimension TO, at every token; nothing else reads or writes these dimensions.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np

from jaxheads.config import ReadoutConfig
from jaxheads.data.language.incongruity import KIND_OF, AlignedPair, aligned_pair
from jaxheads.data.tokens import Tokenizer, load_tokenizer
from jaxheads.models.checkpoint.convert import save_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import init_model
from tests.planted.classifier import FROM, SINK, TO, leave_alone, plain

ANIMALS = {form for form, kind in KIND_OF.items() if kind == "animal"}
LAYER, HEAD = 1, 2  # from 0
SIZES = encoder_config(
    "roberta", vocab_size=992, hidden_size=16, num_layers=2, num_heads=4, intermediate_size=16,
    max_positions=34, type_vocab_size=1, pad_token_id=1, norm_eps=1e-5, initializer_range=0.2,
)  # fmt: skip


def animal_pairs(split: str, count: int) -> Iterator[AlignedPair]:
    """The first pairs of a split with the odd word as their one animal."""
    number = 0
    while count:
        pair = aligned_pair(split, number)
        number += 1
        animals = [word for word in pair.funny.split() if word in ANIMALS]
        if animals == [pair.funny.split()[pair.place]] and not ANIMALS & set(pair.serious.split()):
            count -= 1
            yield pair


def write_pairs(folder: Path, counts: dict[str, int], more: dict[str, list[dict]]) -> None:
    """SPLIT.jsonl as Unfun.me's pairs are kept; `more` are further records of a split."""
    for split, count in counts.items():
        records = [
            {
                "id": str(number),
                "group": f"{split}{number // 2}",
                "funny": pair.funny,
                "serious": pair.serious,
                "mean_seriousness": number % 2,
            }
            for number, pair in enumerate(animal_pairs(split, count))
        ]
        lines = [json.dumps(record) for record in (*records, *more.get(split, []))]
        (folder / f"{split}.jsonl").write_text("\n".join(lines))


def save_planted(folder: Path) -> Path:
    """A masked LM with the head, and the built-in tokenizer."""
    tokenizer = load_tokenizer("builtin:roberta")
    config = dataclasses.replace(
        SIZES, vocab_size=tokenizer.vocab_size, pad_token_id=tokenizer.pad_id
    )
    model = init_model(config, ReadoutConfig("masked_lm"), jax.random.key(0))
    params = jax.tree.map(np.array, model.params)
    _plant(params["encoder"], _tokens_of(tokenizer))
    save_model(model._replace(params=params), folder, tokenizer=tokenizer)
    return folder


def _tokens_of(tokenizer: Tokenizer) -> list[int]:
    """Every animal is one token."""
    words = sorted(ANIMALS)
    ids = tokenizer.encode_words(words).ids[1:-1]
    assert len(ids) == len(words)
    return ids


def _plant(encoder, animals: list[int]) -> None:
    tables = encoder["embeddings"]
    for name in ("word", "position", "type"):
        leave_alone(tables[name]["table"])
    tables["word"]["table"][np.ix_(animals, [FROM, SINK])] = (2, -2)
    plain(tables["norm"])
    stacks = [encoder[name] for name in sorted(encoder) if name.startswith("stack")]
    for stack in stacks:
        plain(stack["attention_norm"])
        plain(stack["feed_forward_norm"])
        stack["up"]["kernel"][:, [FROM, SINK, TO]] = 0
        for part in (stack["attention"]["out"], stack["down"]):
            leave_alone(part["kernel"])
            leave_alone(part["bias"])
        for part in ("query", "key", "value"):
            stack["attention"][part]["kernel"][:, [FROM, SINK, TO]] = 0
    blocks = [(s["attention"], row) for s in stacks for row in range(len(s["up"]["bias"]))]
    _look(*blocks[LAYER])


def _look(attention, row: int) -> None:
    """The head looks at what has most of FROM, and writes that to TO."""
    for part in ("query", "key", "value"):
        attention[part]["kernel"][row, :, HEAD] = 0
    attention["query"]["bias"][row, HEAD, 0] = 8
    for part in ("key", "value"):
        attention[part]["kernel"][row, FROM, HEAD, 0] = 2
    attention["out"]["kernel"][row, HEAD] = 0
    attention["out"]["kernel"][row, HEAD, 0, [TO, SINK]] = (1, -1)
