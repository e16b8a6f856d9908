"""The whole study with roberta-base on GLUE, for a TPU VM or a GPU box. Not run by us.

After Chiang & Chen 2021, "Why Can You Lay Off Heads?" (arXiv 2106.07137), of which only the
abstract was available to us: its questions, with choices of our own. Sizes, tasks, text and
settings below are ours; fine-tuning follows common practice for GLUE (2e-5, 3 epochs, batch 32).
No table or figure of that paper is reproduced, and none of its numbers is known to us.

Command: `jaxheads study configs/roberta_base_glue.py --set text.train=FILE --set
text.held_out=FILE` with plain text, a paragraph a line (held-out Wikipedia text, for one). Model
and tasks come from the Hub. Weights of fine-tuned models take 0.5 GB each, 15 of them. A run that
was stopped is resumed by the same command.

Ours too: training computes in bfloat16, with examples of like length together; scores are absolute
gradients of single examples (Michel et al.'s formula), of 5,000 training examples and as many
blocks of text; random masks, nulls, reliabilities and all intervals.

Cost: for each task and seed 12 trainings of 3 epochs (as it is, on shuffled labels, eight pruned
before, two once more) and three readouts alone: 180 trainings of 1.93 million steps of 32 together,
69% of them MNLI's. At 6 minutes for MNLI's 36,815 steps, a guess for one current GPU, 5 hours.

Not run: no accelerator and no hub could be reached where this was written. The same code runs with
the built-in models (`quickstart.py`) and with mini models of English (`mini_english.py`).

What to read the numbers against (published by others, for bert-base-uncased): Michel et al. 2019
prune up to 40% of BERT's heads on MNLI without a noticeable drop; rank correlations between the
scores of MNLI, SST-2 and CoLA of 0.48 to 0.65, recomputed from the logs of a reproduction.
"""

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    Chiang2021,
    CurveSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)


def three_epochs(examples: int, learning_rate: float = 2e-5) -> TrainingConfig:
    """Fine-tuning in batches of 32, in bfloat16."""
    return TrainingConfig(
        steps=3 * examples // 32,
        batch_size=32,
        dtype="bfloat16",
        window=64,
        save_every=2000,
        optimizer=OptimizerConfig(learning_rate=learning_rate, warmup=0.06, weight_decay=0.1),
    )


RUN = Run(
    study=Chiang2021(kept=(0.9, 0.75, 0.5, 0.25), draws=1),
    name="roberta_base_glue",
    models=(ModelSettings("roberta", source="FacebookAI/roberta-base"),),
    text=TextSettings(length=128, held_out_blocks=2_000),
    tasks=(
        TaskSettings("sst2", length=128, finetune=three_epochs(67_349)),
        TaskSettings("mrpc", length=128, finetune=three_epochs(3_668)),
        TaskSettings("rte", length=128, finetune=three_epochs(2_490)),
        TaskSettings("qnli", length=128, finetune=three_epochs(104_743)),
        TaskSettings("mnli", length=128, finetune=three_epochs(392_702)),
    ),
    finetune=three_epochs(10_000),
    probe=three_epochs(10_000, learning_rate=1e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=5_000, ablated=500, rescored=2_000, batch_size=64),
    curve=CurveSettings(points=10, draws=5, batch_size=256),
)
