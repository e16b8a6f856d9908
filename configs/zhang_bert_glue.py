"""Zhang et al. 2020 on BERT-base and GLUE, as near to the authors' code as we know it. Not run.

After Zhang et al. 2020 (arXiv 2011.03770; AI Open 2, 2021) and the code `thunlp/SMP`. Their result
tables were not available to us; the abstract says that half of the heads go with little loss.

Command, on an accelerator: `jaxheads study configs/zhang_bert_glue.py --set text.train=FILE --set
text.held_out=FILE`, plain text for the gradient of the masked-LM loss.

As in their code: the pruner sees a map in the corner of a 128 x 128 frame and has 8 channels after
its first layer; it learns on MRPC, QQP, RTE, MNLI, CoLA, SST-2 and STS-B by SGD at 2e-2 without a
schedule, clipped at norm 1, 8 parts of 60 sentences a step; pairs are represented by BERT's pooler,
single sentences by their mean; half of each layer's heads stay. Then AdamW at 2e-5, batches of 32.
Theirs trains for 8,000 steps (their README says 6,000; the released pruner counts 4,900) and
fine-tunes for 10 epochs; here 4,900 and 3 epochs' worth. Theirs scores on the whole training set,
here on 2,048 examples. QNLI is the task that the pruner has not seen; for RTE and MRPC it learns on
the six others alone, where theirs had seen these two. Three seeds, with a pruner each, and
intervals over seeds and examples are ours.

Not built or left out: the other tasks of GLUE as targets (QNLI, RTE and MRPC alone), BERT-large,
similarity tasks beside STS-B, the baselines, and the tables of time and memory (`jaxheads bench`
measures what half of each layer's heads saves).

Cost: 12 pruners (for each seed one, and one more for RTE, MRPC and STS-B without themselves) of
4,900 steps, two passes over 480 sentences each; 63 fine-tunings of 217,770 steps of 32 together.
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


def finetuning(steps: int) -> TrainingConfig:
    """AdamW at 2e-5, the learning rate falling to zero, no warm-up."""
    optimizer = OptimizerConfig(learning_rate=2e-5, warmup=0.0, weight_decay=0.0)
    return TrainingConfig(steps=steps, batch_size=32, optimizer=optimizer, save_every=1_000)


def task(name: str, steps: int = 1) -> TaskSettings:
    """A task from the Hub."""
    return TaskSettings(name, length=128, finetune=finetuning(steps))


RUN = Run(
    study=Zhang2020(
        tasks=tuple(map(task, ("mrpc", "qqp", "rte", "mnli", "cola", "sst2", "stsb"))),
        training=TrainingConfig(
            steps=4_900,
            batch_size=480,
            accumulate=8,
            save_every=500,
            optimizer=OptimizerConfig(
                learning_rate=2e-2,
                warmup=0.0,
                schedule="constant",
                weight_decay=0.0,
                optimizer="sgd",
            ),
        ),
        pruner=PrunerConfig(frame=128, width=8, placing="corner"),
        draws=2,
        similar=(task("stsb"),),
        pooler=True,
    ),
    name="zhang_bert_glue",
    models=(ModelSettings("bert", source="google-bert/bert-base-uncased"),),
    text=TextSettings(length=128, held_out_blocks=1_000),
    tasks=(task("qnli", 9_800), task("rte", 230), task("mrpc", 340)),
    finetune=finetuning(1_000),
    probe=finetuning(1_000),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=2_048, ablated=0, rescored=0, batch_size=32),
    curve=CurveSettings(batch_size=64),
)
