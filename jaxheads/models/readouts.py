"""What stands on the encoder: masked-LM, classification (or regression), tagging, pair readouts."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.models.attention import Draw, Projection
from jaxheads.models.blocks import ACTIVATION, Norm, linear
from jaxheads.models.dropout import drop

POOLER_ACTIVATION = {"tanh": jnp.tanh, "relu": jax.nn.relu, "gelu": ACTIVATION["gelu"]}


class NoReadout(nnx.Module):
    """An encoder alone."""

    def __init__(self, config: EncoderConfig, readout: ReadoutConfig, draw: Draw):
        del config, readout, draw


class MaskedLM(nnx.Module):
    """Vocabulary logits at given positions, through the word embeddings or a decoder of its own."""

    def __init__(self, config: EncoderConfig, readout: ReadoutConfig, draw: Draw):
        width, inner = config.hidden_size, config.embedding_width
        self.dense = Projection((width, inner), (inner,) if config.biases else None, draw)
        self.norm = Norm(config, inner)
        self.bias = nnx.Param(np.zeros(config.vocab_size, np.float32))
        if not readout.tied:
            self.decoder = Kernel(draw((inner, config.vocab_size)))

    def __call__(self, config: EncoderConfig, hidden_BPD, word_table_VE):
        """Float32 logits `[B, P, V]`; -inf for what fills a table up behind the vocabulary."""
        name = config.masked_lm_activation or config.activation
        x = self.norm(ACTIVATION[name](linear(hidden_BPD, self.dense)))
        kernel = self.decoder.kernel[...] if hasattr(self, "decoder") else word_table_VE.T
        return _of_vocabulary(x, kernel, self.bias[...])


def _of_vocabulary(x_BPE, kernel_EV, bias_V):
    logits = jnp.matmul(x_BPE, kernel_EV.astype(x_BPE.dtype), preferred_element_type=jnp.float32)
    filling = kernel_EV.shape[1] - len(bias_V)  # see `mesh`
    return logits + jnp.pad(bias_V, (0, filling), constant_values=-jnp.inf)


class Translation(nnx.Module):
    """Vocabulary logits of a decoder's states through the word embeddings, and a bias."""

    def __init__(self, config: EncoderConfig, readout: ReadoutConfig, draw: Draw):
        del readout, draw
        self.bias = nnx.Param(np.zeros(config.vocab_size, np.float32))

    def __call__(self, hidden_BTD, word_table_VE):
        """Float32 logits `[B, T, V]`; -inf for what fills a table up behind the vocabulary."""
        return _of_vocabulary(hidden_BTD, word_table_VE.T, self.bias[...])


class Kernel(nnx.Module):
    """A kernel without a bias."""

    def __init__(self, kernel):
        self.kernel = nnx.Param(kernel)


class Classifier(nnx.Module):
    """Two layers on the first token, or the mean of all: `out(drop(act(dense(x))))`."""

    def __init__(self, config: EncoderConfig, readout: ReadoutConfig, draw: Draw):
        width, classes = config.hidden_size, len(readout.labels)
        self.dense = Projection((width, width), (width,) if config.biases else None, draw)
        if config.norms_pooled:
            self.norm = Norm(config, width)
        self.out = Projection((width, classes), (classes,), draw)

    def pool(self, config: EncoderConfig, hidden_BD):
        """What the first layer makes of a state `[B, D]`: BERT's pooler."""
        x = POOLER_ACTIVATION[config.pooler_activation](linear(hidden_BD, self.dense))
        return self.norm(x) if config.norms_pooled else x

    def __call__(self, config: EncoderConfig, readout: ReadoutConfig, hidden_BD, key):
        """Float32 logits `[B, C]`."""
        keys = (None, None) if key is None else jax.random.split(key)
        if config.drops_pooler_input:
            hidden_BD = drop(hidden_BD, readout.dropout, keys[0])
        x = drop(self.pool(config, hidden_BD), readout.dropout, keys[1])
        return linear(x, self.out).astype(jnp.float32)


class Tagger(Classifier):
    """One layer on the state of every token, after a first one where its norm is the readout's."""

    def __init__(self, config: EncoderConfig, readout: ReadoutConfig, draw: Draw):
        classes = len(readout.labels)
        if config.norms_pooled:
            super().__init__(config, readout, draw)
        else:
            self.out = Projection((config.hidden_size, classes), (classes,), draw)

    def __call__(self, config: EncoderConfig, readout: ReadoutConfig, hidden_BTD, key):
        """Float32 logits `[B, T, C]`."""
        x = self.pool(config, hidden_BTD) if config.norms_pooled else hidden_BTD
        return linear(drop(x, readout.dropout, key), self.out).astype(jnp.float32)


class PairClassifier(nnx.Module):
    """One layer on the two sentences' mean states side by side.

    The Siamese classifier of Reimers & Gurevych 2019, as Peyrard et al. 2021 use it.
    """

    def __init__(self, config: EncoderConfig, readout: ReadoutConfig, draw: Draw):
        classes = len(readout.labels)
        self.out = Projection((2 * config.hidden_size, classes), (classes,), draw)

    def __call__(self, readout: ReadoutConfig, pooled_B2D, key):
        """Float32 logits `[B, C]`."""
        joined = pooled_B2D.reshape(pooled_B2D.shape[0], -1)
        return linear(drop(joined, readout.dropout, key), self.out).astype(jnp.float32)


READOUT = {
    "none": NoReadout,
    "masked_lm": MaskedLM,
    "translation": Translation,
    "classification": Classifier,
    "multilabel": Classifier,
    "tagging": Tagger,
    "pair": PairClassifier,
}


def mean_over_tokens(hidden_BTD, real_BT):
    """Mean of the states of real tokens, `[B, D]`; zero for a row without any."""
    weight = real_BT.astype(hidden_BTD.dtype)[..., None]
    return (hidden_BTD * weight).sum(1) / jnp.maximum(weight.sum(1), 1)
