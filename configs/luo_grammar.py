"""Constituents in attention on the built-in language, offline: the questions of Luo 2021.

After "Have Attention Heads in BERT Learned Constituency Grammar?" (EACL SRW 2021, arXiv
2102.07926), whose tables and code were not available to us; the procedure of the trees is that of
Kim et al. 2020's code. Models, data, sizes and training are ours, no published number is compared.

Command: `jaxheads study configs/luo_grammar.py --workers 2`: 2.5 minutes on 2 CPU cores that other
jobs used too (AMD EPYC, Python 3.11, jax 0.10.2, float32). After `configs/htut_grammar.py`, with
`--set study.other_studies=runs/htut_grammar`, the maps of dependency arcs that it left of the same
heads meet this study's and importance in one table of the report.

Method: the built-in RoBERTa, 4 layers x 4 heads; heads chosen on 500 sentences of the validation
split, scored on 500 of the test split; readings jsd and hellinger, bias 0 and 1.5; fine-tuned for
250 steps of 32 on paraphrase (similarity) and entailment, seeds 0, 1, 2; heads masked in steps of
4, 5 random draws for each seed.

Results: the tables in `configs/README.md`, with 95% intervals over sentences and seeds (Student's
t). The best head has an S-F1 of 0.415 [0.395, 0.434] (jsd) and 0.431 [0.410, 0.451] (jsd with the
bias), where right-branching trees have 0.402 and balanced ones 0.412: with the bias it is above the
former by 0.028 [0.008, 0.049], never clearly above the latter. Recalls of the best heads, jsd: NP
0.630 [0.607, 0.652], PP 0.544 [0.492, 0.596]. The trees of the five best heads of the tune section
together: 0.491 [0.472, 0.509]; of the first four by sharpness, which sees no label: 0.431 [0.413,
0.449]. Neither score without labels ranks the 16 heads clearly as F1 does (Spearman 0.21 and 0.26,
p > 0.3).

After fine-tuning the upper layers' mean S-F1 has changed by 0.020 [0.002, 0.038] (paraphrase) and
-0.020 [-0.053, 0.013] (entailment), against the hypothesis where it is clear. But so short a
training learns the tasks badly: neither model is shown to be above the majority-class baseline
(paraphrase 0.537, 0.500 to 0.558; entailment 0.459, 0.396 to 0.520), so that nothing is claimed of
masking heads by their ability.
"""

import dataclasses

from quickstart import RUN as QUICK
from quickstart import task

from jaxheads.studies.settings import CurveSettings, Luo2021, ScoringSettings

RUN = dataclasses.replace(
    QUICK,
    study=Luo2021(tune_sentences=500, test_sentences=500),
    name="luo_grammar",
    models=QUICK.models[:1],
    tasks=(
        task("grammar_paraphrase", steps=250),
        task("grammar_entailment", steps=250),
    ),
    scoring=ScoringSettings(examples=512, ablated=0, rescored=0, batch_size=128),
    curve=CurveSettings(points=4, draws=5, readings=(), batch_size=128),
)
