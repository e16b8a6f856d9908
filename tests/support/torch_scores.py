"""Scores of heads by PyTorch, with transformers' own reading of a checkpoint and its tokenizer.

One example at a time, without padding, in float64: the gradient of the example's loss by a gate on
every head, its size, and the mean over examples.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

MODELS = {
    "topics": transformers.AutoModelForSequenceClassification,
    "several": transformers.AutoModelForSequenceClassification,
    "words": transformers.AutoModelForTokenClassification,
}
Row = tuple[str | Sequence[str], str | Sequence[str]]  # a text or its words, and its label or more


class Reference:
    """A checkpoint as transformers opens it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.model = MODELS[kind].from_pretrained(folder, attn_implementation="eager").eval()
        self.tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder)
        if kind == "words":  # as the page of the examples says
            self.tokenizer.backend_tokenizer.pre_tokenizer.add_prefix_space = True

    def logits(self, text: str | Sequence[str]) -> torch.Tensor:
        """Of a text its classes, of words those of each word's first piece."""
        words = not isinstance(text, str)
        found = self.tokenizer(
            list(text) if words else text, is_split_into_words=words, return_tensors="pt"
        )
        out = self.model(input_ids=found["input_ids"]).logits[0]
        if not words:
            return out
        of_piece = found.word_ids()
        return out[[of_piece.index(place) for place in range(len(text))]]

    def loss(self, text: str | Sequence[str], label: str | Sequence[str]) -> torch.Tensor:
        """The sum of an example's losses, its labels by the names of the checkpoint's classes."""
        logits, number = self.logits(text), self.model.config.label2id
        if self.kind == "several":
            target = torch.zeros_like(logits)
            target[[number[name] for name in label]] = 1
            return torch.nn.functional.binary_cross_entropy_with_logits(
                logits, target, reduction="sum"
            )
        names = [label] if isinstance(label, str) else label
        target = torch.tensor([number[name] for name in names])
        return torch.nn.functional.cross_entropy(
            logits.reshape(len(names), -1), target, reduction="sum"
        )

    def scores(self, rows: Sequence[Row]) -> np.ndarray:
        """The mean over examples of |dloss/dgate|, `[L, H]`."""
        model = self.model.double()
        found = []
        for text, label in rows:
            with gated(model) as gate_LH:
                self.loss(text, label).backward()
            assert gate_LH.grad is not None
            found.append(np.abs(gate_LH.grad.numpy()))
        return np.mean(found, axis=0)

    def metrics(self, rows: Sequence[Row]) -> dict[str, float]:
        """The task's metrics by scikit-learn, or seqeval."""
        from seqeval import metrics as spans
        from sklearn import metrics

        names, number = self.model.config.id2label, self.model.config.label2id
        with torch.no_grad():
            found = [self.logits(text) for text, _ in rows]
        if self.kind == "several":
            guess = [(logits > 0).int().tolist() for logits in found]
            due = [[int(name in label) for name in names.values()] for _, label in rows]
        elif self.kind == "words":
            guess = [[names[int(tag)] for tag in logits.argmax(-1)] for logits in found]
            due = [list(label) for _, label in rows]
            pairs = {"f1": spans.f1_score, "precision": spans.precision_score}
            pairs["recall"] = spans.recall_score
            values = {f"span_{name}": of(due, guess) for name, of in pairs.items()}
            return {**values, "accuracy": spans.accuracy_score(due, guess)}
        else:
            guess, due = [int(logits.argmax()) for logits in found], [number[y] for _, y in rows]
        wanted = {"accuracy": metrics.accuracy_score(due, guess)}
        for average in ("macro", "micro")[: 1 + (self.kind == "several")]:
            value = metrics.f1_score(due, guess, average=average, zero_division=0)
            wanted[f"f1_{average}"] = value
        return wanted

    def spoiled(self, folder: Path, rows: Sequence[Row], metric: str) -> dict[str, float]:
        """Save the model with so much noise on its weights that it errs, and return its metrics."""
        torch.manual_seed(0)
        while self.metrics(rows)[metric] > 0.95:
            for weight in self.model.parameters():
                noise = torch.randn_like(weight)
                weight.data.add_(0.3 * weight.data.std(correction=0) * noise)
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)
        return self.metrics(rows)

    def turned(self, folder: Path) -> None:
        """Save the model with its classes in another order, as transformers saves it."""
        config = self.model.config
        names = [config.id2label[number] for number in range(config.num_labels)]
        order = [*range(1, len(names)), 0][::-1]
        ends = [m for m in self.model.modules() if getattr(m, "out_features", 0) == len(names)]
        with torch.no_grad():
            for weight in ends[-1].parameters():
                weight.copy_(weight[order].clone())
        config.id2label = {place: names[number] for place, number in enumerate(order)}
        config.label2id = {name: place for place, name in config.id2label.items()}
        self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


@contextlib.contextmanager
def gated(model: Any) -> Iterator[torch.Tensor]:
    """Multiplies the inputs of the attention output projections by gates of 1, `[L, H]`."""
    places = [m for n, m in model.named_modules() if n.endswith("attention.output.dense")]
    heads = model.config.num_attention_heads
    gate_LH = torch.ones(len(places), heads, dtype=torch.float64, requires_grad=True)

    def hook(layer: int):
        def multiply(_, inputs):
            width = inputs[0].shape[-1] // heads
            return (inputs[0] * gate_LH[layer].repeat_interleave(width),)

        return multiply

    hooks = [m.register_forward_pre_hook(hook(layer)) for layer, m in enumerate(places)]
    try:
        yield gate_LH
    finally:
        for each in hooks:
            each.remove()
