"""What save_model writes, rejects and never leaves half-written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import pytest
from safetensors import SafetensorError

from jaxheads.config import ReadoutConfig
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.checkpoint.hf_config import read_config
from tests.models.checkpoint.checkpoints import (
    FIXTURES,
    SIZES,
    assert_same_model,
    copy_of,
    json_in,
    random_model,
    weights_in,
)


def test_without_a_source_a_model_has_the_weights_of_its_readout_alone(tmp_path: Path):
    save_model(load_model(FIXTURES / "bert-pretraining"), tmp_path / "out")
    expected = weights_in(FIXTURES / "bert-masked-lm").keys()
    assert weights_in(tmp_path / "out").keys() == expected
    assert json_in(tmp_path / "out")["architectures"] == ["BertForMaskedLM"]


def test_the_weights_are_as_readable_as_the_config(tmp_path: Path):
    save_model(load_model(FIXTURES / "bert-masked-lm"), tmp_path / "out")
    modes = {path.name: path.stat().st_mode for path in (tmp_path / "out").iterdir()}
    assert modes["model.safetensors"] == modes["config.json"]


def test_a_source_under_another_readout_lends_no_weights(tmp_path: Path):
    source = FIXTURES / "bert-pretraining"
    readout = ReadoutConfig("classification", labels=("no", "yes"))
    model = load_model(source, readout=readout, key=jax.random.key(0))
    save_model(model, tmp_path / "out", source=source)
    assert not [name for name in weights_in(tmp_path / "out") if name.startswith("cls.")]
    assert json_in(tmp_path / "out")["architectures"] == ["BertForSequenceClassification"]


def test_a_source_of_other_sizes_is_rejected(tmp_path: Path):
    with pytest.raises(ValueError, match="num_layers: expected 4, got 3"):
        model = load_model(FIXTURES / "albert-groups")
        save_model(model, tmp_path / "out", source=FIXTURES / "albert-masked-lm")
    assert not (tmp_path / "out").exists()


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


def test_numbers_beyond_half_precision_are_rejected(tmp_path: Path):
    model = load_model(FIXTURES / "bert-masked-lm")
    model.params["readout"]["bias"] = model.params["readout"]["bias"].at[3].set(1e6)
    with pytest.raises(ValueError, match=r"finite numbers in float16, got .* cls.predictions.bias"):
        save_model(model, tmp_path / "out", dtype="float16")
    with pytest.raises(ValueError, match="dtype: expected one of float32"):
        save_model(model, tmp_path / "out", dtype="int8")
    assert not list(tmp_path.iterdir())


def test_params_that_do_not_fit_the_config_are_rejected(tmp_path: Path):
    model = load_model(FIXTURES / "bert-masked-lm")
    model.params["readout"]["bias"] = model.params["readout"]["bias"][:-1]
    del model.params["readout"]["norm"]["scale"]
    with pytest.raises(ValueError, match=r"readout/bias: expected shape \(60,\), got \(59,\)"):
        save_model(model, tmp_path / "out")
    with pytest.raises(ValueError, match=r"readout/norm/scale: expected shape \(16,\), got None"):
        save_model(model, tmp_path / "out")


def test_configs_that_hugging_face_cannot_express_are_rejected(tmp_path: Path):
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


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_is_told_of_the_directory_that_was_asked_for(
    overwrite: bool, tmp_path: Path, monkeypatch
):
    def full(*_, **__):
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    model, target = load_model(FIXTURES / "bert-bare"), tmp_path / "out"
    if overwrite:
        save_model(model, target)
    monkeypatch.setattr("jaxheads.models.checkpoint.weights.save_file", full)
    with pytest.raises(OSError, match="No space left") as caught:
        save_model(model, target, overwrite=overwrite)
    assert str(caught.value).startswith(f"{target}/model.safetensors: not written: ")
    assert [path.name for path in tmp_path.iterdir()] == ["out"] * overwrite


def test_attributes_that_change_no_number_are_carried_over(tmp_path: Path):
    source = copy_of("xlm-roberta-masked-lm", tmp_path, finetuning_task="poems", bos_token_id=7)
    save_model(load_model(source), tmp_path / "out", source=source)
    config = json_in(tmp_path / "out")
    assert (config["finetuning_task"], config["bos_token_id"]) == ("poems", 7)
    assert config["model_type"] == "xlm-roberta"
    assert read_config(tmp_path / "out" / "config.json").config == load_model(source).config


def test_a_cut_albert_with_a_whole_models_weights_is_told_apart_in_the_log(caplog, tmp_path: Path):
    uses = ((0, 1, 2), (0, 1, 2, 3)) * 2
    config = dataclasses.replace(SIZES["albert"], kept=uses)
    save_model(random_model(config, ReadoutConfig()), tmp_path / "alike")
    assert "transformers would use all heads" in caplog.text
    caplog.clear()
    for kept in (None, ((0, 1),) * 4):
        config = dataclasses.replace(SIZES["albert"], kept=kept)
        save_model(random_model(config, ReadoutConfig()), tmp_path / str(kept))
    assert not caplog.records
