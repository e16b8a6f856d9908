"""The main job on a real encoder: all-MiniLM-L6-v2 on SST-2, MRPC, CoLA and SICK.

After Chiang & Chen 2021 (arXiv 2106.07137; only the abstract was available to us) and Michel et al.
2019, with choices of our own. The model is `minilm` of `minilm_mlm.py`, the published encoder
(BERT, 6 layers x 12 heads, D = 384) trained further as a masked LM, so that there is a pre-training
task.

Command: `jaxheads study configs/minilm_mlm.py --workers 2`, then `jaxheads study
configs/minilm_glue.py --workers 2`. Not run as a whole yet.

Method: fine-tuned for 150 (SST-2, MRPC) and 300 (CoLA, SICK) steps of 16 at 1e-4, seeds 0, 1, 2;
scores |dloss/dgate|, mean over 512 training examples drawn by chance; curves of 13 points on 500
held-out examples, 3 random orders for each seed; 60, 48, 36 and 24 of the 72 heads kept before
fine-tuning, by masked LM and at random; four regimes at 36. Sizes and rates are ours, chosen for
two cores and the time at hand.
"""

from mini_english import DATA, training

from jaxheads.studies.settings import (
    Chiang2021,
    CurveSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)


def task(name: str, folder: str, steps: int, *, length: int = 64) -> TaskSettings:
    """A task with its files."""
    return TaskSettings(
        name,
        train=DATA / folder / "train.jsonl",
        held_out=DATA / folder / "validation.jsonl",
        length=length,
        held_out_examples=500,
        finetune=training(steps, learning_rate=1e-4),
    )


RUN = Run(
    study=Chiang2021(kept=(5 / 6, 2 / 3, 1 / 2, 1 / 3), draws=1),
    name="minilm_glue",
    models=(ModelSettings("minilm", source="runs/minilm_mlm/models/minilm"),),
    text=TextSettings(
        train=DATA / "text/train.txt",
        held_out=DATA / "text/validation.txt",
        length=128,
        held_out_blocks=128,
    ),
    tasks=(
        task("sst2", "glue/sst2", 150),
        task("mrpc", "glue/mrpc", 150, length=128),
        task("cola", "glue/cola", 300),
        task("sick", "sick", 300),
    ),
    finetune=training(150, learning_rate=1e-4),
    probe=training(150, learning_rate=2e-3),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=512, ablated=72, rescored=128, batch_size=32),
    curve=CurveSettings(points=12, draws=3, readings=(), batch_size=50),
    devices=1,
)
