"""Mini models of English, pre-trained on public text, for the studies on real data.

Command: `jaxheads study configs/mini_english_models.py --workers 2`, 19 minutes, 18 of training for
each model side by side on 2 CPU cores (AMD EPYC, Python 3.11, jax 0.10.2, float32). The studies of
mini English read the folders `models/roberta` and `models/albert` of what it leaves.

Method: 4.2 M words of English, packed into blocks of 64 tokens; masked LM (15%, 80/10/10), new
masks in every epoch; 4 layers x 4 heads, D = 64; 30,000 steps of 12 blocks (23 M tokens), AdamW at
1e-3, one seed. Sizes and settings are ours, chosen for the time at hand.

Numbers: 256 blocks of the held-out text; guesses know the true neighbours of a token and were
counted on 20,000 blocks.

                                      RoBERTa    ALBERT
    masked-LM accuracy                  0.131     0.133
    most frequent token                 0.030     0.052
    guess from the left                 0.122     0.139
    guess from the right                0.134     0.122
    guess from both sides               0.340     0.296
    masked-LM loss, nats                5.935     5.652
    entropy of the held-out targets     6.117     5.779

So these are weak models: they guess about as well as one neighbour does, 0.18 and 0.13 nats better
than word frequencies. What is found of their pre-training task is found of that. Training still
gained when it ended (loss of RoBERTa in the last 500 steps 6.00 after 10,000, 5.93 after 20,000,
5.89 after 30,000). The learning rate matters: at 2e-3 and 3e-3 pilots stayed at word frequencies
(RoBERTa 6.05 after 12,000 steps of 16 blocks; with D = 128 at 2e-3 above 6.5).
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.studies.settings import ModelSettings, Pretrain, Run, TextSettings

DATA = Path("../shared/data")

PRETRAIN = TrainingConfig(
    steps=30_000,
    batch_size=12,
    dropout=0.0,
    save_every=1000,
    optimizer=OptimizerConfig(learning_rate=1e-3, warmup=0.1, weight_decay=0.01, beta2=0.98),
)
SIZES = {
    "vocab_size": 2048,
    "hidden_size": 64,
    "num_layers": 4,
    "num_heads": 4,
    "intermediate_size": 256,
    "max_positions": 66,
    "initializer_range": 0.05,
}
ROBERTA = encoder_config("roberta", **SIZES, type_vocab_size=1, norm_eps=1e-5, pad_token_id=1)
ALBERT = encoder_config("albert", **SIZES, type_vocab_size=2, embedding_size=64, hidden_groups=1)
TEXT = TextSettings(
    train=DATA / "text/train.txt",
    held_out=DATA / "text/validation.txt",
    length=64,
    held_out_blocks=256,
)

RUN = Run(
    study=Pretrain(),
    name="mini_english_models",
    models=(
        ModelSettings("roberta", encoder=ROBERTA, pretrain=PRETRAIN),
        ModelSettings("albert", encoder=ALBERT, pretrain=PRETRAIN),
    ),
    text=TEXT,
    devices=1,
)
