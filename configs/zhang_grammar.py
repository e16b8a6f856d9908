"""Half of each layer's heads, chosen by a pruner that never saw the task: the built-in language.

After Zhang et al. 2020 (arXiv 2011.03770), whose code was available to us and no result table; on
models and data of our own, so that no number is one of theirs.

Command: `jaxheads study configs/zhang_grammar.py --workers 2`: 12 minutes on 2 CPU cores that other
jobs used too (AMD EPYC, Python 3.11, jax 0.10.2, float32), 4.4 on quiet ones, of which a pruner
takes 66 s. The folder `pruners/roberta-pruner-0` of such a run is `jaxheads/assets/pruner`.

Method: a pruner of 3,232 numbers for each seed, on frames of 32 x 32 into which maps are resampled
by their number of tokens, learns on sentences of acceptability and entailment without their labels,
at AdamW's 3e-3 (the authors: SGD, 128 x 128, GLUE). It scores the heads on 512 examples of a task
that it has not seen; 2 of 4 heads stay in every layer. Masks are made before fine-tuning, which is
the same under every mask. Pairs are represented by the first token's last state, which this model
never trained for sentences (there is no pooler), single sentences by the mean over their tokens.

Results: the table in `configs/README.md`. Fine-tuned under its mask, 8 of 16 heads, the model
reaches 0.889 on sentiment and 0.706 on incongruity (0.924 and 0.707 with all heads). The pruner's
half is not shown to be better than random halves (0.082 [-0.170, 0.334] and 0.006 [-0.027, 0.038],
95% intervals over seeds, draws and examples, Student's t), nor than the gradient's or magnitude's;
its reversed scores are worse on sentiment (0.130 [0.096, 0.163]), not clearly on incongruity (0.094
[-0.080, 0.268]). Masks of two seeds' pruners share 0.55 and 0.50 of their heads (chance 0.35).
Correlations of cosines with paraphrase are nil with and without masks (-0.05 to -0.03): this model
has no such likeness to keep.

The loss of the pruners did not fall visibly (1.16 in the first lines of the log, 1.33 in the last,
each of two tasks drawn by chance), and what they find depends on their training: a trial that is no
setting of this file (one task a step, 200 steps, all five tasks learned on, one seed) chose halves
that lost more likeness than random ones on all five tasks. The loss is not convex in a gate, and
the gradient that straight-through sampling follows can have the wrong sign.
"""

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


def training(steps: int, *, learning_rate: float) -> TrainingConfig:
    """AdamW in batches of 32."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=32, dropout=0.0, optimizer=optimizer)


def task(name: str, steps: int = 1, *, length: int = 24, examples: int = 8_000) -> TaskSettings:
    """A task of the built-in language, drawn when it is read."""
    return TaskSettings(
        name,
        length=length,
        examples=examples,
        held_out_examples=512,
        finetune=training(steps, learning_rate=1e-3),
    )


LEARNING = TrainingConfig(
    steps=150,
    batch_size=32,
    accumulate=2,  # of one task each
    log_every=15,
    optimizer=OptimizerConfig(learning_rate=3e-3, warmup=0.0, weight_decay=0.0),
)

RUN = Run(
    study=Zhang2020(
        tasks=(
            task("grammar_acceptability", examples=4_000),
            task("grammar_entailment", length=48, examples=4_000),
        ),
        training=LEARNING,
        pruner=PrunerConfig(frame=32, width=4),
        draws=2,
        similar=(task("grammar_paraphrase", length=48, examples=4_000),),
    ),
    name="zhang_grammar",
    models=(ModelSettings("roberta", source="builtin:roberta"),),
    text=TextSettings("grammar_mlm", length=24, paragraphs=4_000, held_out_blocks=128),
    tasks=(
        task("grammar_sentiment", steps=150),
        task("grammar_incongruity", steps=200),
    ),
    finetune=training(150, learning_rate=1e-3),
    probe=training(100, learning_rate=5e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(batch_size=128),
    devices=1,
)
