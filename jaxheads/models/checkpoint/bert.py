"""BERT (MiniLM and all else of `model_type` bert too) as Hugging Face stores it. Only tables."""

from __future__ import annotations

from jaxheads.models.checkpoint.family import FIXED, IGNORED, PAIR, TRAITS, Attribute, FamilyTable

ATTRIBUTES = {
    "vocab_size": Attribute("vocab_size", int, 30522),
    "hidden_size": Attribute("hidden_size", int, 768),
    "num_hidden_layers": Attribute("num_layers", int, 12),
    "num_attention_heads": Attribute("num_heads", int, 12),
    "intermediate_size": Attribute("intermediate_size", int, 3072),
    "max_position_embeddings": Attribute("max_positions", int, 512),
    "type_vocab_size": Attribute("type_vocab_size", int, 2),
    "hidden_act": Attribute("activation", str, "gelu"),
    "layer_norm_eps": Attribute("norm_eps", float, 1e-12),
    "hidden_dropout_prob": Attribute("hidden_dropout", float, 0.1),
    "attention_probs_dropout_prob": Attribute("attention_dropout", float, 0.1),
    "initializer_range": Attribute("initializer_range", float, 0.02),
    "pad_token_id": Attribute("pad_token_id", int, 0, least=0),
}

CONSTANTS = TRAITS | {"embedding_size": 0, "hidden_groups": 0, "inner_groups": 1}

EMBEDDINGS = {
    "word": "embeddings.word_embeddings",
    "position": "embeddings.position_embeddings",
    "type": "embeddings.token_type_embeddings",
    "norm": "embeddings.LayerNorm",
}

BLOCK = {
    "attention/query": "attention.self.query",
    "attention/key": "attention.self.key",
    "attention/value": "attention.self.value",
    "attention/out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "feed_forward_norm": "output.LayerNorm",
}

BERT = FamilyTable(
    family="bert",
    model_type="bert",
    prefix="bert.",
    attributes=ATTRIBUTES,
    dropout="classifier_dropout",
    dropout_default=None,
    constants=CONSTANTS,
    fixed=FIXED,
    ignored=IGNORED
    | {  # of Google's multilingual and Chinese models; no released code reads them
        "directionality",
        "pooler_fc_size",
        "pooler_num_attention_heads",
        "pooler_num_fc_layers",
        "pooler_size_per_head",
        "pooler_type",
    },
    architectures={
        "BertModel": "none",
        "BertForMaskedLM": "masked_lm",
        "BertForPreTraining": "masked_lm",
        "BertForSequenceClassification": "classification",
        "BertForTokenClassification": "tagging",
        PAIR: "pair",
    },
    embeddings=EMBEDDINGS,
    block_name="encoder.layer.{block}.",
    block=BLOCK,
    readouts={
        "masked_lm": {
            "dense": "cls.predictions.transform.dense",
            "norm": "cls.predictions.transform.LayerNorm",
            "": "cls.predictions",
            "decoder": "cls.predictions.decoder",
        },
        "classification": {"dense": "bert.pooler.dense", "out": "classifier"},
        "tagging": {"out": "classifier"},
        "pair": {"out": "classifier"},
        "none": {},
    },
    unowned=(
        "bert.embeddings.position_ids",
        "bert.embeddings.token_type_ids",
        "bert.pooler.",
        "cls.seq_relationship.",
        "qa_outputs.",
    ),
)

MODEL_TYPES = {"bert": BERT}
