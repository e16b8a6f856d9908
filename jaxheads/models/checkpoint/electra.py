"""ELECTRA as Hugging Face stores it, its discriminators and generators. Only tables."""

from __future__ import annotations

import dataclasses

from jaxheads.models.checkpoint.bert import BERT
from jaxheads.models.checkpoint.family import IGNORED, PAIR, Attribute

ELECTRA = dataclasses.replace(
    BERT,
    family="electra",
    model_type="electra",
    prefix="electra.",
    attributes=BERT.attributes
    | {
        "embedding_size": Attribute("embedding_size", int, 128),
        "hidden_size": Attribute("hidden_size", int, 256),
        "num_attention_heads": Attribute("num_heads", int, 4),
        "intermediate_size": Attribute("intermediate_size", int, 1024),
    },
    constants={name: BERT.constants[name] for name in BERT.constants.keys() - {"embedding_size"}}
    | {
        "projects_embeddings": None,
        "masked_lm_activation": "gelu",  # in its own code, as of the classifier's first layer
        "pooler_activation": "gelu",
        "drops_pooler_input": True,
    },
    ignored=IGNORED
    | {  # of the multiple-choice readout
        "summary_activation",
        "summary_last_dropout",
        "summary_type",
        "summary_use_proj",
    },
    architectures={
        "ElectraModel": "none",
        "ElectraForPreTraining": "none",  # the discriminator, whose own readout is not read
        "ElectraForMaskedLM": "masked_lm",
        "ElectraForSequenceClassification": "classification",
        "ElectraForTokenClassification": "tagging",
        PAIR: "pair",
    },
    embeddings={**BERT.embeddings, "project": "embeddings_project"},
    readouts={
        **BERT.readouts,
        "masked_lm": {
            "dense": "generator_predictions.dense",
            "norm": "generator_predictions.LayerNorm",
            "": "generator_lm_head",
            "decoder": "generator_lm_head",
        },
        "classification": {"dense": "classifier.dense", "out": "classifier.out_proj"},
    },
    unowned=(
        "electra.embeddings.position_ids",
        "electra.embeddings.token_type_ids",
        "discriminator_predictions.",
        "sequence_summary.",
        "qa_outputs.",
    ),
)

MODEL_TYPES = {"electra": ELECTRA}
