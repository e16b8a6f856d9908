"""The models as Flax NNX modules, for training loops that are written with `nnx`.

Each module is called as `module(tokens, real, head_mask=...)` and holds the parameters of a `Model`
as `nnx.Param`, so that `nnx.jit`, `nnx.grad` and `nnx.Optimizer` work on it as on any other. The
functional form (`Model`, `encode`, `logits`) computes the same numbers; `to_model` goes
back from one to the other without a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from jaxheads.config import EncoderConfig, ReadoutConfig, ReadoutKind
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.model import Model, encode, init_model, logits, modules_of

M = TypeVar("M", bound="Module")


class Module(nnx.Module):
    """What the modules share: where their parameters come from and go to."""

    kind: ClassVar[ReadoutKind] = "none"

    def __init__(self, model: Model) -> None:
        """The module that computes what a `Model` does.

        Raises:
          ValueError: for a model with another readout.
        """
        if self.kind == "none":
            model = Model(model.config, ReadoutConfig(), {**model.params, "readout": {}})
        if model.readout.kind != self.kind:
            raise ValueError(
                f"{type(self).__name__}: expected a {self.kind} readout, got {model.readout.kind}"
            )
        self.config, self.readout_config = model.config, model.readout
        self.encoder, self.readout = modules_of(model)

    @classmethod
    def from_config(
        cls: type[M], config: EncoderConfig, labels: Sequence[str] = (), *, rngs: nnx.Rngs
    ) -> M:
        """A module with fresh parameters.

        Args:
          config: sizes of the encoder.
          labels: names of the classes of a classifier; one label means regression.
          rngs: its stream `params` draws the parameters.

        Raises:
          ValueError: for a classifier without labels, or labels of another readout.
        """
        return cls(init_model(config, ReadoutConfig(cls.kind, tuple(labels)), rngs.params()))

    @classmethod
    def from_pretrained(
        cls: type[M],
        source: str | Path,
        labels: Sequence[str] = (),
        *,
        rngs: nnx.Rngs | None = None,
    ) -> M:
        """Read a local directory or a model on the Hub.

        Args:
          source: a directory, a name on the Hub, or builtin:NAME.
          labels: names of the classes of a new classifier; none: the checkpoint's own readout.
          rngs: its stream `params` draws what the checkpoint lacks of the readout.

        Raises:
          ValueError: as `load_model`, and for a checkpoint with another readout.
        """
        key = None if rngs is None else rngs.params()
        asked = bool(labels) or key is not None or cls.kind == "none"
        readout = ReadoutConfig(cls.kind, tuple(labels)) if asked else None
        return cls(load_model(source, readout=readout, key=key))

    def to_model(self) -> Model:
        """The functional form with the parameters as they are now."""
        params = {
            name: nnx.to_pure_dict(nnx.state(part, nnx.Param))
            for name, part in (("encoder", self.encoder), ("readout", self.readout))
        }
        return Model(self.config, self.readout_config, params)

    def save_pretrained(self, directory: str | Path, **options) -> None:
        """Write a directory in Hugging Face's layout, as `save_model`, with its options."""
        save_model(self.to_model(), directory, **options)

    def _inputs(self, tokens, real, types, head_mask):
        tokens = jnp.asarray(tokens)
        real = jnp.ones(tokens.shape, bool) if real is None else jnp.asarray(real, bool)
        types = jnp.zeros_like(tokens) if types is None else jnp.asarray(types)
        return tokens, real, types, None if head_mask is None else jnp.asarray(head_mask)


class Encoder(Module):
    """An encoder alone: the last hidden states."""

    def __call__(
        self,
        tokens: Int[Array | np.ndarray, "B T"],
        real: Bool[Array | np.ndarray, "B T"] | None = None,
        types: Int[Array | np.ndarray, "B T"] | None = None,
        head_mask: Float[Array | np.ndarray, "..."] | None = None,
        *,
        key=None,
    ) -> Float[Array, "B T D"]:
        """Last hidden states `[B, T, D]`.

        Args:
          real: False for padding, which no token looks at; None: all are real.
          types: token types; None: zeros.
          head_mask: gates on the heads, `[L, H]` or what broadcasts to `[B, L, H, T]`; None: ones.
          key: of dropout, which is off without one.
        """
        model = self.to_model()
        inputs = self._inputs(tokens, real, types, head_mask)
        return encode(model.config, model.params, *inputs, key=key).hidden_BPD


class _WithReadout(Module):
    def __call__(
        self,
        tokens: Int[Array | np.ndarray, "B *pair T"],
        real: Bool[Array | np.ndarray, "B *pair T"] | None = None,
        types: Int[Array | np.ndarray, "B *pair T"] | None = None,
        head_mask: Float[Array | np.ndarray, "..."] | None = None,
        *,
        where: Int[Array, "B P"] | None = None,
        key=None,
    ) -> Float[Array, "B *P C"]:
        """Float32 logits of the readout, in the shape that the class names.

        Args:
          tokens: `[B, T]`, for pairs of sentences `[B, 2, T]`.
          real: False for padding, which no token looks at; None: all are real.
          types: token types; None: zeros.
          head_mask: gates on the heads, `[L, H]` or what broadcasts to `[B, L, H, T]`; None: ones.
          where: masked LM: the positions to predict; None: all.
          key: of dropout, which is off without one.
        """
        inputs = self._inputs(tokens, real, types, head_mask)
        return logits(*self.to_model(), *inputs, where_BP=where, key=key)


class ForMaskedLM(_WithReadout):
    """Logits over the vocabulary `[B, T, V]`, or `[B, P, V]` at the positions `where`."""

    kind: ClassVar[ReadoutKind] = "masked_lm"


class ForTranslation(_WithReadout):
    """Logits over the vocabulary `[B, T, V]` of an encoder-decoder, from `[B, 2, T]` tokens."""

    kind: ClassVar[ReadoutKind] = "translation"


class ForSequenceClassification(_WithReadout):
    """Logits `[B, C]` of a classifier, or of a regression where there is one label."""

    kind: ClassVar[ReadoutKind] = "classification"


class ForPairClassification(_WithReadout):
    """Logits `[B, C]` for two sentences encoded each by itself (Reimers & Gurevych 2019)."""

    kind: ClassVar[ReadoutKind] = "pair"
