"""The two models that come with the package, pre-trained on the built-in language."""

import dataclasses

from jaxheads.config import EncoderConfig, OptimizerConfig, TrainingConfig
from jaxheads.settings import ModelSettings, Run, TextSettings

PRETRAIN = TrainingConfig(
    steps=6000,
    batch_size=24,
    dropout=0.0,
    save_every=500,
    optimizer=OptimizerConfig(rate=2e-3, warmup=0.1, weight_decay=0.01, beta2=0.98),
)
ROBERTA = EncoderConfig(
    family="roberta",
    vocab_size=1000,
    hidden_size=64,
    num_layers=4,
    num_heads=4,
    intermediate_size=256,
    max_positions=66,
    type_vocab_size=1,
    norm_eps=1e-5,
    initializer_range=0.1,  # of so narrow a model; 0.02 took longer to leave word frequencies
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

RUN = Run(
    study="pretrain",
    name="builtin_models",
    models=(
        ModelSettings("roberta", encoder=ROBERTA, pretrain=PRETRAIN),
        ModelSettings("albert", encoder=ALBERT, pretrain=PRETRAIN),
    ),
    text=TextSettings("grammar_mlm", length=48, paragraphs=150_000, vocabulary=20_000),
    devices=1,
)
