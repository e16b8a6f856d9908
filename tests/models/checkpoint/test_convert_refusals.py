"""Bad checkpoints: each one clear line, and never a model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from jaxheads.config import ReadoutConfig
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.checkpoint.naming import leaves
from tests.support.paths import FIXTURES

SOURCE = FIXTURES / "roberta-classification"
WEIGHTS = (SOURCE / "model.safetensors").read_bytes()
HEADER = 8 + int.from_bytes(WEIGHTS[:8], "little")
NAMES = sorted(load_file(SOURCE / "model.safetensors"))
READOUT = {name for name in NAMES if name.startswith("classifier.")}
OUT = "roberta.encoder.layer.1.attention.output.dense.weight"


def refusal(directory: Path, **options) -> str:
    """The message of the ValueError that loading must raise."""
    with pytest.raises(ValueError, match=r".") as caught:
        load_model(directory, **options)
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(str(directory)) == 1 + ("python -c" in str(caught.value))
    return str(caught.value)


def checkpoint(directory: Path, case: str = SOURCE.name) -> Path:
    return Path(shutil.copytree(FIXTURES / case, directory / "model"))


def with_weights(directory: Path, weights: dict[str, np.ndarray]) -> Path:
    save_file(weights, directory / "model.safetensors", metadata={"format": "pt"})
    return directory


@pytest.fixture(scope="module")
def scratch(tmp_path_factory) -> Path:
    """One copy of a checkpoint, whose weights each example of a property writes anew."""
    return checkpoint(tmp_path_factory.mktemp("scratch"))


@given(size=st.integers(0, len(WEIGHTS) - 1))
def test_a_file_cut_short_anywhere_is_rejected(size: int, scratch: Path):
    (scratch / "model.safetensors").write_bytes(WEIGHTS[:size])
    message = refusal(scratch)
    assert "model.safetensors: expected a whole safetensors file" in message
    assert f"got {size} bytes" in message


@settings(max_examples=60)
@given(at=st.integers(0, HEADER - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_of_the_header_is_rejected_or_harmless(at: int, bit: int, scratch: Path):
    damaged = bytearray(WEIGHTS)
    damaged[at] ^= 1 << bit
    (scratch / "model.safetensors").write_bytes(damaged)
    try:
        params = load_model(scratch).params
    except ValueError as error:
        assert "\n" not in str(error)
        assert str(scratch) in str(error)
    else:
        expected = dict(leaves(load_model(SOURCE).params))
        for path, leaf in leaves(params):
            np.testing.assert_array_equal(leaf, expected[path])


FAULTS = ("drop", "rename", "reshape", "integer", "nan", "infinite")


@settings(max_examples=30)
@given(faults=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(FAULTS), min_size=1))
def test_one_error_lists_or_counts_every_faulty_weight(faults: dict[str, str], scratch: Path):
    gone = {name for name, fault in faults.items() if fault in ("drop", "rename")}
    assume(not gone >= READOUT)  # of which nothing is left: an encoder alone, which is read
    weights = load_file(SOURCE / "model.safetensors")
    expected = []
    for name, fault in faults.items():
        array, shape = weights[name], list(weights[name].shape)
        if fault in ("drop", "rename"):
            expected.append(f"{name}: missing, expected shape {shape}")
            del weights[name]
        if fault == "rename":
            weights[name + "2"] = array
            expected.append(f"{name}2: unknown weight")
        if fault == "reshape":
            weights[name] = np.append(array, array[:1], axis=0)
            expected.append(f"{name}: expected shape {shape}, got {[shape[0] + 1, *shape[1:]]}")
        if fault == "integer":
            weights[name] = array.astype(np.int32)
            expected.append(f"{name}: expected F32, F16, BF16, F64, got I32")
        if fault in ("nan", "infinite"):
            array.flat[0] = np.nan if fault == "nan" else -np.inf
            expected.append(f"{name}: expected finite numbers, got 1 others")
    message = refusal(with_weights(scratch, weights))
    shown, _, more = message.partition("; and ")
    counted = int(more.removesuffix(" more") or 0)
    hidden = [line for line in expected if line not in shown]
    remark = any(fault == "reshape" and "attention" in name for name, fault in faults.items())
    assert len(hidden) <= counted <= len(hidden) + remark  # on cut models
    assert len(message) < 600


def test_an_encoder_alone_under_the_name_of_a_classifier_is_an_encoder(tmp_path: Path, caplog):
    weights = load_file(SOURCE / "model.safetensors")
    source = with_weights(
        checkpoint(tmp_path), {name: weights[name] for name in NAMES if name not in READOUT}
    )
    model = load_model(source)
    assert model.readout == ReadoutConfig()
    assert "names RobertaForSequenceClassification, but the weights are" in caplog.text
    expected = load_model(SOURCE, readout=ReadoutConfig())
    for path, leaf in leaves(expected.params):
        np.testing.assert_array_equal(dict(leaves(model.params))[path], leaf)
    fresh = load_model(source, readout=load_model(SOURCE).readout, key=jax.random.key(0))
    assert fresh.readout.kind == "classification"
    save_model(model, tmp_path / "out", source=source)
    assert json.loads((tmp_path / "out/config.json").read_text())["architectures"] == [
        "RobertaModel"
    ]
    assert set(load_file(tmp_path / "out/model.safetensors")) == {
        name.removeprefix("roberta.") for name in NAMES if name not in READOUT
    }


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "model.", "_orig_mod.module."])
def test_a_prefix_that_a_wrapper_left_on_all_names_is_passed_over(wrapper: str, tmp_path: Path):
    weights = load_file(SOURCE / "model.safetensors")
    source = checkpoint(tmp_path)
    model = load_model(with_weights(source, {wrapper + name: weights[name] for name in weights}))
    for path, leaf in leaves(load_model(SOURCE).params):
        np.testing.assert_array_equal(dict(leaves(model.params))[path], leaf)
    save_model(model, tmp_path / "out", source=source)
    assert set(load_file(tmp_path / "out/model.safetensors")) == set(NAMES)
    strange = {f"{wrapper}x.{name}": weights[name] for name in weights}
    strange["other.weight"] = weights[NAMES[0]]
    message = refusal(with_weights(source, strange))
    assert f"{wrapper}x.{NAMES[0]}: unknown weight" in message
    assert len(message) < 600


def test_the_same_weight_under_two_names_is_rejected(tmp_path: Path):
    weights = load_file(SOURCE / "model.safetensors")
    weights[OUT.removeprefix("roberta.")] = weights[OUT]
    message = refusal(with_weights(checkpoint(tmp_path), weights))
    assert f"{OUT}: means the same as {OUT.removeprefix('roberta.')}" in message


def test_eight_bit_and_overflowing_weights_are_rejected(tmp_path: Path):
    weights = load_file(SOURCE / "model.safetensors")
    source = checkpoint(tmp_path)
    eight = {**weights, OUT: weights[OUT].astype(ml_dtypes.float8_e4m3fn)}
    assert f"{OUT}: expected F32, F16, BF16, F64, got F8_E4M3" in refusal(
        with_weights(source, eight)
    )
    large = {**weights, OUT: weights[OUT].astype(np.float64) * 1e300}
    assert f"{OUT}: expected finite numbers, got 256 others" in refusal(with_weights(source, large))


def test_missing_files_are_named(tmp_path: Path):
    source = checkpoint(tmp_path)
    (source / "model.safetensors").unlink()
    assert "expected model.safetensors or model.safetensors.index.json, found config.json" in (
        refusal(source)
    )
    (source / "config.json").unlink()
    assert "config.json: no such file" in refusal(source)
    with pytest.raises(ValueError, match="no such directory"):
        load_model(tmp_path / "nowhere")


def test_pickled_weights_are_rejected_with_the_command_that_converts_them(tmp_path: Path):
    source = checkpoint(tmp_path)
    (source / "model.safetensors").rename(source / "pytorch_model.bin")
    message = refusal(source)
    assert "which are never loaded" in message
    assert f"cd {source} && python -c " in message


def test_an_index_that_disagrees_with_its_shards_is_rejected(tmp_path: Path):
    source = checkpoint(tmp_path)
    (source / "model.safetensors").rename(source / "model-1.safetensors")
    index = source / "model.safetensors.index.json"

    def refused(table) -> str:
        index.write_text(json.dumps({"weight_map": table}))
        return refusal(source)

    table = dict.fromkeys(NAMES, "model-1.safetensors")
    assert "got no such file" in refused({**table, "more": "model-2.safetensors"})
    assert "more: expected in model-1.safetensors, got no such weight" in refused(
        {**table, "more": "model-1.safetensors"}
    )
    assert f"{OUT}: expected in no file" in refused(
        {name: file for name, file in table.items() if name != OUT}
    )
    assert "expected names of files beside it, got ../model-1.safetensors" in refused(
        {OUT: "../model-1.safetensors"}
    )
    assert "expected weight_map from weight names to files" in refused([])
    shutil.copy(source / "model-1.safetensors", source / "model-2.safetensors")
    assert "is also in model-1.safetensors" in refused({**table, OUT: "model-2.safetensors"})


PLAN = {"format": 1, "family": "roberta", "num_heads": 4, "kept": [[0, 2], [1, 2, 3]]}
BAD_PLANS = [
    ({"format": 2}, "format: expected 1, got 2"),
    ({"family": "bert"}, "family: expected 'roberta', got 'bert'"),
    ({"num_heads": 12}, "num_heads: expected 4, got 12"),
    ({"kept": [[0, 2]]}, "kept: expected 2 layers, got 1"),
    ({"kept": [[0, 4], [1]]}, r"kept[0]: expected ascending head numbers below 4, got [0, 4]"),
    ({"kept": [[2, 0], [1]]}, "expected ascending head numbers"),
    ({"kept": "all"}, "kept: expected a list of head numbers for every layer, got 'all'"),
    ({"note": "x"}, "unknown entry note"),
    ({"kept": [[0, 1], [1, 2, 3]]}, "expected the heads that pruned_heads of config.json leaves"),
]


@pytest.mark.parametrize(("change", "message"), BAD_PLANS)
def test_a_plan_that_is_not_understood_is_rejected(change: dict, message: str, tmp_path: Path):
    source = checkpoint(tmp_path, "roberta-v4-pruned")
    (source / "pruning.json").write_text(json.dumps(PLAN))
    load_model(source)
    (source / "pruning.json").write_text(json.dumps({**PLAN, **change}))
    assert message in refusal(source)


def test_cut_weights_without_their_plan_are_rejected_with_the_reason(tmp_path: Path):
    source = checkpoint(tmp_path, "roberta-v4-pruned")
    config = json.loads((source / "config.json").read_text())
    del config["pruned_heads"]
    (source / "config.json").write_text(json.dumps(config))
    message = refusal(source)
    first = OUT.replace("layer.1", "layer.0")
    assert f"{first}: expected shape [16, 16], got [16, 8]" in message
    assert "belong to a cut model, whose pruning.json is missing" in message
    (source / "pruning.json").write_text(json.dumps({**PLAN, "kept": [[0], [1, 2, 3]]}))
    assert "belong to a cut model, whose plan is another" in refusal(source)


@pytest.mark.parametrize("pruned", [[1], {"2": [0]}, {"x": [0]}, {"0": [4]}, {"0": [True]}])
def test_pruned_heads_that_are_not_there_are_rejected(pruned, tmp_path: Path):
    source = checkpoint(tmp_path)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "pruned_heads": pruned}))
    assert "pruned_heads: expected lists of heads below 4 for blocks below 2" in refusal(source)


def test_an_architecture_without_a_readout_here_is_rejected_unless_one_is_asked_for(tmp_path: Path):
    source = checkpoint(tmp_path)
    config = json.loads((source / "config.json").read_text())
    config["architectures"] = ["RobertaForMultipleChoice"]
    (source / "config.json").write_text(json.dumps(config))
    message = refusal(source)
    assert "architectures: expected one of RobertaModel, RobertaForMaskedLM" in message
    assert "got RobertaForMultipleChoice" in message
    assert load_model(source, readout=ReadoutConfig()).params["readout"] == {}


def test_a_readout_that_the_checkpoint_lacks_needs_a_key():
    asked = ReadoutConfig("masked_lm")
    message = refusal(SOURCE, readout=asked)
    assert "readout masked_lm: expected a key to initialise lm_head.bias, lm_head.d" in message
    other = ReadoutConfig("classification", labels=("no", "yes"))
    assert "expected a key to initialise classifier.out_proj" in refusal(SOURCE, readout=other)


def test_labels_in_another_order_are_rejected_even_with_a_key():
    asked = ReadoutConfig("classification", labels=("Contradiction", "neutral", "entailment"))
    message = refusal(SOURCE, readout=asked, key=jax.random.key(0))
    assert "order, entailment, neutral, contradiction, got Contradiction, neutral, ent" in message


def test_a_tied_decoder_cannot_be_asked_of_an_untied_checkpoint():
    message = refusal(FIXTURES / "bert-untied", readout=ReadoutConfig("masked_lm"))
    assert "readout: expected tied=False as in the checkpoint, got True" in message
