"""What a family's tables say, and the lists that all families share. Only types and tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from jaxheads.config import EncoderConfig, ReadoutKind

# A readout that is another's with a `problem_type` of its own.
STORED_AS: dict[ReadoutKind, ReadoutKind] = {"multilabel": "classification"}
PAIR = "JaxheadsPairClassification"  # our own architecture: the encoder and one linear layer


class Attribute(NamedTuple):
    """A number or name of `config.json` that a field of `EncoderConfig` takes."""

    field: str
    kind: type  # int, float or str
    default: int | float | str  # what Hugging Face assumes where the file omits it
    least: int = 1  # the smallest integer that makes sense


class Part(NamedTuple):
    """A module that is one of several equal parts of a stored one, cut along its outputs."""

    module: str
    place: int
    of: int


class Exact(str):
    """The whole name of a stored weight that has an axis of 1 before its own."""

    __slots__ = ()


class Special(NamedTuple):
    """Attributes that are no single number of a field."""

    names: frozenset[str]
    read: Callable[[Mapping[str, Any]], dict[str, Any]]  # fields; ValueError says what is wrong
    write: Callable[[EncoderConfig], dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class FamilyTable:
    """How Hugging Face stores one `model_type`.

    Every attribute that transformers reads of its `config.json` is in exactly one of `attributes`
    and `special` (used), `dropout` and `LABELS` (used by a readout), `fixed` (only these values are
    understood) and `ignored` (changes no number). The weight tables map our modules to theirs:
    `encoder/embeddings/<key>` is stored as `<prefix><value>`, `encoder/stack*/<key>` as
    `<prefix><block_name><value>`, and `readout/<key>` as `<value>`, each with `weight` and `bias`
    below it.
    """

    family: str
    model_type: str
    prefix: str  # before the names of the encoder, in all but a bare model's checkpoint
    attributes: dict[str, Attribute]
    dropout: str  # the attribute that is `ReadoutConfig.dropout`
    dropout_default: float | None  # None: hidden_dropout
    tagging_dropout: str | None = dataclasses.field(default=None, kw_only=True)  # none: `dropout`
    constants: Mapping[str, Any]  # fields of EncoderConfig that config.json cannot express
    fixed: Mapping[str, tuple]
    ignored: frozenset[str]
    architectures: Mapping[str, ReadoutKind]  # the first name of each kind is the one written
    embeddings: Mapping[str, str]
    block_name: str  # with {block}, or {group} and {inner}
    block: Mapping[str, str | Part]
    readouts: Mapping[ReadoutKind, Mapping[str, str]]
    unowned: tuple[str, ...]  # beginnings of names that no readout of ours uses
    final_norm: str = ""  # of a family with norms before its sublayers
    decoder_block_name: str = ""  # of an encoder-decoder, with {block}
    ties: Mapping[str, str] = dataclasses.field(default_factory=dict)  # copies of a weight by name
    special: Special = Special(frozenset(), lambda _: {}, lambda _: {})

    def written(self, kind: ReadoutKind) -> str:
        """The architecture that stands for a kind of readout: the first of its kind."""
        stored = STORED_AS.get(kind, kind)
        return next(name for name, each in self.architectures.items() if each == stored)

    def modules(self, kind: ReadoutKind) -> Mapping[str, str]:
        """The names of a readout's modules by ours."""
        return self.readouts[STORED_AS.get(kind, kind)]

    def misfits(self, config: EncoderConfig) -> Iterator[str]:
        """The fields of a config that are otherwise in all models of the family."""
        for field, value in self.constants.items():
            if getattr(config, field) != value:
                got = f"{getattr(config, field)!r}"
                yield f"{field}: expected {value!r} for {self.model_type}, got {got}"


# What a family does its own way, as BERT does it.
TRAITS: dict[str, Any] = {
    "rotary_base": 0.0,
    "local_layers": (),
    "local_rotary_base": 0.0,
    "pooling": "first",
    "pre_norm": False,
    "gates_feed_forward": False,
    "biases": True,
    "norms_pooled": False,
    "shares_blocks": False,
    "projects_embeddings": False,
    "positions_after_pad": False,
    "drops_attention_output": True,
    "drops_feed_forward_output": True,
    "masked_lm_activation": None,
    "pooler_activation": "tanh",
    "drops_pooler_input": False,
    "decoder_layers": 0,
    "scales_embeddings": False,
    "sinusoidal": False,
    "norms_embeddings": True,
}

# Attributes that describe the labels of a classifier.
LABELS = ("num_labels", "_num_labels", "id2label", "label2id", "problem_type")

ACTIVATION_NAMES = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}

# Attributes of every family that must have one of these values, because another would compute
# something else.
FIXED: dict[str, tuple] = {
    "add_cross_attention": (False,),
    "auto_map": (None,),  # code of its own, which may read any other attribute
    "cross_attention_hidden_size": (None,),
    "is_decoder": (False,),
    "is_encoder_decoder": (False,),
    "per_layer_config": (None, {}),
    "position_embedding_type": ("absolute",),
    "quantization_config": (None,),
    "tie_encoder_decoder": (False,),
    "torchscript": (False,),
}

# Attributes of every family that change no number; old configs carry those of text generation for
# every model.
IGNORED = frozenset({
    # where it came from
    "_name_or_path", "name_or_path", "_commit_hash", "transformers_version", "architectures",
    "model_type", "finetuning_task", "task_specific_params", "tokenizer_class", "prefix",
    "model_max_length",
    # how it is stored, run and returned
    "dtype", "torch_dtype", "use_bfloat16", "tf_legacy_loss", "xla_device", "use_cache",
    "output_past", "gradient_checkpointing", "chunk_size_feed_forward", "output_attentions",
    "_output_attentions", "output_hidden_states", "return_dict", "attn_implementation",
    "_attn_implementation", "_attn_implementation_internal", "_attn_implementation_autoset",
    "_experts_implementation",
    # token numbers that only tokenizers use
    "bos_token_id", "eos_token_id", "sep_token_id", "cls_token_id", "mask_token_id", "unk_token_id",
    # text generation
    "decoder_start_token_id", "max_length", "min_length", "do_sample", "early_stopping",
    "num_beams", "num_beam_groups", "diversity_penalty", "temperature", "top_k", "top_p",
    "typical_p", "repetition_penalty", "length_penalty", "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "output_scores",
    "return_dict_in_generate", "forced_bos_token_id", "forced_eos_token_id",
    "remove_invalid_values", "exponential_decay_length_penalty", "suppress_tokens",
    "begin_suppress_tokens",
})  # fmt: skip
