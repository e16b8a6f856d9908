"""What every head attends to in texts of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from jaxheads.data.pieces import Pieces, pieces_of_words, single_pieces
from jaxheads.data.tokens import Tokenizer
from jaxheads.inference.attention_maps import model_maps
from jaxheads.models.model import Model

Text = str | tuple[str, str]  # a sentence, or a pair of them


class TextMap(NamedTuple):
    """The tokens (or words) of a text, and the attention of all heads from each to each."""

    tokens: tuple[str, ...]
    attention: Float[np.ndarray, "L H T T"]

    def __repr__(self) -> str:
        """One line, since the array would flood a notebook."""
        layers, heads, length, _ = self.attention.shape
        return f"TextMap({length} tokens, {layers} layers x {heads} heads)"


def attention_maps(
    model: Model,
    tokenizer: Tokenizer,
    texts: Sequence[Text],
    *,
    words: bool = False,
    mesh: Mesh | None = None,
) -> list[TextMap]:
    """The attention of all heads in each text.

    Args:
      model: an encoder with any readout, or none.
      tokenizer: that of the model.
      texts: sentences, or pairs of them.
      words: between the words that spaces part, instead of between all tokens: a word attends by
        the mean of its pieces and is attended to by their sum; special tokens have no rows.
      mesh: devices that share the texts.

    Returns:
      In the order of the texts, tokens and an array `[L, H, T, T]`: from the token of the row.

    Raises:
      ValueError: for one text instead of several, pairs between whose words no attention is
        defined, and a text without tokens or with more than the model reads.
    """
    if isinstance(texts, str):
        raise ValueError("texts: expected a list of texts, got one text")
    names, pieces = [], []
    for number, text in enumerate(texts):
        make = _by_word if words else _by_token
        try:
            own, found = make(tokenizer, text)
        except ValueError as error:
            raise ValueError(f"text {number}: {error}") from error
        names.append(own)
        pieces.append(found)
    maps = {
        int(number): attention_LHTT
        for index_N, attention in model_maps(model, pieces, mesh=mesh)
        for number, attention_LHTT in zip(index_N, attention, strict=True)
    }
    return [TextMap(own, maps[number]) for number, own in enumerate(names)]


def _by_token(tokenizer: Tokenizer, text: Text) -> tuple[tuple[str, ...], Pieces]:
    pair = not isinstance(text, str)
    first, second = ([text[0]], [text[1]]) if pair else ([text], None)
    encoded = tokenizer.encode(first, second)
    tokens = (tokenizer.pipeline.id_to_token(each) for each in encoded.ids[0])
    types_T = np.asarray(encoded.types[0])
    return tuple(map(str, tokens)), single_pieces(encoded.ids[0])._replace(types_T=types_T)


def _by_word(tokenizer: Tokenizer, text: Text) -> tuple[tuple[str, ...], Pieces]:
    if not isinstance(text, str):
        raise ValueError("words: expected a sentence, got a pair")
    words = text.split()
    if not words:
        raise ValueError("expected a word, got none")
    return tuple(words), pieces_of_words(tokenizer.encode_words(words), len(words))
