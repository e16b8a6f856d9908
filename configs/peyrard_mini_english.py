"""Heads that find the funny word in Unfun.me's headlines, with the mini models of English.

After Peyrard et al. 2021, "Laughing Heads" (arXiv 2105.09142), with models of our own and the 6,342
pairs of two public releases (27% of the paper's), lower-cased and split by original: no number of
the paper can be expected. Of validation and test, 204 pairs with a single edited word pass the
paper's filter for the analysis of heads.

Command: `jaxheads study configs/mini_english_models.py`, then `jaxheads study
configs/peyrard_mini_english.py --workers 2`: 14 minutes on 2 CPU cores (AMD EPYC, Python 3.11, jax
0.10.2, float32) that ran tests too.

Method: 4 layers x 4 heads, D = 64 (see `mini_english_models.py`); fine-tuned on single sentences
(1S) and, Siamese, on pairs (PS), 300 steps of 32, AdamW at 1e-3, dropout 0.1; seeds 0, 1, 2. The
head is chosen on validation pairs and tested on test pairs, Holm-corrected for 16 heads; signs flip
and intervals are drawn by whole originals. Controls: the untuned model, labels shuffled,
acceptability (CoLA), random words. The paper gives no hyper-parameters; these are ours.

Numbers, 547 test pairs (2 too long; 132 small edits for the heads), 3 seeds: means, ranges of seeds
in round brackets, in square ones the widest of the seeds' 95% intervals over originals. These are
the earlier bootstraps, which say nothing of other seeds (see `configs/README.md`).

                                  RoBERTa                             ALBERT
    single sentences, accuracy    0.584 (0.580 to 0.589)              0.593 (0.589 to 0.596)
      naive Bayes, bag of words   0.591, 0.607
      accuracy of a linear probe  0.533 (0.523 to 0.540)              0.549 (0.522 to 0.569)
      head (layer-head from 0)    3-0, 3-0, 3-0                       2-2, 3-2, 3-0
      its corrected p             1.0 in each                         1.0 in each
      contrast                    -0.001 [-0.020, 0.016]              -0.001 [-0.029, 0.025]
      less the final-word rule    -0.061 [-0.214, 0.089]              -0.149 [-0.291, 0.000]
      gated, less another head    -0.010 [-0.037, 0.004]              0.000 [-0.020, 0.016]
    pairs, accuracy               0.748 (0.729 to 0.764)              0.726 (0.717 to 0.740)
      naive Bayes, bag of words   0.674, 0.619
      accuracy of a linear probe  0.613 (0.598 to 0.633)              0.597 (0.580 to 0.629)
      head (layer-head from 0)    3-0, 3-0, 2-0                       3-2, 2-2, 1-3
      its corrected p             1.0 in each                         0.76 to 1.0
      contrast                    0.003 [-0.019, 0.025]               0.012 [-0.012, 0.048]
      less the final-word rule    -0.068 [-0.259, 0.115]              -0.066 [-0.209, 0.103]
      gated, less another head    0.000 [-0.016, 0.016]               0.002 [-0.008, 0.012]

"Longer is funny" reaches 0.679 on pairs (0.640 on all 6,342). So no head attends to the funny word
in these models, which know single sentences less well than counts of words do; CoLA, the control of
another task, is not learned (Matthews 0.000). 0 of 100 maps of heads go with importance beyond
chance (Holm within a model and task; what is scored is a random sample of the training examples).
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
    TextSettings,
)

DATA = Path("../shared/data")
UNFUN, COLA = DATA / "humor/unfun", DATA / "glue/cola"


def training(steps: int, *, learning_rate: float) -> TrainingConfig:
    """AdamW in batches of 32."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=32, dropout=0.1, optimizer=optimizer)


RUN = Run(
    study=Peyrard2021(
        UNFUN / "train.jsonl",
        UNFUN / "validation.jsonl",
        UNFUN / "test.jsonl",
        length=64,
    ),
    name="peyrard_mini_english",
    models=(
        ModelSettings("roberta", source="runs/mini_english_models/models/roberta"),
        ModelSettings("albert", source="runs/mini_english_models/models/albert"),
    ),
    text=TextSettings(length=64),
    tasks=(TaskSettings("cola", COLA / "train.jsonl", COLA / "validation.jsonl", length=40),),
    finetune=training(300, learning_rate=1e-3),
    probe=training(200, learning_rate=2e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(batch_size=64, readings=()),
    devices=1,
)
