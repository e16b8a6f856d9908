"""The tables of Michel et al. 2019 with the built-in models, on a task of the built-in language.

As `michel_bert_mnli.py`, at a size for a laptop: sentiment, with the language's test split as the
second data set. (Acceptability is not learned in so few steps: 0.500 of two classes.)

Command: `jaxheads study configs/grammar_michel.py --workers 2`: 4.6 minutes on 2 CPU cores that
tests used too (AMD EPYC, Python 3.11, jax 0.10.2, float32).

Method: the fine-tuned models of `quickstart.py`, measured on 1,000 held-out sentences and on as
many of the test split, seeds 0, 1, 2.

Numbers, accuracy; 16 heads, of ALBERT 16 uses of 4; mean (lowest to highest over 3 seeds), 95%
intervals over seeds and examples in brackets.

                                        RoBERTa                     ALBERT
    bag of words                        0.555                       0.555
    all heads                           0.918 (0.850 to 0.962)      0.907 (0.850 to 0.949)
    heads whose removal alone changes
      it at 1%                          5.7 of 16 (4 to 7)          4.7 of 16 (4 to 6)
      of these better without           0                           0.3 (0 to 1)
    the largest change                  -0.235 [-0.305, -0.182]     -0.188 [-0.262, -0.091]
    all heads of a layer but its best
      (chosen on training examples):
      layer 1                           -0.188 [-0.263, -0.094]     -0.166 [-0.261, -0.070]
      layer 2                           -0.004 [-0.023, 0.006]      -0.010 [-0.029, 0.003]
      layer 3                           -0.009 [-0.027, 0.010]      +0.000 [-0.021, 0.016]
      layer 4                           -0.117 [-0.182, -0.042]     -0.023 [-0.068, 0.011]
    both data sets, effects of heads:
      Pearson                           0.993 (0.988 to 0.997)      0.987 (0.979 to 0.991)
    gradient and ablation, Spearman     0.64 (0.53 to 0.82)         0.81 (0.77 to 0.86)
    removed at 95% kept, by the score   10.0 of 16 (10 to 10)       8.7 of 16 (6 to 12)
    8 heads: score less random          0.252 [0.223, 0.280]        0.245 [0.189, 0.314]
"""

import dataclasses
import runpy
from pathlib import Path

from jaxheads.studies.settings import CurveSettings, TaskSettings

QUICK = runpy.run_path(str(Path(__file__).with_name("quickstart.py")))["RUN"]

RUN = dataclasses.replace(
    QUICK,
    study="michel2019",
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
