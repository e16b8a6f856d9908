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

import dataclasses

from mini_english import training
from peyrard_mini_english import RUN as SMALLER

from jaxheads.config import TrainingConfig
from jaxheads.studies.settings import CurveSettings, ModelSettings, ScoringSettings

MODEL = "sentence-transformers/all-MiniLM-L6-v2"


def with_dropout(steps: int, *, learning_rate: float) -> TrainingConfig:
    """As the models of English are trained, with dropout."""
    return dataclasses.replace(training(steps, learning_rate=learning_rate), dropout=0.1)


RUN = dataclasses.replace(
    SMALLER,
    name="minilm_peyrard",
    models=(ModelSettings("published", source=MODEL),),
    text=None,
    finetune=with_dropout(300, learning_rate=1e-4),
    probe=with_dropout(200, learning_rate=2e-3),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=32),
    curve=CurveSettings(batch_size=50, readings=()),
)
