"""Are the heads that know something the important ones? Maps over heads against importance.

Every map that a study left in `maps/` is compared with the importance scores of the same model: the
maps of a fine-tuned model with the scores of the same fine-tuning, those of the pre-trained model,
of the other studies too, with the scores on the pre-training task and on every task. Each
map also meets the first of the other files of the same model.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jaxheads.analysis.agreement import ceiling, rank_agreement, spearman_brown
from jaxheads.importance.kept import open_kept
from jaxheads.importance.reliability import split_half
from jaxheads.pruning.mask import present_heads
from jaxheads.records.folder import PRETRAINING, Metric, Stage, score_file
from jaxheads.records.head_maps import MapFile, load_halves, map_files
from jaxheads.records.rows import Row
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.other_studies import other_studies_files
from jaxheads.studies.workbench.scorer import kept_name


class _Map(NamedTuple):
    """A map with its reliability: how it would repeat on other data (NaN: not known)."""

    value_LH: Float[np.ndarray, "L H"]
    reliability: float


def map_agreement(model: StudyModel) -> list[Row]:
    """Rank correlations of all maps of a model, with p-values and ceilings.

    Heads that are cut, or for which either map has no value, are left out; maps that do not vary
    are passed over. p-values are of single comparisons.
    """
    files = (*map_files(model.store, model.name), *other_studies_files(model))
    read = {file: _maps(model, file) for file in files}
    scores = {key: _score(model, *key) for key in _scored(model, list(read))}
    rows: list[Row] = []
    for file, maps in read.items():
        of = {"method": _origin(file), "other_task": file.task}
        for name, found in maps.items():
            where = {"stage": Stage.MAP_RELIABILITY, "reading": name, "seed": file.seed}
            rows += model.make_rows("", {Metric.HALVES: found.reliability}, **of, **where)
        for task, seed in _partners(file, scores):
            for name, found in maps.items():
                where = {"stage": Stage.MAP_AGREEMENT, "reading": name, "seed": seed}
                rows += _compared(model, task, found, scores[task, seed], **of, **where)
    return rows + list(_between(model, read))


def _between(model: StudyModel, read: Mapping[MapFile, Mapping[str, _Map]]) -> Iterator[Row]:
    """The maps of every two files of one model as it is, or fine-tuned alike."""
    for one, two in itertools.combinations(read, 2):
        if (one.task, one.seed) == (two.task, two.seed):
            where = {"stage": Stage.BETWEEN_MAPS, "seed": one.seed}
            where |= {"method": _origin(one), "other_method": _origin(two)}
            for name, other in _pairs(list(read[one]), list(read[two])):
                maps, own = (read[one][name], read[two][other]), {"reading": name}
                own |= {"other_reading": other}
                yield from _compared(model, one.task or PRETRAINING, *maps, **own, **where)


def _pairs(one: list[str], two: list[str]) -> list[tuple[str, str]]:
    """The names of each file's maps with that of the first map of the other, which sums it up."""
    return [(one[0], name) for name in two] + [(name, two[0]) for name in one[1:]]


def _compared(model: StudyModel, task: str, one: _Map, two: _Map, **where: Any) -> list[Row]:
    present = (
        np.isfinite(one.value_LH) & np.isfinite(two.value_LH) & present_heads(model.base.config)
    )
    values = [each.value_LH[present] for each in (one, two)]
    if any(len(value) < 3 or np.ptp(value) == 0 for value in values):
        return []
    found = rank_agreement(
        np.where(present, one.value_LH, 0.0), np.where(present, two.value_LH, 0.0), present=present
    )
    top = {Metric.CEILING: ceiling(one.reliability, two.reliability)}
    return [
        row
        for name, each in found.items()
        for row in model.make_rows(task, {name: each.value}, p_value=each.p_value, **where)
    ] + model.make_rows(task, top, **where)


def _origin(file: MapFile) -> str:
    """Of which kind, and of which other study if it is another's."""
    return f"{file.what} of {file.study}" if file.study else file.what


def _maps(model: StudyModel, file: MapFile) -> dict[str, _Map]:
    halves = load_halves(model.store, file.name)
    return {
        name: _Map(value_LH, spearman_brown(*halves[name]) if name in halves else float("nan"))
        for name, value_LH in model.store.read_arrays(file.name).items()
    }


def _scored(model: StudyModel, files: list[MapFile]) -> list[tuple[str, int]]:
    """The tasks and seeds whose importance the study has kept."""
    tuned = [(task.name, seed) for task in model.tasks for seed in model.run.seeds]
    every = dict.fromkeys(
        [(PRETRAINING, 0), *tuned, *((file.task, file.seed) for file in files if file.task)]
    )
    return [key for key in every if model.store.exists(kept_name(score_file(model.name, *key)))]


def _partners(file: MapFile, scores: dict[tuple[str, int], _Map]) -> list[tuple[str, int]]:
    own = (file.task, file.seed)
    return [key for key in scores if key == own or not file.task]


def _score(model: StudyModel, task: str, seed: int) -> _Map:
    name = score_file(model.name, task, seed)
    splits = split_half(
        model.store.read(kept_name(name), open_kept), splits=model.run.scoring.splits
    )
    return _Map(model.scorer.saved(name).score_LH, float(splits.mean()))
