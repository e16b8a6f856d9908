"""Heads that find an odd word, on the built-in language, offline: it stands in place of a joke.

After Peyrard et al. 2021, "Laughing Heads" (arXiv 2105.09142), on sentences and models of our own.

Command: `jaxheads study configs/peyrard_grammar.py --workers 2`: 8.3 minutes on 2 CPU cores that
tests used too (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Method: pairs of a sentence and the same with one noun that its place does not allow; 4,000 to train
on, 400 each to choose heads and to test; the built-in RoBERTa (4 layers x 4 heads), fine-tuned on
single sentences and, Siamese, on pairs (300 steps of 32, AdamW at 1e-3, no dropout); seeds 0, 1, 2.
Controls: the untuned model, labels shuffled, sentiment, random words. The paper's own settings are
not known: it gives no hyper-parameters.

Numbers on 400 test pairs: means over the seeds with the widest of their 95% intervals over
originals, or lists of seeds. No count of words helps (naive Bayes 0.500, bag of words 0.500 and
0.512, longer 0.500); the last token is always a full stop.

                                              single sentences          pairs
    accuracy                                  0.738 [0.694, 0.788]      0.924 [0.890, 0.953]
    accuracy, linear probe                    0.510                     0.491
    accuracy, labels shuffled                 0.498                     0.465
    head (layer-head)                         3-2, 3-1, 3-1             2-3, 2-3, 2-3
    its p, corrected for 16 heads             0.0016 in each            0.0016 in each
    contrast                                  +0.019 [0.004, 0.031]     +0.041 [0.032, 0.049]
    less that in the untuned model            +0.016 [0.000, 0.031]     +0.039 [0.031, 0.047]
    less that under shuffled labels           +0.017 [0.001, 0.031]     +0.041 [0.033, 0.048]
    less that after sentiment                 +0.017 [0.001, 0.031]     +0.040 [0.032, 0.048]
    less that beside a random word            +0.009 [0.001, 0.021]     +0.018 [0.008, 0.026]
    points at the edited word                 0.285 [0.095, 0.495]      0.321 [0.233, 0.425]
    a random word, the most edited place      0.094, 0.312              0.094, 0.312
    less the most edited place                -0.027 [-0.235, 0.185]    +0.008 [-0.092, 0.117]
    accuracy, the head gated to zero          +0.003 [-0.009, 0.014]    -0.003 [-0.025, 0.018]
    less that of another head of its layer    +0.013 [-0.010, 0.049]    -0.002 [-0.023, 0.017]

So there is a head that looks at the odd word, it owes that to the task, and pairs choose the same
one with every seed. But it points at the edited word no better than a rule that sees no attention,
and the classifier does without it.
"""

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


def training(steps: int, *, learning_rate: float) -> TrainingConfig:
    """AdamW in batches of 32."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=32, dropout=0.0, optimizer=optimizer)


RUN = Run(
    study=Peyrard2021(length=40, pairs=4_000, held_out_pairs=400),
    name="peyrard_grammar",
    models=(ModelSettings("roberta", source="builtin:roberta"),),
    text=TextSettings("grammar_mlm", length=48),
    tasks=(
        TaskSettings(
            "grammar_sentiment",
            length=24,
            examples=4_000,
            held_out_examples=300,
            finetune=training(150, learning_rate=1e-3),
        ),
    ),
    finetune=training(300, learning_rate=1e-3),
    probe=training(60, learning_rate=5e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=256, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(batch_size=128, readings=()),
    devices=1,
)
