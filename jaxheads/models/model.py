"""The whole model as functions of config, readout and params; modules live only inside a trace."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from jaxheads.config import LABELLED, EncoderConfig, ReadoutConfig
from jaxheads.models.attention import Observer, of_sides
from jaxheads.models.encoder import Encoder, Trace
from jaxheads.models.layout import HeadKinds, joined
from jaxheads.models.packing import Packing
from jaxheads.models.readouts import READOUT, mean_over_tokens

Params = dict[str, Any]


class Model(NamedTuple):
    """An encoder, its readout and their parameters."""

    config: EncoderConfig
    readout: ReadoutConfig
    params: Params

    def __repr__(self) -> str:
        """One line with the sizes, since the arrays would flood a terminal or a notebook."""
        c = self.config
        kept, whole = sum(map(len, c.heads_by_layer)), c.num_layers * c.num_heads
        heads = f"{c.num_layers} layers x {c.num_heads} heads"
        heads += f" ({kept} of {whole} kept)" if kept < whole else ""
        labels = f" of {len(self.readout.labels)} labels" if self.readout.labels else ""
        count = sum(np.size(leaf) for leaf in jax.tree.leaves(self.params))
        return (
            f"Model({c.family}, {heads}, width {c.hidden_size}, readout "
            f"{self.readout.kind}{labels}, {count:,} parameters)"
        )


def init_model(config: EncoderConfig, readout: ReadoutConfig, key) -> Model:
    """A model with fresh parameters: normal kernels of `initializer_range`, zero biases.

    Args:
      key: concrete, not traced: numbers are drawn on the host from its bits, so that nothing is
        compiled.
    """
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())

    def draw(shape):
        return random.standard_normal(shape, np.float32) * np.float32(config.initializer_range)

    return Model(config, readout, jax.tree.map(jnp.asarray, _params(config, readout, draw)))


def abstract_params(config: EncoderConfig, readout: ReadoutConfig) -> Params:
    """The parameter tree as shapes and types, without computing it."""
    return jax.eval_shape(lambda: _params(config, readout, jnp.zeros))


def encode(
    config: EncoderConfig,
    params: Params,
    tokens_BT: Int[Array, "B T"],
    real_BT: Bool[Array, "B T"],
    types_BT: Int[Array, "B T"] | None = None,
    head_mask: Float[Array, "..."] | HeadKinds | None = None,
    *,
    where_BP: Int[Array, "B P"] | None = None,
    key=None,
    observe: Observer | None = None,
    dtype=jnp.float32,
    remat: bool = False,
    unroll: bool = False,
    packing: Packing | None = None,
) -> Trace:
    """Hidden states, and what `observe` collects of each layer.

    Args:
      real_BT: False for padding, which no token looks at.
      types_BT: token types; None: zeros.
      head_mask: gates on the heads' contexts, `[L, H]` or what broadcasts to `[B, L, H, T]`; None:
        ones.
      where_BP: positions to compute the last layer at; None: all.
      key: of dropout, which is off without one.
      observe: from a `View` of a layer to arrays `[B, h, ...]`.
      packing: where the examples of packed rows lie; None: each row is one.

    Returns:
      Hidden states `[B, P, D]`, and observations `[B, L, H, ...]`, zero for cut heads.

    Raises:
      ValueError: for a gate of another shape, or an observer together with positions or packed
        rows.
    """
    encoder = nnx.merge(_graphs(config, ReadoutConfig())[0], params["encoder"])
    return encoder(
        tokens_BT, real_BT, types_BT, head_mask,
        where_BP=where_BP, key=key, observe=observe, dtype=dtype, remat=remat, unroll=unroll,
        packing=packing,
    )  # fmt: skip


def logits(
    config: EncoderConfig,
    readout: ReadoutConfig,
    params: Params,
    tokens_BT: Int[Array, "B *pair T"],
    real_BT: Bool[Array, "B *pair T"],
    types_BT: Int[Array, "B *pair T"],
    head_mask: Float[Array, "..."] | HeadKinds | None = None,
    *,
    where_BP: Int[Array, "B P"] | None = None,
    key=None,
    dtype=jnp.float32,
    remat: bool = False,
    unroll: bool = False,
    packing: Packing | None = None,
) -> Float[Array, "N *P C"]:
    """Float32 logits: `[B, C]`, of a tagger `[B, T, C]`, of a masked LM at `where_BP` `[B, P, V]`.

    Of a translation, `[B, T, V]` at every target position.

    Packed rows have as many examples as they have places.

    Args:
      tokens_BT, real_BT, types_BT: `[B, T]`, for a pair readout `[B, 2, T]`; for a translation too,
        of the source and of what the decoder has read.
      head_mask: gates on the heads' contexts, `[L, H]` or what broadcasts to `[B, L, H, T]`; None:
        ones.
      key: of dropout, which is off without one.
      packing: of a classifier alone: where the examples of packed rows lie. None: each row is one.

    Raises:
      ValueError: for a model without a readout, a gate of another shape, or packed rows of another
        readout than a classifier.
    """
    if packing is not None and readout.kind != "classification":
        raise ValueError(f"packed rows: expected a classifier, got a {readout.kind} readout")
    keys = (None, None) if key is None else jax.random.split(key)
    inputs = (tokens_BT, real_BT, types_BT, head_mask)
    how = {"dtype": dtype, "remat": remat, "unroll": unroll, "packing": packing}
    return LOGITS[readout.kind](config, readout, params, inputs, where_BP, keys, how)


def _masked_lm(config, readout, params, inputs, where_BP, keys, how):
    trace = encode(config, params, *inputs, where_BP=where_BP, key=keys[0], **how)
    head = nnx.merge(_graphs(config, readout)[1], params["readout"])
    return head(config, trace.hidden_BPD, params["encoder"]["embeddings"]["word"]["table"])


def _classification(config, readout, params, inputs, _where_BP, keys, how):
    packing = how["packing"]
    first_BP = jnp.zeros((inputs[0].shape[0], 1), jnp.int32)
    first_BP = first_BP if packing is None else packing.start_RS
    where_BP = first_BP if config.pooling == "first" else None
    hidden = encode(config, params, *inputs, where_BP=where_BP, key=keys[0], **how).hidden_BPD
    if packing is None:
        hidden_BD = _pooled(config, hidden, inputs[1])
    elif config.pooling == "first":
        hidden_BD = hidden.reshape(-1, hidden.shape[-1])
    else:
        hidden_BD = packing.mean_over_examples(hidden)
    head = nnx.merge(_graphs(config, readout)[1], params["readout"])
    return head(config, readout, hidden_BD, keys[1])


def _pooled(config: EncoderConfig, hidden_BTD, real_BT):
    return hidden_BTD[:, 0] if config.pooling == "first" else mean_over_tokens(hidden_BTD, real_BT)


def _tagging(config, readout, params, inputs, _where_BP, keys, how):
    trace = encode(config, params, *inputs, key=keys[0], **how)
    head = nnx.merge(_graphs(config, readout)[1], params["readout"])
    return head(config, readout, trace.hidden_BPD, keys[1])


def trace_translation(
    config: EncoderConfig,
    params: Params,
    tokens_B2T: Int[Array, "B 2 T"],
    real_B2T: Bool[Array, "B 2 T"],
    head_mask: Float[Array, "..."] | HeadKinds | None = None,
    *,
    key=None,
    observe: Observer | None = None,
    dtype=jnp.float32,
    remat: bool = False,
    unroll: bool = False,
) -> Trace:
    """Hidden states of an encoder-decoder at every target position, and what `observe` collects.

    Args:
      tokens_B2T: the source, and what the decoder has read.
      head_mask: `[L, H]`, what broadcasts to `[B, L, H, T]`, or `[2 B, L, H, T]` with a gate for
        the source and one for the target of each example in turn; as one array or by kind.
      key: of dropout, which is off without one.

    Returns:
      Hidden states `[B, T, D]`, and observations `[B, L, H, ...]`, zero for cut heads.

    Raises:
      ValueError: for a gate of another shape, or an encoder alone.
    """
    if not config.decoder_layers:
        raise ValueError("translation: expected an encoder-decoder, got an encoder alone")
    gate = joined(head_mask)
    gates = (gate, gate)
    if gate is not None and jnp.ndim(gate) == 4 and gate.shape[0] == 2 * tokens_B2T.shape[0]:
        gates = (gate[::2], gate[1::2])
    keys = (None, None) if key is None else jax.random.split(key)
    how = {"remat": remat, "unroll": unroll}
    body = nnx.merge(_graphs(config, ReadoutConfig())[0], params["encoder"])
    (tokens_BS, tokens_BT), (real_BS, real_BT) = (
        jnp.moveaxis(x, 1, 0) for x in (tokens_B2T, real_B2T)
    )
    source = body(
        tokens_BS, real_BS, None, gates[0],
        key=keys[0], dtype=dtype, observe=of_sides(observe, 0, 0), **how,
    )  # fmt: skip
    target = body.decode(
        tokens_BT, real_BT, source.hidden_BPD, real_BS, gates[1],
        key=keys[1], observe=observe, **how,
    )  # fmt: skip
    if observe is None:
        return target
    return Trace(target.hidden_BPD, jax.tree.map(jnp.add, source.observed, target.observed))


def _translation(config, readout, params, inputs, _where_BP, keys, how):
    tokens, real, _, head_mask = inputs
    how = {name: how[name] for name in ("dtype", "remat", "unroll")}
    trace = trace_translation(config, params, tokens, real, head_mask, key=keys[0], **how)
    head = nnx.merge(_graphs(config, readout)[1], params["readout"])
    return head(trace.hidden_BPD, params["encoder"]["embeddings"]["word"]["table"])


def _pair(config, readout, params, inputs, _where_BP, keys, how):
    """Both sentences in one pass, row by row: a per-example gate applies to both."""
    tokens, real, types, head_mask = inputs
    size, two, length = tokens.shape
    tokens, real, types = (a.reshape(size * two, length) for a in (tokens, real, types))
    if head_mask is not None and jnp.ndim(head_mask) == 4 and head_mask.shape[0] == size:
        head_mask = jnp.repeat(head_mask, two, axis=0)
    trace = encode(config, params, tokens, real, types, head_mask, key=keys[0], **how)
    pooled = mean_over_tokens(trace.hidden_BPD, real).reshape(size, two, -1)
    head = nnx.merge(_graphs(config, readout)[1], params["readout"])
    return head(readout, pooled, keys[1])


def pool(config: EncoderConfig, readout: ReadoutConfig, params: Params, hidden_BTD, real_BT):
    """The states that a classifier reads `[B, D]`, through its first layer where there is one."""
    hidden_BD = _pooled(config, hidden_BTD, real_BT)
    if readout.kind not in ("classification", "multilabel"):
        return hidden_BD
    head = nnx.merge(_graphs(config, readout)[1], params["readout"])
    return head.pool(config, hidden_BD)


def _none(*_):
    raise ValueError(
        f"this model has no readout: expected one of masked_lm, translation, {', '.join(LABELLED)}"
    )


LOGITS = {
    "none": _none,
    "masked_lm": _masked_lm,
    "translation": _translation,
    "classification": _classification,
    "multilabel": _classification,
    "tagging": _tagging,
    "pair": _pair,
}


def modules_of(model: Model) -> tuple[Encoder, nnx.Module]:
    """The encoder and the readout as Flax modules that hold the model's arrays."""
    graphs = _graphs(model.config, model.readout)
    encoder, readout = map(nnx.merge, graphs, (model.params["encoder"], model.params["readout"]))
    return encoder, readout


def _modules(config: EncoderConfig, readout: ReadoutConfig, draw):
    return Encoder(config, draw), READOUT[readout.kind](config, readout, draw)


def _params(config: EncoderConfig, readout: ReadoutConfig, draw) -> Params:
    parts = (nnx.to_pure_dict(nnx.split(module)[1]) for module in _modules(config, readout, draw))
    return dict(zip(("encoder", "readout"), parts, strict=True))


@functools.lru_cache
def _graphs(config: EncoderConfig, readout: ReadoutConfig):
    modules = nnx.eval_shape(lambda: _modules(config, readout, jnp.zeros))
    return tuple(nnx.graphdef(module) for module in modules)
