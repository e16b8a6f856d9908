"""Beam search against a plain one, under masks and of cut models; greedy against argmax."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.inference.decoding import decode
from jaxheads.models.layout import by_kind
from jaxheads.models.model import logits
from jaxheads.pruning.cut import cut
from jaxheads.pruning.mask import random_mask
from tests.support.translation import CONFIG, TRANSLATION, random_batch, random_params

PARAMS = random_params(CONFIG)
PARAMS["readout"]["bias"] = PARAMS["readout"]["bias"].at[0].add(3.0)  # sentences end
BATCH = random_batch(CONFIG)
SOURCE = (BATCH.tokens_BT[:3, 0], BATCH.real_BT[:3, 0])
LENGTH = 9
WITHOUT = np.repeat([1, 0, 1, 0, 1, 1, 0], 4).reshape(7, 4).astype(bool)  # layers of each kind
compiled = jax.jit(logits, static_argnums=(0, 1))


def compilations() -> int:
    return getattr(decode, "_cache_size")()  # noqa: B009 (which type checkers do not know)


def next_scores(prefix: list[int], row: int, gate) -> np.ndarray:
    """Log probabilities of the token after a prefix, by the whole decoder."""
    length = max(LENGTH, SOURCE[0].shape[1])
    tokens, real = np.zeros((2, 1, 2, length), np.int32)
    tokens[0, 0, : SOURCE[0].shape[1]], real[0, 0, : SOURCE[0].shape[1]] = (x[row] for x in SOURCE)
    read = [CONFIG.start_token_id, *prefix]
    tokens[0, 1, : len(read)], real[0, 1, : len(read)] = read, 1
    found = compiled(CONFIG, TRANSLATION, PARAMS, tokens, real > 0, tokens, gate)
    scores = np.array(jax.nn.log_softmax(found[0, len(prefix)]), np.float64)
    scores[CONFIG.pad_token_id] = -np.inf
    if len(prefix) == LENGTH - 1:
        scores[:] = -np.inf
        scores[CONFIG.eos_token_id] = 0
    return scores


def plain_greedy(row: int, gate) -> list[int]:
    found: list[int] = []
    while not found or found[-1] != CONFIG.eos_token_id:
        found.append(int(next_scores(found, row, gate).argmax()))
    return found


def plain_beams(row: int, gate, beams: int) -> tuple[list[int], float]:
    running, finished = [([], 0.0)], []
    for at in range(LENGTH):
        grown = [
            ([*prefix, token], score + more)
            for prefix, score in running
            for token, more in enumerate(next_scores(prefix, row, gate))
        ]
        grown = sorted(grown, key=lambda each: -each[1])[: 2 * beams]
        ends = [each[0][-1] == CONFIG.eos_token_id for each in grown]
        finished += [
            (tokens, score / (at + 1))
            for (tokens, score), end in zip(grown[:beams], ends, strict=False)
            if end
        ]
        finished = sorted(finished, key=lambda each: -each[1])[:beams]
        running = [each for each, end in zip(grown, ends, strict=True) if not end][:beams]
        full = len(finished) == beams
        if full and running[0][1] / (at + 1) <= finished[-1][1]:
            break
    return finished[0]


def rows_of(found) -> list[list[int]]:
    rows = np.asarray(found.tokens_BT).tolist()
    return [row[: row.index(CONFIG.eos_token_id) + 1] for row in rows]


GATE = random_mask(7, 4, 18, 0).astype(np.float32)


def test_greedy_takes_the_most_likely_token_until_the_end():
    found = decode(CONFIG, TRANSLATION, PARAMS, *SOURCE, GATE, beams=1, length=LENGTH)
    assert rows_of(found) == [plain_greedy(row, GATE) for row in range(3)]


def test_beams_are_those_of_a_plain_search():
    found = decode(CONFIG, TRANSLATION, PARAMS, *SOURCE, GATE, beams=3, length=LENGTH)
    plain = [plain_beams(row, GATE, 3) for row in range(3)]
    assert rows_of(found) == [tokens for tokens, _ in plain]
    np.testing.assert_allclose(found.score_B, [score for _, score in plain], rtol=1e-4)
    assert (
        np.asarray(found.tokens_BT)[:, 1:][np.asarray(found.tokens_BT)[:, :-1] == 0] == 59
    ).all()


@pytest.mark.parametrize("mask_LH", [random_mask(7, 4, 13, 1), WITHOUT & random_mask(7, 4, 20, 2)])
def test_masked_and_cut_models_find_the_same_beams_without_another_compilation(mask_LH):
    masked = decode(
        CONFIG, TRANSLATION, PARAMS, *SOURCE, mask_LH.astype(np.float32), beams=3, length=LENGTH
    )
    sizes = compilations()
    params, config = cut(PARAMS, CONFIG, mask_LH)
    cutted = decode(config, TRANSLATION, params, *SOURCE, beams=3, length=LENGTH)
    assert rows_of(masked) == rows_of(cutted)
    np.testing.assert_allclose(masked.score_B, cutted.score_B, rtol=1e-4)
    assert compilations() == sizes + 1
    for seed in range(2):
        gate = random_mask(7, 4, 5 + seed, seed).astype(np.float32)
        decode(CONFIG, TRANSLATION, PARAMS, *SOURCE, gate, beams=3, length=LENGTH)
    assert compilations() == sizes + 1


def test_padding_of_the_source_and_other_rows_change_nothing():
    together = decode(CONFIG, TRANSLATION, PARAMS, *SOURCE, GATE, beams=3, length=LENGTH)
    filled = np.where(SOURCE[1], SOURCE[0], 5)[[2, 1, 0]]
    other = decode(
        CONFIG, TRANSLATION, PARAMS, filled, SOURCE[1][[2, 1, 0]], GATE, beams=3, length=LENGTH
    )
    assert rows_of(together) == rows_of(other)[::-1]


def test_gates_by_kind_and_a_penalty_on_length_are_taken():
    tree = by_kind(CONFIG, jnp.asarray(GATE))
    how = {"beams": 3, "length": LENGTH}
    one = decode(CONFIG, TRANSLATION, PARAMS, *SOURCE, tree, **how)
    two = decode(CONFIG, TRANSLATION, PARAMS, *SOURCE, GATE, **how)
    np.testing.assert_array_equal(one.tokens_BT, two.tokens_BT)
    short = decode(CONFIG, TRANSLATION, PARAMS, *SOURCE, GATE, penalty=-2.0, **how)
    assert sum(map(len, rows_of(short))) < sum(map(len, rows_of(one)))


def test_what_cannot_be_decoded_is_refused():
    with pytest.raises(ValueError, match="expected at least 1 beam and 1 to 20 tokens, got 4 and"):
        decode(CONFIG, TRANSLATION, PARAMS, *SOURCE, length=21)
