"""Peyrard et al. 2021, "Laughing Heads" (arXiv 2105.09142): the models of the paper, on your data.

Command: `jaxheads study configs/peyrard_bert_unfun.py --set study.train=TRAIN.jsonl
--set study.validation=VALIDATION.jsonl --set study.test=TEST.jsonl`, files of JSON lines with `id`,
`group` (the original), `funny`, `serious` and `mean_seriousness` (0 to 1, or null).

Published (its Table 1, full test set): BERT 0.645 on single sentences and 0.766 on pairs,
DistilBERT 0.651 and 0.777, RoBERTa 0.649 and 0.755; its head is layer 9, head 5 of BERT (from 0),
which points at the edited word in 37% of the headlines that the model calls funny (final word 12%,
random 8%); a masked word flips 24.0% of decisions on funny single sentences where it is the edited
one, 13.4% where another, 6.2% and 9.5% on serious ones (Table 3). On the 6,342 pairs that are
public, lower-cased, the single edited word is final in 25 to 27%.

Method: bert-base-uncased, distilbert-base-uncased and roberta-base; AdamW at 2e-5, 3 epochs of
batches of 32 of the paper's 18,832 training pairs (3,531 steps of single sentences, 1,766 of
pairs), dropout as in the checkpoints; five seeds. The paper gives no hyper-parameters: all of these
are ours. Control tasks: SST-2 and CoLA, from the Hub.

Changed: the head is the one of the greatest contrast on validation pairs (in the paper chosen by
eye, on test) and tested with Holm's correction for all heads; intervals are 95% (theirs 99%),
over originals; pairs are split by original (theirs at random, so that a funny sentence may be in
training and test); a word has the sum of its pieces (their code takes the word's number for the
piece's); RoBERTa's first word has a space before it, as all its words; headlines are localised with
and without special tokens; masked words lose all their pieces. The seven oppositions of Table 2 are
read from the pairs (`oppositions`, a list of names), of which the public ones have none.

Not built: GPT-2 (its rows of Tables 1 and 2, least likely words, quantiles of its probability), the
LSTM and mean-vector baselines and BERT trained from scratch (naive Bayes and counts of words stand
here), the rule of the most edited part of speech, the entropy of attention by layer.

Cost: 60 trainings of 3,531 steps of 32 (single sentences, the same with labels shuffled, SST-2 and
CoLA: three models, five seeds), 30 of 1,766 steps of pairs, and 30 of 1,000 steps of a readout
alone. Not run here: no accelerator, and neither the checkpoints nor the paper's 23,113 pairs.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    CurveSettings,
    ModelSettings,
    Peyrard2021,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)

DATA = Path("data/unfun")


def training(steps: int, *, learning_rate: float) -> TrainingConfig:
    """AdamW in batches of 32, saved now and then."""
    optimizer = OptimizerConfig(learning_rate=learning_rate, warmup=0.1, weight_decay=0.01)
    return TrainingConfig(steps=steps, batch_size=32, save_every=500, optimizer=optimizer)


RUN = Run(
    study=Peyrard2021(
        DATA / "train.jsonl",
        DATA / "validation.jsonl",
        DATA / "test.jsonl",
        length=64,
        paired=training(1_766, learning_rate=2e-5),
    ),
    name="peyrard_bert_unfun",
    models=(
        ModelSettings("bert", source="google-bert/bert-base-uncased"),
        ModelSettings("distilbert", source="distilbert/distilbert-base-uncased"),
        ModelSettings("roberta", source="FacebookAI/roberta-base"),
    ),
    text=TextSettings(length=64),
    tasks=(TaskSettings("sst2", length=64), TaskSettings("cola", length=64)),
    finetune=training(3_531, learning_rate=2e-5),
    probe=training(1_000, learning_rate=1e-3),
    seeds=(0, 1, 2, 3, 4),
    scoring=ScoringSettings(examples=1024, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(batch_size=64, readings=()),
)
