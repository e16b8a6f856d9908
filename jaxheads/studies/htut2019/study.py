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
from pathlib import Path

import jax
import numpy as np

from jaxheads.analysis.arcs import METHODS, ArcHits
from jaxheads.analysis.intervals import Estimate
from jaxheads.analysis.offsets import CONTENTLESS, chain, contentless_attention
from jaxheads.analysis.specialists import (
    Generalist,
    Specialist,
    arc_interval,
    generalist,
    halves,
    layer_generalists,
    sentence_interval,
    share_interval,
    specialists,
)
from jaxheads.data.tokens import max_tokens
from jaxheads.data.treebanks.dependency import DependencyTree
from jaxheads.inference.attention_maps import Maps
from jaxheads.models.model import Model, init_model
from jaxheads.parallel.mesh import open_mesh
from jaxheads.records.rows import Row
from jaxheads.studies.htut2019 import arcs
from jaxheads.studies.runner.cells import Cell
from jaxheads.studies.settings import PRETRAINING, DependencySettings, Run
from jaxheads.studies.workbench.agreement import map_agreement
from jaxheads.studies.workbench.model import Lab
from jaxheads.studies.workbench.other_studies import beside_cell
from jaxheads.studies.workbench.pretrain import pretrained_cell
from jaxheads.studies.workbench.prunability import estimate_rows
from jaxheads.studies.workbench.steps import finetuned, score_base
from jaxheads.studies.workbench.views import save_views, view

BEST, RELATION, BASELINE = "best head", "relation", "baseline"
OF_LAYER = "best head of a layer"
CHANGE, SENTENCES, RANDOM = "change by fine-tuning", "sentences", "random weights"
KINDS = {"UUAS": False, "UUAS, punctuation too": True}  # metric -> whether punctuation counts
SINGLE = ("max", "dependent to head", "head to dependent", "most attentive")  # by relation


def cells(run: Run, folder: Path) -> Iterator[Cell]:
    """For each model: importance, the treebank, fine-tuned models on it, and what agrees."""
    if run.dependencies is None:
        raise ValueError("htut2019: expected settings of dependencies, got none")
    mesh = open_mesh(run.devices)
    for settings in run.models:
        yield from _cells_of(Lab(run, settings, folder, mesh))


def _cells_of(lab: Lab) -> Iterator[Cell]:
    first, scores = f"{lab.name}-pretrained", f"{lab.name}-{PRETRAINING}-scores"
    base, whole = f"{lab.name}-arcs", [scores, f"{lab.name}-beside"]
    yield pretrained_cell(lab)
    yield beside_cell(lab, (first,))
    yield Cell(scores, functools.partial(score_base, lab), needs=(first,))
    yield Cell(base, functools.partial(pretrained_arcs, lab), needs=(first,))
    for number in range(_settings(lab).controls):
        name = f"{base}-random-{number}"
        yield Cell(name, functools.partial(random_arcs, lab, number), needs=(first,))
    for task in lab.tasks:
        for seed in lab.run.seeds:
            name = f"{lab.name}-{task.name}-{seed}"
            yield Cell(
                f"{name}-fine-tuned",
                functools.partial(finetuned, lab, task.name, seed),
                needs=(first,),
            )
            work = functools.partial(tuned_arcs, lab, task.name, seed)
            yield Cell(f"{name}-arcs", work, needs=(base, f"{name}-fine-tuned"))
            whole += [f"{name}-fine-tuned", f"{name}-arcs"]
    work = functools.partial(map_agreement, lab)
    yield Cell(f"{lab.name}-agreement", work, needs=(base, *whole))


# -- cells


def pretrained_arcs(lab: Lab) -> list[Row]:
    """The pre-trained model on the treebank, beside what needs no model."""
    found, chosen_N = _sentences(lab), _chosen(lab)
    looks = _look(lab, lab.base, "", 0)
    note = functools.partial(lab.note.rows, PRETRAINING)
    rows = note({name: float(n) for name, n in found.counts.items()}, stage=SENTENCES)
    rows += head_rows(lab, looks.hits, PRETRAINING, 0)
    rows += _mass_rows(lab, found.trees, looks.hits)
    rows += baseline_rows(lab, found.trees)
    numbers = arcs.examples(found.trees, chosen_N, _settings(lab).examples)
    if numbers:
        _save_examples(lab, looks.hits, numbers)
    return rows


def random_arcs(lab: Lab, number: int) -> list[Row]:
    """A model of the same architecture whose weights are as they were drawn."""
    config, readout = lab.base.config, lab.base.readout
    model = init_model(config, readout, jax.random.key(1000 + number))
    trees = _sentences(lab).trees
    looks = arcs.look(trees, _maps(lab, model), subtypes=_settings(lab).subtypes)
    return head_rows(lab, looks.hits, PRETRAINING, number, suffix=f", {RANDOM}")


def tuned_arcs(lab: Lab, task: str, seed: int) -> list[Row]:
    """A fine-tuned model on the treebank, and what changed by fine-tuning."""
    looks = _look(lab, lab.tuned(task, seed), task, seed)
    settings, trees = _settings(lab), _sentences(lab).trees
    before = arcs.load_hits(lab.folder, lab.name, "", 0, trees, settings.subtypes)
    rows = head_rows(lab, looks.hits, task, seed)
    return rows + change_rows(lab, before, looks.hits, task, seed)


# -- rows


def head_rows(lab: Lab, hits: ArcHits, task: str, seed: int, suffix: str = "") -> list[Row]:
    """The best heads of whole trees and of relations, chosen on one half, scored on the other."""
    chosen_N = _chosen(lab)
    rows: list[Row] = []
    for method in METHODS:
        what = {"stage": f"{BEST}{suffix}", "method": method, "seed": seed}
        for metric, punctuation in KINDS.items():
            best = generalist(hits, method, punctuation=punctuation, chosen_N=chosen_N)
            rows += _generalist_rows(lab, task, metric, best, what)
    for method in ("max", "mst"):
        found = layer_generalists(hits, method, punctuation=False, chosen_N=chosen_N)
        for layer, best in enumerate(found, start=1):
            what = {"stage": f"{OF_LAYER}{suffix}", "method": f"{method}, layer {layer}"}
            rows += _generalist_rows(lab, task, "UUAS", best, {**what, "seed": seed})
    for method in SINGLE:
        for each in specialists(hits, method, chosen_N=chosen_N):
            if each.accuracy.value >= 0 and each.signed.total >= _settings(lab).least:
                rows += _specialist_rows(lab, task, method, each, suffix, seed)
    return rows


def _generalist_rows(lab: Lab, task: str, metric: str, best: Generalist, what: dict) -> list[Row]:
    rows = estimate_rows(lab, task, metric, best.micro, **what)
    rows += estimate_rows(lab, task, f"{metric}, mean of sentences", best.macro, **what)
    place = {
        f"{metric}, best of all": best.best_of_all,
        f"{metric}, layer": best.layer + 1,
        f"{metric}, head": best.head + 1,
    }
    return rows + lab.note.rows(task, {name: float(n) for name, n in place.items()}, **what)


def _specialist_rows(
    lab: Lab, task: str, method: str, best: Specialist, suffix: str, seed: int
) -> list[Row]:
    what = {"stage": f"{RELATION}{suffix}", "method": method, "seed": seed}
    name = best.relation
    rows = estimate_rows(lab, task, name, best.accuracy, **what)
    rows += estimate_rows(lab, task, f"{name}, gain", best.gain, **what)
    values = {
        f"{name}, arcs": best.signed.total,
        f"{name}, layer": best.layer + 1,
        f"{name}, head": best.head + 1,
        f"{name}, chosen half": best.chosen_accuracy,
        f"{name}, offset": best.unsigned.offset,
        f"{name}, unsigned": best.unsigned.accuracy,
        f"{name}, signed": best.signed.accuracy,
    }
    return rows + lab.note.rows(task, {name: float(n) for name, n in values.items()}, **what)


def baseline_rows(lab: Lab, trees: Sequence[DependencyTree]) -> list[Row]:
    """The chain, and heads that see no word, on the half that heads are scored on."""
    chosen_N = _chosen(lab)
    looks = arcs.look(trees, _contentless(trees), subtypes=_settings(lab).subtypes)
    hits = looks.hits
    scored_A = ~chosen_N[hits.arcs.sentence_A]
    rows: list[Row] = []
    for method in METHODS:
        found = {name: hits.found_by(method, 0, n) for n, name in enumerate(CONTENTLESS)}
        if method in ("max", "mst", "mst log"):
            found["chain"] = chain(hits.arcs)
        for name, found_A in found.items():
            what = {"stage": BASELINE, "method": f"{method}: {name}"}
            for metric, punctuation in KINDS.items():
                counted_A = scored_A if punctuation else scored_A & hits.arcs.words_A
                micro = share_interval(found_A, hits.arcs, counted_A)
                macro = sentence_interval(found_A, hits.arcs, counted_A)
                rows += estimate_rows(lab, PRETRAINING, metric, micro, **what)
                means = f"{metric}, mean of sentences"
                rows += estimate_rows(lab, PRETRAINING, means, macro, **what)
    return rows


def change_rows(lab: Lab, before: ArcHits, after: ArcHits, task: str, seed: int) -> list[Row]:
    """The best head after fine-tuning less the best before, each chosen in its own model."""
    settings, chosen_N = _settings(lab), _chosen(lab)
    scored_A = ~chosen_N[before.arcs.sentence_A]
    rows: list[Row] = []
    for method in ("max", "mst"):
        pair = [
            generalist(hits, method, punctuation=False, chosen_N=chosen_N)
            for hits in (before, after)
        ]
        change = _change(before, after, method, pair, scored_A & before.arcs.words_A)
        what = {"stage": CHANGE, "method": method, "seed": seed}
        rows += estimate_rows(lab, task, "UUAS", change, **what)
    both = [specialists(hits, "max", chosen_N=chosen_N) for hits in (before, after)]
    for one, two in zip(*both, strict=True):
        if one.signed.total >= settings.least:
            of_A = scored_A & before.arcs.of(one.relation)
            change = _change(before, after, "max", [one, two], of_A)
            what = {"stage": CHANGE, "method": "max", "seed": seed}
            rows += estimate_rows(lab, task, one.relation, change, **what)
    return rows


def _change(
    before: ArcHits,
    after: ArcHits,
    method: str,
    pair: Sequence[Generalist | Specialist],
    scored_A: np.ndarray,
) -> Estimate:
    one_A, two_A = (
        hits.found_by(method, best.layer, best.head).astype(float)
        for hits, best in zip((before, after), pair, strict=True)
    )
    return arc_interval(two_A - one_A, before.arcs, scored_A)


def _mass_rows(lab: Lab, trees: Sequence[DependencyTree], hits: ArcHits) -> list[Row]:
    """The share of attention between words on gold arcs; uniform: what looking anywhere gives."""
    words = [len(tree.words) for tree in trees]
    values = {
        "attention on gold arcs, best head": float(hits.gold_mass_LH.max()),
        "attention on gold arcs, mean of heads": float(hits.gold_mass_LH.mean()),
        "attention on gold arcs, uniform": 2 * len(words) / sum(words),
    }
    rows = lab.note.rows(PRETRAINING, values, stage="attention mass")
    for relation, values in relation_masses(hits, words, _settings(lab).least):
        for direction, shares in values.items():
            what = {"stage": "attention mass by relation", "method": direction}
            named = {f"{relation}, {name}": value for name, value in shares.items()}
            rows += lab.note.rows(PRETRAINING, named, **what)
    return rows


def relation_masses(
    hits: ArcHits, words: Sequence[int], least: int
) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    """Of every relation with so many arcs, by direction: the share of a word's attention to others.

    Of the best head (on all sentences), the mean of heads, and what looking anywhere would give in
    sentences of so many words.
    """
    others_A = np.asarray(words)[hits.arcs.sentence_A] - 1
    for number, relation in enumerate(hits.arcs.relations):
        of_A = hits.arcs.of(relation)
        if of_A.sum() >= least:
            uniform = float((1 / others_A[of_A]).mean())
            yield (
                relation,
                {
                    direction: {
                        "best head": float(share_RLH[number].max()),
                        "mean of heads": float(share_RLH[number].mean()),
                        "uniform": uniform,
                    }
                    for direction, share_RLH in hits.mass.items()
                },
            )


# -- what the cells share


def _settings(lab: Lab) -> DependencySettings:
    assert lab.run.dependencies is not None
    return lab.run.dependencies


@functools.lru_cache(2)
def _sentences(lab: Lab) -> arcs.Sentences:
    settings = _settings(lab)
    most = max_tokens(lab.base.config)
    return arcs.readable(lab.tokenizer, arcs.read_treebank(settings), most, settings.special)


def _chosen(lab: Lab) -> np.ndarray:
    """The sentences on which heads are chosen."""
    return halves(len(_sentences(lab).trees), _settings(lab).half)


def _maps(lab: Lab, model: Model) -> Iterator[Maps]:
    return arcs.word_maps(lab, model, _sentences(lab).pieces, _settings(lab))


def _look(lab: Lab, model: Model, task: str, seed: int) -> arcs.Looks:
    settings = _settings(lab)
    looks = arcs.look(_sentences(lab).trees, _maps(lab, model), subtypes=settings.subtypes)
    arcs.save_looks(lab, model, looks, task, seed, settings.half)
    return looks


def _contentless(trees: Sequence[DependencyTree]) -> Iterator[Maps]:
    """Maps of heads that see no word, in groups of equally long sentences."""
    words_N = np.array([len(tree.words) for tree in trees])
    for words in np.unique(words_N):
        index_N = np.flatnonzero(words_N == words)
        found = [contentless_attention(int(words), number) for number in index_N.tolist()]
        yield Maps(index_N, np.stack(found))


def _save_examples(lab: Lab, hits: ArcHits, numbers: Sequence[int]) -> None:
    """Draw what the best heads make of some sentences, and what they look at."""
    found, chosen_N = _sentences(lab), _chosen(lab)
    heads: dict[str, tuple[str, int, int]] = {}
    titles: dict[tuple[int, int], str] = {}
    drawn, views = {}, {}
    for method in ("mst", "max"):
        best = generalist(hits, method, punctuation=False, chosen_N=chosen_N)
        name = f"{method.upper()}, layer {best.layer + 1} head {best.head + 1}"
        heads[name] = (method, best.layer, best.head)
        own = (best.layer, best.head)
        titles[own] = f"{titles[own]}; {name}" if own in titles else name
    pieces = [found.pieces[number] for number in numbers]
    for index_N, attention in arcs.word_maps(lab, lab.base, pieces, _settings(lab)):
        for place, map_LHPP in zip(index_N.tolist(), attention, strict=True):
            tree = found.trees[numbers[place]]
            drawn[place] = arcs.drawn_arcs(tree, map_LHPP, heads)
            views[place] = [
                view(title, head, tree.words, map_LHPP[head]) for head, title in titles.items()
            ]
    arcs.save_examples(lab.folder, lab.name, [drawn[place] for place in sorted(drawn)])
    every = (one for place in sorted(views) for one in views[place])
    save_views(lab.folder, f"{lab.name}-{arcs.WHAT}-0", every)
