"""Do heads of BERT and RoBERTa follow dependency relations? A treebank of yours, such as PUD.

After Htut et al. 2019 (arXiv 1911.12246): bert-base-uncased and roberta-base, as they are, and with
random weights. Their models were the large ones, and their tables were not available to us; their
abstract says that some heads are specialists for single relations, and that none does whole trees
better than trivial baselines. On PUD the right-branching chain reaches a UUAS of 40.8% without
punctuation (measured; "approximately 40%" in summaries of the paper).

The treebank is `dependencies.treebank`, the text for the importance of heads `text.train` and
`text.held_out` (a paragraph a line); tasks to fine-tune on are added as in `htut_mini_english.py`.

Command: `jaxheads study configs/htut_bert_pud.py --set dependencies.treebank=en_pud-ud-test.conllu`
on a TPU VM or a GPU box. Not run by us: no accelerator and no hub could be reached.
"""

from pathlib import Path

from jaxheads.settings import (
    CurveSettings,
    DependencySettings,
    ModelSettings,
    Run,
    ScoringSettings,
    TextSettings,
)

RUN = Run(
    study="htut2019",
    name="htut_bert_pud",
    models=(
        ModelSettings("bert", source="google-bert/bert-base-uncased"),
        ModelSettings("roberta", source="FacebookAI/roberta-base"),
    ),
    text=TextSettings(train=Path("text.train.txt"), held_out=Path("text.held_out.txt"), length=128),
    scoring=ScoringSettings(examples=2_000, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(readings=(), batch_size=64),
    dependencies=DependencySettings(treebank=Path("en_pud-ud-test.conllu"), controls=3),
)
