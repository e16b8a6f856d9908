"""Makes tests/fixtures: tiny random Hugging Face models with what PyTorch computes from them.

    pip install '.[parity]' && python tests/make_fixtures.py

Each folder is what `save_pretrained` writes, and `reference.safetensors`: tokens, real (1 where a
token is one), types, and the reference's hidden states, attention maps [B, L, H, T, S] and logits.
The folders `*-v4-pruned` are checkpoints as transformers 4 left them after `prune_heads`: ragged
weights under a config with `pruned_heads`; their reference is the whole model with those heads
zeroed. transformers 4.57.6 opens them and computes the same.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")

import torch
import transformers
from safetensors.torch import load_file, save_file

transformers.utils.logging.disable_progress_bar()

FIXTURES = Path(__file__).resolve().parent / "fixtures"
BATCH, LENGTH = 3, 7
NOT_READ = ("ElectraForPreTraining",)  # readouts that the package has not

SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
    "initializer_range": 0.05,
}
DISTIL = {
    "vocab_size": 60,
    "dim": 16,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 24,
    "max_position_embeddings": 12,
}
ALBERT = {**SIZES, "embedding_size": 8}
MODERN = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 12,
    "max_position_embeddings": 12,
    "global_attn_every_n_layers": 3,
    "local_attention": 5,  # two to either side
    "global_rope_theta": 500.0,
    "local_rope_theta": 20.0,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "cls_token_id": 1,
    "eos_token_id": 2,
    "sep_token_id": 2,
}
THREE = {"id2label": {0: "entailment", 1: "neutral", 2: "contradiction"}}
THREE["label2id"] = {label: number for number, label in THREE["id2label"].items()}

# Folder: the class that makes it, and what its config says besides defaults.
CASES = {
    "roberta-masked-lm": ("RobertaForMaskedLM", SIZES),
    "roberta-classification": ("RobertaForSequenceClassification", {**SIZES, **THREE}),
    "roberta-bare": ("RobertaModel", {**SIZES, "layer_norm_eps": 1e-5}),
    "xlm-roberta-masked-lm": ("XLMRobertaForMaskedLM", {**SIZES, "type_vocab_size": 1}),
    "bert-masked-lm": ("BertForMaskedLM", {**SIZES, "hidden_act": "relu"}),
    "bert-untied": ("BertForMaskedLM", {**SIZES, "tie_word_embeddings": False}),
    "bert-pretraining": ("BertForPreTraining", SIZES),
    "bert-classification": (
        "BertForSequenceClassification",
        {**SIZES, **THREE, "classifier_dropout": 0.3},
    ),
    "bert-bare": ("BertModel", SIZES),
    "albert-masked-lm": ("AlbertForMaskedLM", {**ALBERT, "num_hidden_layers": 3}),
    "albert-groups": (
        "AlbertForSequenceClassification",
        {**ALBERT, "num_hidden_layers": 4, "num_hidden_groups": 2},
    ),
    "albert-inner": ("AlbertForPreTraining", {**ALBERT, "inner_group_num": 2}),
    "albert-bare": ("AlbertModel", ALBERT),
    "distilbert-masked-lm": ("DistilBertForMaskedLM", {**DISTIL, "sinusoidal_pos_embds": True}),
    "distilbert-regression": (
        "DistilBertForSequenceClassification",
        {**DISTIL, "id2label": {0: "score"}, "label2id": {"score": 0}},
    ),
    "distilbert-bare": ("DistilBertModel", DISTIL),
    "bert-tagging": ("BertForTokenClassification", {**SIZES, **THREE}),
    "roberta-multilabel": (
        "RobertaForSequenceClassification",
        {**SIZES, **THREE, "problem_type": "multi_label_classification"},
    ),
    "camembert-classification": (
        "CamembertForSequenceClassification",
        {**SIZES, "type_vocab_size": 1, "id2label": {0: "score"}, "label2id": {"score": 0}},
    ),
    "electra-masked-lm": ("ElectraForMaskedLM", ALBERT),
    "electra-classification": (
        "ElectraForSequenceClassification",
        {**SIZES, **THREE, "embedding_size": 16},
    ),
    "electra-pretraining": ("ElectraForPreTraining", {**ALBERT, "num_hidden_layers": 1}),
    "modernbert-masked-lm": ("ModernBertForMaskedLM", MODERN),
    "modernbert-mean": (
        "ModernBertForSequenceClassification",
        {**MODERN, **THREE, "classifier_pooling": "mean"},
    ),
    "modernbert-bare": (
        "ModernBertModel",
        {**MODERN, "num_hidden_layers": 2, "layer_types": ["sliding_attention", "full_attention"]},
    ),
}

# Folder: the case it comes from, and the heads that are pruned, by layer (ALBERT: by unique block).
PRUNED = {
    "roberta-v4-pruned": ("roberta-classification", {0: [1, 3], 1: [0]}),
    "albert-v4-pruned": ("albert-groups", {1: [0, 2]}),
    "distilbert-v4-pruned": ("distilbert-regression", {1: [3]}),
}
# Of every family: the projections that have rows, and those that have columns, for each head.
INWARD = tuple(
    f"{name}.{part}"
    for name in ("query", "key", "value", "q_lin", "k_lin", "v_lin")
    for part in ("weight", "bias")
)
OUTWARD = ("attention.output.dense.weight", "attention.dense.weight", "out_lin.weight")


def random_model(name: str, extra: dict, seed: int) -> transformers.PreTrainedModel:
    """A model in which no weight is at its initial value (zero biases hide faults)."""
    torch.manual_seed(seed)
    kind = getattr(transformers, name)
    model = kind(kind.config_class(**extra, attn_implementation="eager")).eval()
    for weight in model.parameters():
        centre = 1.0 if weight.ndim == 1 and bool((weight == 1).all()) else 0.0
        weight.data = centre + 0.3 * torch.randn(weight.shape)
    model.tie_weights()
    return model


def random_batch(config, batch: int = BATCH, length: int = LENGTH) -> dict[str, torch.Tensor]:
    """Token ids with padding at the end of all rows but the first."""
    tokens = torch.randint(3, config.vocab_size, (batch, length))
    real = (torch.arange(length)[None] < torch.arange(length, length - batch, -1)[:, None]).long()
    tokens = torch.where(real == 1, tokens, config.pad_token_id)
    kinds = getattr(config, "type_vocab_size", 1)
    return {"tokens": tokens, "real": real, "types": torch.randint(0, kinds, (batch, length))}


@torch.no_grad()
def reference(model, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Hidden states, attention maps and (of a model with a readout) logits."""
    inputs = {"input_ids": batch["tokens"], "attention_mask": batch["real"]}
    if hasattr(model.config, "type_vocab_size"):
        inputs["token_type_ids"] = batch["types"]
    out = model(**inputs, output_attentions=True, output_hidden_states=True)
    found = {
        "hidden": model.base_model(**inputs).last_hidden_state,
        "attentions": torch.stack(out.attentions, dim=1),
    }
    logits = getattr(out, "logits", getattr(out, "prediction_logits", None))
    if logits is None or type(model).__name__ in NOT_READ:
        return found
    return {**found, "logits": logits}


def prune(folder: Path, source: Path, heads: dict[int, list[int]]) -> None:
    """Write the checkpoint in `source` as transformers 4 would after pruning `heads`."""
    config = json.loads((source / "config.json").read_text())
    count = config.get("num_attention_heads", config.get("n_heads"))
    width = config.get("hidden_size", config.get("dim")) // count
    weights, zeroed = load_file(source / "model.safetensors"), {}
    for name in sorted(weights):
        rows, columns = name.endswith(INWARD), name.endswith(OUTWARD)
        numbers = [int(part) for part in name.split(".") if part.isdecimal()]
        if not (rows or columns) or "attention" not in name or numbers[0] not in heads:
            continue
        gone = {head * width + k for head in heads[numbers[0]] for k in range(width)}
        left = torch.tensor([k for k in range(count * width) if k not in gone])
        if columns:
            zeroed[name] = weights[name].clone()
            zeroed[name][:, sorted(gone)] = 0
        weights[name] = weights[name].index_select(int(columns), left).contiguous()
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config["pruned_heads"] = {str(block): row for block, row in heads.items()}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    kind = getattr(transformers, config["architectures"][0])
    whole = kind.from_pretrained(source, attn_implementation="eager").eval()
    whole.load_state_dict(zeroed, strict=False)
    batch = {
        name: tensor
        for name, tensor in load_file(source / "reference.safetensors").items()
        if name in ("tokens", "real", "types")
    }
    found = {**batch, **reference(whole, batch)}
    save_file({k: v.contiguous() for k, v in found.items()}, folder / "reference.safetensors")


def main() -> None:
    for seed, (folder, (name, extra)) in enumerate(CASES.items()):
        if (FIXTURES / folder).exists():  # remove it to make it anew
            continue
        model = random_model(name, extra, seed)
        model.save_pretrained(FIXTURES / folder)
        batch = random_batch(model.config)
        found = {**batch, **reference(model, batch)}
        save_file(
            {k: v.contiguous() for k, v in found.items()},
            FIXTURES / folder / "reference.safetensors",
        )
    for folder, (source, heads) in PRUNED.items():
        if (FIXTURES / folder).exists():
            continue
        prune(FIXTURES / folder, FIXTURES / source, heads)


if __name__ == "__main__":
    main()
