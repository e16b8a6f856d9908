"""Maps of heads that finished studies left of the very same model, so that they meet this study's.

    other_studies/STUDY/maps/MODEL-WHAT-SEED.npz   copies, as they are in that study's folder

Of the model as it is alone: what another study fine-tuned is another model.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Iterator
from pathlib import Path

from jaxheads.records.folder import ROWS, Room
from jaxheads.records.head_maps import MapFile, about_name, halves_name, map_files
from jaxheads.records.rows import Row
from jaxheads.storage.files import write_atomically
from jaxheads.storage.store import Store
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.training.identity import encoder_bits


def copy_maps(model: StudyModel) -> list[Row]:
    """Copy the maps of this model from the other studies of the run.

    Raises:
      ValueError: for a study that is unfinished, has no maps of a model of this name, or has them
        of other weights.
    """
    for study in model.run.study.other_studies:
        other, files = Store(study), _of_model(study, model.name)
        _check_weights(model, other, files)
        for file in files:
            for name in (halves_name(file.name), about_name(file.name), file.name):
                if other.exists(name):
                    other.read(name, functools.partial(_copy, model.store, study.name, name))
    return []


def other_studies_files(model: StudyModel) -> Iterator[MapFile]:
    """The copies, study by study."""
    for study in model.run.study.other_studies:
        for file in map_files(model.store, model.name, f"{_copies(study)}/{Room.MAPS}"):
            yield file._replace(study=study.name)


def _copies(study: Path) -> str:
    return f"{Room.OTHER_STUDIES}/{study.name}"


def check_finished(studies: tuple[Path, ...]) -> None:
    """Check that each of these folders holds a finished study.

    Raises:
      ValueError: names all that hold none.
    """
    missing = [str(study) for study in studies if not Store(study).exists(ROWS)]
    if missing:
        raise ValueError(
            f"other_studies: expected folders of finished studies, with {ROWS}, got "
            f"{', '.join(missing)}; run those studies first, or go without them (--set "
            "study.other_studies=)"
        )


def _of_model(study: Path, model: str) -> list[MapFile]:
    check_finished((study,))
    files = [file for file in map_files(Store(study), model) if (file.task, file.seed) == ("", 0)]
    if not files:
        raise ValueError(
            f"other_studies: expected maps of {model}, not fine-tuned, in {study}, got none"
        )
    return files


def _check_weights(model: StudyModel, other: Store, files: list[MapFile]) -> None:
    ours = tuple(encoder_bits(model.base))
    for file in files:
        if file.encoder != ours:
            raise ValueError(
                f"other_studies: expected maps of the weights that {model.name} has here, got "
                f"those of other weights: {other}/{file.name}"
            )


def _copy(store: Store, study: str, name: str, source: Path) -> None:
    def write(path: Path) -> None:
        with write_atomically(path) as draft:
            shutil.copyfile(source, draft)

    store.write(f"{Room.OTHER_STUDIES}/{study}/{name}", write)
