"""Multilabel and tagging readouts against transformers: logits, losses and gradients of gates."""

from __future__ import annotations

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxheads.data.batch import Batch
from jaxheads.importance.gradient import gate_gradients
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.model import logits
from jaxheads.objectives import objective_for

SIZES = {
    "vocab_size": 60,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
    "initializer_range": 0.3,
}
DISTIL = {
    "vocab_size": 60, "dim": 16, "n_layers": 2, "n_heads": 4, "hidden_dim": 24,
    "max_position_embeddings": 12, "initializer_range": 0.3, "dropout": 0.2,
}  # fmt: skip
CONFIGS = {
    "Bert": SIZES,
    "Roberta": SIZES,
    "Albert": {**SIZES, "embedding_size": 8},
    "DistilBert": DISTIL,
    "Electra": {**SIZES, "embedding_size": 8},
    "ModernBert": {
        **SIZES,
        "pad_token_id": 0,
        "local_attention": 4,
        "attn_implementation": "eager",
    },
}
LABELS = ("O", "B-PER", "I-PER")


def made(family: str, kind: str, folder: Path):
    """A random model of transformers in a folder, and the inputs and labels to compare on."""
    import torch
    import transformers

    architecture = {"tagging": "Token", "multilabel": "Sequence"}[kind]
    problem = {"problem_type": "multi_label_classification"} if kind == "multilabel" else {}
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {n: i for i, n in enumerate(LABELS)}}
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**CONFIGS[family], **names, **problem)
    model = getattr(transformers, f"{family}For{architecture}Classification")(config).eval()
    for weight in model.parameters():  # biases too
        torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder)
    rng = np.random.default_rng(0)
    tokens = rng.integers(5, 60, (3, 7))
    real = np.arange(7) < np.array([7, 4, 6])[:, None]
    if kind == "multilabel":
        labels = rng.integers(0, 2, (3, 3))
    else:
        labels = np.where(real & (rng.random((3, 7)) < 0.7), rng.integers(0, 3, (3, 7)), -1)
    return model, np.where(real, tokens, config.pad_token_id), real, labels


def with_torch(model, kind: str, tokens, real, labels):
    """Logits, the sum of each example's losses, and its gradient by every head's gate."""
    import torch

    gates = []

    def gate(module, inputs):
        context = inputs[0]
        scale = torch.ones(len(tokens), 4, requires_grad=True)
        gates.append(scale)
        return (context * scale.repeat_interleave(4, 1)[:, None, :],)

    ends = ("attention.output.dense", "attention.out_lin", "attention.dense", "attn.Wo")
    hooks = [
        module.register_forward_pre_hook(gate)
        for name, module in model.named_modules()
        if name.endswith(ends)
    ]
    given = {"input_ids": torch.tensor(tokens), "attention_mask": torch.tensor(real).long()}
    out = model(**given).logits
    target = torch.tensor(labels)
    if kind == "multilabel":
        each = torch.nn.BCEWithLogitsLoss(reduction="none")(out, target.float()).sum(1)
    else:
        losses = torch.nn.CrossEntropyLoss(reduction="none", ignore_index=-1)
        each = losses(out.transpose(1, 2), target).sum(1)
    each.sum().backward()
    for hook in hooks:
        hook.remove()
    mean = model(
        **given, labels=target.float() if kind == "multilabel" else target - 99 * (target < 0)
    ).loss
    effects = np.stack([scale.grad.numpy() for scale in gates], 1)
    return out.detach().numpy(), each.detach().numpy(), effects, float(mean.detach())


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["multilabel", "tagging"])
@pytest.mark.parametrize("family", CONFIGS)
def test_logits_losses_and_gradients_are_those_of_transformers(family, kind, tmp_path):
    theirs, tokens, real, labels = made(family, kind, tmp_path / "model")
    wanted, loss_B, effect_BLH, mean = with_torch(theirs, kind, tokens, real, labels)
    model = load_model(tmp_path / "model")
    assert (model.readout.kind, model.readout.labels) == (kind, LABELS)
    inputs = tuple(map(jnp.asarray, (tokens, real, np.zeros_like(tokens))))
    found = np.asarray(logits(*model, *inputs))
    at = real if kind == "tagging" else slice(None)
    np.testing.assert_allclose(found[at], wanted[at], atol=1e-5)
    batch = Batch(*inputs, labels, np.ones(3, np.float32), np.arange(3))
    outcome = objective_for(model.config, model.readout)(model.params, None, batch)
    np.testing.assert_allclose(outcome.loss_B, loss_B, rtol=1e-5)
    assert float(outcome.loss_B.sum() / outcome.terms_B.sum()) == pytest.approx(mean, rel=1e-5)
    objective = objective_for(model.config, model.readout)
    effects = gate_gradients(objective, model.params, batch, np.ones((2, 4), np.float32))
    np.testing.assert_allclose(effects.effect_BLH, effect_BLH, atol=1e-5 * np.abs(effect_BLH).max())


@pytest.mark.torch
@pytest.mark.parametrize("kind", ["multilabel", "tagging"])
@pytest.mark.parametrize("family", CONFIGS)
def test_what_is_saved_is_opened_by_transformers(family, kind, tmp_path):
    import torch
    import transformers

    theirs, tokens, real, _ = made(family, kind, tmp_path / "model")
    model = load_model(tmp_path / "model")
    save_model(model, tmp_path / "again", source=tmp_path / "model")
    how = theirs.config._attn_implementation
    again = type(theirs).from_pretrained(tmp_path / "again", attn_implementation=how).eval()
    assert again.config.id2label == dict(enumerate(LABELS))
    assert again.config.problem_type == theirs.config.problem_type
    given = {"input_ids": torch.tensor(tokens), "attention_mask": torch.tensor(real).long()}
    assert torch.equal(again(**given).logits, theirs(**given).logits)
    reread = load_model(tmp_path / "again")
    assert reread.readout == model.readout
    if (family, kind) == ("DistilBert", "tagging"):
        assert model.readout.dropout == 0.2
    transformers.utils.logging.set_verbosity_error()
    same = jax.tree.map(np.array_equal, reread.params, model.params)
    assert all(jax.tree.leaves(same))
