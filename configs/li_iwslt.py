"""Li, Cotterell, Sachan 2021, "Differentiable Subset Pruning": IWSLT14 de-en, at the paper's size.

As `li_multi30k.py`, with fairseq's `transformer_iwslt_de_en`: 6 + 6 layers, width 512, feed-forward
1024, 4 heads of width 128 (72 heads), on your own copy of IWSLT14 (160,000 pairs, raw text). 60,000
steps of 160 pairs, 60 epochs of about 4,096 tokens a batch, at learning rate 5e-4. Theirs has two
dictionaries over 10,000 joint merges of lower-cased tokens; ours one vocabulary of 10,000 pieces of
cased text, and all embeddings tied.

Published: no table was available to us.

Command: `jaxheads study configs/li_iwslt.py` on a GPU or a TPU VM. Not run by us. Compiled, for a
CPU: a step on 160 pairs of 32 tokens with the gates of a subset (36.7 M parameters; 2.3 GiB are
planned), and the search of 4 beams for 64 sources of 32 tokens (1.3 GiB).
"""

import dataclasses
from pathlib import Path

from li_multi30k import RUN as SMALLER
from li_multi30k import SIZES, TRAINING

from jaxheads.data.tasks.task import Task
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.studies.settings import ModelSettings, TaskSettings

DATA = Path("iwslt14")
IWSLT = encoder_config(
    "marian", 10_000, 512, 18, 4, 1024, decoder_layers=6, initializer_range=512**-0.5, **SIZES
)
LONGER = dataclasses.replace(
    TRAINING,
    steps=60_000,
    batch_size=160,
    optimizer=dataclasses.replace(TRAINING.optimizer, learning_rate=5e-4, warmup=4_000 / 60_000),
)

RUN = dataclasses.replace(
    SMALLER,
    name="li_iwslt",
    models=(ModelSettings("iwslt", encoder=IWSLT),),
    tasks=(
        TaskSettings(
            "de_en",
            train=(DATA / "train.de", DATA / "train.en"),
            held_out=(DATA / "test.de", DATA / "test.en"),
            length=256,
            task=Task("translate", "de,en"),
        ),
    ),
    finetune=LONGER,
    probe=LONGER,
)
