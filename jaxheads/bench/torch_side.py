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

import torch
from transformers import RobertaConfig, RobertaForSequenceClassification


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


def main() -> None:
    """Answer requests until the input ends."""
    workloads = Workloads(json.loads(sys.argv[1]))
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        getattr(workloads, line.strip())()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


if __name__ == "__main__":
    main()
