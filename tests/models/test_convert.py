"""Checkpoints to models and back, exactly."""

from __future__ import annotations

import dataclasses
import itertools
import json
import logging
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.models.convert import load_model, save_model
from jaxheads.models.hf_config import MODEL_TYPES, read_config
from jaxheads.models.model import Model, abstract_params, logits
from jaxheads.models.naming import leaves

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
CASES = sorted(path.name for path in FIXTURES.iterdir())
UNCUT = [case for case in CASES if "pruned" not in case]


def weights_in(directory: Path) -> dict[str, np.ndarray]:
    return load_file(directory / "model.safetensors")


def json_in(directory: Path, name: str = "config.json") -> dict:
    return json.loads((directory / name).read_text())


def copy_of(case: str, directory: Path, **changed) -> Path:
    """A copy of a fixture with other attributes in its config (None: left out)."""
    target = directory / case
    shutil.copytree(FIXTURES / case, target)
    config = {**json_in(target), **changed}
    config = {name: value for name, value in config.items() if changed.get(name, value) is not None}
    (target / "config.json").write_text(json.dumps(config))
    return target


def rewrite(directory: Path, weights: dict[str, np.ndarray]) -> None:
    contiguous = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    save_file(contiguous, directory / "model.safetensors", metadata={"format": "pt"})


def assert_same_weights(got: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert got[name].shape == array.shape, name
        assert got[name].dtype == array.dtype, name
        assert got[name].tobytes() == array.tobytes(), name


def assert_same_model(got: Model, expected: Model) -> None:
    assert got.config == expected.config
    assert got.readout == expected.readout
    ours, theirs = dict(leaves(got.params)), dict(leaves(expected.params))
    assert ours.keys() == theirs.keys()
    for path, leaf in theirs.items():
        assert ours[path].dtype == np.float32
        np.testing.assert_array_equal(ours[path], leaf, err_msg="/".join(path))


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


def test_without_a_source_a_model_has_the_weights_of_its_readout_alone(tmp_path: Path):
    save_model(load_model(FIXTURES / "bert-pretraining"), tmp_path / "out")
    expected = weights_in(FIXTURES / "bert-masked-lm").keys()
    assert weights_in(tmp_path / "out").keys() == expected
    assert json_in(tmp_path / "out")["architectures"] == ["BertForMaskedLM"]


def test_a_source_under_another_readout_lends_no_weights(tmp_path: Path):
    source = FIXTURES / "bert-pretraining"
    readout = ReadoutConfig("classification", labels=("no", "yes"))
    model = load_model(source, readout=readout, key=jax.random.key(0))
    save_model(model, tmp_path / "out", source=source)
    assert not [name for name in weights_in(tmp_path / "out") if name.startswith("cls.")]
    assert json_in(tmp_path / "out")["architectures"] == ["BertForSequenceClassification"]


def test_a_source_of_other_sizes_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="num_layers: expected 4, got 3"):
        model = load_model(FIXTURES / "albert-groups")
        save_model(model, tmp_path / "out", source=FIXTURES / "albert-masked-lm")
    assert not (tmp_path / "out").exists()


def random_model(config: EncoderConfig, readout: ReadoutConfig, seed: int = 0) -> Model:
    """Random everywhere, and made without compiling anything."""
    random, shapes = np.random.default_rng(seed), abstract_params(config, readout)
    params = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype("f4"), shapes)
    return Model(config, readout, params)


SIZES = {
    "roberta": EncoderConfig("roberta", 20, 8, 3, 4, 6, 10, 1, pad_token_id=1),
    "albert": EncoderConfig("albert", 20, 8, 4, 4, 6, 10, 2, embedding_size=4, hidden_groups=2),
    "bert": EncoderConfig("bert", 20, 8, 3, 4, 6, 10, 2, activation="relu", norm_eps=1e-6),
    "distilbert": EncoderConfig("distilbert", 20, 8, 3, 4, 6, 10),
}
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


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_stored_and_read_into_float32(dtype: str, tmp_path: Path):
    model = load_model(FIXTURES / "bert-masked-lm")
    save_model(model, tmp_path / "out", dtype=dtype)
    assert json_in(tmp_path / "out")["dtype"] == dtype
    whole, half = (
        (path / "model.safetensors").stat().st_size
        for path in (FIXTURES / "bert-masked-lm", tmp_path / "out")
    )
    assert half < 0.7 * whole
    rounded = jax.tree.map(lambda leaf: leaf.astype(dtype).astype("float32"), model.params)
    assert_same_model(load_model(tmp_path / "out"), model._replace(params=rounded))


def test_numbers_beyond_half_precision_are_refused(tmp_path: Path):
    model = load_model(FIXTURES / "bert-masked-lm")
    model.params["readout"]["bias"] = model.params["readout"]["bias"].at[3].set(1e6)
    with pytest.raises(ValueError, match=r"finite numbers in float16, got .* cls.predictions.bias"):
        save_model(model, tmp_path / "out", dtype="float16")
    with pytest.raises(ValueError, match="dtype: expected one of float32"):
        save_model(model, tmp_path / "out", dtype="int8")
    assert not list(tmp_path.iterdir())


def test_params_that_do_not_fit_the_config_are_refused(tmp_path: Path):
    model = load_model(FIXTURES / "bert-masked-lm")
    model.params["readout"]["bias"] = model.params["readout"]["bias"][:-1]
    del model.params["readout"]["norm"]["scale"]
    with pytest.raises(ValueError, match=r"readout/bias: expected shape \(60,\), got \(59,\)"):
        save_model(model, tmp_path / "out")
    with pytest.raises(ValueError, match=r"readout/norm/scale: expected shape \(16,\), got None"):
        save_model(model, tmp_path / "out")


def test_configs_that_hugging_face_cannot_express_are_refused(tmp_path: Path):
    config = dataclasses.replace(SIZES["distilbert"], norm_eps=1e-5, type_vocab_size=2)
    model = random_model(config, ReadoutConfig())
    with pytest.raises(ValueError, match=r"type_vocab_size: expected 0.*; norm_eps: expected"):
        save_model(model, tmp_path / "out")


def test_a_directory_is_replaced_only_on_demand_and_only_if_it_is_a_models(tmp_path: Path):
    first, second = (load_model(FIXTURES / case) for case in ("bert-bare", "roberta-bare"))
    save_model(first, tmp_path / "out")
    with pytest.raises(FileExistsError):
        save_model(second, tmp_path / "out")
    assert_same_model(load_model(tmp_path / "out"), first)
    save_model(second, tmp_path / "out", overwrite=True)
    assert_same_model(load_model(tmp_path / "out"), second)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match="expected a saved model to overwrite, got no"):
        save_model(second, tmp_path / "home", overwrite=True)
    (tmp_path / "out" / "photos").mkdir()
    with pytest.raises(ValueError, match="got folders photos"):
        save_model(second, tmp_path / "out", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out"]


class _Breaks:
    def save(self, directory: Path) -> None:
        (directory / "half.json").write_text("{")
        raise OSError("disk full")


class _Words:
    def save(self, directory: Path) -> None:
        (directory / "tokenizer.json").write_text("{}")


def test_nothing_half_written_is_left_behind(tmp_path: Path):
    model = load_model(FIXTURES / "bert-bare")
    with pytest.raises(OSError, match="disk full"):
        save_model(model, tmp_path / "out", tokenizer=_Breaks())
    assert not list(tmp_path.iterdir())
    save_model(model, tmp_path / "out", tokenizer=_Words())
    assert (tmp_path / "out" / "tokenizer.json").exists()
    with pytest.raises(OSError, match="disk full"):
        save_model(model, tmp_path / "out", tokenizer=_Breaks(), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "tokenizer.json").exists()


def test_what_was_saved_computes_what_was_in_memory(tmp_path: Path):
    model = load_model(FIXTURES / "albert-v4-pruned")
    save_model(model, tmp_path / "out")
    tokens = jnp.arange(8).reshape(2, 4) + 5
    run = jax.jit(lambda p: logits(*model[:2], p, tokens, tokens > 0, jnp.zeros_like(tokens)))
    again = load_model(tmp_path / "out")
    np.testing.assert_array_equal(run(model.params), run(again.params))


def test_attributes_that_change_no_number_are_carried_over(tmp_path: Path):
    source = copy_of("xlm-roberta-masked-lm", tmp_path, finetuning_task="poems", bos_token_id=7)
    save_model(load_model(source), tmp_path / "out", source=source)
    config = json_in(tmp_path / "out")
    assert (config["finetuning_task"], config["bos_token_id"]) == ("poems", 7)
    assert config["model_type"] == "xlm-roberta"
    assert read_config(tmp_path / "out" / "config.json").config == load_model(source).config
