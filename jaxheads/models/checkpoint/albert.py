"""ALBERT as Hugging Face stores it: one set of weights per shared block. Only tables."""

from __future__ import annotations

from jaxheads.models.checkpoint.family import FIXED, IGNORED, PAIR, TRAITS, Attribute, FamilyTable

ALBERT = FamilyTable(
    family="albert",
    model_type="albert",
    prefix="albert.",
    attributes={
        "vocab_size": Attribute("vocab_size", int, 30000),
        "embedding_size": Attribute("embedding_size", int, 128),
        "hidden_size": Attribute("hidden_size", int, 4096),
        "num_hidden_layers": Attribute("num_layers", int, 12),  # times inner_group_num
        "num_hidden_groups": Attribute("hidden_groups", int, 1),
        "inner_group_num": Attribute("inner_groups", int, 1),
        "num_attention_heads": Attribute("num_heads", int, 64),
        "intermediate_size": Attribute("intermediate_size", int, 16384),
        "max_position_embeddings": Attribute("max_positions", int, 512),
        "type_vocab_size": Attribute("type_vocab_size", int, 2),
        "hidden_act": Attribute("activation", str, "gelu_new"),
        "layer_norm_eps": Attribute("norm_eps", float, 1e-12),
        "hidden_dropout_prob": Attribute("hidden_dropout", float, 0.0),
        "attention_probs_dropout_prob": Attribute("attention_dropout", float, 0.0),
        "initializer_range": Attribute("initializer_range", float, 0.02),
        "pad_token_id": Attribute("pad_token_id", int, 0, least=0),
    },
    dropout="classifier_dropout_prob",
    dropout_default=0.1,
    constants=TRAITS
    | {
        "shares_blocks": True,
        "projects_embeddings": True,
        "drops_feed_forward_output": False,
    },
    fixed=FIXED
    | {  # of Google's original configs; other values were never released
        "net_structure_type": (0,),
        "num_memory_blocks": (0,),
        "gap_size": (0,),
        "down_scale_factor": (1,),
    },
    ignored=IGNORED,
    architectures={
        "AlbertModel": "none",
        "AlbertForMaskedLM": "masked_lm",
        "AlbertForPreTraining": "masked_lm",
        "AlbertForSequenceClassification": "classification",
        "AlbertForTokenClassification": "tagging",
        PAIR: "pair",
    },
    embeddings={
        "word": "embeddings.word_embeddings",
        "position": "embeddings.position_embeddings",
        "type": "embeddings.token_type_embeddings",
        "norm": "embeddings.LayerNorm",
        "project": "encoder.embedding_hidden_mapping_in",
    },
    block_name="encoder.albert_layer_groups.{group}.albert_layers.{inner}.",
    block={
        "attention/query": "attention.query",
        "attention/key": "attention.key",
        "attention/value": "attention.value",
        "attention/out": "attention.dense",
        "attention_norm": "attention.LayerNorm",
        "up": "ffn",
        "down": "ffn_output",
        "feed_forward_norm": "full_layer_layer_norm",
    },
    readouts={
        "masked_lm": {
            "dense": "predictions.dense",
            "norm": "predictions.LayerNorm",
            "": "predictions",
            "decoder": "predictions.decoder",
        },
        "classification": {"dense": "albert.pooler", "out": "classifier"},
        "tagging": {"out": "classifier"},
        "pair": {"out": "classifier"},
        "none": {},
    },
    unowned=(
        "albert.embeddings.position_ids",
        "albert.embeddings.token_type_ids",
        "albert.pooler.",
        "sop_classifier.",
        "qa_outputs.",
    ),
)

MODEL_TYPES = {"albert": ALBERT}
