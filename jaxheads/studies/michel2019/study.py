"""Are sixteen heads really better than one? Heads removed one by one, all but one, and in order.

After Michel, Levy and Neubig 2019 (arXiv 1905.10650): the effect of each head alone (their section
3.2), all heads of a layer but its best (3.3), the same effects on another data set (3.4), the
pruning curves (4), and the speed of a model that is cut to half of its heads (4.3).

Changed: p-values are of Student's t over held-out examples, paired (the paper has "a t-test"; for
metrics that are no means, from jackknife pseudo-values); the head that stays alone is chosen by the
loss of training examples, beside it by the metric as theirs. The order of their command is the
reading "token+l2" (`curve.readings`, `curve.rescored`). Not built: machine translation, with its
three kinds of attention and the dynamics of its training.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import scipy
from jaxtyping import Bool, Float

from jaxheads.analysis.intervals import differences
from jaxheads.analysis.sums import Sums
from jaxheads.data.batch import Batch
from jaxheads.importance.ablation import alone_in_layer, without_each
from jaxheads.inference.evaluate import Answers
from jaxheads.inference.metrics import METRICS
from jaxheads.models.model import Model
from jaxheads.pruning.cost import count_parameters, ideal_speedup
from jaxheads.pruning.cut import cut
from jaxheads.pruning.mask import mask_from_scores
from jaxheads.records.folder import BEST_OF_ALL, BY_METRIC, OWN, Metric, Stage, score_file
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.runner.cells import Cell, cell, name_of
from jaxheads.studies.workbench.answers import contrasts
from jaxheads.studies.workbench.latency import measure_speed, note_speed
from jaxheads.studies.workbench.model import StudyModel, study_models
from jaxheads.studies.workbench.pretrain import made_cells
from jaxheads.studies.workbench.prunability import along, orders
from jaxheads.studies.workbench.seeds import Sampled, together_cell
from jaxheads.studies.workbench.settings import Run
from jaxheads.studies.workbench.steps import finetuned
from jaxheads.studies.workbench.tasks import PreparedTask

REPEATS = 6  # of a timing, as in the paper
LEVEL = 0.01  # of a change that is called significant, as in the paper
NEAR = 0.002  # a change of so much of the metric is "within 0.2 points"


def cells(run: Run, store: Store) -> Iterator[Cell]:
    """Every table of the paper for each model, task and seed."""
    for model in study_models(run, store):
        yield from (base := made_cells(model))
        for task in (task.name for task in model.tasks):
            sampled, curved = [], []
            for seed in run.seeds:
                what = (model, task, seed)
                yield (tuned := cell(finetuned, *what, after=base))
                yield (one := cell(removed, *what, after=[tuned]))
                yield (rest := cell(alone, *what, after=[tuned]))
                yield (along := cell(pruned, *what, after=[tuned]))
                if run.curve.timed and seed == run.seeds[0]:
                    yield cell(timed, *what, after=[tuned])
                sampled.append((one, rest))
                curved.append(along)
            yield from together_cell(model, task, sampled)
            yield cell(contrasts_of, model, task, after=curved)


def removed(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """What the metric changes by when one head is masked, head by head."""
    task, model = study_model.task(name), study_model.tuned(name, seed)
    effects, found = (
        _effects(study_model, model, task, task.held_out),
        Sampled(study_model, name, seed),
    )
    rows: list[Row] = []
    for (layer, head), change in effects.items():
        what = {"stage": Stage.REMOVED, "layer": layer, "head": head}
        rows += found.rows(task.metrics[0], change, **what)
    found.save(name_of(removed, study_model, name, seed))
    significant = [row.p_value is not None and row.p_value < LEVEL for row in rows]
    change_N = _changes(effects)
    values = {
        Metric.HEADS: float(len(effects)),
        "significant at 1%": float(sum(significant)),
        "of these better without": float(sum(s and c > 0 for s, c in zip(significant, change_N))),  # noqa: B905
        "expected by chance at 1%": LEVEL * len(effects),
        "heads within 0.2 points": float((np.abs(change_N) <= NEAR + 1e-12).sum()),
    }
    rows += study_model.make_rows(name, values, stage=Stage.REMOVED_SUMMARY, seed=seed)
    gradient = study_model.scorer.saved(score_file(study_model.name, name, seed)).score_LH
    values = _correlations(gradient, -change_N.reshape(gradient.shape))
    rows += study_model.make_rows(name, values, stage=Stage.ABLATION, seed=seed)
    if other := study_model.reader.other_held_out(task):
        there = _effects(study_model, model, task, other)
        there_N = _changes(there)
        values = _correlations(change_N, there_N)
        rows += study_model.make_rows(name, values, stage=Stage.OTHER_DATA, seed=seed)
    return rows


def alone(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """What the metric changes by when all heads of a layer but one are masked.

    The head that stays has the least loss on training examples (ours) or the best metric on them
    (as the paper chooses it on 5,000 of MNLI's), or it is the best on the very examples that it is
    measured on (as in the paper's main table). Of equals it is the first.
    """
    task, model = study_model.task(name), study_model.tuned(name, seed)
    layers, heads = model.config.num_layers, model.config.num_heads
    limit = study_model.run.scoring.ablated or None
    chosen_on = study_model.reader.placed(task.scored.first(limit), task.lengths)
    whole, metric = study_model.scorer.measure(model, task).answers, task.metrics[0]
    masks_VLH = alone_in_layer(np.ones((layers, heads))).gates_VLH[1:] > 0
    training = task._replace(held_out=chosen_on)
    tried = [study_model.scorer.measure(model, training, mask_LH).metrics for mask_LH in masks_VLH]
    changes = [
        _change(task, whole, study_model.scorer.measure(model, task, mask_LH).answers)
        for mask_LH in masks_VLH
    ]
    ways = {
        "": [-each["loss"] for each in tried],
        BY_METRIC: [each[metric] for each in tried],
        BEST_OF_ALL: [change.ratio for change in changes],
    }
    rows, found = [], Sampled(study_model, name, seed)
    for layer, (way, score_V) in itertools.product(range(layers), ways.items()):
        best = layer * heads + int(np.argmax(score_V[layer * heads : (layer + 1) * heads]))
        what = {"stage": Stage.ALONE, "layer": layer, "method": way}
        rows += found.rows(metric, changes[best], **what)
    found.save(name_of(alone, study_model, name, seed))
    return rows


def pruned(model: StudyModel, name: str, seed: int) -> list[Row]:
    """The metric along every order of pruning."""
    draws, file = model.run.curve.draws, score_file(model.name, name, seed)
    place = model.run.seeds.index(seed)
    numbers = range(place * draws, (place + 1) * draws)
    own = (model, model.tuned(name, seed), model.task(name), file)
    return along(*own, seed, orders(*own, {}, numbers))


def timed(study_model: StudyModel, name: str, seed: int) -> list[Row]:
    """The size of the model cut to half of its heads, and how much faster it may be at best.

    How much faster it is, at the batches of `curve.timed`, is noted in `speeds/`.
    """
    task, model = study_model.task(name), study_model.tuned(name, seed)
    score_LH, length = (
        study_model.scorer.saved(score_file(study_model.name, name, seed)).score_LH,
        max(task.lengths),
    )
    mask_LH = mask_from_scores(score_LH, score_LH.size // 2)
    params, config = cut(model.params, model.config, mask_LH)
    smaller, sizes = model._replace(params=params, config=config), study_model.run.curve.timed
    speeds = measure_speed(model, smaller, sizes, length, REPEATS, training_batch=max(sizes))
    what = {"method": OWN, "budget": int(mask_LH.sum()), "seed": seed}
    note_speed(study_model, name, what, speeds)
    values = {
        Metric.IDEAL_SPEEDUP: ideal_speedup(model.config, length, mask_LH),
        Metric.PARAMETERS: float(count_parameters(params)),
        Metric.WHOLE_PARAMETERS: float(count_parameters(model.params)),
    }
    return study_model.make_rows(name, values, stage=Stage.HALF_CUT, **what)


def contrasts_of(model: StudyModel, name: str) -> list[Row]:
    """Whether the order of the gradient beats chance, and chance the reverse."""
    files = [score_file(model.name, name, seed) for seed in model.run.seeds]
    return contrasts(model, model.task(name), files)


def _effects(
    study_model: StudyModel, model: Model, task: PreparedTask, held_out: list[Batch]
) -> dict[tuple[int, int], Sums]:
    """By head, the change of the metric."""
    shape = (model.config.num_layers, model.config.num_heads)
    variants, task = without_each(np.ones(shape)), task._replace(held_out=held_out)
    whole = study_model.scorer.measure(model, task).answers
    found = {}
    for gate_LH, (layers, heads) in zip(variants.gates_VLH[1:], variants.entries, strict=True):
        mask_LH: Bool[np.ndarray, "L H"] = gate_LH > 0
        answers = study_model.scorer.measure(model, task, mask_LH).answers
        found[int(layers[0]), int(heads[0])] = _change(task, whole, answers)
    return found


def _changes(effects: Mapping[tuple[int, int], Sums]) -> Float[np.ndarray, "heads"]:
    """The values of changes, where those of equally many examples are equal, whatever rounding."""
    return np.round([change.ratio for change in effects.values()], 12)


def _change(task: PreparedTask, whole: Answers, masked: Answers) -> Sums:
    """The metric of the masked model less the whole one's, paired over groups of examples."""
    one, two = [[masked.guess_M]], [[whole.guess_M]]
    metric = METRICS[task.metrics[0]]
    (change_G,) = differences(one, two, whole.label_M, metric, whole.example_M)
    return Sums(change_G, np.ones(len(change_G)))


def _correlations(
    one: Float[np.ndarray, "*heads"], two: Float[np.ndarray, "*heads"]
) -> dict[str, float]:
    """Pearson and Spearman over heads; nothing where one side does not vary."""
    one, two = np.ravel(one), np.ravel(two)
    if np.ptp(one) == 0 or np.ptp(two) == 0:
        return {}
    ranks = (scipy.stats.rankdata(one), scipy.stats.rankdata(two))
    return {
        Metric.PEARSON: float(np.corrcoef(one, two)[0, 1]),
        Metric.SPEARMAN: float(np.corrcoef(*ranks)[0, 1]),
    }
