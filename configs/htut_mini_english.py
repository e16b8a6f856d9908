"""Do heads of mini models of English follow dependency relations? English PUD, 1,000 sentences.

After Htut et al. 2019 (arXiv 1911.12246), whose tables were not available to us, with the treebank
that they used (PUD, CoNLL 2017 release) and models of ours: the mini RoBERTa and ALBERT (4 layers x
4 heads) of `mini_english_models.py`, as they are and fine-tuned on SST-2 and on SICK.

Known of PUD without any model: the chain of neighbours finds 40.82% of the arcs that are no
punctuation's (38.12% of all); a head that looks softly at the previous word reaches 39.8% of them
under MST from the gold root; and under MAX a head that looks one word away finds 83.4% of compound,
78.7% of amod and 56.5% of det. A head is worth a name only above these, which the report has beside
it, measured on the same half.

Command: `jaxheads study configs/htut_mini_english.py`, after `mini_english_models.py`. Not run to
the end.
"""

import runpy
from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.settings import (
    CurveSettings,
    DependencySettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
)

MINI = runpy.run_path(str(Path(__file__).with_name("mini_english_models.py")))
DATA, MODELS = MINI["DATA"], Path("runs/mini_english_models/models")


def task(name: str, folder: str) -> TaskSettings:
    """A task with its files, at a size that two cores can train."""
    path = DATA / folder
    return TaskSettings(
        name,
        train=path / "train.jsonl",
        held_out=path / "validation.jsonl",
        length=64,
        held_out_examples=500,
    )


def training(steps: int, rate: float) -> TrainingConfig:
    """AdamW in batches of 16, examples of like length together."""
    optimizer = OptimizerConfig(rate=rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=16, dropout=0.0, window=16, optimizer=optimizer)


RUN = Run(
    study="htut2019",
    name="htut_mini_english",
    models=tuple(ModelSettings(name, source=str(MODELS / name)) for name in ("roberta", "albert")),
    text=MINI["TEXT"],
    tasks=(task("sst2", "glue/sst2"), task("sick", "sick")),
    finetune=training(400, rate=1e-3),
    probe=training(150, rate=2e-3),
    seeds=(0, 1),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(readings=(), batch_size=64),
    dependencies=DependencySettings(treebank=DATA / "ud/en_pud-r2.0-test.conllu", controls=2),
    devices=1,
)
