"""Do heads of a real encoder follow dependency relations? all-MiniLM-L6-v2 on English PUD.

After Htut et al. 2019 (arXiv 1911.12246), whose tables were not available to us, with the treebank
that they used (PUD, CoNLL 2017 release) and the published encoder (BERT, 6 layers x 12 heads,
D = 384), as it is and fine-tuned on SST-2 and on SICK.

Command: `jaxheads study configs/minilm_htut.py --workers 2`. Without a network give a directory
with the model's files: `--set models.published.source=DIR`.

Method: as `htut_bert_pud.py`; AdamW at 5e-5 for 500 steps of 32, seeds 0, 1, 2, on 16,000 sentences
of SST-2 and all 4,500 pairs of SICK.
"""

from minilm_mlm import DATA, MODEL

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    CurveSettings,
    Htut2019,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
)

FINETUNE = TrainingConfig(
    steps=500,
    batch_size=32,
    window=16,
    save_every=250,
    optimizer=OptimizerConfig(learning_rate=5e-5, warmup=0.1, weight_decay=0.01),
)


def task(name: str, folder: str, examples: int | None = None) -> TaskSettings:
    """A task with its files."""
    path = DATA / folder
    return TaskSettings(
        name,
        train=path / "train.jsonl",
        held_out=path / "validation.jsonl",
        length=128,
        examples=examples,
        held_out_examples=1_000,
    )


RUN = Run(
    study=Htut2019(treebank=DATA / "ud/en_pud-r2.0-test.conllu", controls=3),
    name="minilm_htut",
    models=(ModelSettings("published", source=MODEL),),
    tasks=(task("sst2", "glue/sst2", 16_000), task("sick", "sick")),
    finetune=FINETUNE,
    probe=FINETUNE,
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=1_024, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(readings=(), batch_size=64),
    devices=1,
)
