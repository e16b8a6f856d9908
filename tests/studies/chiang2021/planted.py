"""The study of Chiang & Chen 2021 on planted models.

"sst2" is about words of the kind "main", as the text is; a quarter of its held-out examples hold a
word of "harm". "cola" needs ECHO where MAIN alone misleads; an eighth of its held-out labels are
flipped.
"""

from __future__ import annotations

import pytest

from tests.planted.words import ECHO, MAIN, Finished, finished

TASKS = {
    "sst2": {
        "train": [("main", 16, False)],
        "held_out": [("main", 12, False), ("main harm", 4, False)],
    },
    "cola": {
        "train": [("main echo", 8, False), ("echo", 8, False)],
        "held_out": [("main echo", 6, False), ("echo", 8, False), ("main echo", 2, True)],
    },
}
METRIC = {"sst2": "accuracy", "cola": "matthews", "mlm": "accuracy"}
WHOLE = {"sst2": 24 / 32, "cola": 28 / 32 - 4 / 32}  # both labels, and both guesses, equally often
TOP = {"sst2": MAIN, "cola": ECHO, "mlm": MAIN}
SHAPE, SEEDS, ALL, HALF, BUDGETS = (2, 4), (0, 1), 8, 4, (8, 6, 4, 2, 0)
BATCH = 24  # fewer than there are, so that seeds differ in what comes first
STUDY = "Chiang2021(kept=(0.75, 0.5, 0.01), compared=(0.5,), draws=1)"
of_models = pytest.mark.parametrize(
    ("model", "task"), [("roberta", "sst2"), ("roberta", "cola"), ("albert", "sst2")]
)


def chiang_study(factory: pytest.TempPathFactory) -> Finished:
    """The finished study, run once."""
    models = {"roberta": ("sst2", "cola"), "albert": ("sst2",)}
    settings = {"finetune__batch_size": BATCH, "probe__batch_size": BATCH}
    return finished(factory, STUDY, TASKS, settings, models=models)
