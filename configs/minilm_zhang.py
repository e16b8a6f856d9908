"""A pruner that learned on CoLA, MRPC and RTE chooses heads of all-MiniLM-L6-v2 for SST-2 and SICK.

After Zhang et al. 2020 (arXiv 2011.03770), whose code was available to us and no result table; with
`minilm` of `minilm_mlm.py` (BERT, 6 layers x 12 heads, D = 384): no number is one of theirs.

Command: `jaxheads study configs/minilm_zhang.py --workers 2`, after `minilm_mlm.py`. Not run as a
whole yet.

Method: as `zhang_mini_english.py`; fine-tuned for 150 (SST-2) and 300 (SICK) steps of 16 at 1e-4.
Sizes and rates are ours, chosen for two cores.
"""

import dataclasses

from mini_english import training
from zhang_mini_english import RUN as SMALLER

from jaxheads.studies.settings import CurveSettings, ModelSettings, ScoringSettings

SST2, SICK = SMALLER.tasks

RUN = dataclasses.replace(
    SMALLER,
    name="minilm_zhang",
    models=(ModelSettings("minilm", source="runs/minilm_mlm/models/minilm"),),
    tasks=(SST2, dataclasses.replace(SICK, finetune=training(300, learning_rate=1e-4))),
    finetune=training(150, learning_rate=1e-4),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=32),
    curve=CurveSettings(readings=(), batch_size=50),
)
