"""Does a task need the heads that know constituents? Heads masked by that ability, in turn.

The ability is S-F1 of the fine-tuned model's own heads. "best" masks the best ones first, "worst"
the worst, "random" any. Ability goes with depth, so the same numbers of heads of each layer are
drawn at random too ("like best", "like worst"), and "best of layer", "worst of layer" and "random
of layer" take as many from all layers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from jaxheads.pruning.mask import mask_from_scores, random_mask, shuffled_in_layers
from jaxheads.records.folder import (
    BEST,
    LIKE_BEST,
    LIKE_WORST,
    OF_LAYER,
    RANDOM,
    SPAN_MAPS,
    WORST,
    Stage,
)
from jaxheads.records.head_maps import load_maps, what_of
from jaxheads.records.rows import Row
from jaxheads.studies.runner.cells import name_of
from jaxheads.studies.workbench.answers import Way, contrasts
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.prunability import Curve, along, curve_budgets
from jaxheads.studies.workbench.trainer import Mask

PAIRS = (
    (LIKE_BEST, BEST),
    (LIKE_WORST, WORST),
    (RANDOM, BEST),
    (f"{RANDOM} {OF_LAYER}", f"{BEST} {OF_LAYER}"),
    (f"{WORST} {OF_LAYER}", f"{BEST} {OF_LAYER}"),
)  # the first keeps more of the metric than the second if the task needs what the second masks
STAGES = (Stage.ABILITY_MASKED, Stage.ABILITY_AREA)


def masked(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """The task's metrics along every order, and without each whole layer."""
    task, model = study_model.task(name), study_model.tuned(name, seed)
    what = what_of(SPAN_MAPS, name)
    ability_LH = load_maps(study_model.store, study_model.name, what, seed)["F1"]
    found = along(
        study_model,
        model,
        task,
        name_of(masked, study_model, name, seed),
        seed,
        orders(study_model, ability_LH, seed),
        STAGES,
    )
    for layer in range(len(ability_LH)):
        mask_LH = np.ones(ability_LH.shape, bool)
        mask_LH[layer] = False
        metrics = study_model.scorer.measure(model, task, mask_LH).metrics
        own = {"stage": Stage.LAYER_MASKED, "layer": layer, "seed": seed}
        found += study_model.make_rows(name, metrics, **own)
    return found


def orders(
    model: StudyModel, ability_LH: Float[np.ndarray, "L H"], seed: int
) -> Iterator[tuple[Way, Curve]]:
    """Every order; random ones with the numbers of their draws, new for each seed."""
    shape, count = ability_LH.shape, model.run.curve.draws
    budgets = tuple(dict.fromkeys(curve_budgets(ability_LH.size, model.run.curve.points)))
    first = model.run.seeds.index(seed) * count
    for layered in (False, True):
        suffix = f" {OF_LAYER}" if layered else ""
        keep = functools.partial(mask_from_scores, per_layer=layered)
        best, worst = (functools.partial(keep, score) for score in (-ability_LH, ability_LH))
        yield Way(f"{BEST}{suffix}"), Curve(budgets, best)
        yield Way(f"{WORST}{suffix}"), Curve(budgets, worst)
        for draw in range(first, first + count):
            chance = functools.partial(_chance, shape, draw, layered)
            yield Way(f"{RANDOM}{suffix}", draw=draw), Curve(budgets, chance)
            if not layered:
                for like, order in ((LIKE_BEST, best), (LIKE_WORST, worst)):
                    shuffled = functools.partial(_like, order, draw)
                    yield Way(like, draw=draw), Curve(budgets, shuffled)


def masking_contrasts(model: StudyModel, name: str) -> list[Row]:
    """Whether masking the best heads costs more than masking others, at half of the heads."""
    files = [name_of(masked, model, name, seed) for seed in model.run.seeds]
    pairs = [(Way(one), Way(two)) for one, two in PAIRS]
    return contrasts(model, model.task(name), files, pairs, Stage.ABILITY_CONTRAST)


def _chance(shape: tuple[int, int], draw: int, layered: bool, budget: int) -> Mask:
    return random_mask(*shape, budget, draw, per_layer=layered)


def _like(order, draw: int, budget: int) -> Mask:
    return shuffled_in_layers(order(budget), draw)
