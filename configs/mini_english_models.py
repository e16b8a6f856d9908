"""Mini models of English, pre-trained on public text, for the studies on real data.

Command: `jaxheads study configs/mini_english_models.py`; the studies of mini English read the
folders `models/roberta` and `models/albert` of what it leaves.

Method: 4.2 M words of English, packed into blocks of 128 tokens; masked LM (15%, 80/10/10), new
masks in every epoch; 4 layers x 4 heads, D = 64; AdamW, one seed. Sizes and settings are ours.
"""

import dataclasses
from pathlib import Path

from jaxheads.config import EncoderConfig, OptimizerConfig, TrainingConfig
from jaxheads.settings import ModelSettings, Run, TextSettings

DATA = Path("../shared/data")

PRETRAIN = TrainingConfig(
    steps=12_000,
    batch_size=16,
    dropout=0.0,
    save_every=1000,
    optimizer=OptimizerConfig(rate=2e-3, warmup=0.05, weight_decay=0.01, beta2=0.98),
)
ROBERTA = EncoderConfig(
    family="roberta",
    vocab_size=2048,
    hidden_size=64,
    num_layers=4,
    num_heads=4,
    intermediate_size=256,
    max_positions=66,
    type_vocab_size=1,
    norm_eps=1e-5,
    initializer_range=0.1,
    pad_token_id=1,
)
ALBERT = dataclasses.replace(
    ROBERTA,
    family="albert",
    embedding_size=64,
    hidden_groups=1,
    type_vocab_size=2,
    norm_eps=1e-12,
    pad_token_id=0,
)
TEXT = TextSettings(
    train=DATA / "text/train.txt",
    held_out=DATA / "text/validation.txt",
    length=64,
    held_out_blocks=256,
)

RUN = Run(
    study="pretrain",
    name="mini_english_models",
    models=(
        ModelSettings("roberta", encoder=ROBERTA, pretrain=PRETRAIN),
        ModelSettings("albert", encoder=ALBERT, pretrain=PRETRAIN),
    ),
    text=TEXT,
    devices=1,
)
