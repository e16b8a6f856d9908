"""Heads that find an odd word, on the built-in language, offline: it stands in place of a joke.

After Peyrard et al. 2021, "Laughing Heads" (arXiv 2105.09142), on sentences and models of our own.

Command: `jaxheads study configs/peyrard_grammar.py --workers 2`: 7.8 minutes on 2 CPU cores that
other jobs used too (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Method: pairs of a sentence and the same with one noun that its place does not allow; 4,000 to train
on, 400 each to choose heads and to test; the built-in RoBERTa (4 layers x 4 heads), fine-tuned on
single sentences and, Siamese, on pairs (300 steps of 32, AdamW at 1e-3, no dropout); seeds 0, 1, 2.
Controls: the untuned model, labels shuffled, sentiment, random words. The paper's own settings are
not known: it gives no hyper-parameters.

Results: the table in `configs/README.md`, with 95% intervals over sentences and seeds (Student's
t). Accuracy is 0.738 [0.687, 0.789] on single sentences and 0.924 [0.902, 0.946] on pairs. No count
of words helps (naive Bayes 0.500, bag-of-words baseline 0.500 and 0.512, longer 0.500); the last
token is always a full stop. In pairs every seed chooses the same head, whose contrast (0.041
[0.033, 0.049]) is above that in the untuned model, under shuffled labels, after sentiment and for a
random word. On single sentences the contrast is not clear over seeds (0.019 [-0.007, 0.044]),
though each seed's head passes its own test. Neither head points at the odd word better than a rule
that sees no attention (-0.028 [-0.434, 0.379] and 0.008 [-0.128, 0.145]), and the classifier does
without either.
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
