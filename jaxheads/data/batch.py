"""The arrays that travel from data to models."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Array, Bool, Float, Int, Num
from numpy import ndarray


class Batch(NamedTuple):
    """One batch; every array has the batch as its first axis, so that all of them shard alike.

    Padding rows have `weight_B` 0 and `index_B` -1, and one real token, so that no softmax is over
    nothing; all other rows weigh 1. A pair (Siamese) batch has `[B, 2, T]` tokens. Masked LM:
    `where_BP` holds positions to predict and `labels` `[B, P]` the original tokens, -1 where a row
    has fewer. Multilabel: `labels` `[B, C]` are 1 or 0. Tagging: `labels` `[B, T]` are at the first
    piece of each word, and -1 elsewhere. In a packed batch (see `models.packing`) each row of
    tokens holds several examples, and labels, weights and numbers have one row for each place.
    """

    tokens_BT: Int[Array | ndarray, "B *pair T"]
    real_BT: Bool[Array | ndarray, "B *pair T"]  # False on padding tokens
    types_BT: Int[Array | ndarray, "B *pair T"]  # segments 0 and 1; zeros where a family has none
    labels: Num[Array | ndarray, "B *P"]  # class numbers, real scores, or those of places
    weight_B: Float[Array | ndarray, "B"]
    index_B: Int[Array | ndarray, "B"]  # the example's number in its data set
    where_BP: Int[Array | ndarray, "B P"] | None = None
    slot_RT: Int[Array | ndarray, "R T"] | None = None  # of packed rows, with `start_RS`
    start_RS: Int[Array | ndarray, "R S"] | None = None
