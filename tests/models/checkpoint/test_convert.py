"""Checkpoints to models and back, exactly."""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.serialization import msgpack_serialize
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from jaxheads.config import ReadoutConfig
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.checkpoint.families import MODEL_TYPES
from jaxheads.models.model import Model, logits
from tests.models.checkpoint.checkpoints import (
    CASES,
    FIXTURES,
    SIZES,
    UNCUT,
    assert_same_model,
    assert_same_weights,
    copy_of,
    json_in,
    random_model,
    rewrite,
    weights_in,
)


@pytest.mark.parametrize("case", CASES)
def test_saving_what_was_loaded_gives_the_same_keys_shapes_and_bits(case: str, tmp_path: Path):
    source = FIXTURES / case
    save_model(load_model(source), tmp_path / "out", source=source)
    expected = weights_in(source)
    if case == "bert-untied":  # its first bias is added to nothing; both are written alike
        expected["cls.predictions.bias"] = expected["cls.predictions.decoder.bias"]
    assert_same_weights(weights_in(tmp_path / "out"), expected)
    assert_same_model(load_model(tmp_path / "out"), load_model(source))
    assert json_in(tmp_path / "out")["architectures"] == json_in(source)["architectures"]
    assert json_in(tmp_path / "out")["model_type"] == json_in(source)["model_type"]


READOUTS = (
    ReadoutConfig("none"),
    ReadoutConfig("masked_lm"),
    ReadoutConfig("masked_lm", tied=False),
    ReadoutConfig("classification", labels=("a", "b", "c"), dropout=0.25),
    ReadoutConfig("classification", labels=("score",)),
    ReadoutConfig("pair", labels=("a", "b")),
)
HEADS = st.sets(st.integers(0, 3)).map(lambda heads: tuple(sorted(heads)))


@settings(max_examples=24)
@given(data=st.data())
def test_reloading_a_saved_cut_model_is_bit_equal(data: st.DataObject, tmp_path_factory):
    config = SIZES[data.draw(st.sampled_from(sorted(SIZES)))]
    readout = data.draw(st.sampled_from(READOUTS))
    layers = config.num_layers
    kept = data.draw(st.none() | st.lists(HEADS, min_size=layers, max_size=layers).map(tuple))
    config = dataclasses.replace(config, kept=kept)
    model = random_model(config, readout, seed=data.draw(st.integers(0, 99)))
    directory = tmp_path_factory.mktemp("cut") / "model"
    save_model(model, directory)
    assert (directory / "pruning.json").exists() == (kept is not None)
    assert_same_model(load_model(directory), model)


def test_a_cut_model_says_in_its_plan_which_heads_are_left(tmp_path: Path):
    model = load_model(FIXTURES / "roberta-v4-pruned")
    save_model(model, tmp_path / "out", source=FIXTURES / "roberta-v4-pruned")
    assert json_in(tmp_path / "out", "pruning.json") == {
        "format": 1,
        "family": "roberta",
        "num_heads": 4,
        "kept": [[0, 2], [1, 2, 3]],
    }
    assert "pruned_heads" not in json_in(tmp_path / "out")


def test_pruned_heads_of_transformers_4_number_alberts_unique_blocks():
    assert load_model(FIXTURES / "albert-v4-pruned").config.kept == (
        *[(0, 1, 2, 3)] * 2,
        *[(1, 3)] * 2,
    )


def test_other_label_names_or_another_readout_keep_the_encoder(tmp_path: Path):
    source = FIXTURES / "roberta-classification"
    model = load_model(source)
    asked = ReadoutConfig("classification", labels=("no", "yes"))
    other = load_model(source, readout=asked, key=jax.random.key(3))
    assert_same_model(
        Model(model.config, ReadoutConfig(), {"encoder": model.params["encoder"]}),
        Model(other.config, ReadoutConfig(), {"encoder": other.params["encoder"]}),
    )
    dense, out = other.params["readout"]["dense"], other.params["readout"]["out"]
    np.testing.assert_array_equal(dense["kernel"], model.params["readout"]["dense"]["kernel"])
    assert out["kernel"].shape == (16, 2)
    assert 0.02 < float(jnp.std(out["kernel"])) < 0.1  # its config's initializer_range is 0.05
    assert not out["bias"].any()
    assert load_model(source, readout=ReadoutConfig()).params["readout"] == {}


def test_numbered_labels_take_the_names_that_are_asked_for(tmp_path: Path):
    asked = ReadoutConfig("classification", labels=("no", "yes"), dropout=0.0)
    model = load_model(FIXTURES / "albert-groups", readout=asked)
    assert model.readout == asked
    stored = weights_in(FIXTURES / "albert-groups")["classifier.weight"]
    np.testing.assert_array_equal(model.params["readout"]["out"]["kernel"], stored.T)


def test_the_pooler_of_a_pretrained_bert_serves_a_new_classifier():
    asked = ReadoutConfig("classification", labels=("no", "yes"))
    for case, name in (("bert-bare", "pooler.dense"), ("albert-inner", "albert.pooler")):
        model = load_model(FIXTURES / case, readout=asked, key=jax.random.key(0))
        stored = weights_in(FIXTURES / case)[f"{name}.weight"]
        np.testing.assert_array_equal(model.params["readout"]["dense"]["kernel"], stored.T)


def test_one_line_of_the_log_names_the_weights_that_are_not_used(caplog):
    caplog.set_level(logging.INFO, logger="jaxheads")
    load_model(FIXTURES / "bert-pretraining")
    assert len(caplog.records) == 1
    for name in ("bert.pooler.dense.weight", "cls.seq_relationship.bias"):
        assert name in caplog.text
    caplog.clear()
    load_model(FIXTURES / "bert-masked-lm")
    assert not caplog.records


def test_a_config_without_an_architecture_has_the_readout_whose_weights_are_there(tmp_path: Path):
    for case in UNCUT:
        source = copy_of(case, tmp_path, architectures=None)
        assert load_model(source).readout.kind == load_model(FIXTURES / case).readout.kind


@pytest.mark.parametrize("case", ["bert-bare", "albert-masked-lm", "roberta-classification"])
def test_legacy_norm_names_and_other_prefixes_are_read(case: str, tmp_path: Path):
    source = copy_of(case, tmp_path)
    prefix = MODEL_TYPES[json_in(source)["model_type"]].prefix
    bare = case.endswith("bare")
    renamed = {}
    for name, array in weights_in(source).items():
        new = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        new = new.replace("LayerNorm.bias", "LayerNorm.beta")
        renamed[prefix + new if bare else new.removeprefix(prefix)] = array
    assert renamed.keys() != weights_in(source).keys()
    rewrite(source, renamed)
    assert_same_model(load_model(source), load_model(FIXTURES / case))


TIED = {
    "bert-masked-lm": ("cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
    "albert-masked-lm": ("predictions.decoder.weight", "albert.embeddings.word_embeddings.weight"),
    "roberta-masked-lm": ("lm_head.decoder.bias", "lm_head.bias"),
    "distilbert-masked-lm": (
        "vocab_projector.weight",
        "distilbert.embeddings.word_embeddings.weight",
    ),
}


@pytest.mark.parametrize("case", sorted(TIED))
def test_a_tied_decoder_may_be_stored_too_or_instead(case: str, tmp_path: Path):
    source, expected = copy_of(case, tmp_path), load_model(FIXTURES / case)
    copy, original = TIED[case]
    weights = weights_in(source)
    rewrite(source, {**weights, copy: weights[original]})
    assert_same_model(load_model(source), expected)
    instead = {copy if name == original else name: array for name, array in weights.items()}
    rewrite(source, instead)
    assert_same_model(load_model(source), expected)
    rewrite(source, {**weights, copy: weights[original] + 1})
    with pytest.raises(ValueError, match=f"{copy}: expected the same numbers as in the tied"):
        load_model(source)


def test_shards_are_read_like_one_file(tmp_path: Path):
    source = copy_of("bert-masked-lm", tmp_path)
    weights = weights_in(source)
    (source / "model.safetensors").unlink()
    table = {}
    for number in (1, 2):
        file = f"model-{number:05}-of-00002.safetensors"
        part = dict(itertools.islice(weights.items(), number - 1, None, 2))
        save_file(part, source / file, metadata={"format": "pt"})
        table |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": table}
    (source / "model.safetensors.index.json").write_text(json.dumps(index))
    assert_same_model(load_model(source), load_model(FIXTURES / "bert-masked-lm"))


ENDINGS = {"LayerNorm.weight": "scale", "embeddings.weight": "embedding", ".weight": "kernel"}


def as_flax(weights: dict[str, np.ndarray]) -> dict:
    """The tree that FlaxPreTrainedModel stores for these weights of PyTorch's."""
    tree: dict = {}
    for name, array in weights.items():
        ending = next((new for old, new in ENDINGS.items() if name.endswith(old)), "bias")
        *path, _ = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[ending] = array.T if ending == "kernel" else array
    return tree


@pytest.mark.parametrize("case", ["bert-pretraining", "albert-groups", "electra-masked-lm"])
def test_flax_weights_are_read_where_there_are_no_others(case: str, tmp_path: Path):
    source = copy_of(case, tmp_path)
    content = msgpack_serialize(as_flax(weights_in(source)))
    (source / "flax_model.msgpack").write_bytes(b"damaged")
    load_model(source)  # by its safetensors
    (source / "model.safetensors").unlink()
    with pytest.raises(ValueError, match=r"flax_model.msgpack: expected Flax's arrays") as caught:
        load_model(source)
    assert "\n" not in str(caught.value)
    (source / "flax_model.msgpack").write_bytes(content)
    model = load_model(source)
    assert_same_model(model, load_model(FIXTURES / case))
    save_model(model, tmp_path / "out", source=source)
    assert weights_in(tmp_path / "out").keys() == weights_in(FIXTURES / case).keys()


def test_what_was_saved_computes_what_was_in_memory(tmp_path: Path):
    model = load_model(FIXTURES / "albert-v4-pruned")
    save_model(model, tmp_path / "out")
    tokens = jnp.arange(8).reshape(2, 4) + 5
    run = jax.jit(lambda p: logits(*model[:2], p, tokens, tokens > 0, jnp.zeros_like(tokens)))
    again = load_model(tmp_path / "out")
    np.testing.assert_array_equal(run(model.params), run(again.params))


def test_a_name_that_is_no_directory_goes_to_the_hub_for_these_files_alone(monkeypatch):
    asked = []

    def fetch(source, patterns):
        asked.append((source, tuple(patterns)))
        return FIXTURES / "bert-bare"

    monkeypatch.setattr("jaxheads.models.checkpoint.convert.fetch_model_dir", fetch)
    assert_same_model(load_model("someone/some-bert"), load_model(FIXTURES / "bert-bare"))
    files = "config.json", "pruning.json", "model.safetensors", "model.safetensors.index.json"
    assert asked[0] == ("someone/some-bert", (*files, "model-*.safetensors"))
