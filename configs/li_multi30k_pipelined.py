"""Li et al. 2021 on Multi30k at a size for two cores: heads chosen on trained translators.

As `li_multi30k.py`, but for sizes, all ours: the model is trained for 2,400 steps of 128 pairs
(10.6 epochs) with dropout 0.1, gates alone on the trained model for 150 steps of 64; K = 60, 48,
36, 24, 12 of 72. Gates that are trained with the model from its random weights on (joint) are left
out, since each costs a whole training (45 of them), and so are models with all heads scaled.

Command: `jaxheads study configs/li_multi30k_pipelined.py --workers 2` (extra `translation`). Not
run as a whole yet.
"""

import dataclasses

from li_multi30k import METHODS, TRAINING
from li_multi30k import RUN as PROTOCOL

PIPELINED = tuple(name for name in METHODS if not name.endswith("joint"))

RUN = dataclasses.replace(
    PROTOCOL,
    name="li_multi30k_pipelined",
    study=dataclasses.replace(
        PROTOCOL.study,
        methods=PIPELINED,
        shares=tuple(kept / 6 for kept in range(5, 0, -1)),  # 60, 48, ..., 12 of 72
        timed=(4 / 6, 2 / 6),
        draws=2,
        pipelined=dataclasses.replace(TRAINING, steps=150, batch_size=64, dropout=0.0),
    ),
    finetune=dataclasses.replace(TRAINING, steps=2400, dropout=0.1, save_every=200),
    devices=1,
)
