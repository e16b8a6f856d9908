"""What most studies begin with: a model is scored, fine-tuned, measured and scored again."""

from __future__ import annotations

from jaxheads.importance.methods import magnitude, output_norm
from jaxheads.models.model import Model
from jaxheads.records.folder import MAGNITUDE, OUTPUT_NORM, PRETRAINING, Stage, score_file
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import Cell, cell
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.pretrain import pretrained_cell
from jaxheads.studies.workbench.scorer import scores_name
from jaxheads.studies.workbench.tasks import PreparedTask

# Of the very model that is scored: what may be held constant.
OF_WEIGHTS = {MAGNITUDE: magnitude(), OUTPUT_NORM: output_norm()}


def text_cells(model: StudyModel) -> tuple[list[Cell], list[Cell]]:
    """The cells that pre-train or measure a model and score it on the run's text.

    None of a run without a text, which takes a checkpoint of any kind.

    Raises:
      ValueError: for a text that is not there.
    """
    if model.run.text is None:
        return [], []
    base = pretrained_cell(model)
    return [base], [cell(score_base, model, after=[base])]


def score_base(model: StudyModel) -> list[Row]:
    """Score the pre-trained model on the pre-training task."""
    name = score_file(model.name, PRETRAINING, 0)
    model.scorer.score_all(model.base, model.text, name)
    score_weights(model, model.base, model.text, name)
    return []


def finetuned(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """Fine-tune with all heads, measure, and score."""
    task, model = study_model.task(name), study_model.tuned(name, seed)
    found = study_model.scorer.measure(model, task)
    study_model.scorer.score_all(model, task, score_file(study_model.name, name, seed))
    score_weights(study_model, model, task, score_file(study_model.name, name, seed))
    floors = {}
    if seed == study_model.run.seeds[0]:
        floors = found.floors | study_model.reader.bag_of_words(name)
    return [
        *study_model.make_rows(name, floors, stage=Stage.FLOOR),
        *study_model.make_rows(name, found.metrics, stage=Stage.WHOLE, seed=seed),
    ]


def score_weights(study_model: StudyModel, model: Model, task: PreparedTask, name: str) -> None:
    """Score the heads of a model by magnitude and output norm, beside its importance `name`."""
    nulls = [null for null in study_model.run.scoring.nulls if null in OF_WEIGHTS]
    for null in nulls:  # in one order in all processes
        study_model.scorer.save(
            scores_name(name, null), study_model.scorer.score(model, task, method=OF_WEIGHTS[null])
        )
