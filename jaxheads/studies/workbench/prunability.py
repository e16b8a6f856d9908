"""How many heads can go: scores by every method, and the metric along every order of pruning."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Num

from jaxheads.analysis.intervals import Contrast, Estimate, contrast
from jaxheads.config import EncoderConfig
from jaxheads.importance.kept import open_kept, token_file
from jaxheads.importance.methods import ablation
from jaxheads.importance.reliability import ScoreReading, score_kept
from jaxheads.importance.scores import Scores
from jaxheads.inference.evaluate import Evaluation
from jaxheads.inference.metrics import METRICS
from jaxheads.models.model import Model
from jaxheads.pruning.curve import area, removable
from jaxheads.pruning.mask import mask_from_scores, present_heads, random_mask, reversed_scores
from jaxheads.pruning.schedule import prune_iteratively
from jaxheads.records.rows import Row, kind_of
from jaxheads.storage.store import Store
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.settings import CurveSettings
from jaxheads.studies.workbench.tasks import PreparedTask

OWN, REVERSED, RANDOM = "gradient", "reversed", "random"
ITERATIVE, ABLATION, TIED = "gradient, iterative", "ablation", "tied"
KEPT_SHARES = {"k95": 0.95, "k99": 0.99}

Mask = Bool[np.ndarray, "L H"]
Order = Callable[[int], Mask]  # the heads that a budget keeps


class Curve(NamedTuple):
    """An order of pruning, at decreasing budgets that start with all heads."""

    budgets: tuple[int, ...]
    order: Order


# -- scores


def score_all(study_model: StudyModel, model: Model, task: PreparedTask, name: str) -> None:
    """Score by every method of the study; all scores go to disk under names that begin alike."""
    how = study_model.run.scoring
    study_model.scorer.score(model, task, name=name)
    for reading in ("", *study_model.run.curve.readings):
        study_model.scorer.save(scores_name(name, reading), _read(study_model, name, reading))
    if model.config.shares_blocks:
        study_model.scorer.save(
            scores_name(name, TIED), _read(study_model, name, TIED, model.config)
        )
    if how.ablated:
        ablated = study_model.scorer.score(model, task, method=ablation(), limit=how.ablated)
        study_model.scorer.save(scores_name(name, ABLATION), ablated)


def scores_name(name: str, reading: str = "") -> str:
    """The file of one reading of a model's scores; the plain name is the unit "example"."""
    return f"{name}.{reading}" if reading else name


def _read(
    model: StudyModel, name: str, reading: str, config: EncoderConfig | None = None
) -> Scores:
    """One reading of the effects that are kept on disk."""
    path, how = model.scorer.kept(name), read_as("" if reading == TIED else reading)
    matrix_NLH = open_kept(token_file(path) if how["unit"] == "token" else path)
    blocks = config.block_by_layer if config is not None else None
    score_LH = score_kept(matrix_NLH, ScoreReading(how["unit"], how["normalize"], blocks))
    return Scores(score_LH, OWN, how["unit"], len(matrix_NLH), model.name)


def read_as(reading: str) -> dict[str, str]:
    """The unit and the normalisation of a reading (`settings.READINGS`, or "": plain examples)."""
    unit, _, more = reading.partition("+")
    normalize = "l2" if "l2" in (unit, more) else "none"
    return {"unit": "example" if unit in ("", "l2") else unit, "normalize": normalize}


# -- orders


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
    others: Mapping[str, str],
    draws: range,
) -> Iterator[tuple[str, Curve]]:
    """Every order of the study by its name; `others`: orders by other tasks' scores."""
    config, settings = model.config, study_model.run.curve
    total = config.num_layers * config.num_heads
    budgets = _unique(curve_budgets(total, settings.points))
    own_LH = study_model.scorer.saved(name).score_LH

    def by(score_LH, rows=None) -> Order:
        return lambda budget: mask_from_scores(score_LH, budget, tied_rows=rows)

    yield OWN, Curve(budgets, by(own_LH))
    yield REVERSED, Curve(budgets, by(reversed_scores(own_LH)))
    for draw in draws:
        yield f"{RANDOM} {draw}", Curve(budgets, _chance(config, draw))
    for reading in settings.readings:
        score_LH = study_model.scorer.saved(scores_name(name, reading)).score_LH
        yield f"{OWN}/{reading}", Curve(budgets, by(score_LH))
    if study_model.run.scoring.ablated:
        yield (
            ABLATION,
            Curve(budgets, by(study_model.scorer.saved(scores_name(name, ABLATION)).score_LH)),
        )
    if study_model.run.scoring.rescored:
        for reading in ("", *settings.rescored):
            order = _iterative(study_model, model, task, budgets, reading)
            yield (
                ITERATIVE.replace(OWN, f"{OWN}/{reading}" if reading else OWN),
                Curve(budgets, order),
            )
    for other, file in others.items():
        yield f"order of {other}", Curve(budgets, by(study_model.scorer.saved(file).score_LH))
    if config.shares_blocks:
        yield from _tied(study_model, config, name, settings, draws)


def _chance(config: EncoderConfig, draw: int, rows=None) -> Order:
    shape = (config.num_layers, config.num_heads)
    return lambda budget: random_mask(*shape, budget, draw, tied_rows=rows)


def _tied(
    model: StudyModel, config: EncoderConfig, name: str, settings: CurveSettings, draws: range
) -> Iterator[tuple[str, Curve]]:
    """Orders in which a head goes in all layers of its block at once, so that weights go."""
    rows = config.block_by_layer
    uses = np.bincount(rows)
    if uses.min() < uses.max():
        return  # budgets that every order reaches are multiples of one number only where all agree
    total, multiple = config.num_layers * config.num_heads, int(uses[0])
    budgets = _unique(curve_budgets(total, settings.points, multiple))
    score_LH = model.scorer.saved(scores_name(name, TIED)).score_LH
    for label, scores in ((OWN, score_LH), (REVERSED, -score_LH)):
        yield (
            f"{label} {TIED}",
            Curve(budgets, lambda b, s=scores: mask_from_scores(s, b, tied_rows=rows)),
        )
    for draw in draws:
        yield f"{RANDOM} {TIED} {draw}", Curve(budgets, _chance(config, draw, rows))


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
        how = {"limit": limit, "mask_LH": mask_LH, **read_as(reading)}
        return study_model.scorer.score(model, task, **how).score_LH

    present_LH = present_heads(model.config)
    masks = (present_LH, *prune_iteratively(rescore, budgets[1:], present_LH))
    return dict(zip(budgets, masks, strict=True)).__getitem__


# -- curves


def curves(
    study_model: StudyModel,
    model: Model,
    task: PreparedTask,
    name: str,
    seed: int,
    others: Mapping[str, str],
    draws: range,
) -> list[Row]:
    """The metrics of the masked model along every order, and each order in one number."""
    return along(
        study_model, model, task, name, seed, orders(study_model, model, task, name, others, draws)
    )


def along(
    study_model: StudyModel,
    model: Model,
    task: PreparedTask,
    name: str,
    seed: int,
    wanted: Iterable[tuple[str, Curve]],
    stages: tuple[str, str] = ("masked", "prunability"),
) -> list[Row]:
    """The same of any orders, under their names; the answers along them are kept under `name`."""
    seen: dict[bytes, Evaluation] = {}  # the ends of all curves are the same
    rows: list[Row] = []
    guesses: dict[str, np.ndarray] = {}
    for method, (budgets, order) in wanted:
        found = [_measured(study_model, model, task, order(budget), seen) for budget in budgets]
        for budget, evaluation in zip(budgets, found, strict=True):
            what = {"stage": stages[0], "method": method, "budget": budget, "seed": seed}
            rows += study_model.make_rows(task.name, evaluation.metrics, **what)
        guesses[method] = np.stack([each.answers.guess_M for each in found])
        guesses[f"{method}.budgets"] = np.array(budgets)
        guesses |= questions(found[0])
        rows += _summary(study_model, task, method, budgets, found, seed, stages[1])
    save_answers(study_model.store, name, guesses)
    return rows


def _measured(study_model, model, task, mask_LH, seen) -> Evaluation:
    key = mask_LH.tobytes()
    if key not in seen:
        seen[key] = study_model.scorer.measure(model, task, mask_LH)
    return seen[key]


def _summary(
    model: StudyModel, task: PreparedTask, method, budgets, found, seed, stage
) -> list[Row]:
    """k95, k99 and the area, where the whole model has something to keep."""
    metric_K = [each.metrics[task.metrics[0]] for each in found]
    if not metric_K[0] > 0:
        return []
    values = {
        name: float(removable(budgets, metric_K, share)) for name, share in KEPT_SHARES.items()
    }
    values["area"] = area(budgets, metric_K)
    return model.make_rows(task.name, values, stage=stage, method=method, seed=seed)


# -- answers of masked models


def save_answers(store: Store, name: str, arrays: Mapping[str, Num[np.ndarray, "..."]]) -> None:
    """What was answered to the held-out examples, for intervals that are computed later."""
    store.write_arrays(_answers_file(name), arrays)


def questions(found: Evaluation) -> dict[str, np.ndarray]:
    """What was due, and whose question it was: the same for every mask."""
    return {"label": found.answers.label_M, "example": found.answers.example_M}


def answers_of(found: Evaluation) -> dict[str, np.ndarray]:
    """The arrays of one evaluation that `save_answers` keeps."""
    return {"guess": found.answers.guess_M, **questions(found)}


def load_answers(store: Store, name: str) -> dict[str, np.ndarray]:
    """What `save_answers` wrote.

    Raises:
      FileNotFoundError: there are none.
      ValueError: for a damaged file.
    """
    return store.read_arrays(_answers_file(name), "answers")


def _answers_file(name: str) -> str:
    return f"answers/{name}.npz"


def contrasts(
    model: StudyModel,
    task: PreparedTask,
    names: Mapping[int, str],
    pairs: Sequence[tuple[str, str]] = ((OWN, RANDOM), (RANDOM, REVERSED)),
    stage: str = "contrast",
) -> list[Row]:
    """The first order of each pair less the second, nearest half of the heads, with intervals.

    The interval is over seeds, draws and examples (`analysis.intervals.contrast`).
    """
    answers = [load_answers(model.store, name) for name in names.values()]
    first = next(order for order in answers[0] if kind_of(order) == pairs[0][0])
    budgets = answers[0][f"{first}.budgets"]
    place = int(np.argmin(np.abs(budgets - budgets[0] / 2)))
    metric, (label_M, example_M) = task.metrics[0], (answers[0][n] for n in ("label", "example"))
    kinds = dict.fromkeys(kind for pair in pairs for kind in pair)
    of = {kind: [[a[f][place] for f in a if kind_of(f) == kind] for a in answers] for kind in kinds}
    rows = []
    for one, two in pairs:
        found = contrast(of[one], of[two], label_M, METRICS[metric], example_M)
        rows += contrast_rows(
            model, task.name, metric, found, stage=stage, method=f"{one} - {two}",
            budget=int(budgets[place]),
        )  # fmt: skip
    return rows


def estimate_rows(model: StudyModel, task: str, metric: str, found: Estimate, **what) -> list[Row]:
    """The row of a value with its interval."""
    ends = {name: float(getattr(found, name)) for name in ("low", "high", "p_value")}
    return model.make_rows(task, {metric: found.value}, **ends, **what)


def contrast_rows(model: StudyModel, task: str, metric: str, found: Contrast, **what) -> list[Row]:
    """The row of a difference, with what it was computed from."""
    counts = found._asdict()
    return estimate_rows(model, task, metric, counts.pop("difference"), **counts, **what)


def is_draw(name: str) -> bool:
    """Whether an order is a random one of single uses of heads: "random 3"."""
    return name != RANDOM and kind_of(name) == RANDOM
