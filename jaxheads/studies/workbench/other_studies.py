"""Maps of heads that finished studies left of the very same model, so that they meet this study's.

    other_studies/STUDY/maps/MODEL-WHAT-SEED.npz   copies, as they are in that study's folder

Of the model as it is alone: what another study fine-tuned is another model.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from jaxheads.records.folder import ROWS, Room
from jaxheads.records.head_maps import MapFile, about_path, halves_path, map_files
from jaxheads.records.rows import Row
from jaxheads.storage.files import write_atomically
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.training.identity import encoder_bits


def copy_maps(model: StudyModel) -> list[Row]:
    """Copy the maps of this model from the other studies of the run.

    Raises:
      ValueError: for a study that is unfinished, has no maps of a model of this name, or has them
        of other weights.
    """
    for study in model.run.study.other_studies:
        files = _of_model(study, model.name)
        _check_weights(model, files)
        for file in files:
            for path in (file.path, halves_path(file.path), about_path(file.path)):
                _copy(path, _copies(model, study) / path.relative_to(study))
    return []


def other_studies_files(model: StudyModel) -> Iterator[MapFile]:
    """The copies, study by study."""
    for study in model.run.study.other_studies:
        for file in map_files(_copies(model, study), model.name):
            yield file._replace(study=study.name)


def _copies(model: StudyModel, study: Path) -> Path:
    return model.folder / Room.OTHER_STUDIES / study.name


def check_finished(studies: tuple[Path, ...]) -> None:
    """Check that each of these folders holds a finished study.

    Raises:
      ValueError: names all that hold none.
    """
    missing = [str(study) for study in studies if not (study / ROWS).is_file()]
    if missing:
        raise ValueError(
            f"other_studies: expected folders of finished studies, with {ROWS}, got "
            f"{', '.join(missing)}; run those studies first, or go without them (--set "
            "study.other_studies=)"
        )


def _of_model(study: Path, model: str) -> list[MapFile]:
    check_finished((study,))
    files = [file for file in map_files(study, model) if (file.task, file.seed) == ("", 0)]
    if not files:
        raise ValueError(
            f"other_studies: expected maps of {model}, not fine-tuned, in {study}, got none"
        )
    return files


def _check_weights(model: StudyModel, files: list[MapFile]) -> None:
    ours = tuple(encoder_bits(model.base))
    for file in files:
        if file.encoder != ours:
            raise ValueError(
                f"other_studies: expected maps of the weights that {model.name} has here, got "
                f"those of other weights: {file.path}"
            )


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        with write_atomically(target) as draft:
            shutil.copyfile(source, draft)
