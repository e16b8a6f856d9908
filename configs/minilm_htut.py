"""Do heads of a real encoder follow dependency relations? all-MiniLM-L6-v2 on English PUD.

After Htut et al. 2019 (arXiv 1911.12246), whose tables were not available to us, with the treebank
that they used (PUD, CoNLL 2017 release) and the encoder as it is published (BERT, 6 layers x 12
heads, D = 384; for sentence similarity, not a masked LM). Not built here: the encoder after
fine-tuning on tasks, which are added as in `htut_mini_english.py`.

Command: `jaxheads study configs/minilm_htut.py --workers 2`. Without a network give a directory
with the model's files: `--set models.published.source=DIR`.

On 2 CPU cores that other jobs used too (AMD EPYC, Python 3.11, jax 0.10.2, float32) it took 4
minutes, one model and three draws of random weights. Figures: `configs/README.md`.

Method: as `htut_bert_pud.py`, without importance: the encoder has no readout to take it from.
"""

from pathlib import Path

from jaxheads.studies.settings import Htut2019, ModelSettings, Run

TREEBANK = Path("../shared/data/ud/en_pud-r2.0-test.conllu")
MODEL = "sentence-transformers/all-MiniLM-L6-v2"

RUN = Run(
    study=Htut2019(treebank=TREEBANK, controls=3),
    name="minilm_htut",
    models=(ModelSettings("published", source=MODEL),),
    devices=1,
)
