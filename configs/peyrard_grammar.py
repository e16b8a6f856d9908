"""Laughing heads on the built-in language, offline: an odd word in place of a joke.

After Peyrard et al. 2021, "Laughing Heads" (arXiv 2105.09142), on sentences and models of our own.

Command: `jaxheads study configs/peyrard_grammar.py`.

Method: pairs of a sentence and the same with one noun that its place does not allow; 4,000 to train
on, 400 each to choose heads and to test; the built-in RoBERTa (4 layers x 4 heads), fine-tuned on
single sentences and, Siamese, on pairs (300 steps of 32, AdamW at 1e-3, no dropout); seeds 0, 1, 2.
Controls: the untuned model, labels shuffled, sentiment, random words. The paper's own settings are
not known: it gives no hyper-parameters.

Not run to the end. What was: single sentences, on 2 CPU cores that many others used (AMD EPYC,
Python 3.11, jax 0.10.2, float32), seeds 0, 1, 2, 400 test pairs; 95% intervals over originals. No
count of words helps (naive Bayes 0.500, longer 0.500); the last token is always a full stop.

    accuracy of single sentences              0.760, 0.733, 0.721 (frozen body 0.500, 0.518, 0.514)
    head (layer-head)                         3-2, 3-1, 3-1, each with a corrected p of 0.0016
    contrast                                  +0.026 [0.021, 0.031], +0.023 [0.019, 0.027],
                                              +0.007 [0.004, 0.010]
    the same head in the untuned model        -0.001 in seed 0, +0.004 in seeds 1 and 2
    beside a random word                      +0.011, +0.017, +0.002
    points at the edited word                 12%, 45%, 28% (random 9%, most edited place 31%)
    accuracy, the head gated to zero          +0.006 [-0.001, 0.014], -0.003 [-0.009, 0.003],
                                              +0.005 [-0.001, 0.013]

So a head that is certain by its contrast is no better than a rule that sees no attention in two of
three seeds, and its gate costs nothing: another head of its layer (3-1 in seed 0) costs 0.098.
"""

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


def training(steps: int, *, rate: float) -> TrainingConfig:
    """AdamW in batches of 32."""
    optimizer = OptimizerConfig(rate=rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=32, dropout=0.0, optimizer=optimizer)


RUN = Run(
    study="peyrard2021",
    name="peyrard_grammar",
    models=(ModelSettings("roberta", source="builtin:roberta"),),
    text=TextSettings("grammar_mlm", length=48),
    tasks=(
        TaskSettings(
            "grammar_sentiment",
            length=24,
            examples=4_000,
            held_out_examples=300,
            finetune=training(150, rate=1e-3),
        ),
    ),
    finetune=training(300, rate=1e-3),
    probe=training(60, rate=5e-3),
    seeds=(0, 1, 2),
    humor=HumorSettings(length=40, pairs=4_000, held_out_pairs=400),
    scoring=ScoringSettings(examples=256, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(batch_size=128, readings=()),
    devices=1,
)
