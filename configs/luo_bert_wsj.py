"""Luo 2021 with bert-base and roberta-base, on a Penn Treebank of your own.

After "Have Attention Heads in BERT Learned Constituency Grammar?" (EACL SRW 2021, arXiv
2102.07926). Its tables and code were not available to us: from the abstract we have the questions,
from Kim et al. 2020's code the procedure (no special tokens in the model; mean over a word's pieces
as rows, sum as columns; square root of the Jensen-Shannon divergence; a bias of 0 or 1.5).

Ours, or changed: base models (the paper's sizes are not known to us); heads are chosen on section
22 and scored on 23 (Kim et al.'s script takes the best on the section that it is given); RoBERTa's
first word has a space before it, as the others (in their code it has none); MRPC, STS-B and RTE
beside QQP and MNLI, which the abstract names; fine-tuning computes in bfloat16, with examples of
like length together, at 2e-5 for 3 epochs of batches of 32; heads are masked by the S-F1 of the
fine-tuned model, beside random heads of the same layers; intervals are over sentences and seeds;
importance is of 20,000 training examples and as many blocks of text. Heads ranked without labels
are Li et al. 2020's. Not built: models other than BERT's kind (GPT-2, XLNet), hidden states and
cosines as distances, the parser with a bias of its own to the right.

Put sections 22 and 23 of the Wall Street Journal, one file each, where `study.tune` and
`study.test` say, and plain text for the importance of heads, a paragraph a line, where
`text.train` and `text.held_out` say, or name them: `--set study.tune=FILE`, `--set
text.train=FILE --set text.held_out=FILE`. The tasks come from the Hub: MRPC, STS-B, QQP
(similarity), RTE and MNLI (entailment).

Published baselines of section 23, S-F1: right-branching 39.5, left-branching 8.7, the best binary
trees 84.3. Kim et al. 2020's best heads, recalled and not confirmed: 32 to 34 without a bias, 42
to 44 with 1.5.

Command: `jaxheads study configs/luo_bert_wsj.py` on a TPU VM or a GPU box. Cost of a model: 15
trainings (five tasks, three seeds) of 216,117 steps of 32 together, 19 passes over both sections,
and for each training some 280 passes over the task's held-out examples. Not run by us: there was
neither an accelerator, nor a hub, nor the treebank. `luo_grammar.py` does the same with the
built-in model, `luo_mini_english.py` with mini models.
"""

from pathlib import Path

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.studies.settings import (
    CurveSettings,
    Luo2021,
    ModelSettings,
    Run,
    ScoringSettings,
    TaskSettings,
    TextSettings,
)

TREEBANK = Path("../ptb")


def training(examples: int) -> TrainingConfig:
    """Three epochs in batches of 32."""
    return TrainingConfig(
        steps=3 * examples // 32,
        batch_size=32,
        dtype="bfloat16",
        window=64,
        save_every=2000,
        optimizer=OptimizerConfig(learning_rate=2e-5, warmup=0.1, weight_decay=0.01),
    )


EXAMPLES = {"mrpc": 3_668, "stsb": 5_749, "qqp": 363_846, "rte": 2_490, "mnli": 392_702}

RUN = Run(
    study=Luo2021(tune=TREEBANK / "wsj_22.mrg", test=TREEBANK / "wsj_23.mrg"),
    name="luo_bert_wsj",
    models=(
        ModelSettings("bert", source="google-bert/bert-base-cased"),
        ModelSettings("roberta", source="FacebookAI/roberta-base"),
    ),
    text=TextSettings(
        train=Path("text.train.txt"),
        held_out=Path("text.held_out.txt"),
        length=128,
        held_out_blocks=2_000,
    ),
    tasks=tuple(
        TaskSettings(name, length=128, finetune=training(count)) for name, count in EXAMPLES.items()
    ),
    finetune=training(EXAMPLES["mrpc"]),
    probe=training(EXAMPLES["mrpc"]),
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=20_000, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(points=12, draws=5, readings=(), batch_size=256),
)
