"""PyTorch's side of `jaxheads bench`, a process of its own: one line in, one JSON line out.

Started with a JSON description of a RoBERTa; then each line of standard input names a workload, is
run once, and answered with its seconds. The one file of the package that imports torch, and nothing
imports it.
"""

from __future__ import annotations

import functools
import json
import sys
import time
from typing import Any

import numpy as np
import torch
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    MarianMTModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)

# What a layer's attention is projected by, by the end of its name in the families.
OUT = ("attention.output.dense", "attention.out_lin", "attention.dense", "attn.Wo")


def build(spec: dict, attention: str):
    """A random classifier on the device, in bfloat16 on a GPU, in evaluation mode."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    config = RobertaConfig(
        vocab_size=spec["vocab_size"],
        hidden_size=spec["hidden_size"],
        num_hidden_layers=spec["num_layers"],
        num_attention_heads=spec["num_heads"],
        intermediate_size=spec["intermediate_size"],
        max_position_embeddings=spec["max_positions"],
        type_vocab_size=1,
        attn_implementation=attention,
    )
    model: Any = RobertaForSequenceClassification(config).eval()
    return model.to(device=device, dtype=getattr(torch, spec["dtype"]))


def gates(model, shape: tuple[int, ...]) -> list[torch.Tensor]:
    """A gate for each layer, hooked onto the input of its attention output projection."""
    first = next(model.parameters())
    made = []
    for layer in model.roberta.encoder.layer:
        gate = torch.ones(shape, device=first.device, dtype=first.dtype, requires_grad=True)
        layer.attention.output.dense.register_forward_pre_hook(gated(gate))
        made.append(gate)
    return made


def gated(gate: torch.Tensor):
    """A hook that multiplies every head's context, `[B, T, H K]`, by its gate."""

    def hook(_module, inputs):
        context = inputs[0]
        heads = context.unflatten(-1, (gate.shape[-2], -1)) * gate
        return (heads.flatten(-2),)

    return hook


class Workloads:
    """Each method runs one workload once, on `batch_size` examples (`script`: on one)."""

    def __init__(self, spec: dict):
        torch.manual_seed(0)
        size, heads = spec["batch_size"], spec["num_heads"]
        self.model = build(spec, "sdpa").requires_grad_(False)
        self.gates = gates(self.model, (size, 1, heads, 1))
        self.custom = build(spec, "eager")
        self.mask = gates(self.custom, (heads, 1))
        self.importance = torch.zeros(spec["num_layers"], heads)
        device = next(self.model.parameters()).device
        shape = (size, spec["length"])
        self.tokens = torch.randint(5, spec["vocab_size"], shape, device=device)
        self.labels = torch.zeros(size, dtype=torch.long, device=device)
        self.spec = spec

    def forward(self):
        """Logits of a batch, nothing to differentiate."""
        with torch.no_grad():
            return self.model(self.tokens).logits.float().cpu()

    def gate(self):
        """Gradients of the summed loss with respect to the gates alone, a row for each example."""
        logits = self.model(self.tokens).logits.float()
        loss = torch.nn.functional.cross_entropy(logits, self.labels, reduction="sum")
        return [g.float().cpu() for g in torch.autograd.grad(loss, self.gates)]

    def script(self):
        """The customary importance script: one example, every gradient, absolute value, add."""
        loss = self.custom(self.tokens[:1], labels=self.labels[:1]).loss
        loss.backward()
        for layer, gate in enumerate(self.mask):
            assert gate.grad is not None  # and it is never zeroed: the script's own fault
            self.importance[layer] += gate.grad.abs().flatten().float().cpu()
        return self.importance

    @functools.cached_property
    def training(self):
        """A model in training mode, float32 whatever it computes in, and its optimizer."""
        model = build({**self.spec, "dtype": "float32"}, "sdpa").train()
        plain = [p for p in model.parameters() if p.ndim < 2]
        decayed = [p for p in model.parameters() if p.ndim > 1]
        groups = [{"params": plain, "weight_decay": 0.0}, {"params": decayed}]
        return model, torch.optim.AdamW(groups, lr=1e-5, weight_decay=0.01)

    def train(self):
        """One step of fine-tuning: forward, backward, clipping, AdamW, with dropout."""
        model, optimizer = self.training
        device, dtype = self.tokens.device.type, getattr(torch, self.spec["dtype"])
        with torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32):
            loss = model(self.tokens, labels=self.labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss


class OwnJob:
    """A user's model and examples, in batches sorted by length and padded to their longest."""

    def __init__(self, spec: dict):
        torch.manual_seed(0)
        self.spec, self.taken = spec, []
        self.model = self._open().eval().requires_grad_(False)
        encoded = np.load(spec["encoded"])
        self.labels, starts = encoded["labels"], encoded["starts"]
        if "texts" in spec:  # a whole script: it reads them itself
            firsts, seconds = zip(*spec["texts"], strict=True)
            pairs = list(seconds) if seconds[0] is not None else None
            found = AutoTokenizer.from_pretrained(spec["own"])(list(firsts), pairs)
            self.tokens = found["input_ids"]
            self.types = found.get("token_type_ids") or [[0] * len(ids) for ids in self.tokens]
        else:
            self.tokens = np.split(encoded["tokens"], starts[1:-1])
            self.types = np.split(encoded["types"], starts[1:-1])
        if isinstance(self.tokens[0], list):
            self.tokens, self.types = ([np.array(x) for x in y] for y in (self.tokens, self.types))
        self.order = np.argsort([len(ids) for ids in self.tokens], kind="stable")
        layers = [m for name, m in self.model.named_modules() if name.endswith(OUT)]
        for layer in layers:
            layer.register_forward_pre_hook(self._gated)

    def _open(self):
        dtype = getattr(torch, self.spec["dtype"])
        how = {"attn_implementation": "sdpa", "dtype": dtype}
        return AutoModelForSequenceClassification.from_pretrained(self.spec["own"], **how)

    def _gated(self, _module, inputs):
        """The next layer's context times a gate for every example, where gradients are wanted."""
        if self.taken is None:
            return None
        heads = self.model.config.num_attention_heads
        gate = torch.ones(len(inputs[0]), 1, heads, 1, dtype=inputs[0].dtype, requires_grad=True)
        self.taken.append(gate)
        return ((inputs[0].unflatten(-1, (heads, -1)) * gate).flatten(-2),)

    def _batches(self):
        size = self.spec["batch_size"]
        for first in range(0, len(self.order), size):
            yield self._batch(self.order[first : first + size])

    def _batch(self, chosen):
        width = max(len(self.tokens[n]) for n in chosen)
        ids, types, real = (np.zeros((len(chosen), width), np.int64) for _ in range(3))
        for row, n in enumerate(chosen):
            count = len(self.tokens[n])
            ids[row, :count], types[row, :count] = self.tokens[n], self.types[n]
            real[row, :count] = 1
        given = {"input_ids": ids, "attention_mask": real}
        if self.model.config.model_type not in ("distilbert", "modernbert"):
            given["token_type_ids"] = (
                types if getattr(self.model.config, "type_vocab_size", 1) > 1 else types * 0
            )
        return {k: torch.from_numpy(v) for k, v in given.items()}, torch.tensor(self.labels[chosen])

    def _loss(self, model, given, labels):
        logits = model(**given).logits.float()
        if logits.shape[1] == 1:
            return torch.square(logits[:, 0] - labels)
        return torch.nn.functional.cross_entropy(logits, labels.long(), reduction="none")

    def gate_gradients(self):
        """The mean over examples of the absolute gradient of each gate."""
        total = 0
        for given, labels in self._batches():
            self.taken = []
            loss = self._loss(self.model, given, labels).sum()
            found = torch.autograd.grad(loss, self.taken)
            total = total + torch.stack([g.abs().sum((0, 1, 3)) for g in found]).double()
        return (total / len(self.order)).numpy()

    def evaluation(self):
        """The mean loss."""
        self.taken = None
        with torch.no_grad():
            return sum(float(self._loss(self.model, *each).sum()) for each in self._batches())

    @functools.cached_property
    def _training(self):
        model = self._open().float().train()
        groups = [
            {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0},
            {"params": [p for p in model.parameters() if p.ndim > 1]},
        ]
        return model, torch.optim.AdamW(groups, lr=1e-5, weight_decay=0.01)

    def fine_tuning(self):
        """An epoch with dropout, clipping and AdamW, in batches of like lengths in random order."""
        model, optimizer = self._training
        size, dtype = self.spec["batch_size"], getattr(torch, self.spec["dtype"])
        parts = [self.order[n : n + size] for n in range(0, len(self.order), size)]
        for n in torch.randperm(len(parts)).tolist():
            with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
                loss = self._loss(model, *self._batch(parts[n])).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
        if "once" in self.spec:
            model.save_pretrained(self.spec["own"] + "-torch")


class Translation:
    """A user's translator and sources, in batches sorted by length and padded to their longest."""

    def __init__(self, spec: dict):
        dtype = getattr(torch, spec["dtype"])
        self.spec = spec
        self.model = MarianMTModel.from_pretrained(spec["own"], dtype=dtype).eval()
        encoded = np.load(spec["encoded"])
        self.sources = np.split(encoded["tokens"], encoded["starts"][1:-1])[::2]  # without targets
        self.room, config = np.load(spec["room"]), self.model.config
        self.pad, self.end = config.pad_token_id, config.eos_token_id
        self.order = np.argsort([len(ids) for ids in self.sources], kind="stable")

    def translation(self):
        """The search of all sources; what it finds is kept as an array, padded."""
        spec, size = self.spec, self.spec["batch_size"]
        found = np.full((len(self.order), int(self.room.max())), self.pad, np.int64)
        how = {
            **{"num_beams": spec["beams"], "do_sample": False, "early_stopping": False},
            **{"length_penalty": 1.0, "bad_words_ids": [[self.pad]]},
            "forced_eos_token_id": self.end,
        }
        for first in range(0, len(self.order), size):
            chosen = self.order[first : first + size]
            width = max(len(self.sources[n]) for n in chosen)
            ids = np.full((len(chosen), width), self.pad, np.int64)
            for row, n in enumerate(chosen):
                ids[row, : len(self.sources[n])] = self.sources[n]
            given = torch.from_numpy(ids)
            room = int(self.room[chosen].max())
            rows = self.model.generate(
                given, attention_mask=(given != self.pad).long(), max_length=room + 1, **how
            )[:, 1:]
            found[chosen, : rows.shape[1]] = rows.numpy()
        np.save(spec["out"], found)


def main() -> None:
    """Answer requests until the input ends; of a whole script the one thing asked for."""
    spec = json.loads(sys.argv[1])
    kind = Translation if "beams" in spec else OwnJob if "own" in spec else Workloads
    workloads = kind(spec)
    if "once" in spec:
        found = getattr(workloads, spec["once"].replace(" ", "_").replace("-", "_"))()
        np.save(spec["own"] + "-torch.npy", np.asarray(0 if found is None else found))
        return
    clock = {"cpu": time.process_time}.get(spec.get("clock", "wall"), time.perf_counter)
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        start = clock()
        getattr(workloads, line.strip().replace(" ", "_").replace("-", "_"))()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        print(json.dumps({"seconds": clock() - start}), flush=True)


if __name__ == "__main__":
    main()
