"""Li et al. 2021 on Multi30k at a size for two cores: heads chosen on trained translators.

As `li_multi30k.py`, but for sizes, all ours: the model is trained for 1,600 steps of 128 pairs
(7 epochs) with dropout 0.1 at a learning rate that falls linearly after a tenth of them; gates
alone on the trained model for 100 steps of 64; K = 36, 24 and 12 of 72. Gates that are trained with
the model from its random weights on (joint) are left out, since each costs a whole training (27 of
them), and so are models with all heads scaled, weight magnitude, and the gradient of the paper.

Command: `jaxheads study configs/li_multi30k_pipelined.py --workers 2` (extra `translation`): about
2.5 hours on 2 cores shared with other jobs, stopped and resumed four times; more budgets and
methods were planned at first and given up for time. Models with all heads of seeds 0 and 1 were
measured in batches of 128 sentences, everything else in batches of 32.

Results, BLEU: all heads 29.3, 29.0, 29.5; 36 heads 24.2 by the gradient, 24.9 by L0 gates, 20.7 at
random; 24 heads 21.2, 21.3, 12.0; 12 heads 14.6, 14.6, 1.9. No difference from the gradient is left
after Holm's correction. The encoder's heads go first. `README.md` has all.
"""

import dataclasses

from li_multi30k import METHODS, TRAINING
from li_multi30k import RUN as PROTOCOL

LINEAR = dataclasses.replace(
    TRAINING, optimizer=dataclasses.replace(TRAINING.optimizer, warmup=0.1, schedule="linear")
)
PIPELINED = [name for name in METHODS if name.endswith("pipelined")]

RUN = dataclasses.replace(
    PROTOCOL,
    name="li_multi30k_pipelined",
    study=dataclasses.replace(
        PROTOCOL.study,
        methods=("gradient", "gradient, iterative", "random", *PIPELINED),
        shares=(1 / 2, 1 / 3, 1 / 6),  # 36, 24, 12 of 72
        timed=(1 / 2,),
        batches=(16,),
        repeats=3,
        draws=1,
        pipelined=dataclasses.replace(LINEAR, steps=100, batch_size=64, dropout=0.0),
    ),
    finetune=dataclasses.replace(LINEAR, steps=1600, dropout=0.1, save_every=200),
    probe=LINEAR,
    curve=dataclasses.replace(PROTOCOL.curve, batch_size=32),
    devices=1,
)
