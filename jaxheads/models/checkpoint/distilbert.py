"""DistilBERT as Hugging Face stores it. Only tables."""

from __future__ import annotations

from jaxheads.models.checkpoint.bert import CONSTANTS
from jaxheads.models.checkpoint.family import FIXED, IGNORED, PAIR, Attribute, FamilyTable

DISTILBERT = FamilyTable(
    family="distilbert",
    model_type="distilbert",
    prefix="distilbert.",
    attributes={
        "vocab_size": Attribute("vocab_size", int, 30522),
        "dim": Attribute("hidden_size", int, 768),
        "n_layers": Attribute("num_layers", int, 6),
        "n_heads": Attribute("num_heads", int, 12),
        "hidden_dim": Attribute("intermediate_size", int, 3072),
        "max_position_embeddings": Attribute("max_positions", int, 512),
        "activation": Attribute("activation", str, "gelu"),
        "dropout": Attribute("hidden_dropout", float, 0.1),
        "attention_dropout": Attribute("attention_dropout", float, 0.1),
        "initializer_range": Attribute("initializer_range", float, 0.02),
        "pad_token_id": Attribute("pad_token_id", int, 0, least=0),
    },
    dropout="seq_classif_dropout",
    dropout_default=0.2,
    tagging_dropout="dropout",
    constants=CONSTANTS
    | {
        "type_vocab_size": 0,
        "norm_eps": 1e-12,  # written into its code
        "drops_attention_output": False,
        "pooler_activation": "relu",
    },
    fixed=FIXED | {"tie_weights_": (True,)},
    ignored=IGNORED
    | {
        "qa_dropout",  # of the question-answering readout
        "sinusoidal_pos_embds",  # says how the table began; the table itself is stored
    },
    architectures={
        "DistilBertModel": "none",
        "DistilBertForMaskedLM": "masked_lm",
        "DistilBertForSequenceClassification": "classification",
        "DistilBertForTokenClassification": "tagging",
        PAIR: "pair",
    },
    embeddings={
        "word": "embeddings.word_embeddings",
        "position": "embeddings.position_embeddings",
        "norm": "embeddings.LayerNorm",
    },
    block_name="transformer.layer.{block}.",
    block={
        "attention/query": "attention.q_lin",
        "attention/key": "attention.k_lin",
        "attention/value": "attention.v_lin",
        "attention/out": "attention.out_lin",
        "attention_norm": "sa_layer_norm",
        "up": "ffn.lin1",
        "down": "ffn.lin2",
        "feed_forward_norm": "output_layer_norm",
    },
    readouts={
        "masked_lm": {
            "dense": "vocab_transform",
            "norm": "vocab_layer_norm",
            "": "vocab_projector",
            "decoder": "vocab_projector",
        },
        "classification": {"dense": "pre_classifier", "out": "classifier"},
        "tagging": {"out": "classifier"},
        "pair": {"out": "classifier"},
        "none": {},
    },
    unowned=("distilbert.embeddings.position_ids", "qa_outputs."),
)

MODEL_TYPES = {"distilbert": DISTILBERT}
