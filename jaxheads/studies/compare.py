"""Every way to choose heads, at equal budgets: quality, what it costs, and what a cut model gains.

Each method of `studies.choosing` picks its heads for each task, seed and budget; the model is
measured under the exact mask as it is, and again after training it once more (of random masks the
first). Of a gate, the heads of its last sample are measured too. The rate of gates is chosen on
training examples that are held out; what is held out of training is measured once. Rows are the
same in every run; seconds and speeds are not, and go to `speed.jsonl` beside them.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from jaxheads.analysis.resampling import bootstrap
from jaxheads.data.encode import EncodedSource
from jaxheads.options import MeshShape
from jaxheads.pruning.cost import count_parameters
from jaxheads.pruning.cut import cut
from jaxheads.records import Row, read_rows
from jaxheads.settings import CompareSettings, Run
from jaxheads.studies import prepare
from jaxheads.studies.cells import Cell, cell_path
from jaxheads.studies.chiang2021 import finetuned, whole_name
from jaxheads.studies.choosing import METHODS, Choice, has_rate, is_random
from jaxheads.studies.lab import Lab
from jaxheads.studies.latency import measure_speed
from jaxheads.studies.pretrain import pretrained
from jaxheads.studies.prunability import estimate_rows, load_answers, save_answers
from jaxheads.studies.subjects import Subject, first_of
from jaxheads.training.evaluate import METRICS

PRUNED, AGAIN, SEEN, COST, CHOSEN, CUT = (
    "pruned",
    "trained again",
    "heads of the last sample",
    "cost",
    "choice of rate",
    "cut, compared",
)
BASELINE, SPEED = "gradient", "speed.jsonl"
FINE_TUNING, ONE_PASS, CHOOSING = (
    f"{what}, seconds" for what in ("fine-tuning", "one pass of the gradient", "choosing")
)
# What a pass of the gradient gives beyond one ranking is compared with learned subsets too.
OURS = ("gradient, iterative", "refined", "refined, rescaled")
LEARNED = ("subset", "straight-through")


def settings_of(run: Run) -> CompareSettings:
    """The study's own settings; ValueError where there are none, or methods that are unknown."""
    if run.compare is None:
        raise ValueError(f"run: expected compare for the study {run.study}, got none")
    unknown = [name for name in run.compare.methods if name not in METHODS]
    if unknown:
        raise ValueError(
            f"compare.methods: expected any of {', '.join(METHODS)}, got {', '.join(unknown)}"
        )
    if "meta" in run.compare.methods and run.meta is None:
        raise ValueError("run: expected meta, how a pruner learns, for the method meta, got none")
    return run.compare


def cells(run: Run, folder: Path) -> Iterator[Cell]:
    """All cells of the comparison."""
    how, mesh = settings_of(run), prepare.open_mesh(MeshShape(run.devices))
    for settings in run.models:
        lab = Lab(run, settings, folder, mesh)
        if lab.layout.shares_blocks and "refined, rescaled" in how.methods:
            raise ValueError(
                f"compare.methods: expected no 'refined, rescaled' for {lab.name}: it folds a gate "
                "of each layer into weights that the layers of this model share"
            )
        base: tuple[str, ...] = ()
        if settings.pretrain is not None:
            base = (f"{lab.name}-pretrained",)
            yield Cell(*base, functools.partial(pretrained, lab), needs=())
        for task in lab.tasks:
            yield from _cells_of(lab, how.methods, task.name, base)


def _cells_of(lab: Lab, methods: Sequence[str], task: str, base: tuple[str, ...]) -> Iterator[Cell]:
    """The fine-tuned models of a task, the rates of gates, and every choice of heads."""
    pruned: list[str] = []
    tuned = {seed: whole_name(lab, task, seed) for seed in lab.run.seeds}
    for seed, name in tuned.items():
        yield Cell(name, functools.partial(whole, lab, task, seed), needs=base)
    rates = {way: (rate_cell(lab, task, way),) for way in filter(has_rate, methods)}
    for method, name in rates.items():
        work = functools.partial(choose_rate, lab, task, method)
        yield Cell(*name, work, needs=(tuned[lab.run.seeds[0]],))
    for method in methods:
        for seed in lab.run.seeds:
            before = (tuned[seed], *rates.get(method, ()))
            for budget in budgets(lab):
                name = cell_name(lab, task, method, seed, budget)
                yield Cell(name, functools.partial(prune, lab, task, method, seed, budget), before)
                pruned.append(name)
                if method == "meta":  # whose first cell trains the pruner
                    before = (name,)
    yield Cell(f"{lab.name}-{task}-contrasts", functools.partial(contrasts, lab, task), (*pruned,))


def cell_name(lab: Lab, task: str, method: str, seed: int, budget: int) -> str:
    """The cell, and the answers, of one choice of heads."""
    return f"{lab.name}-{task}-{seed}-{_plain(method)}-{budget}"


def rate_cell(lab: Lab, task: str, method: str) -> str:
    """The cell in which a method's rate is chosen."""
    return f"{lab.name}-{task}-{_plain(method)}-rate"


def budgets(lab: Lab) -> tuple[int, ...]:
    """The numbers of heads that the shares are, decreasing, at least one head."""
    total = lab.layout.num_layers * lab.layout.num_heads
    counts = (max(round(share * total), 1) for share in settings_of(lab.run).shares)
    return tuple(dict.fromkeys(count for count in counts if count < total))


def _plain(method: str) -> str:
    return method.replace(",", "").replace(" ", "-")


def _choice(lab: Lab, task: Subject, seed: int, budget: int, rate: float, draw: int = 0) -> Choice:
    before = tuple(each for each in budgets(lab) if each >= budget)
    first = lab.run.seeds.index(seed) * settings_of(lab.run).draws
    return Choice(lab, task, seed, before, rate, first + draw)


# -- cells


def whole(lab: Lab, name: str, seed: int) -> list[Row]:
    """Fine-tune with all heads, measure, score; and say how long a training and a pass take.

    The pass that is timed is a second one, of the gradient by the gate alone, from a compiled
    program.
    """
    times, begin = {}, time.perf_counter()
    if not lab.tuned_path(name, seed).is_dir():
        lab.tuned(name, seed)
        times[FINE_TUNING] = time.perf_counter() - begin
    rows = finetuned(lab, name, seed)
    for _ in range(2):
        begin = time.perf_counter()
        lab.score(lab.tuned(name, seed), lab.subject(name))
        times[ONE_PASS] = time.perf_counter() - begin
    _note_speed(lab, name, {"method": "", "budget": None, "seed": seed}, times)
    return rows


def choose_rate(lab: Lab, name: str, method: str) -> list[Row]:
    """The rate with the best metric on training examples that are left out of this training.

    At the middle budget, with the first seed; a single rate needs no choice. (The fine-tuned model
    that pipelined gates start from has seen those examples.)
    """
    how = settings_of(lab.run)
    if len(how.rates) == 1:
        return lab.note.rows(name, {"rate": how.rates[0]}, stage=CHOSEN, method=method)
    task = lab.subject(name)
    assert isinstance(task.train, EncodedSource), "downstream tasks are read whole"
    count = len(task.train.lengths)
    kept = round(count * (1 - how.chosen_on))
    rest = _after(task.train, kept)
    batches = list(lab.reader.batches(rest, task.lengths, lab.run.curve.batch_size))
    part = task._replace(train=first_of(task.train, kept), held_out=batches)
    middle = budgets(lab)[len(budgets(lab)) // 2]
    rows: list[Row] = []
    found: dict[float, float] = {}
    steps = 0
    for rate in how.rates:
        chosen = METHODS[method](_choice(lab, part, lab.run.seeds[0], middle, rate))
        steps += chosen.steps
        metrics = lab.measure(chosen.model, part, chosen.mask_LH).metrics
        found[rate] = metrics[task.metrics[0]]
        what = {"stage": CHOSEN, "method": method, "budget": middle}
        rows += lab.note.rows(name, {f"{task.metrics[0]} at {rate:g}": found[rate]}, **what)
    best = max(found, key=lambda rate: found[rate])
    values = {"rate": best, "steps of all trials": float(steps)}
    return rows + lab.note.rows(name, values, stage=CHOSEN, method=method)


def _after(source: EncodedSource, count: int) -> EncodedSource:
    """The examples after the first `count`."""
    starts = source.starts[count * source.sentences :]
    return dataclasses.replace(source, starts=starts, labels=source.labels[count:])


def rate_of(lab: Lab, name: str, method: str) -> float:
    """The rate that was chosen; that of methods without gates is not used."""
    if not has_rate(method):
        return 1.0
    rows = read_rows(cell_path(lab.folder, rate_cell(lab, name, method)))
    return next(row.value for row in rows if row.metric == "rate")


def prune(lab: Lab, name: str, method: str, seed: int, budget: int) -> list[Row]:
    """Choose heads, measure without and with more training, and say what it took."""
    task, how = lab.subject(name), settings_of(lab.run)
    rate, begin = rate_of(lab, name, method), time.perf_counter()
    chosen = METHODS[method](_choice(lab, task, seed, budget, rate))
    seconds = time.perf_counter() - begin
    what = {"method": method, "budget": budget, "seed": seed}
    _note_speed(lab, name, what, {CHOOSING: seconds})
    others = range(1, how.draws if is_random(method) else 1)
    more = (METHODS[method](_choice(lab, task, seed, budget, rate, draw)) for draw in others)
    masks = [chosen.mask_LH, *(each.mask_LH for each in more)]
    measured = [lab.measure(chosen.model, task, mask_LH) for mask_LH in masks]
    rows = [
        row
        for found in measured
        for row in lab.note.rows(name, found.metrics, stage=PRUNED, **what)
    ]
    guesses = np.stack([found.answers.guess_M for found in measured])
    answers = {"label": measured[0].answers.label_M, PRUNED: guesses}
    if chosen.seen_LH is not None:
        seen = lab.measure(chosen.model, task, chosen.seen_LH).metrics
        seen["heads kept of them"] = float((chosen.seen_LH & chosen.mask_LH).sum())
        rows += lab.note.rows(name, seen, stage=SEEN, **what)
    assert task.training is not None
    base = chosen.base * task.training.steps
    cost = {
        "steps": float(base + chosen.steps),
        "examples": float(base * task.training.batch_size + chosen.examples),
        "fine-tunings": float(chosen.base),
        "passes made before": float(chosen.passes),
    }
    rows += lab.note.rows(name, cost, stage=COST, **what)
    model, mask_LH = chosen.model, chosen.mask_LH
    if how.again:
        label = f"{cell_name(lab, name, method, seed, budget)}-again"
        model = lab.refitted(model, task, seed, label, mask_LH)
        found = lab.measure(model, task, mask_LH)
        rows += lab.note.rows(name, found.metrics, stage=AGAIN, **what)
        answers[AGAIN] = found.answers.guess_M[None]
    save_answers(lab, cell_name(lab, name, method, seed, budget), answers)
    timed = {round(share * lab.layout.num_layers * lab.layout.num_heads) for share in how.timed}
    if seed == lab.run.seeds[0] and budget in timed:
        rows += _cut(lab, name, model, mask_LH, what)
    return rows


def _cut(lab: Lab, name: str, model, mask_LH, what) -> list[Row]:
    """The model without those heads: its size, and in `speed.jsonl` its speed beside the whole."""
    how = settings_of(lab.run)
    params, config = cut(model.params, model.config, mask_LH)
    smaller = model._replace(params=params, config=config)
    label = f"{_plain(what['method'])}-{what['budget']}"
    path = lab.folder / "smaller" / f"{lab.name}-{name}-{label}"
    if not path.is_dir():
        lab.save_model(smaller, path)
    task = lab.subject(name)
    assert task.training is not None
    speeds = measure_speed(
        model, smaller, how.batches, max(task.lengths), how.repeats,
        training_batch=task.training.batch_size,
    )  # fmt: skip
    _note_speed(lab, name, what, speeds)
    sizes = {
        "parameters": float(count_parameters(params)),
        "parameters of the whole": float(count_parameters(model.params)),
        "bytes on disk": float((path / "model.safetensors").stat().st_size),
    }
    return lab.note.rows(name, sizes, stage=CUT, **what)


def _note_speed(lab: Lab, task: str, what: dict, values: dict[str, float]) -> None:
    """Measured times, which differ from run to run and so are no rows."""
    with (lab.folder / SPEED).open("a") as file:
        for name, value in values.items():
            line = {"model": lab.name, "task": task, **what, "what": name, "value": value}
            file.write(json.dumps(line) + "\n")


def contrasts(lab: Lab, name: str) -> list[Row]:
    """Differences of methods at equal budgets, with intervals over seeds and examples.

    Of every method and the gradient's one-shot order; of what goes further with the gradient
    (`OURS`) and each learned subset.
    """
    how, task = settings_of(lab.run), lab.subject(name)
    metric, rows = METRICS[task.metrics[0]], []
    subsets = [method for method in how.methods if method.startswith(LEARNED)]
    pairs = [(method, BASELINE) for method in how.methods if method != BASELINE]
    pairs += [(method, other) for method in OURS for other in subsets]
    pairs = [pair for pair in pairs if set(pair) <= set(how.methods)]
    for stage in (PRUNED, AGAIN) if how.again else (PRUNED,):
        for budget in budgets(lab):
            answers = {
                method: [
                    load_answers(lab, cell_name(lab, name, method, seed, budget))
                    for seed in lab.run.seeds
                ]
                for method in how.methods
            }
            label_M = answers[how.methods[0]][0]["label"]

            def value(method, seeds, examples, answers=answers, label_M=label_M, stage=stage):
                found = [guess for s in seeds for guess in answers[method][s][stage][:, examples]]
                return float(np.mean([metric(guess, label_M[examples]) for guess in found]))

            for method, other in pairs:
                found = bootstrap(
                    lambda s, e, m=method, o=other, v=value: v(m, s, e) - v(o, s, e),
                    len(lab.run.seeds), len(label_M), samples=400,
                )  # fmt: skip
                rows += estimate_rows(
                    lab, name, task.metrics[0], found, stage=f"{stage}, contrast",
                    method=f"{method} - {other}", budget=budget,
                )  # fmt: skip
    return rows
