"""Laughing heads on Unfun.me's headlines, with the mini models of English, at a size for a laptop.

After Peyrard et al. 2021, "Laughing Heads" (arXiv 2105.09142), with models of our own and the 6,342
pairs of two public releases (27% of the paper's), lower-cased and split by original: no number of
the paper can be expected. Of validation and test, 204 pairs with a single edited word pass the
paper's filter for the analysis of heads.

Command: `jaxheads study configs/mini_english_models.py`, then `jaxheads study
configs/peyrard_mini_english.py`.

Method: 4 layers x 4 heads, D = 64 (see `mini_english_models.py`); fine-tuned on single sentences
(1S) and, Siamese, on pairs (PS), 300 steps of 32, AdamW at 1e-3, dropout 0.1; seeds 0, 1, 2. The
head is chosen on validation pairs and tested on test pairs, Holm-corrected for 16 heads; signs flip
and intervals are drawn by whole originals. Controls: the untuned model, labels shuffled,
acceptability (CoLA), random words. The paper gives no hyper-parameters; these are ours.

Not run. Without any model, on the 549 test pairs of these files, "longer is funny" has a paired
accuracy of 0.679 (0.640 on all 6,342 pairs): a paired classifier has to beat that.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.settings import (
    CurveSettings,
    HumorSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)

DATA = Path("../shared/data")
UNFUN, COLA = DATA / "humor/unfun", DATA / "glue/cola"


def training(steps: int, *, rate: float) -> TrainingConfig:
    """AdamW in batches of 32."""
    optimizer = OptimizerConfig(rate=rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=32, dropout=0.1, optimizer=optimizer)


RUN = Run(
    study="peyrard2021",
    name="peyrard_mini_english",
    models=(
        ModelSettings("roberta", source="runs/mini_english_models/models/roberta"),
        ModelSettings("albert", source="runs/mini_english_models/models/albert"),
    ),
    text=TextSettings(length=64),
    tasks=(TaskSettings("cola", COLA / "train.jsonl", COLA / "validation.jsonl", length=40),),
    finetune=training(300, rate=1e-3),
    probe=training(200, rate=2e-3),
    seeds=(0, 1, 2),
    humor=HumorSettings(
        UNFUN / "train.jsonl", UNFUN / "validation.jsonl", UNFUN / "test.jsonl", length=64
    ),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(batch_size=64, readings=()),
    devices=1,
)
