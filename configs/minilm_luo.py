"""Have heads of a real encoder learned constituents? all-MiniLM-L6-v2 on a sample of the WSJ.

After Luo 2021 (arXiv 2102.07926), whose tables and code were not available to us, with the encoder
as it is published (BERT, 6 layers x 12 heads, D = 384; for sentence similarity, not a masked LM):
heads are chosen on section 00 of the sample of the Penn Treebank and scored on section 01. Not
built here: the change by fine-tuning, and masking by ability, which tasks add as in
`luo_mini_english.py`.

Command: `jaxheads study configs/minilm_luo.py --workers 2`. Without a network give a directory with
the model's files: `--set models.published.source=DIR`.

On 2 CPU cores that other jobs used too (AMD EPYC, Python 3.11, jax 0.10.2, float32) it took 10
minutes, one model and three draws of random weights. Figures: `configs/README.md`.

Method: as `luo_bert_wsj.py`, without importance: the encoder has no readout to take it from.
"""

from pathlib import Path

from jaxheads.studies.settings import Luo2021, ModelSettings, Run

TREEBANK = Path("../shared/data/wsj")
MODEL = "sentence-transformers/all-MiniLM-L6-v2"

RUN = Run(
    study=Luo2021(tune=TREEBANK / "wsj_00.mrg", test=TREEBANK / "wsj_01.mrg", controls=3),
    name="minilm_luo",
    models=(ModelSettings("published", source=MODEL),),
    devices=1,
)
