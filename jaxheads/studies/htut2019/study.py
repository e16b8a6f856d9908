"""Do attention heads follow dependency relations, and are the heads that do the important ones?

After Htut, Phang, Bordia and Bowman 2019 (arXiv 1911.12246), whose tables were not available to us:
their two methods, MAX for single relations and MST for whole trees (of all heads and of each
layer's), with their baselines. Ours: the head is chosen on half of the sentences and scored on the
other, the stricter baselines (unsigned offsets, heads that see no word), RoBERTa's first word with
a space, the intervals, and the comparison with importance.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from jaxheads.analysis.arcs import METHODS, ArcHits
from jaxheads.analysis.offsets import CONTENTLESS, chain, contentless_attention
from jaxheads.analysis.specialists import (
    Generalist,
    Specialist,
    arc_sums,
    generalist,
    halves,
    layer_generalists,
    specialists,
)
from jaxheads.analysis.sums import Sums
from jaxheads.data.tokens import max_tokens
from jaxheads.data.treebanks.dependency import DependencyTree
from jaxheads.inference.attention_maps import Maps
from jaxheads.inference.dependencies import Sentences, readable
from jaxheads.models.model import Model, init_model
from jaxheads.records.folder import ARC_MAPS, CHAIN, MAX, MST, PRETRAINING, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.records.views import save_views, view
from jaxheads.storage.store import Store
from jaxheads.studies.htut2019 import arcs
from jaxheads.studies.runner.cells import Cell, cell, name_of
from jaxheads.studies.workbench.agreement import map_agreement
from jaxheads.studies.workbench.model import StudyModel, study_models
from jaxheads.studies.workbench.other_studies import copy_maps
from jaxheads.studies.workbench.seeds import Sampled, together_cell
from jaxheads.studies.workbench.settings import Run
from jaxheads.studies.workbench.steps import finetuned, text_cells

SINGLE = (MAX, "dependent to head", "head to dependent", "most attentive")  # by relation
KNOWN = (Stage.BEST_HEAD, Stage.LAYER_BEST, Stage.RELATION)  # of models as they are, tuned or not
RANDOM = (Stage.RANDOM_BEST_HEAD, Stage.RANDOM_LAYER_BEST, Stage.RANDOM_RELATION)


def cells(run: Run, store: Store) -> Iterator[Cell]:
    """For each model: importance, the treebank, fine-tuned models on it, and what agrees."""
    for model in study_models(run, store):
        base, scores = text_cells(model)
        yield from base + scores
        yield (others := cell(copy_maps, model, after=base))
        yield (untuned := cell(pretrained_arcs, model, after=base))
        random = [cell(random_arcs, model, n, after=base) for n in range(run.study.controls)]
        yield from random
        yield from together_cell(model, PRETRAINING, [[each] for each in random], of="draws")
        compared = [untuned, *scores, others]
        for task in (task.name for task in model.tasks):
            sampled = []
            for seed in run.seeds:
                yield (tuned := cell(finetuned, model, task, seed, after=base))
                yield (own := cell(tuned_arcs, model, task, seed, after=[untuned, tuned]))
                compared += [tuned, own]
                sampled.append([own])
            yield from together_cell(model, task, sampled)
        yield cell(map_agreement, model, after=compared)


# -- cells


def pretrained_arcs(model: StudyModel) -> list[Row]:
    """The pre-trained model on the treebank, beside what needs no model."""
    found, chosen_N = _sentences(model), _chosen(model)
    record = _recorded(model, model.base, "", 0)
    note = functools.partial(model.make_rows, PRETRAINING)
    rows = note({name: float(n) for name, n in found.counts.items()}, stage=Stage.SENTENCES)
    rows += head_rows(Sampled(model, PRETRAINING, 0), record.hits)
    rows += _mass_rows(model, found.trees, record.hits)
    rows += baseline_rows(Sampled(model, PRETRAINING, 0), found.trees)
    numbers = arcs.examples(found.trees, chosen_N, model.run.study.examples)
    if numbers:
        _save_examples(model, record.hits, numbers)
    return rows


def random_arcs(study_model: StudyModel, number: int) -> list[Row]:
    """A model of the same architecture whose weights are as they were drawn."""
    config, readout = study_model.base.config, study_model.base.readout
    model = init_model(config, readout, jax.random.key(1000 + number))
    trees = _sentences(study_model).trees
    record = arcs.record_arcs(
        trees, _maps(study_model, model), subtypes=study_model.run.study.subtypes
    )
    found = Sampled(study_model, PRETRAINING, number)
    rows = head_rows(found, record.hits, RANDOM)
    found.save(name_of(random_arcs, study_model, number))
    return rows


def tuned_arcs(model: StudyModel, task: str, seed: int) -> list[Row]:
    """A fine-tuned model on the treebank, and what changed by fine-tuning."""
    record = _recorded(model, model.tuned(task, seed), task, seed)
    before = pretrained_hits(model)
    found = Sampled(model, task, seed)
    rows = head_rows(found, record.hits) + change_rows(found, before, record.hits)
    found.save(name_of(tuned_arcs, model, task, seed))
    return rows


# -- rows


def head_rows(found: Sampled, hits: ArcHits, stages: Sequence[Stage] = KNOWN) -> list[Row]:
    """The best heads of whole trees and of relations, chosen on one half, scored on the other.

    Of random weights only what is set beside the others.
    """
    chosen_N = _chosen(found.study_model)
    whole, of_layer, single = stages
    rows: list[Row] = []
    for reading in METHODS:
        best = generalist(hits, reading, punctuation=False, chosen_N=chosen_N)
        head = {"layer": best.layer, "head": best.head}
        rows += _generalist_rows(found, best, head, stage=whole, reading=reading)
        if stages == KNOWN:
            best = generalist(hits, reading, punctuation=True, chosen_N=chosen_N)
            head = {"layer": best.layer, "head": best.head}
            rows += found.rows(Metric.ALL_UUAS, best.micro, head, stage=whole, reading=reading)
    for reading in (MAX, MST):
        layers = layer_generalists(hits, reading, punctuation=False, chosen_N=chosen_N)
        for layer, best in enumerate(layers):
            what = {"stage": of_layer, "reading": reading, "layer": layer}
            rows += _generalist_rows(found, best, {"head": best.head}, **what)
    for reading in SINGLE if stages == KNOWN else (MAX,):
        for each in specialists(hits, reading, chosen_N=chosen_N):
            if each.signed.total >= found.study_model.run.study.least:
                what = {"stage": single, "reading": reading, "relation": each.relation}
                rows += _specialist_rows(found, each, what)
    return rows


def _generalist_rows(found: Sampled, best: Generalist, head: dict, **what) -> list[Row]:
    rows = found.rows(Metric.UUAS, best.micro, head, **what)
    if what["stage"] in KNOWN:
        rows += found.rows(Metric.UUAS_MEAN, best.macro, head, **what)
        rows += found.plain_rows({Metric.UUAS_BEST: float(best.best_of_all)}, **what, **head)
    return rows


def _specialist_rows(found: Sampled, best: Specialist, what: dict) -> list[Row]:
    head = {"layer": best.layer, "head": best.head}
    rows = found.rows(Metric.ACCURACY, best.accuracy, head, **what)
    if what["stage"] not in KNOWN:
        return rows
    rows += found.rows(Metric.GAIN, best.gain, head, **what)
    values = {
        Metric.ARCS: best.signed.total,
        Metric.OFFSET: best.unsigned.offset,
        Metric.UNSIGNED: best.unsigned.accuracy,
        Metric.SIGNED: best.signed.accuracy,
    }
    floats = {name: float(value) for name, value in values.items()}
    return rows + found.plain_rows(floats, **what, **head)


def baseline_rows(noted: Sampled, trees: Sequence[DependencyTree]) -> list[Row]:
    """The chain, and heads that see no word, on the half that heads are scored on."""
    chosen_N = _chosen(noted.study_model)
    record = arcs.record_arcs(
        trees, _contentless(trees), subtypes=noted.study_model.run.study.subtypes
    )
    hits = record.hits
    scored_A = ~chosen_N[hits.arcs.sentence_A] & hits.arcs.words_A
    rows: list[Row] = []
    for reading in METHODS:
        found = {name: hits.found_by(reading, 0, n) for n, name in enumerate(CONTENTLESS)}
        if reading in (MAX, MST, "mst log"):
            found[CHAIN] = chain(hits.arcs)
        for name, found_A in found.items():
            what = {"stage": Stage.BASELINE, "reading": reading, "method": name}
            rows += noted.rows(Metric.UUAS, arc_sums(found_A, hits.arcs, scored_A), **what)
    return rows


def change_rows(found: Sampled, before: ArcHits, after: ArcHits) -> list[Row]:
    """The best head after fine-tuning less the best before, each chosen in its own model."""
    settings, chosen_N = found.study_model.run.study, _chosen(found.study_model)
    scored_A = ~chosen_N[before.arcs.sentence_A]
    rows: list[Row] = []
    for reading in (MAX, MST):
        pair = [
            generalist(hits, reading, punctuation=False, chosen_N=chosen_N)
            for hits in (before, after)
        ]
        change = _change(before, after, reading, pair, scored_A & before.arcs.words_A)
        rows += found.rows(Metric.UUAS, change, stage=Stage.TUNED_CHANGE, reading=reading)
    both = [specialists(hits, MAX, chosen_N=chosen_N) for hits in (before, after)]
    for one, two in zip(*both, strict=True):
        if one.signed.total >= settings.least:
            of_A = scored_A & before.arcs.of(one.relation)
            change = _change(before, after, MAX, [one, two], of_A)
            what = {"stage": Stage.TUNED_CHANGE, "reading": MAX, "relation": one.relation}
            rows += found.rows(Metric.ACCURACY, change, **what)
    return rows


def _change(
    before: ArcHits,
    after: ArcHits,
    method: str,
    pair: Sequence[Generalist | Specialist],
    scored_A: np.ndarray,
) -> Sums:
    one_A, two_A = (
        hits.found_by(method, best.layer, best.head).astype(float)
        for hits, best in zip((before, after), pair, strict=True)
    )
    return arc_sums(two_A - one_A, before.arcs, scored_A)


def _mass_rows(model: StudyModel, trees: Sequence[DependencyTree], hits: ArcHits) -> list[Row]:
    """The share of attention between words on gold arcs; uniform: what looking anywhere gives."""
    words = [len(tree.words) for tree in trees]
    values = {
        Metric.BEST_HEAD: float(hits.gold_mass_LH.max()),
        Metric.MEAN_OF_HEADS: float(hits.gold_mass_LH.mean()),
        Metric.UNIFORM: 2 * len(words) / sum(words),
    }
    rows = model.make_rows(PRETRAINING, values, stage=Stage.MASS)
    for relation, by_direction in arcs.relation_masses(hits, words, model.run.study.least):
        for direction, shares in by_direction.items():
            what = {"stage": Stage.RELATION_MASS, "relation": relation, "reading": direction}
            rows += model.make_rows(PRETRAINING, shares, **what)
    return rows


# -- what the cells share


@functools.lru_cache(2)
def _sentences(model: StudyModel) -> Sentences:
    settings = model.run.study
    most = max_tokens(model.base.config)
    return readable(model.tokenizer, arcs.read_treebank(settings), most, settings.special)


def pretrained_hits(model: StudyModel) -> ArcHits:
    """The arcs that `pretrained_arcs` found."""
    trees, subtypes = _sentences(model).trees, model.run.study.subtypes
    return arcs.load_hits(model.store, model.name, "", 0, trees, subtypes)


def _chosen(model: StudyModel) -> np.ndarray:
    """The sentences on which heads are chosen."""
    return halves(len(_sentences(model).trees), model.run.study.half)


def _maps(study_model: StudyModel, model: Model) -> Iterator[Maps]:
    return arcs.study_maps(study_model, model, _sentences(study_model).pieces)


def _recorded(study_model: StudyModel, model: Model, task: str, seed: int) -> arcs.ArcRecord:
    settings = study_model.run.study
    record = arcs.record_arcs(
        _sentences(study_model).trees, _maps(study_model, model), subtypes=settings.subtypes
    )
    arcs.save_arc_record(study_model, model, record, task, seed, settings.half)
    return record


def _contentless(trees: Sequence[DependencyTree]) -> Iterator[Maps]:
    """Maps of heads that see no word, in groups of equally long sentences."""
    words_N = np.array([len(tree.words) for tree in trees])
    for words in np.unique(words_N):
        index_N = np.flatnonzero(words_N == words)
        found = [contentless_attention(int(words), number) for number in index_N.tolist()]
        yield Maps(index_N, np.stack(found))


def _save_examples(model: StudyModel, hits: ArcHits, numbers: Sequence[int]) -> None:
    """Draw what the best heads make of some sentences, and what they look at."""
    found, chosen_N = _sentences(model), _chosen(model)
    heads: dict[str, tuple[str, int, int]] = {}
    titles: dict[tuple[int, int], str] = {}
    drawn, views = {}, {}
    for method in (MST, MAX):
        best = generalist(hits, method, punctuation=False, chosen_N=chosen_N)
        name = f"{method.upper()}, layer {best.layer} head {best.head}"
        heads[name] = (method, best.layer, best.head)
        own = (best.layer, best.head)
        titles[own] = f"{titles[own]}; {name}" if own in titles else name
    pieces = [found.pieces[number] for number in numbers]
    for index_N, attention in arcs.study_maps(model, model.base, pieces):
        for place, map_LHPP in zip(index_N.tolist(), attention, strict=True):
            tree = found.trees[numbers[place]]
            drawn[place] = arcs.drawn_arcs(tree, map_LHPP, heads)
            views[place] = [
                view(title, head, tree.words, map_LHPP[head]) for head, title in titles.items()
            ]
    arcs.save_examples(model.store, model.name, [drawn[place] for place in sorted(drawn)])
    every = (one for place in sorted(views) for one in views[place])
    save_views(model.store, model.name, ARC_MAPS, 0, every)
