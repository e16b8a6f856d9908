"""Masked LMs from a real encoder that has no masked-LM readout: all-MiniLM-L6-v2.

The encoder (BERT, 6 layers x 12 heads, D = 384, uncased) is published for sentence similarity. The
studies of its pre-training task need a masked LM, so two are made of it here. In `published` the
encoder stays as it is and a readout alone is trained: its heads are those of the published model.
In `minilm` the readout is trained first and then the encoder too.

Command: `jaxheads study configs/minilm_mlm.py --workers 2`. Without a network give a directory with
the model's files: `--set models.published.source=DIR --set models.minilm.source=DIR`.

Method: 4.2 M words of English, packed into blocks of 128 tokens; masked LM (15%, 80/10/10), new
masks in every epoch; AdamW, batches of 16 blocks, one seed. `published`: 1,000 steps at 2e-3.
`minilm`: 300 steps of the readout, then 2,700 of both, the readout at 1e-3 and the encoder at 3e-4
(6.1 M tokens, 1.1 epochs). Sizes and rates are ours, chosen for the time at hand.

Not run as a whole yet: on 2 CPU cores about an hour is expected.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import ModelSettings, Pretrain, Run, TextSettings

DATA = Path("../shared/data")
MODEL = "sentence-transformers/all-MiniLM-L6-v2"
TEXT = TextSettings(
    train=DATA / "text/train.txt",
    held_out=DATA / "text/validation.txt",
    length=128,
    held_out_blocks=256,
)


def training(steps: int, frozen_steps: int, learning_rate: float) -> TrainingConfig:
    """AdamW without dropout; the encoder, where it is trained, at a rate of its own."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, encoder_learning_rate=3e-4)
    return TrainingConfig(
        steps=steps,
        frozen_steps=frozen_steps,
        batch_size=16,
        dropout=0.0,
        save_every=200,
        optimizer=optimizer,
    )


RUN = Run(
    study=Pretrain(),
    name="minilm_mlm",
    models=(
        ModelSettings("published", source=MODEL, pretrain=training(1000, 1000, 2e-3)),
        ModelSettings("minilm", source=MODEL, pretrain=training(3000, 300, 1e-3)),
    ),
    text=TEXT,
    devices=1,
)
