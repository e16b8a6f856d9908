"""The rows of a whole study, made up, with answers that can be worked out by hand.

Two models of 4 x 4 heads, three tasks, three seeds. k95 of the gradient's order is 9, 10 and 11
heads by seed, so 10 of 16 in the mean: 62.5%, from 56.25% to 68.75%.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxheads.records.rows import Row, write_rows

MODELS, TASKS, SEEDS, HEADS = (
    ("roberta", "albert"),
    ("mlm", "sentiment", "entailment"),
    (0, 1, 2),
    16,
)
BUDGETS = (16, 12, 8, 4, 0)
STATISTICS = ("spearman", "kendall", "spearman within layers")
OVERLAPS = ("overlap of lowest 50%", "overlap of highest 20%")
# what a whole model has, and how fast each order loses it: share kept at 16, 12, 8, 4, 0 heads
KEPT = {
    ("gradient",): (1.0, 1.0, 0.96, 0.8, 0.6),
    ("gradient", "token"): (1.0, 0.99, 0.95, 0.79, 0.6),
    ("gradient, iterative",): (1.0, 1.0, 0.97, 0.82, 0.6),
    ("random",): (1.0, 0.95, 0.82, 0.7, 0.6),
    ("reversed",): (1.0, 0.8, 0.68, 0.62, 0.6),
    ("gradient", "", "mlm"): (1.0, 0.97, 0.9, 0.75, 0.6),
    ("gradient", "tied"): (1.0, 0.96, 0.88, 0.72, 0.6),
}
K95 = {("gradient",): 10, ("reversed",): 2, ("random",): 5, ("gradient", "token"): 9}


def study_rows(models=MODELS, tasks=TASKS, seeds=SEEDS) -> list[Row]:
    """Every stage of the study that the report has a section for."""
    makers = (whole, masked, prunability, contrasts, coherence, repeats, nulls, null_maps)
    makers += (null_orders, deduction, regimes, single)
    rows = [Row("made up", *row[:4], **row[4]) for m in makers for row in m(models, tasks, seeds)]
    return with_all_seeds(rows)


def with_all_seeds(rows: list[Row]) -> list[Row]:
    """The rows, and beside those of single seeds with intervals one of all seeds, as wide as these.

    The best heads of seeds are others, and together none.
    """
    groups: dict[tuple, list[Row]] = {}
    for row in rows:
        if row.low is not None and row.seeds is None:
            layer = None if row.head is not None else row.layer
            key = (row.model, row.task, row.stage, *way(row).values(), row.metric, layer)
            groups.setdefault((*key, row.place, row.relation, row.setting), []).append(row)
    together = []
    for own in groups.values():
        if len({row.seed for row in own}) > 1:
            value, half = float(np.mean([row.value for row in own])), own[0].value - own[0].low
            what = {"value": value, "low": value - half, "high": value + half, "seed": 0}
            what |= {"seeds": len(own), "head": None}
            what |= {"layer": None} if own[0].head is not None else {}
            together.append(dataclasses.replace(own[0], **what))
    return [*rows, *together]


def way(row: Row) -> dict[str, str]:
    """The fields that name one or two ways."""
    names = ("method", "reading", "other_task", "other_method", "other_reading")
    return {name: getattr(row, name) for name in names}


def named(method: str, reading: str = "", other_task: str = "") -> dict[str, str]:
    """The fields of a way to choose heads."""
    return {"method": method, "reading": reading, "other_task": other_task}


def make_folder(folder: Path, rows: list[Row], *, scores: bool = True) -> Path:
    """A study's folder with these rows, settings and random scores."""
    write_rows(folder / "rows.jsonl", rows)
    models = list(dict.fromkeys(row.model for row in rows))
    tasks = [t for t in TASKS if t in {row.task for row in rows}]
    run = {"study": "chiang2021", "models": [{"name": m} for m in models], "seeds": list(SEEDS)}
    run["tasks"] = [{"name": task} for task in tasks if task != "mlm"]
    made_on = {"python": "3.11.7", "packages": {"jax": "0.10.2"}}
    (folder / "run.json").write_text(json.dumps({"run": run, "made_on": made_on}))
    (folder / "scores").mkdir()
    random = np.random.default_rng(0)
    for model, task, seed in _each(models, tasks, SEEDS) if scores else ():
        places = ("", "-frozen", "-pruned8") if task != "mlm" else ("",)
        for name in (f"{model}-{task}{place}-{seed}" for place in places):
            np.savez(folder / "scores" / f"{name}.npz", score=random.random((4, 4)))
            np.savez(folder / "scores" / f"{name}.token.npz", score=random.random((4, 4)))
    return folder


def _each(models, tasks, seeds) -> Iterator[tuple[str, str, int]]:
    for model in models:
        for task in tasks:
            yield from ((model, task, seed) for seed in (seeds if task != "mlm" else seeds[:1]))


def whole(models, tasks, seeds):
    for model, task, seed in _each(models, tasks, seeds):
        if seed == 0:
            yield model, task, "loss", 0.7, {"stage": "floor"}
            yield model, task, "accuracy", 0.5, {"stage": "floor"}
            yield model, task, "bag of words", 0.55, {"stage": "floor"}
        yield model, task, "loss", 0.4, {"stage": "whole", "seed": seed}
        yield model, task, "accuracy", 0.8 + seed / 100, {"stage": "whole", "seed": seed}
        if task != "mlm":
            yield model, task, "accuracy", 0.6, {"stage": "linear probe", "seed": seed}
            what = {"stage": "labels shuffled", "place": "fine-tuned", "seed": seed}
            yield model, task, "accuracy", 0.51, what


def masked(models, tasks, seeds):
    for model, task, seed in _each(models, tasks, seeds):
        for kind, shares in KEPT.items():
            if ("mlm" in kind and task == "mlm") or ("tied" in kind and model != "albert"):
                continue
            for draw in [2 * seed, 2 * seed + 1] if kind == ("random",) else [None]:
                for budget, share in zip(BUDGETS, shares, strict=True):
                    what = {"stage": "masked", "budget": budget, "seed": seed, "draw": draw}
                    what |= named(*kind)
                    yield model, task, "loss", 2 - share, what
                    yield model, task, "accuracy", share * (0.8 + seed / 100), what


def prunability(models, tasks, seeds):
    for model, task, seed in _each(models, tasks, seeds):
        for kind, k95 in K95.items():
            for draw in [2 * seed, 2 * seed + 1] if kind == ("random",) else [None]:
                what = {"stage": "prunability", "seed": seed, "draw": draw, **named(*kind)}
                extra = (seed - 1) if task != "mlm" else 0
                yield model, task, "k95", float(k95 + extra), what
                yield model, task, "k99", float(k95 // 2), what
                yield model, task, "area", k95 / HEADS + 0.2, what


def contrasts(models, tasks, seeds):
    for model in models:
        for task in tasks:
            what = {"stage": "contrast", "budget": 8, "p_value": 0.01}
            what |= {"seeds": 1, "draws": 5, "ahead": 5} if task == "mlm" else {"seeds": len(seeds)}
            both = {"method": "gradient", "other_method": "random", "low": 0.06, "high": 0.14}
            yield model, task, "accuracy", 0.1, what | both
            low = -0.01 if task == "mlm" else 0.02
            both = {"method": "random", "other_method": "reversed", "low": low, "high": 0.12}
            yield model, task, "accuracy", 0.05, what | both


def coherence(models, tasks, seeds):
    pairs = list(itertools.combinations(tasks, 2))
    for model in models:
        for (one, two), place, seed in itertools.product(pairs, PLACES, seeds):
            for name in (*STATISTICS, *OVERLAPS):
                value = PLACES[place] + (seed - 1) / 10
                what = {"stage": "coherence", "place": place, "seed": seed, "other_task": two}
                what |= {"p_value": 0.2 if value < 0.2 else 0.01}
                what |= {"chance": float(name[-3:-1]) / 100} if name in OVERLAPS else {}
                yield model, one, name, value, what
        for two in tasks[1:] if "mlm" in tasks else ():
            for budget, value in ((12, float("nan")), (8, 0.5), (4, 0.8)):
                ends = {"low": value - 0.3, "high": value + 0.3}
                what = {"stage": "functional coherence", "budget": budget}
                yield model, two, "accuracy", value, what | named("gradient", "", "mlm") | ends


def repeats(models, tasks, seeds):
    for model in models:
        for task in tasks:
            what = {"stage": "reliability", "place": "fine-tuned"}
            yield model, task, "spearman", 0.95, {**what, "method": "other examples"}
            for number in range(3 if task != "mlm" else 0):
                own = {**what, "method": "other seed", "seed": number}
                yield from ((model, task, name, 0.75 + number / 10, own) for name in STATISTICS)
            if task != "mlm":
                yield model, task, "spearman", 0.8, {**what, "method": "other examples and seed"}
        for one, two in itertools.combinations(tasks, 2):
            top = 0.872 if one == "mlm" else 0.8
            what = {"stage": "ceiling", "place": "fine-tuned", "other_task": two}
            yield model, one, "spearman", top, what


PLACES = {"fine-tuned": 0.4, "linear probe": 0.1}


def nulls(models, tasks, seeds):
    """Fine-tuned: more than magnitude and shuffled labels, not more than the other two."""
    pairs = itertools.combinations(tasks, 2)
    for model, (one, two), place in itertools.product(models, list(pairs), PLACES):
        clear, both = place == "fine-tuned", {"place": place, "other_task": two}
        for seed in seeds:
            what = {"stage": "coherence given a null", "seed": seed, **both}
            for null, value, p in (("magnitude", 0.35, 0.004), ("output_norm", 0.05, 0.6)):
                own = {**what, "method": null, "p_value": p if clear else 0.6}
                yield model, one, "spearman", value + seed / 100, own
        for null, low in (("shuffled_labels", 0.1 if clear else -0.1), ("untrained_readout", -0.1)):
            what = {"stage": "more than nulls", "method": null, "low": low, "high": low + 0.4}
            yield model, one, "spearman", low + 0.2, what | both


def null_maps(models, tasks, seeds):
    for model, (one, two) in itertools.product(models, itertools.product(tasks, tasks)):
        for place in PLACES:
            what = {"stage": "null", "method": "magnitude", "place": place, "other_task": two}
            yield model, one, "spearman", 0.3, what
            yield model, one, "kendall", 0.2, what


def null_orders(models, tasks, seeds):
    for model, task in itertools.product(models, tasks):
        for other, low in (("", 0.01), ("mlm", -0.05)):
            what = {"stage": "contrast with nulls", "budget": 8, "other_method": "magnitude"}
            what |= {"p_value": 0.01, "seeds": 1 if task == "mlm" else len(seeds)}
            what |= named("gradient", "", other) | {"low": low, "high": low + 0.08}
            if other != task:
                yield model, task, "accuracy", low + 0.04, what
        if task != "mlm":
            for place in PLACES:
                what = {"stage": "above the baseline", "place": place}
                yield model, task, "accuracy", 0.2, what | {"low": 0.1, "high": 0.3}


BEFORE = named("gradient", "", "mlm")


def deduction(models, tasks, seeds):
    for model in models:
        for budget, lost in ((16, 0.0), (12, 0.02), (8, 0.1), (4, 0.5)):
            what = {"stage": "deduction", "budget": budget, **BEFORE}
            ends = {"low": 0.9 * lost, "high": 1.1 * lost}  # over blocks of text
            yield model, "mlm", "loss increase", lost, what | ends
            yield model, "mlm", "accuracy drop", 2 * lost, what
        for _, task, seed in _each([model], tasks, seeds):
            for budget, share in ((12, 1.0), (8, 0.98), (4, 0.9)) if task != "mlm" else ():
                for way, less in ((BEFORE, 0.0), ({"method": "random", "draw": seed}, 0.02)):
                    what = {"stage": "pruned, then fine-tuned", "budget": budget, "seed": seed}
                    value = (share - less) * (0.8 + seed / 100)
                    yield model, task, "accuracy", value, what | way
        for task in (*tasks[1:], "all tasks"):
            for metric, tolerance, value, ends in (
                ("loss increase", 0.01, 0.02, (0.0, 0.02)),
                ("heads removed", 0.01, 4.0, (0.0, 4.0)),
                ("loss increase", 0.05, 0.1, (0.02, 0.1)),
                ("heads removed", 0.05, 8.0, (4.0, 8.0)),
            ):
                what = {"stage": "acceptable deduction", "setting": tolerance, **BEFORE}
                yield model, task, metric, value, what | {"low": ends[0], "high": ends[1]}


REGIMES = {
    ("prune",): 0.55,
    ("prune, fine-tune",): 0.79,
    ("prune, fine-tune", "random"): 0.78,
    ("fine-tune, prune",): 0.75,
    ("fine-tune, prune", "random"): 0.66,
    ("fine-tune, prune, fine-tune",): 0.8,
}


CONTRASTS = (
    (("prune, fine-tune", "fine-tune, prune"), 0.04, 0.03),
    (("prune, fine-tune, fine-tune", "fine-tune, prune, fine-tune"), -0.01, 0.5),
    (("prune, fine-tune", "prune, fine-tune", "random"), 0.01, 0.5),
)


def less(method: str, other: str, other_reading: str = "") -> dict[str, str]:
    """The fields of a difference."""
    return {"method": method, "other_method": other, "other_reading": other_reading}


def regimes(models, tasks, seeds):
    for model, task, seed in _each(models, tasks[1:], seeds):
        for regime, value in REGIMES.items():
            wobble = (0.0, 0.01, 0.02)[seed] if regime == ("prune, fine-tune",) else 0.01
            what = {"stage": "before and after", "budget": 8, "seed": seed, **named(*regime)}
            yield model, task, "accuracy", value + wobble, what
        what = {"stage": "before and after, contrast", "budget": 8, "seeds": len(seeds)}
        for pair, value, p in CONTRASTS if seed == 0 else ():
            ends = {"low": value - 0.03, "high": value + 0.03, "p_value": p}
            yield model, task, "accuracy", value, what | less(*pair) | ends
        what = {"stage": "drift", "budget": 8, "seed": seed}
        yield model, task, "spearman", 0.6 + seed / 10, what
        if seed == 0:
            what = {"stage": "cut", "budget": 8, **BEFORE}
            yield model, task, "accuracy", 0.784, what
            yield model, task, "parameters", 150_000.0, what
            yield model, task, "parameters of the whole", 200_000.0, what


def single(models, tasks, seeds):
    model, task = models[0], tasks[-1]
    for layer, head in itertools.product(range(4), range(4)):
        value = -0.05 if (layer, head) == (1, 2) else 0.001
        ends = {"low": value - 0.01, "high": value + 0.01}
        what = {"stage": "one head removed", "layer": layer, "head": head}
        yield model, task, "accuracy", value, what | ends
    for layer in range(4):
        what = {"stage": "one head kept", "layer": layer}
        yield model, task, "accuracy", -0.02 * (layer + 1), what | {"low": -0.1, "high": 0.0}
    yield model, task, "significant at 1%", 1.0, {"stage": "one head removed, summary"}
    yield model, task, "pearson", 0.68, {"stage": "agreement of data sets"}
    yield model, task, "spearman", 0.7, {"stage": "gradient and ablation"}
    yield model, task, "gold", 3.0, {"stage": "of a later study"}
