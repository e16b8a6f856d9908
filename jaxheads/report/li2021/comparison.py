"""Ways to choose heads at equal budgets: quality, cost, and quality against measured speed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from statistics import mean

from matplotlib.ticker import MaxNLocator

from jaxheads.records.rows import Row
from jaxheads.report.curves import draw_levels
from jaxheads.report.figures.panels import add_legend, bands_are, draw_line, grid
from jaxheads.report.figures.style import SPARE, line_styles, shown
from jaxheads.report.folder import Study
from jaxheads.report.li2021.differences import STAGES, contrast_table, further_table, side_by_side
from jaxheads.report.parts import Drawing, Section, Table, slug
from jaxheads.report.spread import Spread, cell, short, spread_of, spreads

COST, CUT, SEEN = "cost", "cut, compared", "heads of the last sample"
CHOSEN = "choice of learning rate"
SCALED, SWEEP, OPEN = "all heads, scaled", "sweep of strengths", "heads open"
GROUP = len(SPARE)  # methods in one figure, beside the two that are in all
ALWAYS = ("gradient", "random")


def comparison_section(study: Study) -> Section | None:
    """Curves of quality, the table of costs, and speed."""
    methods = _methods(study)
    if not methods:
        return None
    makers = (
        *(contrast_table, further_table, _cost_table, _seen_table),
        *(_scaled_table, _sweep_table, _rate_table, _size_table, _speed_table),
    )
    tables = (make(study) for make in makers)
    parts = (
        *_curves(study, methods),
        *_paretos(study),
        *(table for table in tables if table is not None),
    )
    lead = (
        "Each method picks the heads to keep at each budget; the model is measured under that "
        "exact mask, as it is and after more training. Costs are beside: a ranking is one pass, a "
        "learned gate one training for every budget."
    )
    return Section("comparison", "Ways to choose heads", lead, parts)


def _methods(study: Study) -> list[str]:
    """In the order of the rows."""
    return list(dict.fromkeys(row.method for row in study.at(COST)))


def _curves(study: Study, methods: list[str]) -> Iterator[Drawing]:
    base = [name for name in ALWAYS if name in methods]
    others = [name for name in methods if name not in base]
    groups = [others[start : start + GROUP] for start in range(0, len(others), GROUP)] or [[]]
    pruned = {row.model for stage in STAGES for row in study.at(stage)}
    for model in (model for model in study.models if model in pruned):
        for number, group in enumerate(groups, start=1):
            yield _curve(study, model, base + group, number)


def _curve(study: Study, model: str, methods: list[str], number: int) -> Drawing:
    rows = [row for stage in STAGES for row in study.at(stage, model=model)]
    places = [
        (task, stage)
        for task in study.downstream
        for stage in STAGES
        if any(row.task == task and row.stage == stage for row in rows)
    ]
    figure, axes = grid(len(places))
    seen: list[Spread] = []
    for axis, (task, stage) in zip(axes, places, strict=True):
        metric = study.metric(task)
        own = [r for r in rows if (r.task, r.stage, r.metric) == (task, stage, metric)]
        found = spreads(own, lambda row: (row.method, row.budget or 0))
        for name, style in line_styles(methods).items():
            points = {float(budget): s for (way, budget), s in found.items() if way == name}
            if points:
                draw_line(axis, name, style, points)
                seen += points.values()
        draw_levels(axis, study, model, task, whole=True)
        axis.set(title=f"{shown(task)}, {stage}", xlabel="heads kept", ylabel=metric)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.invert_xaxis()
    add_legend(figure, axes)
    caption = f"{model}: quality against the heads kept, means over seeds; {bands_are(seen)}."
    alt = f"Quality of {model} by budget for {', '.join(methods)}"
    return Drawing(slug("comparison", model, str(number)), figure, alt, caption)


def _cost_table(study: Study) -> Table | None:
    found = spreads(study.at(COST), lambda row: (row.model, row.task, row.method, row.metric))
    choosing, training, scoring = (
        _speeds(study, f"{what}, seconds")
        for what in ("selection", "fine-tuning", "one pass of the gradient")
    )
    unknown, body = [float("nan")], []
    for (model, task, method, metric), steps in found.items():
        if metric == "steps":
            cost = {
                what: found[model, task, method, what].mean
                for what in ("examples", "fine-tunings", "passes made before")
            }
            before = {
                "fine-tunings": min(training.get((model, task, ""), unknown)),
                "passes made before": mean(scoring.get((model, task, ""), unknown)),
            }
            choice = mean(choosing.get((model, task, method), unknown))
            total = choice + sum(cost[what] * took for what, took in before.items() if cost[what])
            again = found.get((model, task, method, "examples, trained again"))
            line = (short(steps.mean), short(cost["examples"]), short(again.mean) if again else "–")
            body.append((model, shown(task), method, *line, _seconds(total), _seconds(choice)))
    if not body:
        return None
    caption = (
        "What one mask costs, fine-tuning with all heads included where the method needs it; more "
        "training afterwards, the trials of learning rates and the training of a pruner are not. "
        "A ranking is made once for all budgets, a learned gate anew for each. Seconds are means "
        "over seeds and budgets, of fine-tuning the fastest seed's (the first compile), on a "
        "machine that did other work too: of everything that is counted here, and of the choice "
        "alone, without fine-tuning and without a pass that was made before."
    )
    head = (
        *("model", "task", "method", "steps", "examples", "and trained once more"),
        *("seconds", "of them for the choice"),
    )
    return Table("comparison-cost", caption, head, tuple(body), labels=3)


def _speeds(study: Study, what: str) -> dict[tuple[str, str, str], list[float]]:
    """What was timed, by model, task and method."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for line in study.speeds:
        if line["what"] == what:
            place = (line["model"], line["task"], line["method"])
            found.setdefault(place, []).append(line["value"])
    return found


def _seconds(value: float) -> str:
    return short(value) if math.isfinite(value) else "–"


def _seen_table(study: Study) -> Table | None:
    found = spreads(study.at(SEEN), lambda r: (r.model, r.task, r.method, r.budget, r.metric))
    body = []
    for (model, task, method, budget, metric), share in found.items():
        if metric == "heads kept of them":
            own = {"model": model, "task": task, "method": method, "budget": budget}
            own["metric"] = study.metric(task)
            kept = spread_of(study.at("pruned", **own))
            seen, on = (found[model, task, method, budget, w] for w in (own["metric"], "heads"))
            line = (model, shown(task), method, str(budget), cell(on, short), cell(share, short))
            body.append((*line, cell(seen), cell(kept)))
    caption = (
        "What training saw last and what is kept: the heads whose gate was above one half in the "
        "last sample, how many of them are kept, and the quality with them as a mask, beside that "
        "with the heads of the highest scores; nothing trained again."
    )
    head = (
        *("model", "task", "method", "heads", "on in the sample", "of them kept"),
        *("the sample", "kept heads"),
    )
    return Table("comparison-seen", caption, head, tuple(body), labels=3) if body else None


def _scaled_table(study: Study) -> Table | None:
    """What the smaller scale takes that joint training begins with, beside what it ends with."""
    joint = [method for method in _methods(study) if method.endswith(", joint")]
    found = spreads(study.at(SCALED), lambda row: (row.model, row.task, row.metric, row.budget))
    body = []
    for (model, task, metric, budget), same in found.items():
        if metric == study.metric(task):
            own = {"model": model, "task": task, "metric": metric}
            whole = spread_of(study.at("whole", **own))
            pruned = [spread_of(study.at("pruned", **own, budget=budget, method=m)) for m in joint]
            body.append((model, shown(task), str(budget), *map(cell, (whole, same, *pruned))))
    caption = (
        "What joint training loses by the choice of heads and what by its scale: all heads as they "
        "are; all N heads trained and measured times K / N, as soft gates of K heads begin (same "
        "scale); and the K heads of each joint gate, nothing trained again."
    )
    head = ("model", "task", "heads", "all heads", "same scale, nothing pruned", *joint)
    return Table("comparison-scale", caption, head, tuple(body), labels=3) if body else None


def _sweep_table(study: Study) -> Table | None:
    """Prices of a head, in the place of budgets."""
    found = spreads(study.at(SWEEP), lambda row: (row.model, row.task, row.method, row.metric))
    body = tuple(
        (model, shown(task), method, cell(found[model, task, method, OPEN], short), cell(quality))
        for (model, task, method, metric), quality in found.items()
        if metric == study.metric(task)
    )
    caption = (
        "L0 gates by the price of a head: how many each leaves open, and the quality with these."
    )
    head = ("model", "task", "gates", OPEN, "quality")
    return Table("comparison-sweep", caption, head, body, labels=3) if body else None


def _rate_table(study: Study) -> Table | None:
    body = tuple(
        (row.model, shown(row.task), row.method, row.metric, _budget(row), short(row.value))
        for row in study.at(CHOSEN)
    )
    caption = (
        "The learning rates of gates that were tried, on training examples held out for it, by "
        "models that were trained without those."
    )
    head = ("model", "task", "method", "metric", "heads", "value")
    return Table("comparison-learning-rates", caption, head, body, labels=4) if body else None


def _budget(row: Row) -> str:
    return "all" if row.budget is None else str(row.budget)


def _size_table(study: Study) -> Table | None:
    found = spreads(
        study.at(CUT), lambda r: (r.model, shown(r.task), r.method, str(r.budget), r.metric)
    )
    columns, body = side_by_side(
        (tuple(line), what, cell(s, short)) for (*line, what), s in found.items()
    )
    head = ("model", "task", "method", "heads kept", *columns)
    caption = "Sizes of models that were physically cut."
    return Table("comparison-sizes", caption, head, body, labels=4) if body else None


def _speed_table(study: Study) -> Table | None:
    columns, body = side_by_side(
        ((line["model"], shown(line["task"]), line["method"], str(line["budget"])), line["what"],
         short(line["value"]))
        for line in study.speeds
        if "batch" in line["what"]
    )  # fmt: skip
    caption = (
        "Forward passes of the cut and the whole model, taking turns: medians, and of the ratios "
        "within each turn. Bytes are the most that the compiler plans for a pass, and for a step "
        "of fine-tuning with AdamW, parameters included."
    )
    head = ("model", "task", "method", "heads kept", *columns)
    return Table("comparison-speed", caption, head, body, labels=4) if body else None


def _paretos(study: Study) -> Iterator[Drawing]:
    """Quality against measured speed, at the largest batch that was timed."""
    for model in study.models:
        lines = [s for s in study.speeds if s["model"] == model and "speed-up" in s["what"]]
        whats = list(dict.fromkeys(line["what"] for line in lines))
        if not whats:
            continue
        own = [line for line in lines if line["what"] == whats[-1]]
        tasks = [task for task in study.downstream if any(s["task"] == task for s in own)]
        figure, axes = grid(len(tasks), 4.2, 3.2)
        for axis, task in zip(axes, tasks, strict=True):
            points = [line for line in own if line["task"] == task]
            for line, style in zip(points, _styles_of(points), strict=True):
                value = _quality(study, model, line)
                if value is not None:
                    axis.plot(
                        line["value"], value.mean, color=style.color, marker=style.marker,
                        linestyle="", label=f"{line['method']}, {line['budget']} heads",
                    )  # fmt: skip
            axis.set(title=shown(task), xlabel=whats[-1], ylabel=study.metric(task))
        add_legend(figure, axes, columns=2)
        caption = (
            f"{model}: quality (mean over seeds, after all training) against the speed of the cut "
            f"model beside the whole one ({whats[-1]}); up and to the right is better. One timing "
            "each: small differences of speed are noise."
        )
        yield Drawing(slug("pareto", model), figure, f"Quality against speed of {model}", caption)


def _styles_of(points: list[Mapping]) -> list:
    named = line_styles(f"{line['method']} {line['budget']}" for line in points)
    return list(named.values())


def _quality(study: Study, model: str, line: Mapping) -> Spread | None:
    what = {"model": model, "task": line["task"], "metric": study.metric(line["task"])}
    what |= {"method": line["method"], "budget": line["budget"]}
    found = [study.at(stage, **what) for stage in reversed(STAGES)]
    return next((spread for rows in found if (spread := spread_of(rows)) is not None), None)
