"""What a model is asked to do: a loss per example, never averaged, as a function of every gate.

An objective is any function `(params, gate, batch, key) -> Outcome`, yours too; `objective_for`
makes those of the package's own models. `gate` is the models' `head_mask`: `[L, H]`, any shape that
broadcasts to `[B, L, H, T]`, or None for ones; `key` is None where dropout is off. One example's
loss must not depend on the other rows of its batch: scores take one gradient for all rows together.
On a mesh that is split along `model`, `encoder/embeddings/word/table` may have zeros behind the
vocabulary (see `mesh`): an objective of your own that reads it for logits must leave them out.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxheads.config import LABELLED, Compute, EncoderConfig, ReadoutConfig, TrainingConfig
from jaxheads.data.batch import Batch
from jaxheads.models.attention import Observer
from jaxheads.models.model import Params, encode, logits, pool, trace_translation
from jaxheads.models.packing import Packing
from jaxheads.models.readouts import mean_over_tokens

WIDE = 256
Targets = Literal["labels", "own"]


class Outcome(NamedTuple):
    """Per-example losses, never averaged, and what they were made of.

    `loss_B` is the sum of an example's terms and `terms_B` their number: 1 for classification and
    regression, else the number of labels (multilabel), of words (tagging) or of predicted positions
    (masked LM). `moved` are the parameters that the pass itself moves, as running statistics are: a
    part of the tree with their new values.
    """

    loss_B: Float[Array, "B"]
    logits: Float[Array, "B *P C"]
    terms_B: Float[Array, "B"]
    moved: Any = None


Objective = Callable[..., Outcome]  # (params, gate, batch, key) -> Outcome
ObservedPass = Callable[..., Any]  # (params, gate, batch, observe) -> arrays [B, L, H, ...]


@functools.lru_cache  # one function for one set of arguments, so that jit compiles it once
def objective_for(
    config: EncoderConfig,
    readout: ReadoutConfig,
    *,
    compute_dtype: Compute = "float32",
    targets: Targets = "labels",
    remat: bool = False,
    unroll: bool = False,
    label_smoothing: float = 0.0,
) -> Objective:
    """The objective of a model: cross entropy in nats, or squared error of a regression.

    Of a multilabel readout it is the sum over labels of the binary cross entropy, of a tagging
    readout, a masked LM and a translation the sum over the positions whose label is not -1.

    `targets="own"` needs no labels: each target is the class to which the model with all of its
    heads gives the most probability, held constant, so that ablations and integrals over the gate
    measure departure from the full model. It costs one forward pass more. Masked LM: positions are
    still those of the batch. `remat` and `unroll` are the encoder's. `label_smoothing` is the share
    of a target that all classes or tokens have alike (Szegedy et al. 2016, section 7).

    Raises:
      ValueError: for no readout, unknown targets, own targets of a regression, whose error is
        zero with a gradient of zero, and smoothing where there is no class to choose.
    """
    _check(readout, targets)
    dtype = jnp.dtype(compute_dtype)
    loss = _loss_of(readout, label_smoothing)

    def objective(params: Params, gate, batch: Batch, key=None) -> Outcome:
        batch = jax.tree.map(jnp.asarray, batch)
        how = {"dtype": dtype, "remat": remat, "unroll": unroll}
        run = functools.partial(_logits, config, readout, params, batch, how)
        logits, labels = run(gate=gate, key=key), jnp.asarray(batch.labels)
        if targets == "own":
            full = logits if gate is None and key is None else run(gate=None, key=None)
            labels = _own_labels(readout, full, labels)
        return Outcome(*loss(logits, labels))

    return objective


@functools.lru_cache
def watch_for(config: EncoderConfig, *, compute_dtype: Compute = "float32") -> ObservedPass:
    """A function `(params, gate, batch, observe)`: what `observe` makes of every head's attention.

    See `models.attention.View` for what `observe` is given: one layer, all its heads. Returns
    arrays `[B, L, H, ...]`, zero for cut heads; for a pair of sentences, the mean over the two. Of
    the batch, `tokens_BT`, `real_BT` and `types_BT` are read. An encoder-decoder is shown pairs of
    a source and a target, and raises ValueError for single sentences.
    """
    dtype = jnp.dtype(compute_dtype)

    def watch(params: Params, gate, batch: Any, observe: Observer):
        if config.decoder_layers:
            if batch.tokens_BT.ndim != 3:
                wanted = "expected an encoder alone, got an encoder-decoder"
                raise ValueError(f"attention maps of single sentences: {wanted}")
            tokens, real = jnp.asarray(batch.tokens_BT), jnp.asarray(batch.real_BT)
            how = {"observe": observe, "dtype": dtype}
            return trace_translation(config, params, tokens, real, gate, **how).observed
        tokens, real, types = _sentences(batch)
        seen = encode(
            config, params, tokens, real, types, gate, observe=observe, dtype=dtype
        ).observed
        sentences = tokens.shape[0] // batch.tokens_BT.shape[0]
        return jax.tree.map(lambda x: x.reshape(-1, sentences, *x.shape[1:]).mean(1), seen)

    return watch


class Represented(NamedTuple):
    """What an encoder makes of sentences, and what an observer made of its attention.

    `pooled_BD` is the last state of the first token; under a classification readout, what its first
    layer makes of it, which in a BERT checkpoint is the pooler. `mean_BD` is the mean over real
    tokens.
    """

    pooled_BD: Float[Array, "B D"]
    mean_BD: Float[Array, "B D"]
    seen: Any


Represent = Callable[..., Represented]  # (params, gate, batch, observe=None) -> Represented


@functools.lru_cache
def represent_for(config: EncoderConfig, readout: ReadoutConfig) -> Represent:
    """A function `(params, gate, batch, observe=None)` to the representations of the sentences.

    Siamese pairs, `[B, 2, T]`, are 2 B sentences, the two of a pair one after the other.
    """

    def represent(params: Params, gate, batch: Batch, observe: Observer | None = None):
        tokens, real, types = _sentences(batch)
        trace = encode(config, params, tokens, real, types, gate, observe=observe)
        hidden = trace.hidden_BPD.astype(jnp.float32)
        pooled_BD = pool(config, readout, params, hidden, real)
        return Represented(pooled_BD, mean_over_tokens(hidden, real), trace.observed)

    return represent


@functools.lru_cache
def cosine_for(represent: Represent, pooled: bool) -> Objective:
    """The cosine of the two representations of a siamese pair, as the answer to how alike they are.

    The loss is its squared distance from the label; nothing need be trained by it.
    """

    def objective(params: Params, gate, batch: Batch, key=None) -> Outcome:
        del key
        found = represent(params, gate, batch)
        both_BD = found.pooled_BD if pooled else found.mean_BD
        both_B2D = both_BD.reshape(-1, 2, both_BD.shape[-1])
        unit_B2D = both_B2D / jnp.linalg.norm(both_B2D, axis=-1, keepdims=True)
        cosine_B = (unit_B2D[:, 0] * unit_B2D[:, 1]).sum(-1)
        loss_B = jnp.square(cosine_B - jnp.asarray(batch.labels))
        return Outcome(loss_B, cosine_B[:, None], jnp.ones_like(loss_B))

    return objective


def _sentences(batch: Any):
    """Tokens, real and types of every sentence, `[sentences, T]`."""
    length = batch.tokens_BT.shape[-1]
    arrays = map(jnp.asarray, (batch.tokens_BT, batch.real_BT, batch.types_BT))
    return tuple(jnp.reshape(array, (-1, length)) for array in arrays)


def _check(readout: ReadoutConfig, targets: str) -> None:
    if readout.kind == "none":
        raise ValueError(
            "objective: expected one of the readouts masked_lm, translation, "
            f"{', '.join(LABELLED)}, got none"
        )
    if targets not in ("labels", "own"):
        raise ValueError(f"targets: expected 'labels' or 'own', got {targets!r}")
    if targets == "own" and _is_regression(readout):
        raise ValueError(
            "targets 'own': expected a classifier or a masked LM; a regression's own prediction "
            "has no error, so that every score would be zero"
        )


def unrolls(config: EncoderConfig) -> bool:
    """Whether layers one after the other are faster than a loop: wide ones, on a CPU.

    A loop fills what it keeps for the backward pass with zeros first and copies it twice, a tenth
    of the time there.
    """
    return jax.default_backend() == "cpu" and config.hidden_size >= WIDE


def packing_of(batch: Any) -> Packing | None:
    """Where the examples of a batch of packed rows lie; None where each row is an example."""
    slot_RT, start_RS = (getattr(batch, name, None) for name in ("slot_RT", "start_RS"))
    return None if slot_RT is None or start_RS is None else Packing(slot_RT, start_RS)


def _logits(config, readout, params, batch, how, *, gate, key):
    if readout.kind == "masked_lm" and batch.where_BP is None:
        raise ValueError("masked LM: expected a batch with positions to predict, where_BP is None")
    return logits(
        config, readout, params, batch.tokens_BT, batch.real_BT, batch.types_BT, gate,
        where_BP=batch.where_BP, key=key, packing=packing_of(batch), **how,
    )  # fmt: skip


def _loss_of(readout: ReadoutConfig, smoothing: float):
    if smoothing and (_is_regression(readout) or readout.kind == "multilabel"):
        raise ValueError("label_smoothing: expected 0 where no class of several is chosen")
    if _is_regression(readout):
        return _squared_error
    if readout.kind == "multilabel":
        return _each_label
    losses = {
        "masked_lm": _each_place,
        "translation": _each_place,
        "tagging": _each_place,
    }
    return functools.partial(losses.get(readout.kind, _one_class), smoothing=smoothing)


def _is_regression(readout: ReadoutConfig) -> bool:
    return readout.kind in ("classification", "pair") and len(readout.labels) == 1


def _squared_error(logits_B1: Float[Array, "B 1"], label_B: Float[Array, "B"]):
    return jnp.square(logits_B1[:, 0] - label_B), logits_B1, jnp.ones_like(logits_B1[:, 0])


def _one_class(logits_BC: Float[Array, "B C"], label_B: Int[Array, "B"], smoothing: float):
    return _cross_entropy(logits_BC, label_B, smoothing), logits_BC, jnp.ones_like(logits_BC[:, 0])


def _each_label(logits_BC: Float[Array, "B C"], label_BC: Int[Array, "B C"]):
    """Binary cross entropy of every label; NaN for one that is neither 0 nor 1."""
    loss_BC = jax.nn.softplus(logits_BC) - logits_BC * label_BC
    known_BC = (label_BC == 0) | (label_BC == 1)
    loss_B = jnp.where(known_BC, loss_BC, jnp.nan).sum(1)
    return loss_B, logits_BC, jnp.full_like(loss_B, logits_BC.shape[1])


def _each_place(logits_BPV: Float[Array, "B P V"], label_BP: Int[Array, "B P"], smoothing: float):
    chosen_BP = label_BP >= 0
    loss_BP = _cross_entropy(logits_BPV, jnp.maximum(label_BP, 0), smoothing)
    return (
        jnp.where(chosen_BP, loss_BP, 0.0).sum(1),
        logits_BPV,
        chosen_BP.sum(1).astype(logits_BPV.dtype),
    )


def _cross_entropy(logits, label, smoothing):
    """Nats; NaN for a label that is no class, which would otherwise pass for another."""
    classes = logits.shape[-1]
    inside = (label >= 0) & (label < classes)
    index = jnp.clip(label, 0, classes - 1)[..., None]
    picked = jnp.take_along_axis(logits, index, axis=-1)[..., 0]
    if smoothing:  # -inf is behind the vocabulary, see `mesh`
        everywhere = jnp.mean(logits, axis=-1, where=jnp.isfinite(logits))
        picked = (1 - smoothing) * picked + smoothing * everywhere
    return jnp.where(inside, jax.nn.logsumexp(logits, -1) - picked, jnp.nan)


def _own_labels(readout: ReadoutConfig, full_logits, labels):
    full_logits = jax.lax.stop_gradient(full_logits)
    if readout.kind == "multilabel":
        return (full_logits > 0).astype(labels.dtype)
    own = jnp.argmax(full_logits, -1)
    return jnp.where(labels >= 0, own, labels) if labels.ndim == own.ndim == 2 else own


def training_objective(
    encoder: EncoderConfig, readout: ReadoutConfig, config: TrainingConfig
) -> Objective:
    """The model's own task, with the dropout and the type of a training run."""
    if config.dropout is not None:
        rates = {"hidden_dropout": config.dropout, "attention_dropout": config.dropout}
        encoder = dataclasses.replace(encoder, **rates)
        readout = dataclasses.replace(readout, dropout=config.dropout)
    how = {
        "compute_dtype": config.dtype,
        "remat": config.remat,
        "label_smoothing": config.label_smoothing,
    }
    return objective_for(encoder, readout, **how)
