"""Have heads of a real encoder learned constituents? all-MiniLM-L6-v2 on a sample of the WSJ.

After Luo 2021 (arXiv 2102.07926), whose tables and code were not available to us: the published
encoder (BERT, 6 layers x 12 heads, D = 384), heads chosen on section 00 of the sample of the Penn
Treebank and scored on section 01; change by fine-tuning on similarity (STS-B) and entailment
(SICK); heads masked by their ability.

Command: `jaxheads study configs/minilm_luo.py --workers 2`. Without a network give a directory with
the model's files: `--set models.published.source=DIR`.

Method: as `luo_bert_wsj.py`; fine-tuned as in `minilm_htut.py`, seeds 0, 1, 2, on all 5,749 pairs
of STS-B and all 4,500 of SICK.
"""

from minilm_htut import FINETUNE, task
from minilm_mlm import DATA, MODEL

from jaxheads.studies.settings import CurveSettings, Luo2021, ModelSettings, Run, ScoringSettings

RUN = Run(
    study=Luo2021(tune=DATA / "wsj/wsj_00.mrg", test=DATA / "wsj/wsj_01.mrg", controls=3),
    name="minilm_luo",
    models=(ModelSettings("published", source=MODEL),),
    tasks=(task("stsb", "glue/stsb"), task("sick", "sick")),
    finetune=FINETUNE,
    probe=FINETUNE,
    seeds=(0, 1, 2),
    scoring=ScoringSettings(examples=1_024, ablated=0, rescored=0, batch_size=64),
    curve=CurveSettings(points=12, draws=5, readings=(), batch_size=64),
    devices=1,
)
