"""Marian's models against PyTorch's, in both directions: logits, and gradients of gates."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxheads.importance.gradient import gate_gradients
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.layout import by_kind
from jaxheads.models.model import Model, logits
from jaxheads.objectives import objective_for
from jaxheads.pruning.cut import cut
from jaxheads.pruning.mask import random_mask
from tests.support.translation import CONFIG, TRANSLATION, random_batch, random_params

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

BATCH = random_batch(CONFIG)
KINDS = ("encoder.self_attn", "decoder.self_attn", "decoder.encoder_attn")


def random_marian(seed: int = 0, **changes):
    """Theirs, every number of it random."""
    torch.manual_seed(seed)
    sizes = {
        "vocab_size": 60, "d_model": 16, "encoder_layers": 3, "decoder_layers": 2,
        "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 24, "max_position_embeddings": 20, "activation_function": "swish",
        "pad_token_id": 59, "eos_token_id": 0, "decoder_start_token_id": 59,
        "scale_embedding": True, "attn_implementation": "eager",
    }  # fmt: skip
    model = transformers.MarianMTModel(transformers.MarianConfig(**{**sizes, **changes})).eval()
    for name, weight in model.named_parameters():
        if "embed_positions" not in name:
            centre = 1.0 if "norm.weight" in name else 0.0
            weight.data = centre + 0.3 * torch.randn(weight.shape)
    model.final_logits_bias.data = 0.3 * torch.randn(model.final_logits_bias.shape)
    return model


def inputs_of(batch):
    tokens, real = torch.tensor(batch.tokens_BT).long(), torch.tensor(batch.real_BT)
    return {
        "input_ids": tokens[:, 0], "attention_mask": real[:, 0].long(),
        "decoder_input_ids": tokens[:, 1],
    }  # fmt: skip


def their_logits(model, batch=BATCH) -> np.ndarray:
    with torch.no_grad():
        return model(**inputs_of(batch)).logits.numpy()[np.asarray(batch.labels) >= 0]


def our_logits(model: Model, gate=None, batch=BATCH) -> np.ndarray:
    inputs = (batch.tokens_BT, batch.real_BT, batch.types_BT)
    found = jax.jit(logits, static_argnums=(0, 1))(*model, *inputs, gate)
    return np.asarray(found)[np.asarray(batch.labels) >= 0]


def gated(model, gate_LH):
    """Theirs with gates before each output projection, in the order of our layers."""
    found = []
    for kind, rows in zip(KINDS, by_kind(CONFIG, gate_LH), strict=True):
        side, name = kind.split(".")
        for layer, gate_H in zip(getattr(model.model, side).layers, rows, strict=True):

            def multiply(module, args, gate_H=gate_H):
                context = args[0].unflatten(-1, (4, -1))
                return ((context * gate_H[..., None]).flatten(-2),)

            found.append(getattr(layer, name).out_proj.register_forward_pre_hook(multiply))
    return found


@pytest.mark.parametrize("changes", [{}, {"scale_embedding": False, "activation_function": "relu"}])
def test_a_marian_model_computes_the_same_here_and_back(changes, tmp_path):
    theirs = random_marian(**changes)
    theirs.save_pretrained(tmp_path / "theirs")
    ours = load_model(tmp_path / "theirs")
    assert (ours.readout, ours.config.num_layers) == (TRANSLATION, 7)
    want = their_logits(theirs)
    np.testing.assert_allclose(our_logits(ours), want, rtol=0, atol=1e-5)
    save_model(ours, tmp_path / "ours")
    again, info = transformers.MarianMTModel.from_pretrained(
        tmp_path / "ours", output_loading_info=True, attn_implementation="eager"
    )
    assert not any(info.values()), info
    np.testing.assert_allclose(their_logits(again.eval()), want, rtol=0, atol=1e-6)
    assert again.config.forced_eos_token_id in (0, None)
    assert again.generation_config.decoder_start_token_id == 59


def test_a_model_made_here_opens_there_and_a_cut_one_comes_back(tmp_path):
    ours = Model(CONFIG, TRANSLATION, random_params(CONFIG))
    save_model(ours, tmp_path / "whole")
    theirs = transformers.MarianMTModel.from_pretrained(tmp_path / "whole").eval()
    np.testing.assert_allclose(their_logits(theirs), our_logits(ours), rtol=0, atol=1e-5)
    params, config = cut(ours.params, CONFIG, random_mask(7, 4, 13, 0))
    smaller = Model(config, TRANSLATION, params)
    save_model(smaller, tmp_path / "cut")
    back = load_model(tmp_path / "cut")
    assert back.config == config
    jax.tree.map(np.testing.assert_array_equal, back.params, params)


@pytest.mark.parametrize("masked", [False, True])
def test_gate_gradients_are_those_of_pytorch_for_every_example(masked, tmp_path):
    theirs = random_marian(1).double()
    gate = torch.ones(7, 4, dtype=torch.float64)
    if masked:
        gate = torch.tensor(random_mask(7, 4, 15, 3)).double()
    want = []
    for row in range(3):
        gate = gate.detach().requires_grad_()
        hooks = gated(theirs, gate)
        count = [int(np.asarray(BATCH.real_BT)[row, side].sum()) for side in (0, 1)]
        own = {name: each[row : row + 1] for name, each in inputs_of(BATCH).items()}
        own = {n: x[:, : count[n == "decoder_input_ids"]] for n, x in own.items()}
        labels = torch.tensor(BATCH.labels[row, : count[1]]).long()
        loss = torch.nn.functional.cross_entropy(theirs(**own).logits[0], labels, reduction="sum")
        want.append((gate * torch.autograd.grad(loss, gate)[0]).detach().numpy())
        for hook in hooks:
            hook.remove()
    theirs.float().save_pretrained(tmp_path)
    ours = load_model(tmp_path)
    gate_LH = gate.detach().numpy().astype(np.float32)
    objective = objective_for(ours.config, ours.readout)
    found = gate_gradients(objective, ours.params, BATCH, gate_LH).effect_BLH[:3]
    np.testing.assert_allclose(found, np.stack(want), rtol=1e-4, atol=1e-5)
    assert ours.config == CONFIG
