"""RoBERTa, XLM-RoBERTa and CamemBERT in Hugging Face's layout, which is BERT's. Only tables."""

from __future__ import annotations

import dataclasses

from jaxheads.models.checkpoint.bert import BERT
from jaxheads.models.checkpoint.family import IGNORED, PAIR, Attribute

ROBERTA = dataclasses.replace(
    BERT,
    family="roberta",
    model_type="roberta",
    prefix="roberta.",
    attributes=BERT.attributes
    | {
        "vocab_size": Attribute("vocab_size", int, 50265),
        "pad_token_id": Attribute("pad_token_id", int, 1, least=0),
    },
    constants={
        **BERT.constants,
        "positions_after_pad": True,
        "masked_lm_activation": "gelu",  # in its own code, whatever the encoder's activation
        "drops_pooler_input": True,
    },
    ignored=IGNORED,
    architectures={
        "RobertaModel": "none",
        "RobertaForMaskedLM": "masked_lm",
        "RobertaForSequenceClassification": "classification",
        "RobertaForTokenClassification": "tagging",
        PAIR: "pair",
    },
    readouts={
        **BERT.readouts,
        "masked_lm": {
            "dense": "lm_head.dense",
            "norm": "lm_head.layer_norm",
            "": "lm_head",
            "decoder": "lm_head.decoder",
        },
        "classification": {"dense": "classifier.dense", "out": "classifier.out_proj"},
    },
    unowned=(
        "roberta.embeddings.position_ids",
        "roberta.embeddings.token_type_ids",
        "roberta.pooler.",
        "qa_outputs.",
    ),
)

XLM_ROBERTA = dataclasses.replace(
    ROBERTA,
    model_type="xlm-roberta",
    attributes=ROBERTA.attributes | {"vocab_size": Attribute("vocab_size", int, 30522)},
    architectures={
        "XLMRobertaModel": "none",
        "XLMRobertaForMaskedLM": "masked_lm",
        "XLMRobertaForSequenceClassification": "classification",
        "XLMRobertaForTokenClassification": "tagging",
        PAIR: "pair",
    },
)

CAMEMBERT = dataclasses.replace(
    XLM_ROBERTA,
    model_type="camembert",
    architectures={
        "CamembertModel": "none",
        "CamembertForMaskedLM": "masked_lm",
        "CamembertForSequenceClassification": "classification",
        "CamembertForTokenClassification": "tagging",
        PAIR: "pair",
    },
)

MODEL_TYPES = {"roberta": ROBERTA, "xlm-roberta": XLM_ROBERTA, "camembert": CAMEMBERT}
