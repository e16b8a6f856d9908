"""Michel et al. 2019, "Are Sixteen Heads Really Better than One?": the BERT tables, on MNLI.

bert-base-uncased, fine-tuned with rate 2e-5, 3 epochs, batch 32, length 128, as their code has it;
scores by |dloss/dgate| summed over positions ("gradient/token", what their code computes), over
examples ("gradient", their formula), and normalised by layer ("gradient/l2", as their command has
it); 10% steps; one-shot and iterative. Data sets: matched, and mismatched as the second.

Published (matched accuracy; section and table numbers are the paper's): one head removed leaves the
accuracy within a histogram of 0.824 to 0.838 (3.2); all heads but the best of one layer cost at
most 0.96 points, in layer 9 (3.3); effects on the two data sets correlate with r = 0.68 (3.4); up
to 40% of the heads go without noticeable impact (4). An independent reproduction from public logs:
0.8368 whole, 0.8303 at 57 of 144 heads removed by the score, 0.7987 by one-head ablation; 129 of
144 heads within 0.2 points; r = 0.81.

Command: `jaxheads study configs/michel_bert_mnli.py` on a TPU VM or a GPU box. Not run by us: no
accelerator and no hub could be reached. `grammar_michel.py` runs the same with the built-in model.
"""

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.settings import (
    CurveSettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)

FINETUNE = TrainingConfig(
    steps=3 * 392_702 // 32,
    batch_size=32,
    dtype="bfloat16",
    window=64,
    save_every=2000,
    optimizer=OptimizerConfig(rate=2e-5, warmup=0.1, weight_decay=0.01),
)

RUN = Run(
    study="michel2019",
    name="michel_bert_mnli",
    models=(ModelSettings("bert", source="google-bert/bert-base-uncased"),),
    text=TextSettings(length=128),  # not read: the pre-training task has no part in this study
    tasks=(TaskSettings("mnli", length=128, other_split="validation_mismatched"),),
    finetune=FINETUNE,
    probe=FINETUNE,
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=20_000, ablated=5_000, rescored=5_000, batch_size=64),
    curve=CurveSettings(points=10, draws=5, readings=("token", "l2"), batch_size=256),
)
