"""Marian's translation models (OPUS-MT and all else of `model_type` marian). Only tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jaxheads.config import EncoderConfig
from jaxheads.models.checkpoint.bert import CONSTANTS
from jaxheads.models.checkpoint.family import (
    FIXED,
    IGNORED,
    Attribute,
    Exact,
    FamilyTable,
    Special,
)

EQUAL = {"decoder_ffn_dim": "encoder_ffn_dim", "decoder_attention_heads": "encoder_attention_heads"}


def _read(raw: Mapping[str, Any]) -> dict[str, Any]:
    problems = [
        f"{name}: expected {raw[other]} as of {other}, got {raw[name]}"
        for name, other in EQUAL.items()
        if name in raw and other in raw and raw[name] != raw[other]
    ]
    scaled, forced = raw.get("scale_embedding", False), raw.get("forced_eos_token_id", None)
    if not isinstance(scaled, bool):
        problems.append(f"scale_embedding: expected a bool, got {scaled!r}")
    if forced not in (None, raw.get("eos_token_id", 0)):
        problems.append(f"forced_eos_token_id: expected that of eos_token_id, got {forced!r}")
    if raw.get("decoder_vocab_size") not in (None, raw.get("vocab_size")):
        problems.append("decoder_vocab_size: expected that of vocab_size, got another")
    if problems:
        raise ValueError("; ".join(problems))
    return {"scales_embeddings": scaled}


def _write(config: EncoderConfig) -> dict[str, Any]:
    return {
        "decoder_ffn_dim": config.intermediate_size,
        "decoder_attention_heads": config.num_heads,
        "decoder_vocab_size": config.vocab_size,
        "scale_embedding": config.scales_embeddings,
        "forced_eos_token_id": config.eos_token_id,
    }


OWN = ("decoder_layers", "scales_embeddings")  # of each model
PROJECTIONS = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "out_proj"}
ATTENTIONS = {"attention": "self_attn", "cross": "encoder_attn"}
WORDS = "model.shared.weight"

MARIAN = FamilyTable(
    family="marian",
    model_type="marian",
    prefix="model.",
    attributes={
        "vocab_size": Attribute("vocab_size", int, 58101),
        "d_model": Attribute("hidden_size", int, 1024),
        "encoder_layers": Attribute("num_layers", int, 12),
        "decoder_layers": Attribute("decoder_layers", int, 12),
        "encoder_attention_heads": Attribute("num_heads", int, 16),
        "encoder_ffn_dim": Attribute("intermediate_size", int, 4096),
        "max_position_embeddings": Attribute("max_positions", int, 1024),
        "activation_function": Attribute("activation", str, "gelu"),
        "dropout": Attribute("hidden_dropout", float, 0.1),
        "attention_dropout": Attribute("attention_dropout", float, 0.0),
        "init_std": Attribute("initializer_range", float, 0.02),
        "pad_token_id": Attribute("pad_token_id", int, 58100, least=0),
        "eos_token_id": Attribute("eos_token_id", int, 0, least=0),
        "decoder_start_token_id": Attribute("start_token_id", int, 58100, least=0),
    },
    dropout="classifier_dropout",
    dropout_default=None,
    constants={name: value for name, value in CONSTANTS.items() if name not in OWN}
    | {
        "type_vocab_size": 0,
        "norm_eps": 1e-5,  # written into its code
        "sinusoidal": True,
        "norms_embeddings": False,
    },
    fixed=FIXED
    | {
        "activation_dropout": (0, 0.0),
        "encoder_layerdrop": (0, 0.0),
        "decoder_layerdrop": (0, 0.0),
        "is_encoder_decoder": (True,),
        "normalize_before": (False,),
        "normalize_embedding": (False,),
        "share_encoder_decoder_embeddings": (True,),
        "tie_word_embeddings": (True,),
    },
    ignored=IGNORED - {"eos_token_id", "decoder_start_token_id", "forced_eos_token_id"}
    | {
        "add_bias_logits",
        "add_final_layer_norm",
        "extra_pos_embeddings",
        "num_hidden_layers",
        "static_position_embeddings",
    },
    architectures={"MarianModel": "none", "MarianMTModel": "translation"},
    embeddings={"word": "shared"},
    block_name="encoder.layers.{block}.",
    decoder_block_name="decoder.layers.{block}.",
    block={
        f"{ours}/{part}": f"{theirs}.{name}"
        for ours, theirs in ATTENTIONS.items()
        for part, name in PROJECTIONS.items()
    }
    | {f"{ours}_norm": f"{theirs}_layer_norm" for ours, theirs in ATTENTIONS.items()}
    | {"up": "fc1", "down": "fc2", "feed_forward_norm": "final_layer_norm"},
    readouts={"translation": {"": Exact("final_logits_bias")}, "none": {}},
    ties={
        "lm_head.weight": WORDS,
        "model.encoder.embed_tokens.weight": WORDS,
        "model.decoder.embed_tokens.weight": WORDS,
    },
    unowned=("model.encoder.embed_positions.weight", "model.decoder.embed_positions.weight"),
    special=Special(
        frozenset({*EQUAL, "scale_embedding", "decoder_vocab_size", "forced_eos_token_id"}),
        _read,
        _write,
    ),
)

MODEL_TYPES = {"marian": MARIAN}
