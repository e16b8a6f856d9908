"""What PyTorch says about gates: one example at a time, without padding, in float64.

    pip install '.[parity]' && PYTHONPATH=. python tests/importance/torch_gates.py

writes `gates.npz`, which the default tests compare with. The gate multiplies the input of every
attention output projection in a forward pre-hook; a counter tells the uses of a shared one apart.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file

from tests.support.paths import FIXTURES

EXPECTED = Path(__file__).resolve().parent / "gates.npz"
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
REGRESSIONS = ("distilbert-regression", "camembert-classification")
PROJECTIONS = ("attention.output.dense", "attention.dense", "attention.out_lin", "attn.Wo")
BY_LAYER = {
    "albert-groups": 4,
    "albert-masked-lm": 3,
    "modernbert-masked-lm": 4,
    "modernbert-mean": 4,
}  # uses of shared projections; 2 otherwise


class Gradients(NamedTuple):
    """Of every example dloss/dgate, `[N, L, H]`, and the sum over positions of its size."""

    effect_NLH: np.ndarray
    token_NLH: np.ndarray


def targets_of(case: str, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """Labels for a fixture's tokens `[N, T]`, and for a masked LM the positions to predict."""
    rows = np.arange(len(tokens))
    if case.endswith("masked-lm"):
        where = np.stack([rows * 0 + 1, rows + 2, rows * 0], axis=1)
        labels = np.take_along_axis(tokens, where, axis=1) + np.array([1, -1, 0])
        labels = np.minimum(labels, 59)  # the last of the fixtures' vocabularies
        labels[:, 2] = -1  # a place that predicts nothing
        return {"where": where, "labels": labels}
    if case in REGRESSIONS:
        return {"labels": np.linspace(-1, 2, len(rows)).astype(np.float32)}
    return {"labels": rows % 2}


def gradients_of(case: str) -> Gradients:
    """The gradients of a fixture's model on its own reference batch."""
    folder = FIXTURES / case
    given = load_file(folder / "reference.safetensors")
    config = transformers.AutoConfig.from_pretrained(folder)
    kind = getattr(transformers, config.architectures[0])
    model = kind.from_pretrained(folder, attn_implementation="eager").eval().double()
    targets = targets_of(case, given["tokens"])
    found = []
    for row, length in enumerate(given["real"].sum(1)):
        inputs = {"input_ids": torch.tensor(given["tokens"][row : row + 1, :length])}
        if hasattr(config, "type_vocab_size"):
            inputs["token_type_ids"] = torch.tensor(given["types"][row : row + 1, :length])
        target = {name: torch.tensor(array[row]) for name, array in targets.items()}
        found.append(_example(model, inputs, target, BY_LAYER.get(case, 2)))
    return Gradients(
        np.stack([g_LHT.sum(-1) for g_LHT in found]),
        np.stack([np.abs(g_LHT).sum(-1) for g_LHT in found]),
    )


def _example(model, inputs, target, layers: int) -> np.ndarray:
    """dloss/dgate of one example by position, `[L, H, T]`."""
    heads, length = model.config.num_attention_heads, inputs["input_ids"].shape[1]
    gate = torch.ones(layers, heads, length, dtype=torch.float64, requires_grad=True)
    with _gated(model, gate) as contexts:
        logits = model(**inputs).logits[0]
    assert len(contexts) == layers
    _loss(logits, target).backward()
    by_context = [(c * c.grad)[0].unflatten(-1, (heads, -1)).sum(-1).T for c in contexts]
    torch.testing.assert_close(torch.stack(by_context), gate.grad)  # <context, dloss/dcontext>
    return gate.grad.numpy()


def _loss(logits: torch.Tensor, target: dict[str, torch.Tensor]) -> torch.Tensor:
    if "where" in target:
        chosen = target["labels"] >= 0
        at, labels = target["where"][chosen], target["labels"][chosen]
        return torch.nn.functional.cross_entropy(logits[at], labels, reduction="sum")
    if len(logits) == 1:
        return (logits[0] - target["labels"]) ** 2
    return torch.nn.functional.cross_entropy(logits, target["labels"])


@contextlib.contextmanager
def _gated(model, gate_LHT):
    """Gates all uses of output projections, and yields the gated contexts `[1, T, D]` in order."""
    uses: list[torch.Tensor] = []

    def multiply(_, inputs):
        (context,) = inputs
        heads = gate_LHT.shape[1]
        gate_TH1 = gate_LHT[len(uses)].T[..., None]
        gated = (context.unflatten(-1, (heads, -1)) * gate_TH1).flatten(-2)
        gated.retain_grad()
        uses.append(gated)
        return (gated,)

    hooks = [
        module.register_forward_pre_hook(multiply)
        for name, module in model.named_modules()
        if name.endswith(PROJECTIONS)
    ]
    try:
        yield uses
    finally:
        for hook in hooks:
            hook.remove()


def main() -> None:
    arrays = {}
    for case in CASES:
        found = gradients_of(case)
        tokens = load_file(FIXTURES / case / "reference.safetensors")["tokens"]
        named = {**found._asdict(), **targets_of(case, tokens)}
        arrays.update({f"{case}/{name}": array for name, array in named.items()})
    np.savez(EXPECTED, **arrays)


if __name__ == "__main__":
    main()
