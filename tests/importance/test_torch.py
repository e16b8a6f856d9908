"""Per-example gate gradients against an independent computation by PyTorch."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from jaxheads.data.batch import Batch
from jaxheads.importance.gradient import Effects, gate_gradients
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.objectives import objective_for
from tests.support.paths import FIXTURES

HERE = Path(__file__).resolve().parent
CASES = (
    "roberta-classification",
    "roberta-masked-lm",
    "albert-groups",
    "albert-masked-lm",
    "bert-classification",
    "distilbert-regression",
    "camembert-classification",
    "electra-masked-lm",
    "electra-classification",
    "modernbert-masked-lm",
    "modernbert-mean",
)


def ours(case: str, targets: dict[str, np.ndarray]) -> Effects:
    """All examples of a fixture in one padded batch."""
    model = load_model(FIXTURES / case)
    given = load_file(FIXTURES / case / "reference.safetensors")
    rows = len(given["tokens"])
    types = given["types"] * (model.config.type_vocab_size > 0)
    batch = Batch(
        given["tokens"], given["real"].astype(bool), types, targets["labels"],
        np.ones(rows, np.float32), np.arange(rows), targets.get("where"),
    )  # fmt: skip
    objective = objective_for(model.config, model.readout)
    ones = np.ones((model.config.num_layers, model.config.num_heads), np.float32)
    return gate_gradients(objective, model.params, batch, ones, token=True)


def assert_same(found: Effects, effect_NLH: np.ndarray, token_NLH: np.ndarray) -> None:
    """To 1e-5; a sum near zero to 2e-6 of the example's largest (float32 here, float64 there)."""
    for got, expected in ((found.effect_BLH, effect_NLH), (found.token_BLH, token_NLH)):
        scale_N11 = np.abs(expected).max((1, 2), keepdims=True)
        assert scale_N11.min() > 0
        np.testing.assert_allclose(got / scale_N11, expected / scale_N11, rtol=1e-5, atol=2e-6)


STORED = ("roberta-masked-lm", "albert-groups", "distilbert-regression", "modernbert-mean")


@pytest.mark.parametrize("case", STORED)
def test_every_examples_gradients_are_those_that_pytorch_found(case):
    with np.load(HERE / "gates.npz") as file:
        expected = {key.split("/")[1]: file[key] for key in file.files if key.startswith(case)}
    assert_same(ours(case, expected), expected["effect_NLH"], expected["token_NLH"])


@pytest.mark.torch
@pytest.mark.parametrize("case", CASES)
def test_every_examples_gradients_are_those_that_pytorch_finds_now(case):
    torch_gates: Any = _module("torch_gates")
    assert torch_gates.CASES == CASES
    tokens = load_file(FIXTURES / case / "reference.safetensors")["tokens"]
    found = ours(case, torch_gates.targets_of(case, tokens))
    assert_same(found, *torch_gates.gradients_of(case))


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
