"""What most studies begin with: a model is scored, fine-tuned, measured and scored again."""

from __future__ import annotations

from jaxheads.importance.methods import magnitude, output_norm
from jaxheads.models.model import Model
from jaxheads.records.rows import Row
from jaxheads.studies.workbench.model import Lab
from jaxheads.studies.workbench.prunability import (
    answers_of,
    save_answers,
    score_all,
    scores_name,
)
from jaxheads.studies.workbench.settings import PRETRAINING
from jaxheads.studies.workbench.tasks import Subject

TUNED, FROZEN = "fine-tuned", "frozen body"
# Of the very model that is scored: what may be held constant.
OF_WEIGHTS = {"magnitude": magnitude(), "output_norm": output_norm()}


def score_file(lab: Lab, task: str, seed: int, place: str = TUNED) -> str:
    """The name of a task's scores; the pre-training task has one seed and one place."""
    if task == PRETRAINING:
        return f"{lab.name}-{PRETRAINING}-0"
    middle = "-frozen" if place == FROZEN else ""
    return f"{lab.name}-{task}{middle}-{seed}"


def whole_name(lab: Lab, task: str, seed: int) -> str:
    """The cell and the answers of a fine-tuned model with all its heads."""
    return f"{lab.name}-{task}-{seed}-fine-tuned"


def score_base(lab: Lab) -> list[Row]:
    """Score the pre-trained model on the pre-training task."""
    name = score_file(lab, PRETRAINING, 0)
    score_all(lab, lab.base, lab.text, name)
    score_weights(lab, lab.base, lab.text, name)
    return []


def finetuned(lab: Lab, name: str, seed: int) -> list[Row]:
    """Fine-tune with all heads, measure, and score."""
    task, model = lab.subject(name), lab.tuned(name, seed)
    found = lab.measure(model, task)
    save_answers(lab, whole_name(lab, name, seed), answers_of(found))
    score_all(lab, model, task, score_file(lab, name, seed))
    score_weights(lab, model, task, score_file(lab, name, seed))
    floors = {}
    if seed == lab.run.seeds[0]:
        floors = found.floors | lab.reader.bag_of_words(name)
    return [
        *lab.note.rows(name, floors, stage="floor"),
        *lab.note.rows(name, found.metrics, stage="whole", seed=seed),
    ]


def score_weights(lab: Lab, model: Model, task: Subject, name: str) -> None:
    """Score the heads of a model by magnitude and output norm, beside its importance `name`."""
    nulls = [null for null in lab.run.scoring.nulls if null in OF_WEIGHTS]
    for null in nulls:  # in one order in all processes
        lab.save(scores_name(name, null), lab.score(model, task, method=OF_WEIGHTS[null]))
