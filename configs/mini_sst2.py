"""Does a mini RoBERTa need the same heads downstream as in pre-training?

After Chiang & Chen 2021, "Why Can You Lay Off Heads?" (arXiv 2106.07137), of which only the
abstract was available to us: its questions, with choices of our own. No table or figure of that
paper is reproduced, and no number of it is known to us to compare with.

Command: `jaxheads study configs/mini_sst2.py`, 12.6 minutes on 2 shared CPU cores in float32; most
of it are pre-training (5.2) and nine fine-tunings.

Data: English paragraphs (4.2 M words) for a byte-level BPE tokenizer and masked LM; SST-2. Heads
are scored on 1,024 training blocks and 1,024 training sentences; everything below is measured on
held-out data alone: 256 blocks of 64 tokens, and the 872 validation sentences, cut at 64 tokens.

Method: 4 layers x 8 heads, masked LM (15%, 80/10/10) from scratch, one seed; fine-tuned on SST-2
with seeds 0, 1, 2 (readout and order of examples; no dropout). Score: mean over examples of
|dloss/dgate|, no normalisation by layer. Curves mask heads in fine-tuned models, nothing trained
again; random orders: two for each seed. At half of the heads, the pre-trained model is cut by its
masked-LM score, or masked at random, and then fine-tuned as the whole one.

Numbers: mean (lowest to highest; n = 3 seeds, for random orders 6).

    masked LM, pre-trained          accuracy 0.078, loss 6.652 (floors 0.034 and 6.248)
    SST-2, all 32 heads             accuracy 0.733 (0.714 to 0.747), floor 0.509
    16 heads, by SST-2 score                 0.721 (0.682 to 0.741)
    16 heads, by masked-LM score             0.714 (0.677 to 0.741)
    16 heads, at random                      0.701 (0.624 to 0.750)
    16 heads, reversed SST-2 score           0.573 (0.525 to 0.631)
    8 heads, by SST-2 score                  0.701 (0.632 to 0.736)
    8 heads, at random                       0.575 (0.502 to 0.717)
    4 heads, by SST-2 score                  0.647 (0.541 to 0.726)
    4 heads, at random                       0.505 (0.491 to 0.512)
    cut by masked-LM score, fine-tuned       0.735 (0.722 to 0.743)
    masked at random, fine-tuned             0.732 (0.711 to 0.749)
    Spearman, masked LM and SST-2            0.154 (0.029 to 0.244), p 0.18 to 0.88
    ceilings: halves of the examples         0.995 masked LM, 0.994 SST-2
              pairs of SST-2 seeds           0.567 (0.424 to 0.705)

Reading: on SST-2 the score's order has a higher mean than chance at each of these budgets, but only
at 4 heads do the ranges part; the reverse order has the lowest. The two tasks' scores agree
no more than chance would have it, while seeds of one task do. Half of the heads can go before
fine-tuning at no loss beyond the spread of seeds, chosen by score or at random.

Limits: 2 M tokens of pre-training leave the masked LM little better than word frequencies: its loss
lies above the entropy of the held-out targets (a floor that knows them), and closing every head
costs it 0.04 nats. The coherence and the masked-LM curve say little about a well-trained model.
Smaller batches may do better: two runs that were stopped after 1.1 M tokens, of other lengths and
so other rates, stood at a training loss of 6.56 with 16 blocks a step and 6.73 with 64.
"""

from pathlib import Path

from jaxheads.config import (
    CurveConfig,
    DataConfig,
    EncoderConfig,
    OptimizerConfig,
    Run,
    ScoringConfig,
    TrainingConfig,
)

DATA = Path("../shared/data")

RUN = Run(
    study="chiang2021",
    name="mini_sst2",
    encoder=EncoderConfig(
        family="roberta",
        vocab_size=4096,
        hidden_size=128,
        num_layers=4,
        num_heads=8,
        intermediate_size=512,
        max_positions=66,
        type_vocab_size=1,
        norm_eps=1e-5,
        pad_token_id=1,
    ),
    data=DataConfig(
        text=DATA / "text/train.txt",
        text_held_out=DATA / "text/validation.txt",
        task="sst2",
        train=DATA / "glue/sst2/train.jsonl",
        held_out=DATA / "glue/sst2/validation.jsonl",
        length=64,
    ),
    pretrain=TrainingConfig(
        steps=500,
        batch_size=64,
        dropout=0.0,
        optimizer=OptimizerConfig(rate=1e-3, warmup=0.1, weight_decay=0.01, beta2=0.98),
    ),
    finetune=TrainingConfig(
        steps=300,
        batch_size=32,
        dropout=0.0,
        window=16,
        optimizer=OptimizerConfig(rate=5e-4, warmup=0.1, weight_decay=0.01),
    ),
    seeds=(0, 1, 2),
    scoring=ScoringConfig(examples=1024),
    curve=CurveConfig(points=8, draws=2, blocks=256),
)
