"""Heads of a real encoder that find the funny word: all-MiniLM-L6-v2 on Unfun.me's headlines.

After Peyrard et al. 2021, "Laughing Heads" (arXiv 2105.09142), with the published encoder (BERT, 6
layers x 12 heads, D = 384; for sentence similarity) and the 6,342 pairs of two public releases (27%
of the paper's), lower-cased and split by original: no number of the paper can be expected. Of
validation and test, 204 pairs with a single edited word pass the paper's filter for the analysis of
heads.

Command: `jaxheads study configs/minilm_peyrard.py --workers 2`. Without a network give a directory
with the model's files: `--set models.published.source=DIR`. Not run as a whole yet.

Method: classifiers of single headlines and of pairs, fine-tuned for 300 steps of 16 at 1e-4 with
dropout 0.1; seeds 0, 1, 2; the head is chosen on validation and everything measured on test; as
controls the encoder before fine-tuning and one fine-tuned on CoLA. Sizes and rates are ours.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    CurveSettings,
    ModelSettings,
    Peyrard2021,
    Run,
    ScoringSettings,
    TaskSettings,
)

DATA = Path("../shared/data")
UNFUN, COLA = DATA / "humor/unfun", DATA / "glue/cola"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def training(steps: int, *, learning_rate: float = 1e-4) -> TrainingConfig:
    """AdamW in batches of 16, examples of like length together."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=16, dropout=0.1, window=16, optimizer=optimizer)


RUN = Run(
    study=Peyrard2021(
        UNFUN / "train.jsonl",
        UNFUN / "validation.jsonl",
        UNFUN / "test.jsonl",
        length=64,
    ),
    name="minilm_peyrard",
    models=(ModelSettings("published", source=MODEL),),
    tasks=(TaskSettings("cola", COLA / "train.jsonl", COLA / "validation.jsonl", length=40),),
    finetune=training(300),
    probe=training(200, learning_rate=2e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=32),
    curve=CurveSettings(batch_size=50, readings=()),
    devices=1,
)
