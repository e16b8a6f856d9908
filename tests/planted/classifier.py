"""A classifier in which one head alone carries the label.

Token ids below 31 have +2 on dimension FROM of their embedding, the others -2, and all tokens but
the first of an example are of one kind: its label. The readout sees dimension TO of the first
token. One head moves FROM to TO. All else is random but leaves both dimensions alone, and adds up
to zero over the dimensions (SINK balances FROM), so that layer normalisation carries nothing.
"""

from __future__ import annotations

import numpy as np

FROM, SINK, TO = 0, 1, 2


def plant(params, layer: int, head: int):
    """`params` of a RoBERTa classifier with three labels, random, with the planted head."""
    clear(params["encoder"])
    carry(params["encoder"], layer, head)
    table, readout = params["encoder"]["embeddings"]["word"]["table"], params["readout"]
    table[2:31, [FROM, SINK]] = (2, -2)
    table[31:, [FROM, SINK]] = (-2, 2)
    for part in (readout["dense"], readout["out"]):
        part["kernel"][:], part["bias"][:] = 0, 0
    readout["dense"]["kernel"][TO, 0] = 1
    readout["out"]["kernel"][0] = (2, 0, -2)
    readout["out"]["bias"][1] = -9  # the third label never occurs
    return params


def clear(encoder) -> None:
    """Nothing in the encoder reads or writes the three dimensions."""
    for name in ("word", "position", "type"):
        leave_alone(encoder["embeddings"][name]["table"])
    plain(encoder["embeddings"]["norm"])
    stacks = [encoder[name] for name in sorted(encoder) if name.startswith("stack")]
    for stack in stacks:
        plain(stack["attention_norm"])
        plain(stack["feed_forward_norm"])
        for part in (stack["attention"]["out"], stack["down"]):
            leave_alone(part["kernel"])
            leave_alone(part["bias"])


def carry(encoder, layer: int, head: int) -> None:
    """A head that looks everywhere alike, and writes the mean of FROM to TO."""
    stacks = [encoder[name] for name in sorted(encoder) if name.startswith("stack")]
    blocks = [(s["attention"], row) for s in stacks for row in range(len(s["up"]["bias"]))]
    attention, row = blocks[layer]
    for part in ("query", "value"):
        attention[part]["kernel"][row, :, head] = 0
        attention[part]["bias"][row, head] = 0
    attention["value"]["kernel"][row, FROM, head, 0] = 1
    attention["out"]["kernel"][row, head] = 0
    attention["out"]["kernel"][row, head, 0, TO] = 1


def plain(norm) -> None:
    norm["scale"][:], norm["bias"][:] = 1, 0


def leave_alone(array: np.ndarray) -> None:
    array[..., [FROM, SINK, TO]] = 0
    array[..., 3:] -= array[..., 3:].mean(-1, keepdims=True)


def planted_examples(batch, rng):
    """`batch` with first token 0 and other tokens of the kind that the label says."""
    label = rng.integers(0, 2, len(batch.labels))
    shape = batch.tokens_BT.shape
    low, high = rng.integers(2, 31, shape), rng.integers(31, 60, shape)
    tokens = np.where(label[:, None] == 0, low, high)
    tokens[:, 0] = 0
    tokens = np.where(batch.real_BT, tokens, batch.tokens_BT)
    return batch._replace(tokens_BT=tokens, labels=2 * label)
