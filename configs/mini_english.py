"""Mini models of English, then the whole study on GLUE tasks and SICK.

After Chiang & Chen 2021 (arXiv 2106.07137; only the abstract was available to us), with choices of
our own, on public data at a size for two cores: mini RoBERTa and mini ALBERT, 4 layers x 8 heads,
pre-trained on 4.2 M words of English, then SST-2 and SICK.

Command: `jaxheads study configs/mini_english.py`. Not run to the end. What was run: pre-training of
RoBERTa (6,000 steps of 8 blocks of 64 tokens; some 7 minutes on 2 CPU cores), which reached a
masked-LM accuracy of 0.112 on 256 held-out blocks (commonest token: 0.034). That is 3 M tokens, too
few for a masked LM that uses its heads well; on an accelerator set `models.roberta.pretrain.steps`
and `models.albert.pretrain.steps` to 100,000 and their batch sizes to 64.
"""

import dataclasses
from pathlib import Path

from jaxheads.config import EncoderConfig, OptimizerConfig, TrainingConfig
from jaxheads.settings import (
    CurveSettings,
    ModelSettings,
    PruningSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)

DATA = Path("../shared/data")

ROBERTA = EncoderConfig(
    family="roberta",
    vocab_size=4096,
    hidden_size=128,
    num_layers=4,
    num_heads=8,
    intermediate_size=512,
    max_positions=66,
    type_vocab_size=1,
    norm_eps=1e-5,
    initializer_range=0.06,
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
PRETRAIN = TrainingConfig(
    steps=6000,
    batch_size=8,
    dropout=0.0,
    save_every=1000,
    optimizer=OptimizerConfig(rate=1e-3, warmup=0.1, weight_decay=0.01, beta2=0.98),
)


def task(name: str, folder: str) -> TaskSettings:
    """A task with its files, at a size that two cores can train many times."""
    path = DATA / folder
    return TaskSettings(
        name,
        train=path / "train.jsonl",
        held_out=path / "validation.jsonl",
        length=48,
        held_out_examples=1000,
    )


RUN = Run(
    study="chiang2021",
    name="mini_english",
    models=(
        ModelSettings("roberta", encoder=ROBERTA, pretrain=PRETRAIN),
        ModelSettings("albert", encoder=ALBERT, pretrain=PRETRAIN),
    ),
    text=TextSettings(
        train=DATA / "text/train.txt",
        held_out=DATA / "text/validation.txt",
        length=64,
        held_out_blocks=256,
    ),
    tasks=(task("sst2", "glue/sst2"), task("sick", "sick")),
    finetune=TrainingConfig(
        steps=250,
        batch_size=16,
        dropout=0.0,
        window=16,
        optimizer=OptimizerConfig(rate=5e-4, warmup=0.1, weight_decay=0.01),
    ),
    probe=TrainingConfig(
        steps=150,
        batch_size=16,
        dropout=0.0,
        window=16,
        optimizer=OptimizerConfig(rate=2e-3, warmup=0.1, weight_decay=0.01),
    ),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=1024, ablated=256, rescored=256, batch_size=64),
    curve=CurveSettings(points=8, draws=5, batch_size=64),
    pruning=PruningSettings(kept=(0.5,), draws=1),
    devices=1,
)
