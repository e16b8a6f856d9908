"""Half of each layer's heads, chosen by a pruner that never saw the task: the built-in language.

After Zhang et al. 2020 (arXiv 2011.03770), whose code was available to us and no result table; on
models and data of our own, so that no number is one of theirs.

Command: `jaxheads study configs/zhang_grammar.py`. Not run to the end: there are no accuracies
yet. What was run is the first pruner (seed 0, 150 steps, some 90 s of CPU time), whose folder
`pruners/roberta-pruner-0` is `jaxheads/assets/pruner`. Its loss was 1.25 in the mean of the first
15 steps and 1.03 in that of the last 15, each step being of two tasks drawn by chance, so that the
two means are hardly comparable.

A trial of the same training that is no setting of this file (one task a step, 200 steps, all five
tasks of the language learned on, one seed) gave a warning: on 128 sentences of each of these tasks
the pruner's half of the heads lost more likeness than the mean of 8 random halves in 5 of 5 tasks,
and more than the half of the inverted score in 5 of 5 (acceptability 1.45 against 1.29 at random
and 1.20 inverted; entailment 0.49, 0.42, 0.26; sentiment 1.74, 1.72, 1.63; paraphrase 0.82, 0.49,
0.20; incongruity 1.84, 1.45, 1.26). By the first layer's masks of two heads one by one, the
gradient that straight-through sampling follows has the wrong sign there for the best head of
paraphrase: the loss is not convex in a gate. Whether that is so of trained pruners of the authors'
size is not known.

Method: a pruner of 3,232 numbers for each seed, on frames of 32 x 32 into which maps are resampled
by their number of tokens, learns on sentences of acceptability and entailment without their labels,
at AdamW's 3e-3 (the authors: SGD, 128 x 128, GLUE). It scores the heads on 512 examples of a task
that it has not seen; 2 of 4 heads stay in every layer. Masks are made before fine-tuning, which is
the same under every mask. Pairs are represented by the first token's last state, which this model
never trained for sentences (there is no pooler), single sentences by the mean over their tokens.
"""

from jaxheads.config import OptimizerConfig, PrunerConfig, TrainingConfig
from jaxheads.settings import (
    CurveSettings,
    MetaSettings,
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


def task(name: str, steps: int = 1, *, length: int = 24, examples: int = 8_000) -> TaskSettings:
    """A task of the built-in language, drawn when it is read."""
    return TaskSettings(
        name,
        length=length,
        examples=examples,
        held_out_examples=512,
        finetune=training(steps, rate=1e-3),
    )


LEARNING = TrainingConfig(
    steps=150,
    batch_size=32,
    accumulate=2,  # of one task each
    log_every=15,
    optimizer=OptimizerConfig(rate=3e-3, warmup=0.0, weight_decay=0.0),
)

RUN = Run(
    study="zhang2020",
    name="zhang_grammar",
    models=(ModelSettings("roberta", source="builtin:roberta"),),
    text=TextSettings("grammar_mlm", length=24, paragraphs=4_000, held_out_blocks=128),
    tasks=(
        task("grammar_sentiment", steps=150),
        task("grammar_incongruity", steps=200),
    ),
    finetune=training(150, rate=1e-3),
    probe=training(100, rate=5e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(batch_size=128),
    meta=MetaSettings(
        tasks=(
            task("grammar_acceptability", examples=4_000),
            task("grammar_entailment", length=48, examples=4_000),
        ),
        training=LEARNING,
        pruner=PrunerConfig(frame=32, width=4),
        draws=2,
        similar=(task("grammar_paraphrase", length=48, examples=4_000),),
    ),
    devices=1,
)
