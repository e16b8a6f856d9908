"""How many heads can go: the metric along every order of pruning."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from jaxheads.config import EncoderConfig
from jaxheads.inference.evaluate import Evaluation
from jaxheads.models.model import Model
from jaxheads.pruning.curve import area, removable
from jaxheads.pruning.mask import mask_from_scores, present_heads, random_mask, reversed_scores
from jaxheads.pruning.schedule import prune_iteratively
from jaxheads.records.folder import OWN, RANDOM, REVERSED, TIED, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.studies.workbench.answers import Way, save_answers
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.scorer import ABLATION, scores_name
from jaxheads.studies.workbench.settings import PLAIN, READINGS, CurveSettings
from jaxheads.studies.workbench.tasks import PreparedTask

ITERATIVE = f"{OWN}, iterative"
KEPT_SHARES = {Metric.K95: 0.95, Metric.K99: 0.99}

Mask = Bool[np.ndarray, "L H"]
Order = Callable[[int], Mask]  # the heads that a budget keeps


class Curve(NamedTuple):
    """An order of pruning, at decreasing budgets that start with all heads."""

    budgets: tuple[int, ...]
    order: Order


def curve_budgets(total: int, points: int, multiple: int = 1) -> tuple[int, ...]:
    """About `points` equal steps from all heads to none, each budget a `multiple`.

    What is removed is rounded down, as in the code of Michel et al. 2019: 14, 28, 43, ... of 144.
    """
    steps = total // multiple
    return tuple(multiple * (steps - steps * i // points) for i in range(points + 1))


def _unique(budgets: Iterable[int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(budgets))


def orders(
    study_model: StudyModel,
    model: Model,
    task: PreparedTask,
    name: str,
    others: Mapping[Way, str],
    draws: range,
) -> Iterator[tuple[Way, Curve]]:
    """Every order of the study; `others`: orders by the scores of other tasks, or of nulls."""
    config, settings = model.config, study_model.run.curve
    total = config.num_layers * config.num_heads
    budgets = _unique(curve_budgets(total, settings.points))
    own_LH = study_model.scorer.saved(name).score_LH

    def by(score_LH, rows=None) -> Order:
        return lambda budget: mask_from_scores(score_LH, budget, tied_rows=rows)

    def file(reading: str) -> Order:
        return by(study_model.scorer.saved(scores_name(name, reading)).score_LH)

    yield Way(OWN), Curve(budgets, by(own_LH))
    yield Way(REVERSED), Curve(budgets, by(reversed_scores(own_LH)))
    for draw in draws:
        yield Way(RANDOM, draw=draw), Curve(budgets, _chance(config, draw))
    for reading in settings.readings:
        yield Way(OWN, reading), Curve(budgets, file(reading))
    if study_model.run.scoring.ablated:
        yield Way(ABLATION), Curve(budgets, file(ABLATION))
    if study_model.run.scoring.rescored:
        for reading in ("", *settings.rescored):
            order = _iterative(study_model, model, task, budgets, reading)
            yield Way(ITERATIVE, reading), Curve(budgets, order)
    for way, scores in others.items():
        yield way, Curve(budgets, by(study_model.scorer.saved(scores).score_LH))
    if config.shares_blocks:
        yield from _tied(study_model, config, name, settings, draws)


def _chance(config: EncoderConfig, draw: int, rows=None) -> Order:
    shape = (config.num_layers, config.num_heads)
    return lambda budget: random_mask(*shape, budget, draw, tied_rows=rows)


def _tied(
    model: StudyModel, config: EncoderConfig, name: str, settings: CurveSettings, draws: range
) -> Iterator[tuple[Way, Curve]]:
    """Orders in which a head goes in all layers of its block at once, so that weights go."""
    rows = config.block_by_layer
    uses = np.bincount(rows)
    if uses.min() < uses.max():
        return  # budgets that every order reaches are multiples of one number only where all agree
    total, multiple = config.num_layers * config.num_heads, int(uses[0])
    budgets = _unique(curve_budgets(total, settings.points, multiple))
    score_LH = model.scorer.saved(scores_name(name, TIED)).score_LH
    for method, scores in ((OWN, score_LH), (REVERSED, -score_LH)):
        order = functools.partial(mask_from_scores, scores, tied_rows=rows)
        yield Way(method, TIED), Curve(budgets, order)
    for draw in draws:
        yield Way(RANDOM, TIED, draw=draw), Curve(budgets, _chance(config, draw, rows))


def _iterative(
    study_model: StudyModel,
    model: Model,
    task: PreparedTask,
    budgets: tuple[int, ...],
    reading: str,
) -> Order:
    """Heads scored anew at every budget."""

    def rescore(mask_LH: Mask):
        limit = study_model.run.scoring.rescored
        how = {"limit": limit, "mask_LH": mask_LH, **READINGS.get(reading, PLAIN)}
        return study_model.scorer.score(model, task, **how).score_LH

    present_LH = present_heads(model.config)
    masks = (present_LH, *prune_iteratively(rescore, budgets[1:], present_LH))
    return dict(zip(budgets, masks, strict=True)).__getitem__


# -- curves


def along(
    study_model: StudyModel,
    model: Model,
    task: PreparedTask,
    name: str,
    seed: int,
    wanted: Iterable[tuple[Way, Curve]],
    stages: tuple[str, str] = (Stage.MASKED, Stage.PRUNABILITY),
) -> list[Row]:
    """The metrics of the masked model along orders, and each order in one number.

    The answers along them are kept under `name`.
    """
    seen: dict[bytes, Evaluation] = {}  # the ends of all curves are the same
    rows: list[Row] = []
    guesses, budgets_of = {}, {}
    for way, (budgets, order) in wanted:
        found = [_measured(study_model, model, task, order(budget), seen) for budget in budgets]
        own = {**way._asdict(), "seed": seed}
        for budget, evaluation in zip(budgets, found, strict=True):
            what = {"stage": stages[0], "budget": budget, **own}
            rows += study_model.make_rows(task.name, evaluation.metrics, **what)
        guesses[way] = np.stack([each.answers.guess_M for each in found])
        budgets_of[way] = budgets
        values = _summary([each.metrics[task.metrics[0]] for each in found], budgets)
        rows += study_model.make_rows(task.name, values, stage=stages[1], **own)
    save_answers(study_model.store, name, next(iter(seen.values())), guesses, budgets_of)
    return rows


def _measured(study_model, model, task, mask_LH, seen) -> Evaluation:
    key = mask_LH.tobytes()
    if key not in seen:
        seen[key] = study_model.scorer.measure(model, task, mask_LH)
    return seen[key]


def _summary(metric_K: Sequence[float], budgets: Sequence[int]) -> dict[Metric, float]:
    """k95, k99 and the area, where the whole model has something to keep."""
    if not metric_K[0] > 0:
        return {}
    values = {
        name: float(removable(budgets, metric_K, share)) for name, share in KEPT_SHARES.items()
    }
    return values | {Metric.AREA: area(budgets, metric_K)}
