"""ModernBERT as Hugging Face stores it. Only tables, and how layers are described."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from jaxheads.config import EncoderConfig
from jaxheads.models.checkpoint.family import (
    FIXED,
    IGNORED,
    PAIR,
    Attribute,
    FamilyTable,
    Part,
    Special,
)

GLOBAL, LOCAL = "full_attention", "sliding_attention"
POOLINGS = {"cls": "first", "mean": "mean"}
BASES = {GLOBAL: ("global_rope_theta", 160_000.0), LOCAL: ("local_rope_theta", 10_000.0)}
NO_DROPOUT = (0.0,)  # as all released models have it; training may have its own


def read_layers(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of which layers are local, how far they see, and how positions turn.

    Raises:
      ValueError: for the first attribute that is not understood.
    """
    window = raw.get("local_attention", 128)
    if type(window) is not int or window < 1:
        raise ValueError(f"local_attention: expected a positive integer, got {window!r}")
    pooling = raw.get("classifier_pooling", "cls")
    if not isinstance(pooling, str) or pooling not in POOLINGS:
        raise ValueError(f"classifier_pooling: expected one of cls, mean, got {pooling!r}")
    if raw.get("rope_scaling") is not None:
        raise ValueError(f"rope_scaling: expected None, got {raw['rope_scaling']!r}")
    return {
        "local_layers": _local_layers(raw),
        "local_window": window // 2,
        "rotary_base": _base(raw, GLOBAL),
        "local_rotary_base": _base(raw, LOCAL),
        "pooling": POOLINGS[pooling],
    }


def _local_layers(raw: Mapping[str, Any]) -> tuple[int, ...]:
    layers, kinds = raw.get("num_hidden_layers", 22), raw.get("layer_types")
    if type(layers) is not int:
        return ()  # which is said elsewhere
    if kinds is None:
        every = raw.get("global_attn_every_n_layers", 3)
        if type(every) is not int or every < 1:
            raise ValueError(
                f"global_attn_every_n_layers: expected a positive integer, got {every!r}"
            )
        return tuple(layer for layer in range(layers) if layer % every)
    if not isinstance(kinds, list) or len(kinds) != layers or not {*map(str, kinds)} <= {*BASES}:
        raise ValueError(
            f"layer_types: expected {GLOBAL} or {LOCAL} of {layers} layers, got {kinds}"
        )
    return tuple(layer for layer, kind in enumerate(kinds) if kind == LOCAL)


def _base(raw: Mapping[str, Any], kind: str) -> float:
    """The base of the wave lengths of a kind of layer, as newer or older configs say it."""
    older, default = BASES[kind]
    turns = raw.get("rope_parameters") or {}
    turn = turns.get(kind) or {} if isinstance(turns, Mapping) else None
    if not isinstance(turn, Mapping) or turn.get("rope_type", "default") != "default":
        raise ValueError(f"rope_parameters: expected those of type 'default', got {turns!r}")
    base = turn.get("rope_theta", raw.get(older, default))
    if type(base) not in (int, float) or not 0 < base < math.inf:
        raise ValueError(f"{older}: expected a positive number, got {base!r}")
    return float(base)


def write_layers(config: EncoderConfig) -> dict[str, Any]:
    """The attributes for `read_layers`, as transformers 5 and where it can, 4, read them."""
    bases = {GLOBAL: config.rotary_base, LOCAL: config.local_rotary_base}
    kinds = [LOCAL if local else GLOBAL for local in config.is_local]
    every = kinds.index(GLOBAL, 1) if GLOBAL in kinds[1:] else len(kinds)
    periodic = kinds == [LOCAL if layer % every else GLOBAL for layer in range(len(kinds))]
    return {
        "layer_types": kinds,
        "local_attention": 2 * config.local_window,
        "rope_parameters": {
            kind: {"rope_theta": base, "rope_type": "default"} for kind, base in bases.items()
        },
        "classifier_pooling": {field: name for name, field in POOLINGS.items()}[config.pooling],
        **({"global_attn_every_n_layers": every} if periodic else {}),
        **{BASES[kind][0]: base for kind, base in bases.items()},
    }


MODERNBERT = FamilyTable(
    family="modernbert",
    model_type="modernbert",
    prefix="model.",
    attributes={
        "vocab_size": Attribute("vocab_size", int, 50368),
        "hidden_size": Attribute("hidden_size", int, 768),
        "num_hidden_layers": Attribute("num_layers", int, 22),
        "num_attention_heads": Attribute("num_heads", int, 12),
        "intermediate_size": Attribute("intermediate_size", int, 1152),
        "max_position_embeddings": Attribute("max_positions", int, 8192),
        "hidden_activation": Attribute("activation", str, "gelu"),
        "norm_eps": Attribute("norm_eps", float, 1e-5),
        "initializer_range": Attribute("initializer_range", float, 0.02),
        "pad_token_id": Attribute("pad_token_id", int, 50283, least=0),
    },
    dropout="classifier_dropout",
    dropout_default=0.0,
    constants={
        "shares_blocks": False,
        "projects_embeddings": False,
        "positions_after_pad": False,
        "drops_attention_output": True,
        "drops_feed_forward_output": True,
        "drops_pooler_input": False,
        "decoder_layers": 0,
        "scales_embeddings": False,
        "sinusoidal": False,
        "norms_embeddings": True,
        "type_vocab_size": 0,
        "embedding_size": 0,
        "hidden_groups": 0,
        "inner_groups": 1,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
        "masked_lm_activation": "gelu",
        "pooler_activation": "gelu",
        "pre_norm": True,
        "gates_feed_forward": True,
        "biases": False,
        "norms_pooled": True,
    },
    fixed=FIXED
    | {
        "attention_bias": (False,),
        "mlp_bias": (False,),
        "norm_bias": (False,),
        "classifier_bias": (False,),
        "decoder_bias": (True,),
        "classifier_activation": ("gelu",),
        "embedding_dropout": NO_DROPOUT,
        "attention_dropout": NO_DROPOUT,
        "mlp_dropout": NO_DROPOUT,
    },
    ignored=IGNORED
    | {
        "deterministic_flash_attn",
        "initializer_cutoff_factor",
        "layer_norm_eps",  # beside norm_eps, which is what counts
        "reference_compile",
        "repad_logits_with_grad",
        "sparse_pred_ignore_index",
        "sparse_prediction",
    },
    architectures={
        "ModernBertModel": "none",
        "ModernBertForMaskedLM": "masked_lm",
        "ModernBertForSequenceClassification": "classification",
        "ModernBertForTokenClassification": "tagging",
        PAIR: "pair",
    },
    embeddings={"word": "embeddings.tok_embeddings", "norm": "embeddings.norm"},
    block_name="layers.{block}.",
    block={
        "attention/query": Part("attn.Wqkv", 0, 3),
        "attention/key": Part("attn.Wqkv", 1, 3),
        "attention/value": Part("attn.Wqkv", 2, 3),
        "attention/out": "attn.Wo",
        "attention_norm": "attn_norm",
        "up": Part("mlp.Wi", 0, 2),
        "factor": Part("mlp.Wi", 1, 2),
        "down": "mlp.Wo",
        "feed_forward_norm": "mlp_norm",
    },
    final_norm="final_norm",
    readouts={
        "masked_lm": {
            "dense": "head.dense",
            "norm": "head.norm",
            "": "decoder",
            "decoder": "decoder",
        },
        "classification": {"dense": "head.dense", "norm": "head.norm", "out": "classifier"},
        "tagging": {"dense": "head.dense", "norm": "head.norm", "out": "classifier"},
        "pair": {"out": "classifier"},
        "none": {},
    },
    unowned=("qa_outputs.",),
    special=Special(
        frozenset({
            "classifier_pooling", "global_attn_every_n_layers", "global_rope_theta", "layer_types",
            "local_attention", "local_rope_theta", "rope_parameters", "rope_scaling",
        }),
        read_layers,
        write_layers,
    ),
)  # fmt: skip

MODEL_TYPES = {"modernbert": MODERNBERT}
