"""A tiny encoder without a readout, treebanks for it, and what its heads find, by plain loops."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxheads.config import ReadoutConfig
from jaxheads.data.tokens import Tokenizer, load_tokenizer
from jaxheads.models.checkpoint.convert import save_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import Model, encode, init_model

CONLLU = (
    (("the", 2, "det"), ("old", 3, "amod"), ("dog", 4, "nsubj"), ("sees", 0, "root"),
     ("a", 6, "det"), ("cat", 4, "obj"), (".", 4, "punct")),
    (("new", 2, "amod"), ("cats", 3, "nsubj"), ("see", 0, "root"), ("dogs", 3, "obj")),
    (("the", 2, "det"), ("girl", 0, "root"), ("sees", 2, "acl"), ("new", 5, "amod"),
     ("maps", 3, "obj"), (".", 2, "punct")),
    (("dogs", 2, "nsubj"), ("see", 0, "root"), ("the", 5, "det"), ("old", 5, "amod"),
     ("king", 2, "obj")),
)  # fmt: skip
MRG = (
    "(S (NP (DT the) (JJ old) (NN dog)) (VP (VBZ sees) (NP (DT a) (NN cat))) (. .))",
    "(S (NP (JJ new) (NNS cats)) (VP (VBP see) (NP (NNS dogs)) (PP (IN in) (NP (NN town)))))",
    "(S (NP (NNS dogs)) (VP (VBP see) (NP (DT the) (JJ old) (NN king))))",
)


def small_encoder() -> tuple[Model, Tokenizer]:
    """Two layers of three heads, no readout, weights large enough for attention to differ."""
    tokenizer = load_tokenizer("builtin:roberta")
    config = encoder_config(
        "roberta", tokenizer.vocab_size, hidden_size=24, num_layers=2, num_heads=3,
        intermediate_size=16, max_positions=34, type_vocab_size=1, norm_eps=1e-5,
        pad_token_id=tokenizer.pad_id, initializer_range=0.5,
    )  # fmt: skip
    return init_model(config, ReadoutConfig(), jax.random.key(3)), tokenizer


def write_all(folder: Path) -> None:
    """`folder/model`, `folder/trees.conllu` and `folder/trees.mrg`."""
    model, tokenizer = small_encoder()
    save_model(model, folder / "model", tokenizer=tokenizer)
    lines = [
        "\n".join(f"{n}\t{w}\t_\tX\t_\t_\t{h}\t{r}\t_\t_" for n, (w, h, r) in enumerate(each, 1))
        for each in CONLLU
    ]
    (folder / "trees.conllu").write_text("\n\n".join(lines) + "\n\n")
    (folder / "trees.mrg").write_text("\n".join(MRG))


def word_attention(model: Model, tokenizer: Tokenizer, words, *, special: bool) -> np.ndarray:
    """Attention between the words of one sentence that is run alone: mean of rows, sum of columns.

    Without `special` tokens these do not enter the model.
    """
    encoded = tokenizer.encode_words(words)
    kept = [n for n, word in enumerate(encoded.word_of_piece) if special or word >= 0]
    ids = jnp.array([[encoded.ids[n] for n in kept]])
    trace = encode(
        model.config, model.params, ids, jnp.ones(ids.shape, bool), observe=lambda v: v.probs_BHTS
    )
    pieces_LHTS = np.asarray(trace.observed)[0].astype(float)
    words_LHPP = np.zeros((*pieces_LHTS.shape[:2], len(words), len(words)))
    own = [encoded.word_of_piece[n] for n in kept]
    for row, one in enumerate(own):
        for column, two in enumerate(own):
            if one >= 0 and two >= 0:
                words_LHPP[:, :, one, two] += pieces_LHTS[:, :, row, column] / own.count(one)
    return words_LHPP


def jensen_shannon(one: np.ndarray, two: np.ndarray) -> float:
    """The root of the divergence of two rows made distributions, in nats."""
    one, two = one / one.sum(), two / two.sum()
    mean = (one + two) / 2
    parts = [sum(p * np.log(p / m) for p, m in zip(x, mean, strict=True) if p) for x in (one, two)]
    return float(np.sqrt(max(sum(parts) / 2, 0)))


def spans_of(distance: list[float], start: int = 0) -> set[tuple[int, int]]:
    """The constituents of at least two words, split at the greatest distance from the top."""
    if not distance:
        return set()
    at = max(range(len(distance)), key=distance.__getitem__)
    left, right = distance[:at], distance[at + 1 :]
    found = spans_of(left, start) | spans_of(right, start + at + 1)
    return found | {(start, start + len(distance) + 1)}
