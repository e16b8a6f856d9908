"""Do heads of BERT and RoBERTa follow dependency relations? A treebank of yours, such as PUD.

After Htut et al. 2019 (arXiv 1911.12246), whose tables were not available to us; their abstract
says that some heads are specialists for single relations, and that none does whole trees better
than trivial baselines. On PUD the right-branching chain reaches a UUAS of 40.8% without punctuation
(measured; "approximately 40%" in summaries of the paper).

Changed: bert-base-uncased and roberta-base in place of the large models (BERT cased and uncased,
RoBERTa, and BERT fine-tuned on CoLA and on MNLI: tasks are added as in `htut_mini_english.py`);
three draws of random weights, of the base sizes; a head is chosen on one half of the sentences and
scored on the other, its score on all beside it ("best of all", which is the paper's); pieces are
summed as they are attended to and averaged as they attend (the paper's operator is not known to
us); RoBERTa's first word has a space before it; UUAS leaves punctuation out, and is given with it
too; the positional baseline is of unsigned offsets beside signed ones, and trees have heads that
see no word; 95% intervals over sentences. Nothing of the paper is left out that we know of:
accuracy by relation, whole trees, the best head of each layer, both baselines.

The treebank is `dependencies.treebank`, the text for the importance of heads `text.train` and
`text.held_out` (a paragraph a line).

Command: `jaxheads study configs/htut_bert_pud.py --set study.treebank=en_pud-ud-test.conllu`
on a TPU VM or a GPU box. Cost of a model: 4 passes over the treebank's 1,000 sentences with their
spanning trees (2 minutes each on two CPU cores), and gradients of 2,000 blocks of text; nothing is
trained. Not run by us: no accelerator and no hub could be reached.
"""

from pathlib import Path

from jaxheads.studies.settings import (
    CurveSettings,
    Htut2019,
    ModelSettings,
    Run,
    ScoringSettings,
    TextSettings,
)

RUN = Run(
    study=Htut2019(treebank=Path("en_pud-ud-test.conllu"), controls=3),
    name="htut_bert_pud",
    models=(
        ModelSettings("bert", source="google-bert/bert-base-uncased"),
        ModelSettings("roberta", source="FacebookAI/roberta-base"),
    ),
    text=TextSettings(train=Path("text.train.txt"), held_out=Path("text.held_out.txt"), length=128),
    scoring=ScoringSettings(examples=2_000, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(readings=(), batch_size=64),
)
