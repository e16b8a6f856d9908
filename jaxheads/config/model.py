"""What a model is: sizes, and what its family does its own way. Never starts jax."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

from jaxheads.errors import refuse

Activation = Literal["gelu", "gelu_new", "relu", "silu"]
PoolerActivation = Literal["tanh", "relu", "gelu"]
Pooling = Literal["first", "mean"]
ReadoutKind = Literal[
    "none", "masked_lm", "translation", "classification", "multilabel", "tagging", "pair"
]

ACTIVATIONS: tuple[str, ...] = ("gelu", "gelu_new", "relu", "silu")
POOLER_ACTIVATIONS: tuple[str, ...] = ("tanh", "relu", "gelu")
POOLINGS: tuple[str, ...] = ("first", "mean")
LABELLED: tuple[str, ...] = ("classification", "multilabel", "tagging", "pair")
READOUTS: tuple[str, ...] = ("none", "masked_lm", "translation", *LABELLED)


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """One encoder: its sizes, and what its family does its own way.

    `models.checkpoint.families.encoder_config` makes one from scratch: it takes the fields without
    a default from the family's table. Nothing computes by the family's name.

    `num_layers` counts attention uses, so an ALBERT with shared weights has many uses of few
    blocks. `kept` names the original heads that each use still has (`None`: all); only
    `pruning.cut` sets it. Gates, scores and masks are always `[num_layers, num_heads]` in original
    coordinates, cut or not.

    Of an encoder-decoder, whose every decoder layer attends twice, these are the encoder's layers,
    then the self-attention of the decoder's, then its attention to the source (see
    `models.layout.HeadKinds`).

    Raises:
      ValueError: for sizes, rates or `kept` heads that do not fit each other, listing all.
    """

    family: str  # the name of its table in models.checkpoint
    vocab_size: int
    hidden_size: int
    num_layers: int
    num_heads: int
    intermediate_size: int
    max_positions: int  # rows of the position table, or how far rotary positions go
    type_vocab_size: int = 0  # 0: the family has no token types (DistilBERT)
    embedding_size: int = 0  # 0: equal to hidden_size
    hidden_groups: int = 0  # of blocks that layers share; 0: nothing is shared
    inner_groups: int = 1  # blocks in a group; num_layers counts each of them
    activation: Activation = "gelu"
    norm_eps: float = 1e-12
    hidden_dropout: float = 0.1
    attention_dropout: float = 0.1
    initializer_range: float = 0.02
    pad_token_id: int = 0
    rotary_base: float = 0.0  # of the wave lengths of rotary positions; 0: a table of positions
    local_layers: tuple[int, ...] = ()  # whose tokens see those near them alone
    local_window: int = 0  # how many tokens to either side that is
    local_rotary_base: float = 0.0  # the rotary_base of these layers
    pooling: Pooling = "first"  # of the tokens for a classifier: the first one, or their mean
    kept: tuple[tuple[int, ...], ...] | None = None
    decoder_layers: int = 0  # of an encoder-decoder; `num_layers` counts each of them twice
    eos_token_id: int = 0  # of a decoder: what ends a sentence,
    start_token_id: int = 0  # and what stands before its first token
    scales_embeddings: bool = False  # of words, by the square root of their width
    _: dataclasses.KW_ONLY
    shares_blocks: bool  # several layers use one set of parameters
    projects_embeddings: bool | None  # linearly to hidden_size; None: where the sizes differ
    positions_after_pad: bool  # real tokens are counted from pad_token_id + 1; else columns from 0
    drops_attention_output: bool  # hidden_dropout before the norm behind the attention
    drops_feed_forward_output: bool  # hidden_dropout before a layer's last norm
    masked_lm_activation: Activation | None  # of the masked-LM readout; None: `activation`
    pooler_activation: PoolerActivation  # of a classifier's first layer
    drops_pooler_input: bool  # the readout's dropout before a classifier's first layer too
    pre_norm: bool  # norms before attention (not the first) and feed-forward, and after all layers
    gates_feed_forward: bool  # a second map up, whose results multiply the activated ones
    biases: bool  # of linear maps and norms, but the last of a readout
    norms_pooled: bool  # a norm behind a classifier's first layer
    sinusoidal: bool  # positions are waves of given lengths instead of a table
    norms_embeddings: bool  # before the first layer

    def __post_init__(self) -> None:
        refuse("encoder config", _encoder_problems(self))

    @property
    def head_width(self) -> int:
        """K, the width of one head; unchanged by cutting."""
        return self.hidden_size // self.num_heads

    @property
    def embedding_width(self) -> int:
        """E, the width of the embedding tables."""
        return self.embedding_size or self.hidden_size

    @property
    def has_projection(self) -> bool:
        """Whether a linear map leads from the embeddings to the first layer."""
        if self.projects_embeddings is None:
            return self.embedding_width != self.hidden_size
        return self.projects_embeddings

    @property
    def is_local(self) -> tuple[bool, ...]:
        """Which layers are among `local_layers`."""
        return tuple(layer in self.local_layers for layer in range(self.num_layers))

    @property
    def encoder_layers(self) -> int:
        """How many of `num_layers` are the encoder's: all but a decoder's."""
        return self.num_layers - 2 * self.decoder_layers

    @property
    def has_position_table(self) -> bool:
        """Whether positions are learned."""
        return not (self.rotary_base or self.sinusoidal)

    @property
    def first_position(self) -> int:
        """The row of the position table that the first token has; those before it are not used."""
        return self.pad_token_id + 1 if self.positions_after_pad else 0

    @property
    def heads_by_layer(self) -> tuple[tuple[int, ...], ...]:
        """The original head numbers that each layer still has, ascending."""
        return self.kept or (tuple(range(self.num_heads)),) * self.num_layers

    @property
    def block_by_layer(self) -> tuple[int, ...]:
        """Which set of parameters each layer uses: `range(L)` unless blocks are shared."""
        if not self.shares_blocks:
            return tuple(range(self.num_layers))
        per_group = (self.num_layers // self.inner_groups) / self.hidden_groups  # as in HF, a float
        return tuple(
            int(step / per_group) * self.inner_groups + inner
            for step in range(self.num_layers // self.inner_groups)
            for inner in range(self.inner_groups)
        )

    @property
    def heads_by_block(self) -> tuple[tuple[int, ...], ...]:
        """The original head numbers that each block holds: those that any of its layers uses."""
        blocks = self.block_by_layer
        held: list[set[int]] = [set() for _ in range(max(blocks) + 1)]
        for block, heads in zip(blocks, self.heads_by_layer, strict=True):
            held[block].update(heads)
        return tuple(tuple(sorted(heads)) for heads in held)


_SIZES = ("vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size")
_POSITIVE = (*_SIZES, "max_positions", "inner_groups")
_NOT_NEGATIVE = ("type_vocab_size", "embedding_size", "hidden_groups", "pad_token_id")
_NOT_NEGATIVE += ("decoder_layers", "eos_token_id", "start_token_id")
_NOT_NEGATIVE += ("rotary_base", "local_rotary_base", "local_window")


def _encoder_problems(c: EncoderConfig) -> Iterator[str]:
    for name, known in (
        ("activation", ACTIVATIONS),
        ("masked_lm_activation", (*ACTIVATIONS, None)),
        ("pooler_activation", POOLER_ACTIVATIONS),
        ("pooling", POOLINGS),
    ):
        if getattr(c, name) not in known:
            yield f"{name}: expected one of {', '.join(map(str, known))}, got {getattr(c, name)!r}"
    for name in ("hidden_dropout", "attention_dropout"):
        if not 0 <= getattr(c, name) < 1:
            yield f"{name}: expected a rate in [0, 1), got {getattr(c, name)}"
    small = [name for name in _POSITIVE if getattr(c, name) < 1]
    small += [name for name in _NOT_NEGATIVE if getattr(c, name) < 0]
    for name in small:
        yield f"{name}: expected a positive size, got {getattr(c, name)}"
    if not small:
        yield from _layout_problems(c)
    if c.kept is not None:
        yield from _kept_problems(c.kept, c.num_layers, c.num_heads)


def _layout_problems(c: EncoderConfig) -> Iterator[str]:
    if c.hidden_size % c.num_heads:
        yield f"hidden_size: expected a multiple of num_heads {c.num_heads}, got {c.hidden_size}"
    if c.rotary_base and c.head_width % 2:
        yield f"hidden_size: expected heads of an even width, got {c.head_width}"
    if not set(c.local_layers) <= set(range(c.num_layers)) or bool(c.local_layers) > (
        min(c.rotary_base, c.local_rotary_base) > 0
    ):
        wanted = f"layers below {c.num_layers} of a model with rotary positions"
        yield f"local_layers: expected {wanted}, got {list(c.local_layers)}"
    if c.decoder_layers and c.encoder_layers < 1:
        wanted = f"at least 1 beside 2 for each of {c.decoder_layers} decoder layers"
        yield f"num_layers: expected {wanted}, got {c.num_layers}"
    if c.decoder_layers and (c.pre_norm or c.rotary_base or c.shares_blocks or c.has_projection):
        yield f"decoder_layers: expected 0 for {c.family}, got {c.decoder_layers}"
    if c.embedding_width != c.hidden_size and not c.has_projection:
        yield f"embedding_size: expected 0 for {c.family}, got {c.embedding_size}"
    if c.shares_blocks != (c.hidden_groups > 0):
        wanted = "at least 1" if c.shares_blocks else "0"
        yield f"hidden_groups: expected {wanted} for {c.family}, got {c.hidden_groups}"
    steps, odd = divmod(c.num_layers, c.inner_groups)
    if odd:
        wanted = f"a multiple of inner_groups {c.inner_groups}"
        yield f"num_layers: expected {wanted}, got {c.num_layers}"
    if c.hidden_groups > steps:
        yield f"hidden_groups: expected at most {steps}, got {c.hidden_groups}"


def _kept_problems(kept: tuple[tuple[int, ...], ...], layers: int, heads: int) -> Iterator[str]:
    if len(kept) != layers:
        yield f"kept: expected {layers} layers, got {len(kept)}"
    for layer, row in enumerate(kept):
        if list(row) != sorted(set(row)) or any(not 0 <= head < heads for head in row):
            yield f"kept[{layer}]: expected ascending head numbers below {heads}, got {list(row)}"


@dataclasses.dataclass(frozen=True)
class ReadoutConfig:
    """What stands on the encoder; `labels` names the classes.

    One label of a classification or pair readout means regression. A multilabel readout decides on
    each label by itself, a tagging readout on each token.

    Raises:
      ValueError: for an unknown kind, a classifier without labels, or labels of another readout.
    """

    kind: ReadoutKind = "none"
    labels: tuple[str, ...] = ()
    dropout: float = 0.1  # before the last linear layer of a classifier
    tied: bool = True  # masked LM: the decoder is the word embedding table

    def __post_init__(self) -> None:
        if self.kind not in READOUTS:
            raise ValueError(f"readout: expected one of {', '.join(READOUTS)}, got {self.kind!r}")
        if (self.kind in LABELLED) != bool(self.labels):
            raise ValueError(f"readout {self.kind}: got {len(self.labels)} labels")
