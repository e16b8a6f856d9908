"""Shapes of models that `jaxheads bench` measures."""

from __future__ import annotations

import dataclasses

from jaxheads.config import ReadoutConfig
from jaxheads.models.checkpoint.families import encoder_config

BINARY = ReadoutConfig("classification", ("0", "1"))
BASE = encoder_config(
    family="roberta", vocab_size=50265, hidden_size=768, num_layers=12, num_heads=12,
    intermediate_size=3072, max_positions=514, type_vocab_size=1, norm_eps=1e-5, pad_token_id=1,
)  # fmt: skip
TINY = dataclasses.replace(
    BASE, vocab_size=64, hidden_size=32, num_layers=3, num_heads=4, intermediate_size=64
)

# Shapes that exist. XLM-R XL normalises before its layers, which no family here does: its row is
# about a model of ours of that shape.
SHAPES = {
    "roberta-base": BASE,
    "roberta-large": dataclasses.replace(
        BASE, hidden_size=1024, num_layers=24, num_heads=16, intermediate_size=4096
    ),
    "albert-xxlarge": encoder_config(
        family="albert", vocab_size=30000, hidden_size=4096, num_layers=12, num_heads=64,
        intermediate_size=16384, max_positions=512, type_vocab_size=2, embedding_size=128,
        hidden_groups=1,
    ),
    "shape of xlm-roberta-xl": dataclasses.replace(
        BASE, vocab_size=250880, hidden_size=2560, num_layers=36, num_heads=32,
        intermediate_size=10240,
    ),
}  # fmt: skip
