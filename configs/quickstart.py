"""The main job in minutes, offline: the built-in models on two tasks of the built-in language.

After Chiang & Chen 2021, "Why Can You Lay Off Heads?" (arXiv 2106.07137), of which only the
abstract was available to us: its questions, with choices of our own, on models and data of our own.
No table or figure of that paper is reproduced, and none of its numbers is known to us.

Command: `jaxheads study configs/quickstart.py --workers 2`: 21 minutes on 2 CPU cores that other
jobs used too (AMD EPYC, Python 3.11, jax 0.10.2, float32). On quiet cores, before the nulls were
added, 4.6 minutes in each of two runs, 6.0 from a fresh clone with installation.

Method: 4 layers x 4 heads; fine-tuned on 8,000 sentences of each task (RoBERTa 150 and 200 steps of
32, ALBERT 250), seeds 0, 1, 2; scores |dloss/dgate|, mean over 512 training examples; curves on 500
held-out sentences, 5 random orders for each seed; half of the heads pruned before and after
fine-tuning. Beside the agreement of tasks stand nulls: magnitude, output norm, an untrained readout
and a model fine-tuned on shuffled labels (one more fine-tuning for each task and seed). ALBERT has
sentiment alone: incongruity takes it longer (0.568 after 200 steps, 0.712 after 350, one seed
each).

Results: the tables in `README.md` and `configs/README.md`, with 95% intervals over seeds, draws and
examples (Student's t). With 8 of 16 heads the gradient's order keeps more accuracy than random
orders on both tasks and models (by 0.249 [0.200, 0.297], 0.115 [0.083, 0.147] and, ALBERT, 0.247
[0.115, 0.380]), but not more than the order of weight magnitude (0.003 [-0.072, 0.077], 0.005
[-0.094, 0.103], 0.041 [-0.124, 0.206]). Importance on masked LM agrees with that on the tasks
(Spearman 0.613, 0.616, 0.775, of ceilings of 0.821, 0.651, 0.828): more than chance in 2 of 3
measurements, more than magnitude in 1, more than output norm, shuffled labels or an untrained
readout in none. It has a Spearman correlation with weight magnitude of 0.968, and 0.837 in ALBERT.

Limits: "fine-tune, prune, fine-tune" trains twice as long as the other regimes; compare it with
"prune, fine-tune, fine-tune", which trains as long with the heads pruned first. Three seeds. One
cut was tried before fine-tuning, 8 of 16 heads, so that the acceptable deduction is one of two
values: 0, or what half of the heads cost masked LM, 1.6% of its loss [0.1%, 3.1%] over blocks of
text in RoBERTa and 1.4% [0.4%, 2.4%] in ALBERT. For 95% of accuracy it is 8 heads on sentiment,
with bounds of 8 and 8 (RoBERTa) or 0 and 8 (ALBERT), and 0 for both of RoBERTa's tasks together,
with bounds of 0 and 8. `grammar_full.py` has more of everything.
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


def training(steps: int, *, learning_rate: float) -> TrainingConfig:
    """AdamW in batches of 32."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=32, dropout=0.0, optimizer=optimizer)


def task(name: str, steps: int, *, length: int = 24) -> TaskSettings:
    """A task of the built-in language, drawn when it is read."""
    return TaskSettings(
        name,
        length=length,
        examples=8_000,
        held_out_examples=500,
        finetune=training(steps, learning_rate=1e-3),
    )


RUN = Run(
    study=Chiang2021(kept=(0.5,), draws=1),
    name="quickstart",
    models=(
        ModelSettings("roberta", source="builtin:roberta"),
        ModelSettings(
            "albert",
            source="builtin:albert",
            finetune=training(250, learning_rate=5e-4),
            tasks=("grammar_sentiment",),
        ),
    ),
    text=TextSettings("grammar_mlm", length=24, paragraphs=4_000, held_out_blocks=128),
    tasks=(
        task("grammar_sentiment", steps=150, length=18),
        task("grammar_incongruity", steps=200),
    ),
    finetune=training(150, learning_rate=1e-3),
    probe=training(100, learning_rate=5e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=128, rescored=128, batch_size=128),
    curve=CurveSettings(points=8, draws=5, readings=("token", "l2"), batch_size=128),
    devices=1,
)
