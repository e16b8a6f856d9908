"""A pruner that learned on CoLA, MRPC and RTE chooses the heads of mini English for SST-2 and SICK.

After Zhang et al. 2020 (arXiv 2011.03770), whose code was available to us and no result table; a
mini model (4 layers x 4 heads, `mini_english_models.py`), so that no number is one of theirs.

Command: `jaxheads study configs/zhang_mini_english.py --workers 2`, after
`mini_english_models.py`: 6.7 minutes on 2 CPU cores (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Method: a pruner for each seed learns on sentences of CoLA, MRPC and RTE without their labels; it
scores the heads on 1,024 training examples of a task that it has not seen; half of each layer's
heads stay. Masks are made before fine-tuning, which is the same under every mask. STS-B: Spearman
correlation of the cosine of two sentences' representations, nothing trained on it. Pairs are
represented by the first token's last state, which this model never trained for sentences: there is
no pooler.

Numbers, 8 of 16 heads, fine-tuned under the mask for 400 steps of 16: mean (lowest to highest over
3 seeds; random: over 6 draws), 95% intervals in brackets. These are the earlier bootstraps over
seeds and examples, known to be too narrow with few seeds (see `configs/README.md`).

                                    SST-2                      SICK
    majority-class baseline         0.509                      0.564
    bag-of-words baseline           0.765                      0.788
    all heads                       0.689 (0.678 to 0.695)     0.626 (0.612 to 0.648)
    meta                            0.699 (0.689 to 0.712)     0.619 (0.614 to 0.628)
    inverted meta                   0.684 (0.679 to 0.690)     0.612 (0.590 to 0.640)
    random, by layers               0.690 (0.674 to 0.708)     0.619 (0.594 to 0.638)
    gradient of masked LM           0.701 (0.683 to 0.720)     0.627 (0.612 to 0.636)
    magnitude                       0.698 (0.688 to 0.704)     0.623 (0.616 to 0.634)
    meta less random                0.009 [-0.006, 0.024]      0.000 [-0.019, 0.024]
    meta less inverted meta         0.015 [-0.009, 0.035]      0.007 [-0.026, 0.045]
    likeness lost: meta             0.893 (0.756 to 1.078)     0.305 (0.217 to 0.428)
      inverted meta                 1.132 (0.948 to 1.279)     0.394 (0.335 to 0.443)
      random                        0.959 (0.717 to 1.256)     0.322 (0.210 to 0.434)
      magnitude                     0.731                      0.233

So on this model half of the heads can go by any of these masks, and no mask is distinguishable from
another, nor from none. STS-B by cosine, mean of tokens (Spearman): counts of words
0.471, all heads 0.504, meta 0.539
(0.532 to 0.543), its inverse 0.548, random 0.540 (0.528 to 0.556), gradient 0.552, magnitude 0.533:
masks do improve this likeness, as the abstract says of theirs, but any does. Masks of two seeds'
pruners share 0.60, 0.33 and 0.39 of their heads (SST-2, SICK, STS-B; chance 0.35), those of two
tasks 0.71 to 0.82: a pruner says much the same for every task. Its loss fell from 0.499 in the
first lines of the log to 0.374 in the last (a step draws a task, so lines are noisy).
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, PrunerConfig, TrainingConfig
from jaxheads.studies.settings import (
    CurveSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
    Zhang2020,
)

DATA = Path("../shared/data")


def training(steps: int, *, learning_rate: float) -> TrainingConfig:
    """AdamW in batches of 16, examples of like length together."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=16, dropout=0.0, window=16, optimizer=optimizer)


def task(name: str, folder: str) -> TaskSettings:
    """A task with its files."""
    path = DATA / folder
    return TaskSettings(
        name,
        train=path / "train.jsonl",
        held_out=path / "validation.jsonl",
        length=64,
        examples=8_000,
        held_out_examples=1_000,
    )


RUN = Run(
    study=Zhang2020(
        tasks=(task("cola", "glue/cola"), task("mrpc", "glue/mrpc"), task("rte", "glue/rte")),
        training=TrainingConfig(
            steps=200,
            batch_size=32,
            accumulate=2,
            optimizer=OptimizerConfig(learning_rate=3e-3, warmup=0.0, weight_decay=0.0),
        ),
        pruner=PrunerConfig(frame=32, width=4),
        draws=2,
        similar=(task("stsb", "glue/stsb"),),
    ),
    name="zhang_mini_english",
    models=(ModelSettings("roberta", source="runs/mini_english_models/models/roberta"),),
    text=TextSettings(
        train=DATA / "text/train.txt",
        held_out=DATA / "text/validation.txt",
        length=64,
        paragraphs=4_000,
        held_out_blocks=128,
    ),
    tasks=(task("sst2", "glue/sst2"), task("sick", "sick")),
    finetune=training(400, learning_rate=5e-4),
    probe=training(150, learning_rate=2e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=1_024, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(batch_size=50),
    devices=1,
)
