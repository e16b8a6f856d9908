"""Li, Cotterell, Sachan 2021, "Differentiable Subset Pruning", on translation: Multi30k en-de.

The protocol of the paper's second half on other data and at another size, so no figure of the paper
can be repeated here. An encoder-decoder of 3 + 3 layers, width 256, 8 heads (72 heads: 24 of the
encoder, 24 of the decoder's attention to itself, 24 of that to the source; one budget for all of
them), sinusoidal positions, norms behind the sublayers, ReLU, all embeddings tied; joint byte-level
BPE of 8,000 pieces learnt from both sides of the training data. 8,000 steps of 128 pairs (35
epochs), dropout 0.3, label smoothing 0.1, Adam (0.9, 0.98), learning rate 1e-3 after 2,000 steps,
then falling with the inverse square root; weights of heads at 0.2, constant; K = 68, 64, ..., 4 of
72; 3 seeds, each with random weights of its own. Joint gates are trained with the model from its
random weights on, pipelined ones alone on the trained model, and the model is measured with exactly
the K heads of the highest scores. BLEU of sacrebleu (13a, cased, detokenised) on test2016 with 4
beams; intervals over seeds, draws and sentences (`analysis/intervals.py`): groups of sentences are
left out in turn, and BLEU is computed from the sums over what is left.

Where we differ from the paper's code: Multi30k for IWSLT14, 72 heads of 3 + 3 layers for 72 of
6 + 6; cased text and sacrebleu for lower-cased tokens; the model is that of the last step (theirs
the best on the development set); pipelined gates train as long as the model (theirs one epoch);
their gradient for translation adds signed effects by mistake, ours their absolute values; L0 gates
reach their budget by a Lagrangian (theirs by a price). "gradient" is ours: of single examples, not
normalised. `val` is not used, since nothing is chosen by it.

Data: `git clone https://github.com/multi30k/dataset`, `gunzip` its data/task1/raw, and put
train.en, train.de, test_2016_flickr.en and .de into `multi30k/`.

Command: `jaxheads study configs/li_multi30k.py` (extra `translation`): 3 trainings of the model,
153 joint and 153 pipelined ones, 51 with all heads scaled, of 8,000 steps. Not run by us.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.data.tasks.task import Task
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.studies.settings import (
    CurveSettings,
    Li2021,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
)

DATA = Path("multi30k")
OPTIMIZER = OptimizerConfig(
    learning_rate=1e-3, warmup=0.25, schedule="inverse_sqrt", weight_decay=1e-4, beta2=0.98
)
TRAINING = TrainingConfig(
    steps=8000, batch_size=128, dropout=0.3, label_smoothing=0.1, optimizer=OPTIMIZER, window=32,
    save_every=2000,
)  # fmt: skip
SIZES = {
    "max_positions": 256, "activation": "relu", "norm_eps": 1e-5, "scales_embeddings": True,
}  # fmt: skip
SMALL = encoder_config(
    "marian", 8000, 256, 9, 8, 1024, decoder_layers=3, initializer_range=1 / 16, **SIZES
)
METHODS = (
    *("gradient", "gradient, iterative", "gradient of the paper, iterative"),
    *("random", "random, per layer", "magnitude"),
    *("subset of the paper, joint", "subset of the paper, pipelined"),
    *("straight-through, joint", "straight-through, pipelined", "L0, joint", "L0, pipelined"),
)

RUN = Run(
    study=Li2021(
        methods=METHODS,
        shares=tuple(kept / 18 for kept in range(17, 0, -1)),  # 68, 64, ..., 4 of 72
        learning_rates=(0.2,),
        again=False,
        timed=(12 / 18, 6 / 18, 2 / 18),
    ),
    name="li_multi30k",
    models=(ModelSettings("small", encoder=SMALL),),
    tasks=(
        TaskSettings(
            "en_de",
            train=(DATA / "train.en", DATA / "train.de"),
            held_out=(DATA / "test_2016_flickr.en", DATA / "test_2016_flickr.de"),
            length=128,
            task=Task("translate", "en,de"),
        ),
    ),
    finetune=TRAINING,
    probe=TRAINING,
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=2_000, ablated=0, rescored=2_000, batch_size=64, nulls=()),
    curve=CurveSettings(readings=(), batch_size=128),
)
