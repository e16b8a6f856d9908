"""Does a mini RoBERTa need the same heads downstream as in pre-training?

(numbers to come)
"""

from pathlib import Path

from jaxheads.config import (
    CurveConfig,
    DataConfig,
    EncoderConfig,
    OptimizerConfig,
    Run,
    ScoringConfig,
    TrainingConfig,
)

DATA = Path("../shared/data")

RUN = Run(
    study="chiang2021",
    name="mini_sst2",
    encoder=EncoderConfig(
        family="roberta",
        vocab_size=4096,
        hidden_size=128,
        num_layers=4,
        num_heads=8,
        intermediate_size=512,
        max_positions=66,
        type_vocab_size=1,
        norm_eps=1e-5,
        pad_token_id=1,
    ),
    data=DataConfig(
        text=DATA / "text/train.txt",
        text_held_out=DATA / "text/validation.txt",
        task="sst2",
        train=DATA / "glue/sst2/train.jsonl",
        held_out=DATA / "glue/sst2/validation.jsonl",
        length=64,
    ),
    pretrain=TrainingConfig(
        steps=500,
        batch_size=64,
        dropout=0.0,
        optimizer=OptimizerConfig(rate=1e-3, warmup=0.1, weight_decay=0.01, beta2=0.98),
    ),
    finetune=TrainingConfig(
        steps=300,
        batch_size=32,
        dropout=0.0,
        window=16,
        optimizer=OptimizerConfig(rate=5e-4, warmup=0.1, weight_decay=0.01),
    ),
    seeds=(0, 1, 2),
    scoring=ScoringConfig(examples=1024),
    curve=CurveConfig(points=8, draws=2, blocks=256),
)
