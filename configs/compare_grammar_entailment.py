"""Ways to choose heads at equal budgets, on entailment of the built-in language.

The comparison of `compare_grammar.py` on the task that Li et al. 2021 took from MNLI, in a language
of our own: 3 classes, the built-in RoBERTa (4 layers x 4 heads), at two of their budgets as shares
of 16 heads. Sizes and settings are ours.

Command: `jaxheads study configs/compare_grammar_entailment.py --workers 2`. Not run.

Method: fine-tuned with all heads for 600 steps of 32 on 16,000 pairs, seeds 0, 1, 2; gates trained
for as many steps, jointly or on the fine-tuned model, at a rate chosen on a tenth of the training
pairs, which no part of that trial has seen; exact masks, measured on 500 held-out pairs, nothing
trained again. Random: 5 masks for each seed and budget.
"""

import dataclasses
import runpy
from pathlib import Path

from jaxheads.settings import TaskSettings

OTHER = runpy.run_path(str(Path(__file__).with_name("compare_grammar.py")))["RUN"]
FINETUNE = dataclasses.replace(OTHER.finetune, steps=600)

RUN = dataclasses.replace(
    OTHER,
    name="compare_grammar_entailment",
    tasks=(TaskSettings("grammar_entailment", length=48, examples=16_000, held_out_examples=500),),
    finetune=FINETUNE,
    probe=FINETUNE,
    compare=dataclasses.replace(
        OTHER.compare,
        methods=(
            *("gradient", "gradient, iterative", "random", "random, per layer", "magnitude"),
            *("refined", "refined, rescaled"),
            *("subset, joint", "subset, pipelined", "L0, pipelined", "meta"),
        ),
        shares=(8 / 12, 4 / 12),
        timed=(8 / 12, 4 / 12),
        rates=(0.05, 0.2),
        again=False,
    ),
)
