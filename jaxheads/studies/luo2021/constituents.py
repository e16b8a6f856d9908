"""Which heads know constituents: the tables of one model, and the counts that later cells read.

    trees/NAME.npz       what the trees of every head share with the gold trees of the test section

Heads are chosen on the tune section and scored on the test section.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxheads.analysis.agreement import rank_agreement
from jaxheads.analysis.distances import WITHOUT_LABELS, adjacent_distances, ranked
from jaxheads.analysis.offsets import CONTENTLESS, contentless_attention
from jaxheads.analysis.spans import (
    COLUMNS,
    SpanCounts,
    baseline_distances,
    choose_heads,
    gather,
    match_spans,
    sentence_f1,
    tied_share,
)
from jaxheads.analysis.sums import Sums, together
from jaxheads.analysis.trees import Ranking, Reading, TreeCounts, tree_counts
from jaxheads.models.model import Model, init_model
from jaxheads.records.folder import PRETRAINING, RANDOM, Metric, Room, Stage
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.luo2021.examples import write_examples
from jaxheads.studies.luo2021.maps import save_head_maps
from jaxheads.studies.luo2021.treebank import TreebankSection, attention_of, section_of
from jaxheads.studies.runner.cells import name_of
from jaxheads.studies.workbench.answers import Way, estimate_rows
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.seeds import Sampled
from jaxheads.studies.workbench.sharpness import Sharpness

DRAWS = 5  # of random trees
NULLS = ("right", "balanced", RANDOM)  # what the best heads are compared with
BY_F1 = "F1 on tune"  # the ranking that sees labels


def readings_of(model: StudyModel, *, all_measures: bool = True) -> list[Reading]:
    """How attention is read, the main reading first."""
    settings = model.run.study
    measures = settings.measures if all_measures else settings.measures[:1]
    return [Reading(measure, bias) for measure in measures for bias in settings.biases]


def fields_of(reading: Reading) -> dict[str, Any]:
    """A reading as rows have it: the distance, and its bias."""
    return {"reading": reading.measure, "setting": float(reading.bias)}


# -- cells


def base_trees(model: StudyModel) -> list[Row]:
    """All tables of the pre-trained model, and the baselines on the same sentences."""
    tune, test = section_of(model, "tune"), section_of(model, "test")
    readings, main = readings_of(model), readings_of(model)[0]
    on_tune = counted(model, model.base, tune, readings, unlabelled=True)
    rankings = {name: rankings_of(found) for name, found in on_tune.items()}
    deep = {each.name: rankings[each.name] for each in readings_of(model, all_measures=False)}
    sharpness = Sharpness()
    on_test = counted(model, model.base, test, readings, rankings=deep, sharpness=sharpness)
    nulls = baseline_counts(test, main.measure)
    save_counts(model.store, model.name, {name: found.heads for name, found in on_test.items()})
    save_head_maps(
        model, model.base, "", 0, on_test, main, sharpness, on_tune[main.name].unlabelled
    )
    found = Sampled(model, PRETRAINING, 0)
    rows = section_rows(model, tune, "tune") + section_rows(model, test, "test")
    rows += null_rows(model, nulls)
    for reading in readings:
        first, then = on_tune[reading.name], on_test[reading.name]
        rows += best_rows(found, reading, first.heads, then.heads)
        rows += margin_rows(model, reading, first.heads, then.heads, nulls)
        rows += layer_rows(found, reading, then)
        rows += ensemble_rows(model, reading, then)
        rows += unlabelled_rows(model, reading, first, then)
    write_examples(model, test, main, on_tune[main.name].heads)
    return rows


def random_trees(study_model: StudyModel, draw: int) -> list[Row]:
    """The control without any knowledge: the same encoder with random weights."""
    model = init_model(study_model.base.config, study_model.base.readout, jax.random.key(draw))
    readings = readings_of(study_model, all_measures=False)
    both = [
        counted(study_model, model, section_of(study_model, each), readings)
        for each in ("tune", "test")
    ]
    rows = []
    for reading in readings:
        tune, test = (found[reading.name].heads for found in both)
        what = {"stage": Stage.RANDOM_WEIGHTS, "seed": draw, **fields_of(reading)}
        chosen = choose_heads(tune, test)
        values = {column: float(each.tested.ratio) for column, each in chosen.items()}
        rows += study_model.make_rows(PRETRAINING, values, method=Metric.BEST_HEAD, **what)
        own = {Metric.F1: float(sentence_f1(test).mean())}
        rows += study_model.make_rows(PRETRAINING, own, method=Metric.MEAN_OF_HEADS, **what)
    return rows


def tuned_trees(study_model: StudyModel, task: str, seed: int) -> list[Row]:
    """The same tables of a fine-tuned model, of the main measure."""
    model, readings = study_model.tuned(task, seed), readings_of(study_model, all_measures=False)
    sharpness = Sharpness()
    on_tune = counted(study_model, model, section_of(study_model, "tune"), readings)
    on_test = counted(
        study_model, model, section_of(study_model, "test"), readings, sharpness=sharpness
    )
    save_counts(
        study_model.store,
        f"{study_model.name}-{task}-{seed}",
        {n: f.heads for n, f in on_test.items()},
    )
    save_head_maps(study_model, model, task, seed, on_test, readings[0], sharpness)
    rows, found = [], Sampled(study_model, task, seed)
    for reading in readings:
        first, then = on_tune[reading.name], on_test[reading.name]
        rows += best_rows(found, reading, first.heads, then.heads)
        rows += layer_rows(found, reading, then)
    found.save(name_of(tuned_trees, study_model, task, seed))
    return rows


# -- counts


def counted(
    study_model: StudyModel,
    model: Model,
    section: TreebankSection,
    readings: list[Reading],
    rankings: Mapping[str, Mapping[str, Ranking]] | None = None,
    *,
    unlabelled: bool = False,
    sharpness: Sharpness | None = None,
) -> dict[str, TreeCounts]:
    """What the trees of a model share with those of a section, whose heads `sharpness` watches."""
    attention = attention_of(study_model, model, section.pieces)
    return tree_counts(
        attention if sharpness is None else sharpness.watch(attention),
        [parse.spans for parse in section.parses],
        readings,
        rankings=rankings,
        unlabelled=unlabelled,
    )


def rankings_of(tune: TreeCounts) -> dict[str, Ranking]:
    """The heads in the order of each score without labels, and of their F1 on the tune section."""
    scores = {**tune.unlabelled, BY_F1: sentence_f1(tune.heads)}
    return {name: ranked(score_LH) for name, score_LH in scores.items()}


class Nulls(NamedTuple):
    """Trees that need no model, and of heads that see no word."""

    ways: tuple[Way, ...]
    counts: SpanCounts  # the axis of heads is that of the ways

    def mean(self, name: str, column: str) -> np.ndarray:
        """The top of a column `[Y]`: of random trees, the mean over the draws."""
        own = [place for place, way in enumerate(self.ways) if way.method == name]
        return COLUMNS[column](self.counts).top_X[:, own].mean(1)


def baseline_counts(section: TreebankSection, measure: str) -> Nulls:
    """The counts of all baselines."""
    random, rows, ways = np.random.default_rng(0), [], []
    for number, parse in enumerate(section.parses):
        words = len(parse.words)
        drawn = baseline_distances(words, parse.spans, random)
        chance = {0: drawn.pop(RANDOM)}
        chance |= {draw: random.random(words - 1) for draw in range(1, DRAWS)}
        contentless = adjacent_distances(contentless_attention(words, number)[0], measure)
        ways = [Way(RANDOM, draw=draw) for draw in chance]
        ways += [Way(name) for name in (*drawn, *(f"attention, {name}" for name in CONTENTLESS))]
        distances = [*chance.values(), *drawn.values()]
        rows.append(match_spans(np.concatenate([distances, contentless]), parse.spans))
    return Nulls(tuple(ways), gather(rows))


def save_counts(store: Store, name: str, counts: Mapping[str, SpanCounts]) -> None:
    """Keep the counts of a model's heads, for comparisons of models sentence by sentence."""
    arrays = {
        f"{reading}/{field}": array
        for reading, found in counts.items()
        for field, array in found._asdict().items()
    }
    store.write_arrays(_counts_name(name), arrays)


def load_counts(store: Store, name: str, reading: str) -> SpanCounts:
    """What `save_counts` wrote of one reading."""
    found = store.read_arrays(_counts_name(name))
    return SpanCounts(*(found[f"{reading}/{field}"] for field in SpanCounts._fields))


def _counts_name(name: str) -> str:
    return f"{Room.TREES}/{name}.npz"


# -- rows


def section_rows(model: StudyModel, section: TreebankSection, which: str) -> list[Row]:
    """How many sentences there are, and how many were left out."""
    values = {name: float(count) for name, count in section.counts.items()}
    return model.make_rows("", values, stage=Stage.TREEBANK, method=which)


def null_rows(model: StudyModel, nulls: Nulls) -> list[Row]:
    """Every column of every baseline, with intervals over sentences, and over draws too."""
    rows = []
    for column, sums in _columns(nulls.counts):
        found, what = sums.intervals(), {"stage": Stage.TREE_BASELINES}
        for place, way in enumerate(nulls.ways):
            own = {"method": way.method, "draw": way.draw}
            rows += estimate_rows(model, "", column, found.at(place), **own, **what)
        random = [sums.pick(n) for n, way in enumerate(nulls.ways) if way.method == RANDOM]
        what |= {"method": RANDOM, "draws": len(random)}
        rows += estimate_rows(model, "", column, together(random).at(), **what)
    return rows


def best_rows(found: Sampled, reading: Reading, tune: SpanCounts, test: SpanCounts) -> list[Row]:
    """The head that is best on the tune section for every column, scored on the test section."""
    rows, best = [], choose_heads(tune, test)
    for column, chosen in best.items():
        layer, number = chosen.head
        head = {"layer": layer, "head": number}
        what = {"stage": Stage.BEST_HEAD, **fields_of(reading)}
        rows += found.rows(column, chosen.tested, head, **what)
        what["stage"] = Stage.BEST_ON_TUNE
        rows += found.plain_rows({column: chosen.tuned}, **what, **head)
    ties = tied_share(test)
    shares = {
        Metric.BEST_HEAD: float(ties[best[Metric.F1].head]),
        Metric.MEAN_OF_HEADS: float(np.nanmean(ties)),
    }
    for which, share in shares.items():
        what = {"stage": Stage.TIED_SPLITS, **fields_of(reading), "method": which}
        rows += found.plain_rows({Metric.TIED_SPLITS: share}, **what)
    return rows


def margin_rows(
    model: StudyModel, reading: Reading, tune: SpanCounts, test: SpanCounts, nulls: Nulls
) -> list[Row]:
    """How far the best heads lie above trees that need no model, paired over sentences."""
    rows = []
    for column, chosen in choose_heads(tune, test).items():
        own = COLUMNS[column](test.pick(*chosen.head))
        margin_YN = np.stack([own.top_X - nulls.mean(null, column) for null in NULLS], -1)
        found = Sums(margin_YN, own.bottom_X).intervals()
        for place, null in enumerate(NULLS):
            what = {"stage": Stage.MARGIN, **fields_of(reading), "method": Metric.BEST_HEAD}
            what |= {"other_method": null}
            rows += estimate_rows(model, PRETRAINING, column, found.at(place), **what)
    return rows


def layer_rows(found: Sampled, reading: Reading, test: TreeCounts) -> list[Row]:
    """The mean of each layer's heads, and the trees of their mean distances."""
    heads, rows = COLUMNS[Metric.F1](test.heads), []
    mean = Sums(heads.top_X.mean(-1), heads.bottom_X)
    trees = COLUMNS[Metric.F1](test.layers)
    for stage, sums in ((Stage.LAYER_MEAN, mean), (Stage.LAYER_TREES, trees)):
        for layer in range(sums.top_X.shape[1]):
            what = {"stage": stage, **fields_of(reading), "layer": layer}
            rows += found.rows(Metric.F1, sums.pick(layer), **what)
    return rows


def ensemble_rows(model: StudyModel, reading: Reading, test: TreeCounts) -> list[Row]:
    """F1 of the first K heads of every ranking together."""
    rows = []
    for ranking, counts in test.ensembles.items():
        found = COLUMNS[Metric.F1](counts).intervals()
        what = {"stage": Stage.ENSEMBLES, **fields_of(reading), "method": ranking}
        for place in range(len(found.value)):
            own = found.at(place)
            rows += estimate_rows(model, PRETRAINING, Metric.F1, own, budget=place + 1, **what)
    return rows


def unlabelled_rows(
    model: StudyModel, reading: Reading, tune: TreeCounts, test: TreeCounts
) -> list[Row]:
    """How far scores without labels, from the tune section, rank heads as F1 on the test one."""
    rows = []
    f1_LH = sentence_f1(test.heads)
    for name in WITHOUT_LABELS:
        found = rank_agreement(tune.unlabelled[name], f1_LH)[Metric.SPEARMAN]
        what = {"stage": Stage.RANKINGS, **fields_of(reading), "method": name}
        what |= {"p_value": found.p_value}
        rows += model.make_rows(PRETRAINING, {Metric.SPEARMAN: found.value}, **what)
    return rows


def _columns(counts: SpanCounts) -> Iterator[tuple[str, Sums]]:
    """The columns that the sentences define."""
    for name, column in COLUMNS.items():
        sums = column(counts)
        if sums.bottom_X.sum():
            yield name, sums
