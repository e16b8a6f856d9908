"""Greedy and beam search: translations of a batch in one compiled loop, under any mask.

The search is that of transformers' `generate` with the settings of Marian: padding is never
chosen, the last token that there is room for ends the sentence, finished hypotheses are ranked by
their log probability over a power of their length, and a sentence is done when none that still
runs could, at its present length, be better than the worst of the finished ones.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.models.layout import joined
from jaxheads.models.model import Model, Params, modules_of

NEVER = -1e9  # the score of what cannot be
FIRST = 8  # tokens that there is room for at first; twice as many whenever they are reached


class Translations(NamedTuple):
    """The best hypothesis for each source: its tokens with the one that ends it, then padding."""

    tokens_BT: Int[Array, "B T"]
    score_B: Float[Array, "B"]  # log probability over a power of the length


class _Search(NamedTuple):
    at: Int[Array, ""]  # how many tokens the hypotheses have
    tokens_BKT: Int[Array, "B K T"]  # of those that still run
    score_BK: Float[Array, "B K"]
    caches: Any
    best_BKT: Int[Array, "B K T"]  # of the finished ones, the best first
    best_BK: Float[Array, "B K"]
    finished_BK: Bool[Array, "B K"]
    open_B: Bool[Array, "B"]


@functools.partial(jax.jit, static_argnames=("config", "readout", "beams", "length"))
def decode(
    config: EncoderConfig,
    readout: ReadoutConfig,
    params: Params,
    tokens_BS: Int[Any, "B S"],
    real_BS: Bool[Any, "B S"],
    gate: Any = None,
    *,
    length: int,
    beams: int = 4,
    penalty: float | Float[Any, ""] = 1.0,
) -> Translations:
    """Translate a batch; one compilation for all gates, whole or cut models each.

    Args:
      gate: on the heads, `[L, H]` or by kind; None: ones.
      length: most tokens of a translation, with the one that ends it.
      beams: hypotheses that run at a time; 1: greedy.
      penalty: the power of the length that a hypothesis' log probability is divided by.

    Raises:
      ValueError: for no beam, a length that the positions do not reach, or a gate of another shape.
    """
    if beams < 1 or not 1 <= length <= config.max_positions:
        wanted = f"at least 1 beam and 1 to {config.max_positions} tokens"
        raise ValueError(f"decoding: expected {wanted}, got {beams} and {length}")
    body, head = modules_of(Model(config, readout, params))
    table = params["encoder"]["embeddings"]["word"]["table"]
    real_BS, gate = jnp.asarray(real_BS), joined(gate)
    memory = body(jnp.asarray(tokens_BS), real_BS, None, gate).hidden_BPD
    caches = jax.tree.map(lambda leaf: jnp.repeat(leaf, beams, axis=1), body.caches(memory, 0))
    real_nS = jnp.repeat(real_BS, beams, axis=0)

    def step(search: _Search) -> _Search:
        before = jax.lax.dynamic_index_in_dim(
            search.tokens_BKT, jnp.maximum(search.at - 1, 0), 2, keepdims=False
        )
        last = jnp.where(search.at == 0, config.start_token_id, before).reshape(-1, 1)
        hidden, caches = body.step(last, search.at, search.caches, real_nS, gate)
        logits = head(hidden, table)[:, 0, : config.vocab_size]
        return _extended(config, search._replace(caches=caches), logits, length, penalty)

    found, room = _start(config, len(tokens_BS), beams, length, caches), 0
    while room < length:  # attention and the order of beams cost what there is room for: it grows
        room = min(max(FIRST, 2 * room), length)
        found = found._replace(caches=_roomier(found.caches, room))
        go_on = lambda s, room=room: (s.at < room) & s.open_B.any()  # noqa: E731
        found = jax.lax.while_loop(go_on, step, found)
    return Translations(found.best_BKT[:, 0], found.best_BK[:, 0])


def _roomier(caches, room: int):
    """The same with room for so many tokens."""

    def wider(leaf):
        return jnp.pad(leaf, [(0, 0), (0, 0), (0, room - leaf.shape[2]), (0, 0), (0, 0)])

    return tuple(cache._replace(own=jax.tree.map(wider, cache.own)) for cache in caches)


def _start(config: EncoderConfig, size: int, beams: int, length: int, caches) -> _Search:
    """One hypothesis without a token for each source; the others cannot be."""
    tokens_BKT = jnp.full((size, beams, length), config.pad_token_id)
    never_BK = jnp.full((size, beams), NEVER)
    nothing = jnp.zeros((size, beams), bool)
    score_BK = never_BK.at[:, 0].set(0.0)
    at, is_open = jnp.zeros((), jnp.int32), jnp.ones(size, bool)
    return _Search(at, tokens_BKT, score_BK, caches, tokens_BKT, never_BK, nothing, is_open)


def _extended(config: EncoderConfig, s: _Search, logits_nV, length: int, penalty) -> _Search:
    """Every hypothesis by one token more: the best go on, or are finished."""
    size, beams, _ = s.tokens_BKT.shape
    scores_nV = _allowed(config, jax.nn.log_softmax(logits_nV, axis=-1), s.at == length - 1)
    total = s.score_BK[..., None] + scores_nV.reshape(size, beams, -1)
    # twice as many as run, so that enough are left if the best all end
    score_BC, place_BC = jax.lax.top_k(total.reshape(size, -1), 2 * beams)
    beam_BC, token_BC = jnp.divmod(place_BC, config.vocab_size)
    tokens_BCT = _taken(s.tokens_BKT, beam_BC).at[:, :, s.at].set(token_BC)
    ended_BC = (token_BC == config.eos_token_id) | (s.at == length - 1)

    ranked_BC = score_BC / (s.at + 1.0) ** penalty
    greedy = s.finished_BK.all(1) if beams == 1 else jnp.zeros(size, bool)
    just_BC = ended_BC & (jnp.arange(2 * beams) < beams)
    ranked_BC += NEVER * (~just_BC + (greedy | ~s.open_B)[:, None].astype(jnp.float32))
    merged_BM = jnp.concatenate([s.best_BK, ranked_BC], axis=1)
    best_BK, chosen_BK = jax.lax.top_k(merged_BM, beams)
    best_BKT = _taken(jnp.concatenate([s.best_BKT, tokens_BCT], axis=1), chosen_BK)
    finished_BK = _taken(jnp.concatenate([s.finished_BK, just_BC], axis=1), chosen_BK)

    score_BK, next_BK = jax.lax.top_k(score_BC + NEVER * ended_BC, beams)
    from_n = (jnp.arange(size)[:, None] * beams + _taken(beam_BC, next_BK)).ravel()
    caches = tuple(
        cache._replace(own=jax.tree.map(lambda leaf: leaf[:, from_n], cache.own))
        for cache in s.caches
    )
    hope_B1 = score_BK[:, :1] / (s.at + 1.0) ** penalty
    worst_BK = jnp.where(finished_BK, best_BK.min(1, keepdims=True), NEVER)
    open_B = s.open_B & (hope_B1 > worst_BK).any(1)
    if beams == 1:
        open_B &= ~finished_BK[:, 0]
    tokens_BKT = _taken(tokens_BCT, next_BK)
    return _Search(s.at + 1, tokens_BKT, score_BK, caches, best_BKT, best_BK, finished_BK, open_B)


def _allowed(config: EncoderConfig, score_nV, is_last):
    """No padding; and for the last token, whatever it costs, nothing but the end."""
    token_V = jnp.arange(config.vocab_size)
    score_nV = jnp.where(token_V == config.pad_token_id, -jnp.inf, score_nV)
    ended_V = jnp.where(token_V == config.eos_token_id, 0.0, -jnp.inf)
    return jnp.where(is_last, ended_V, score_nV)


def _taken(x, index_BK):
    """The entries of `[B, N, ...]` with these numbers."""
    return jnp.take_along_axis(x, index_BK.reshape(*index_BK.shape, *[1] * (x.ndim - 2)), axis=1)
