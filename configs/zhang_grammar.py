"""Half of each layer's heads, chosen by a pruner that never saw the task: the built-in language.

After Zhang et al. 2020 (arXiv 2011.03770), whose code was available to us and no result table; on
models and data of our own, so that no number is one of theirs.

Command: `jaxheads study configs/zhang_grammar.py --workers 2`: 4.4 minutes on 2 CPU cores (AMD
EPYC, Python 3.11, jax 0.10.2, float32), of which a pruner takes 66 s. The folder
`pruners/roberta-pruner-0` of such a run is `jaxheads/assets/pruner`.

Method: a pruner of 3,232 numbers for each seed, on frames of 32 x 32 into which maps are resampled
by their number of tokens, learns on sentences of acceptability and entailment without their labels,
at AdamW's 3e-3 (the authors: SGD, 128 x 128, GLUE). It scores the heads on 512 examples of a task
that it has not seen; 2 of 4 heads stay in every layer. Masks are made before fine-tuning, which is
the same under every mask. Pairs are represented by the first token's last state, which this model
never trained for sentences (there is no pooler), single sentences by the mean over their tokens.

Numbers, 8 of 16 heads, fine-tuned under the mask: mean (lowest to highest over 3 seeds; random:
over 6 draws), 95% bootstrap intervals over seeds and examples in brackets.

                                    sentiment                  incongruity
    bag of words                    0.576                      0.506
    all heads                       0.924 (0.855 to 0.963)     0.707 (0.668 to 0.732)
    meta                            0.889 (0.859 to 0.904)     0.706 (0.686 to 0.723)
    inverted meta                   0.759 (0.738 to 0.771)     0.612 (0.535 to 0.658)
    random, by layers               0.807 (0.578 to 0.904)     0.700 (0.654 to 0.738)
    gradient of masked LM           0.902 (0.828 to 0.947)     0.682 (0.641 to 0.738)
    magnitude                       0.874 (0.861 to 0.889)     0.665 (0.641 to 0.701)
    meta less random                0.082 [-0.021, 0.172]      0.006 [-0.016, 0.039]
    meta less inverted meta         0.130 [0.088, 0.167]       0.094 [0.029, 0.168]
    meta less gradient              -0.013 [-0.086, 0.066]     0.023 [-0.023, 0.074]
    likeness lost: meta             0.961 (0.947 to 0.980)     0.920 (0.888 to 0.960)
      inverted meta                 1.892 (1.870 to 1.909)     2.017 (1.979 to 2.042)
      random                        1.446 (1.054 to 1.654)     1.353 (0.915 to 1.691)
      gradient of masked LM         1.004                      0.950

So the pruner's score says something (its inverse is worse on both tasks), but its half of the heads
is not distinguishable from random halves after fine-tuning, nor from the gradient's. Masks of two
seeds' pruners share 0.55 and 0.50 of their heads (chance 0.35). Correlations of cosines with
paraphrase are nil with and without masks (-0.05 to -0.03): this model has no such likeness to keep.

The loss of the pruners did not fall visibly (1.16 in the first lines of the log, 1.33 in the last,
each of two tasks drawn by chance), and what they find depends on their training: a trial that is no
setting of this file (one task a step, 200 steps, all five tasks learned on, one seed) chose halves
that lost more likeness than random ones on all five tasks. The loss is not convex in a gate, and
the gradient that straight-through sampling follows can have the wrong sign.
"""

from jaxheads.config import OptimizerConfig, PrunerConfig, TrainingConfig
from jaxheads.studies.settings import (
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
