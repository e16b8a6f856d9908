"""The tables of Michel et al. 2019 with the built-in models, on a task of the built-in language.

As `michel_bert_mnli.py`, at a size for a laptop: sentiment, with the language's test split as the
second data set. (Acceptability is not learned in so few steps: 0.500 of two classes.)

Command: `jaxheads study configs/grammar_michel.py --workers 2`: 3.7 minutes on 2 CPU cores that
other jobs used too (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Method: the fine-tuned models of `quickstart.py`, measured on 1,000 held-out sentences and on as
many of the test split, seeds 0, 1, 2.

Results: the table in `configs/README.md`, with 95% intervals over seeds, draws and examples
(Student's t). Accuracy of all heads is 0.918 and, in ALBERT, 0.907. About 5 of 16 heads change it
when they are removed alone from one model; over seeds 1 and 3 clearly do, the most by -0.235
[-0.319, -0.150] and -0.188 [-0.339, -0.037]. With 8 heads the gradient's order keeps 0.252 [0.181,
0.323] and 0.245 [0.088, 0.401] more than random orders.
"""

import dataclasses

from quickstart import RUN as QUICK

from jaxheads.studies.settings import CurveSettings, Michel2019, TaskSettings

RUN = dataclasses.replace(
    QUICK,
    study=Michel2019(),
    name="grammar_michel",
    tasks=(
        TaskSettings(
            "grammar_sentiment",
            length=18,
            examples=8_000,
            held_out_examples=1000,
            other_split="test",
        ),
    ),
    curve=CurveSettings(points=8, draws=5, readings=("token", "l2", "token+l2"), batch_size=128),
)
