"""Ours against Hugging Face's PyTorch models, live, in both directions."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxheads.config import ReadoutConfig
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.model import Model
from tests.models.test_parity import FIXTURES, TOLERANCE, compare, computed

pytestmark = pytest.mark.torch

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
make = pytest.importorskip("tests.make_fixtures")

BASE = {"vocab_size": 1000, "max_position_embeddings": 130, "type_vocab_size": 1}
LIVE = {
    **make.CASES,
    "albert-both": (
        "AlbertForMaskedLM",
        {**make.ALBERT, "num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 2},
    ),
    "albert-one-head": (
        "AlbertForSequenceClassification",
        {**make.ALBERT, "num_attention_heads": 1, "hidden_act": "gelu"},
    ),
    "electra-bare": ("ElectraModel", {**make.ALBERT, "hidden_act": "relu"}),
    "roberta-silu": ("RobertaForMaskedLM", {**make.SIZES, "hidden_act": "swish"}),
    "bert-minilm": (
        "BertForSequenceClassification",
        {**make.SIZES, "hidden_act": "gelu_pytorch_tanh", "num_hidden_layers": 3},
    ),
    "distilbert-relu": ("DistilBertForMaskedLM", {**make.DISTIL, "activation": "relu"}),
    "xlm-roberta-regression": (
        "XLMRobertaForSequenceClassification",
        {**make.SIZES, "id2label": {0: "score"}, "label2id": {"score": 0}},
    ),
}


def numpy_of(tensors: dict) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in tensors.items()}


@pytest.mark.parametrize("case", sorted(LIVE))
def test_a_model_that_hugging_face_saves_computes_the_same_here(case: str, tmp_path: Path):
    model = make.random_model(*LIVE[case], seed=100 + sorted(LIVE).index(case))
    model.save_pretrained(tmp_path)
    batch = make.random_batch(model.config)
    compare(load_model(tmp_path), numpy_of({**batch, **make.reference(model, batch)}), TOLERANCE)


def test_a_roberta_of_base_size_agrees(tmp_path: Path):
    torch.manual_seed(0)
    config = transformers.RobertaConfig(**BASE, attn_implementation="eager")
    model = transformers.RobertaForMaskedLM(config).eval()
    assert (config.hidden_size, config.num_hidden_layers, config.num_attention_heads) == (
        768,
        12,
        12,
    )
    for weight in model.parameters():  # far from its start, as trained models are
        weight.data += 0.02 * torch.randn(weight.shape)
    model.tie_weights()
    model.save_pretrained(tmp_path)
    batch = make.random_batch(config, batch=2, length=128)
    compare(load_model(tmp_path), numpy_of({**batch, **make.reference(model, batch)}), 1e-4)


def changed(model: Model, seed: int) -> Model:
    """As if fine-tuned: every number another."""
    random = np.random.default_rng(seed)
    params = jax.tree.map(
        lambda leaf: leaf + 0.1 * random.normal(size=leaf.shape).astype("f4"), model.params
    )
    return model._replace(params=params)


def masked(model: Model) -> Model:
    """Head 1 of every block, and all heads of the first, give nothing: their columns are zero."""
    params = jax.tree.map(lambda leaf: leaf, model.params)
    for name, stack in params["encoder"].items():
        if name.startswith("stack"):
            kernel = stack["attention"]["out"]["kernel"].at[:, 1].set(0)
            stack["attention"]["out"]["kernel"] = kernel
    first = params["encoder"]["stack0"]["attention"]["out"]
    first["kernel"] = first["kernel"].at[0].set(0)
    return model._replace(params=params)


@pytest.mark.parametrize("change", ["changed", "masked"])
@pytest.mark.parametrize("case", sorted(make.CASES))
def test_what_is_saved_here_opens_in_hugging_face(case: str, change: str, tmp_path: Path):
    model = load_model(FIXTURES / case)
    model = changed(model, seed=7) if change == "changed" else masked(model)
    save_model(model, tmp_path / "out", source=FIXTURES / case)
    name = json.loads((tmp_path / "out" / "config.json").read_text())["architectures"][0]
    theirs, info = getattr(transformers, name).from_pretrained(
        tmp_path / "out", output_loading_info=True, attn_implementation="eager"
    )
    assert not any(info.values()), info
    batch = make.random_batch(theirs.config)
    expected = numpy_of({**batch, **make.reference(theirs.eval(), batch)})
    compare(model, expected, 2e-5)
    before = computed(load_model(FIXTURES / case), expected)[0]
    assert np.abs(np.asarray(before) - expected["hidden"]).max() > 0.01, "the change had no effect"


@pytest.mark.parametrize("case", ["roberta-bare", "albert-groups", "bert-masked-lm"])
def test_the_encoder_of_a_pair_model_opens_in_hugging_face(case: str, tmp_path: Path):
    asked = ReadoutConfig("pair", labels=("no", "yes"))
    model = load_model(FIXTURES / case, readout=asked, key=jax.random.key(0))
    save_model(model, tmp_path / "out")
    theirs = transformers.AutoModel.from_pretrained(tmp_path / "out", attn_implementation="eager")
    batch = make.random_batch(theirs.config)
    expected = numpy_of({**batch, **make.reference(theirs.eval(), batch)})
    compare(Model(model.config, ReadoutConfig(), model.params), expected, TOLERANCE)


def test_a_cut_model_does_not_open_in_hugging_face_unnoticed(tmp_path: Path):
    save_model(load_model(FIXTURES / "roberta-v4-pruned"), tmp_path / "out")
    with pytest.raises(RuntimeError, match=r"mismatch|size"):
        transformers.RobertaForSequenceClassification.from_pretrained(tmp_path / "out")


def test_shards_and_half_precision_of_hugging_face_are_read(tmp_path: Path):
    model = make.random_model(*make.CASES["bert-masked-lm"], seed=0)
    model.save_pretrained(tmp_path / "shards", max_shard_size="8KB")
    assert len(list((tmp_path / "shards").glob("model-*.safetensors"))) > 2
    model.bfloat16().save_pretrained(tmp_path / "half")
    whole, half = load_model(tmp_path / "shards"), load_model(tmp_path / "half")
    rounded = jax.tree.map(lambda leaf: leaf.astype("bfloat16").astype("float32"), whole.params)
    jax.tree.map(np.testing.assert_array_equal, rounded, half.params)


def test_the_command_that_the_refusal_of_pickles_gives_converts_them(tmp_path: Path):
    source = Path(shutil.copytree(FIXTURES / "bert-pretraining", tmp_path / "old"))
    weights = load_file(source / "model.safetensors")
    (source / "model.safetensors").unlink()
    tensors = {name: torch.from_numpy(array) for name, array in weights.items()}
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
    torch.save(tensors, source / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"convert them by: ") as caught:
        load_model(source)
    command = str(caught.value).split("convert them by: ")[1]
    command = command.replace("python -c", f"{sys.executable} -c")
    subprocess.run(command, shell=True, check=True)
    expected = load_model(FIXTURES / "bert-pretraining").params
    jax.tree.map(np.testing.assert_array_equal, load_model(source).params, expected)
