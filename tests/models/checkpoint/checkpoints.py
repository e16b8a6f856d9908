"""What the tests of conversion share: fixtures, their files, and exact comparison."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jax
import numpy as np
from safetensors.numpy import load_file, save_file

from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.checkpoint.naming import leaves
from jaxheads.models.model import Model, abstract_params
from tests.support.paths import FIXTURES

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


def random_model(config: EncoderConfig, readout: ReadoutConfig, seed: int = 0) -> Model:
    """Random everywhere, and made without compiling anything."""
    random, shapes = np.random.default_rng(seed), abstract_params(config, readout)
    params = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype("f4"), shapes)
    return Model(config, readout, params)


SIZES = {
    "roberta": encoder_config("roberta", 20, 8, 3, 4, 6, 10, type_vocab_size=1, pad_token_id=1),
    "albert": encoder_config(
        "albert", 20, 8, 4, 4, 6, 10, type_vocab_size=2, embedding_size=4, hidden_groups=2
    ),
    "bert": encoder_config(
        "bert", 20, 8, 3, 4, 6, 10, type_vocab_size=2, activation="relu", norm_eps=1e-6
    ),
    "distilbert": encoder_config("distilbert", 20, 8, 3, 4, 6, 10),
    "modernbert": encoder_config(
        "modernbert",
        20,
        8,
        4,
        4,
        6,
        10,
        rotary_base=100.0,
        local_layers=(1, 2),
        local_window=2,
        local_rotary_base=10.0,
    ),
    "electra": encoder_config(
        "electra", 20, 8, 3, 4, 6, 10, type_vocab_size=2, embedding_size=4, norm_eps=1e-6
    ),
}
