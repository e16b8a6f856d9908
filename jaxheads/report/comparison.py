"""Ways to choose heads at equal budgets: quality, cost, and quality against measured speed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from matplotlib.ticker import MaxNLocator

from jaxheads.records import Row
from jaxheads.report.folder import Study
from jaxheads.report.looks import SPARE, looks, shown
from jaxheads.report.panels import add_legend, bands_are, draw_level, draw_line, grid
from jaxheads.report.parts import Answer, Drawing, Section, Table, slug
from jaxheads.report.prunability import verdict
from jaxheads.report.spread import Spread, cell, short, signed, spread_of, spreads

STAGES = {"pruned": "nothing trained again", "trained again": "trained once more"}
COST, CUT, CHOSEN = "cost", "cut, compared", "choice of rate"
GROUP = len(SPARE)  # methods in one figure, beside the two that are in all
ALWAYS = ("gradient", "random")


def comparison_section(study: Study) -> Section | None:
    """Curves of quality, the table of costs, and speed."""
    methods = _methods(study)
    if not methods:
        return None
    makers = (_contrast_table, _cost_table, _rate_table, _size_table, _speed_table)
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


def comparison_answer(study: Study) -> Answer | None:
    """Which methods are better than the one-shot order of the gradient."""
    contrasts = _contrasts(study)
    if not contrasts:
        return None
    said = [(way, _said(row)) for (*_, way, _), own in contrasts.items() for row in own]
    verdicts = [what for _, what in said]
    ways = list(dict.fromkeys(way for way, what in said if what == "better"))
    summary = (
        f"Of {len(said)} comparisons with the gradient's one-shot order at equal budgets, "
        f"{verdicts.count('better')} are better and {verdicts.count('worse')} worse by 95% "
        "intervals over seeds and examples"
        + (f"; better at some budget: {'; '.join(ways)}." if ways else ".")
        + " Nothing is corrected for their number."
    )
    points = tuple(
        f"{model}, {shown(task)}, {STAGES[stage]}: {method} less {rest} {_verdicts(own)}."
        for (model, task, stage, method, rest), own in contrasts.items()
    )
    return Answer("Does any way to choose heads beat one pass of the gradient?", summary, points)


def _contrasts(study: Study) -> dict[tuple[str, str, str, str, str], list[Row]]:
    """By model, task, stage, method and what it is compared with: rows in the order of budgets."""
    found: dict[tuple[str, str, str, str, str], list[Row]] = {}
    for stage in STAGES:
        for row in study.at(f"{stage}, contrast"):
            method, _, rest = row.method.partition(" - ")
            found.setdefault((row.model, row.task, stage, method, rest), []).append(row)
    return found


def _verdicts(rows: Sequence[Row]) -> str:
    """At which numbers of heads the difference is clear, and its sign."""
    said: dict[str, list[str]] = {"better": [], "worse": [], "not distinguishable": []}
    for row in rows:
        said[_said(row)].append(str(row.budget))
    return ", ".join(f"{what} with {' / '.join(kept)} heads" for what, kept in said.items() if kept)


def _said(row: Row) -> str:
    found = verdict(row)
    if found.endswith("more"):
        return "better"
    return "worse" if found.endswith("less") else "not distinguishable"


def _contrast_table(study: Study) -> Table | None:
    columns, body = _side_by_side(
        ((model, shown(task), STAGES[stage], f"{method} − {rest}"), f"{row.budget} heads",
         cell(spread_of([row]), signed))
        for (model, task, stage, method, rest), own in _contrasts(study).items()
        for row in own
    )  # fmt: skip
    caption = (
        "Each method less the gradient's one-shot order, by the number of heads kept, with 95% "
        "intervals over seeds and examples; not corrected for their number."
    )
    head = ("model", "task", "then", "difference", *columns)
    return Table("comparison-contrasts", caption, head, body, labels=4) if body else None


def _side_by_side(
    entries: Iterable[tuple[tuple[str, ...], str, str]],
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Texts by their line and their column: the columns, and the lines with all of them."""
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    columns: dict[str, None] = {}
    for line, column, text in entries:
        lines.setdefault(line, {})[column] = text
        columns[column] = None
    body = (
        (*line, *(texts.get(column, "–") for column in columns)) for line, texts in lines.items()
    )
    return tuple(columns), tuple(body)


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
        for name, look in looks(methods).items():
            points = {float(budget): s for (way, budget), s in found.items() if way == name}
            if points:
                draw_line(axis, name, look, points)
                seen += points.values()
        for level, label in (("whole", "all heads"), ("floor", "constant answer")):
            height = spread_of(study.at(level, model=model, task=task, metric=metric))
            if height is not None:
                draw_level(axis, height.mean, label)
        axis.set(title=f"{shown(task)}, {stage}", xlabel="heads kept", ylabel=metric)
        axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.invert_xaxis()
    add_legend(figure, axes)
    caption = f"{model}: quality against the heads kept, means over seeds; {bands_are(seen)}."
    alt = f"Quality of {model} by budget for {', '.join(methods)}"
    return Drawing(slug("comparison", model, str(number)), figure, alt, caption)


def _cost_table(study: Study) -> Table | None:
    rows = study.at(COST)
    seconds = _speeds(study, "choosing, seconds")
    found = spreads(rows, lambda row: (row.model, row.task, row.method, row.metric))
    body = []
    for (model, task, method, metric), steps in found.items():
        if metric == "steps":
            examples = found[model, task, method, "examples"]
            took = seconds.get((model, task, method), [])
            mean = short(sum(took) / len(took)) if took else "–"
            body.append((model, shown(task), method, short(steps.mean), short(examples.mean), mean))
    if not body:
        return None
    caption = (
        "What one mask costs, fine-tuning with all heads included where the method needs it; more "
        "training afterwards is not. A ranking is made once for all budgets, a learned gate anew "
        "for each. Seconds are for the choice alone, on a machine that did other work too."
    )
    head = ("model", "task", "method", "steps", "examples", "seconds")
    return Table("comparison-cost", caption, head, tuple(body), labels=3)


def _rate_table(study: Study) -> Table | None:
    body = tuple(
        (row.model, shown(row.task), row.method, row.metric, short(row.value))
        for row in study.at(CHOSEN)
    )
    caption = "The rates of gates that were tried, on training examples held out for it."
    head = ("model", "task", "method", "metric", "value")
    return Table("comparison-rates", caption, head, body, labels=4) if body else None


def _size_table(study: Study) -> Table | None:
    found = spreads(
        study.at(CUT), lambda r: (r.model, shown(r.task), r.method, str(r.budget), r.metric)
    )
    columns, body = _side_by_side(
        (tuple(line), what, cell(s, short)) for (*line, what), s in found.items()
    )
    head = ("model", "task", "method", "heads kept", *columns)
    caption = "Sizes of models that were physically cut."
    return Table("comparison-sizes", caption, head, body, labels=4) if body else None


def _speed_table(study: Study) -> Table | None:
    columns, body = _side_by_side(
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


def _speeds(study: Study, what: str) -> dict[tuple[str, str, str], list[float]]:
    found: dict[tuple[str, str, str], list[float]] = {}
    for line in study.speeds:
        if line["what"] == what:
            place = (line["model"], line["task"], line["method"])
            found.setdefault(place, []).append(line["value"])
    return found


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
            for line, look in zip(points, _looks_of(points), strict=True):
                value = _quality(study, model, line)
                if value is not None:
                    axis.plot(
                        line["value"], value.mean, color=look.color, marker=look.marker,
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


def _looks_of(points: list[Mapping]) -> list:
    named = looks(f"{line['method']} {line['budget']}" for line in points)
    return list(named.values())


def _quality(study: Study, model: str, line: Mapping) -> Spread | None:
    what = {"model": model, "task": line["task"], "metric": study.metric(line["task"])}
    what |= {"method": line["method"], "budget": line["budget"]}
    found = [study.at(stage, **what) for stage in reversed(STAGES)]
    return next((spread for rows in found if (spread := spread_of(rows)) is not None), None)
