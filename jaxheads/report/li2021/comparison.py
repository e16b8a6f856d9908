"""Ways to choose heads at equal budgets: quality, cost, and quality against measured speed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from statistics import mean
from typing import Any

from jaxheads.records.folder import (
    BYTES,
    MILLISECONDS,
    ONE_PASS,
    OWN,
    RANDOM,
    SELECTION,
    SPEED_UP,
    TRAINING,
    Metric,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.report.curves import draw_levels
from jaxheads.report.figures.panels import (
    add_legend,
    bands_are,
    draw_lines,
    grid,
    name_heads_axis,
)
from jaxheads.report.figures.style import SPARE, line_styles
from jaxheads.report.folder import Study
from jaxheads.report.li2021.differences import contrast_table, further_table
from jaxheads.report.li2021.kinds import kinds_drawings, kinds_table
from jaxheads.report.names import heads_kept, shown
from jaxheads.report.parts import Drawing, Section, Table, section, slug
from jaxheads.report.spread import Spread, cell, kept, short, spread_of, spreads
from jaxheads.report.tables import table_of

STAGES = (Stage.PRUNED, Stage.AGAIN)
GROUP = len(SPARE)  # methods in one figure, beside the two that are in all
ALWAYS = (OWN, RANDOM)
CHOSEN = {"model": "model", "task": "task", "method": "method"}


def comparison_section(study: Study) -> Section | None:
    """Curves of quality, the table of costs, and speed."""
    if not study.at(Stage.COST):
        return None
    lead = (
        "Each method picks the heads to keep at each budget; the model is measured under that "
        "exact mask, as it is and after more training. Costs are beside: a ranking is one pass, a "
        "learned gate one training for every budget."
    )
    sizes = "Sizes of models that were physically cut."
    return section(
        "comparison", "Ways to choose heads", lead,
        _curves(study), _paretos(study), contrast_table(study), further_table(study),
        kinds_drawings(study, _groups(study)), kinds_table(study), _cost_table(study),
        _seen_table(study), _scaled_table(study), _sweep_table(study), _rate_table(study),
        table_of(
            "comparison-sizes", sizes, study.at(Stage.CUT_COMPARED),
            CHOSEN | {"heads kept": "budget"}, by="metric", form=short,
        ),
        _speed_table(study),
    )  # fmt: skip


def _methods(study: Study) -> list[str]:
    """In the order of the rows."""
    return list(dict.fromkeys(row.method for row in study.at(Stage.COST)))


def _curves(study: Study) -> Iterator[Drawing]:
    for model in study.models:
        rows = [row for stage in STAGES for row in study.main(stage, model=model)]
        for number, methods in enumerate(_groups(study), start=1) if rows else ():
            yield _curve(study, rows, methods, number)


def _groups(study: Study) -> list[list[str]]:
    """As many methods as one figure shows; some are in all."""
    methods = _methods(study)
    base = [name for name in ALWAYS if name in methods]
    others = [name for name in methods if name not in base]
    starts = range(0, max(len(others), 1), GROUP)
    return [base + others[start : start + GROUP] for start in starts]


def _curve(study: Study, rows: list[Row], methods: list[str], number: int) -> Drawing:
    model = rows[0].model
    places = [
        (task, stage, own)
        for task in study.downstream
        for stage in STAGES
        if (own := [row for row in rows if (row.task, row.stage) == (task, stage)])
    ]
    figure, axes = grid(len(places))
    seen: list[Spread] = []
    for axis, (task, stage, own) in zip(axes, places, strict=True):
        found = spreads((row for row in own if row.method in methods), "method", kept)
        seen += draw_lines(axis, found, methods)
        draw_levels(axis, study, model, task, whole=True)
        name_heads_axis(axis, f"{shown(task)}, {stage}", study.metric(task))
    add_legend(figure, axes)
    caption = f"{model}: quality against the heads kept, means over seeds; {bands_are(seen)}."
    alt = f"Quality of {model} by budget for {', '.join(methods)}"
    return Drawing(slug("comparison", model, str(number)), figure, alt, caption)


def _cost_table(study: Study) -> Table:
    found = spreads(study.at(Stage.COST), "model", "task", "method", "metric")
    choosing, training, scoring = (_timed(study, w) for w in (SELECTION, TRAINING, ONE_PASS))
    unknown, body = [float("nan")], []
    for model, task, method in dict.fromkeys(key[:3] for key in found):
        cost = {
            metric: spread.mean
            for (*line, metric), spread in found.items()
            if (*line,) == (model, task, method)
        }
        before = {
            Metric.FINE_TUNINGS: min(training.get((model, task, ""), unknown)),
            Metric.PASSES: mean(scoring.get((model, task, ""), unknown)),
        }
        choice = mean(choosing.get((model, task, method), unknown))
        total = choice + sum(cost[what] * took for what, took in before.items() if cost[what])
        again = cost.get(Metric.EXAMPLES_AGAIN)
        numbers = (cost[Metric.STEPS], cost[Metric.EXAMPLES], again, total, choice)
        body.append((model, shown(task), method, *map(_short, numbers)))
    caption = (
        "What one mask costs, fine-tuning with all heads included where the method needs it; more "
        "training afterwards, the trials of learning rates and the training of a pruner are not. "
        "A ranking is made once for all budgets, a learned gate anew for each. Seconds are means "
        "over seeds and budgets, of fine-tuning the fastest seed's (the first compile), on a "
        "machine that did other work too: of everything that is counted here, and of the choice "
        "alone, without fine-tuning and without a pass that was made before."
    )
    head = (
        *(*CHOSEN, Metric.STEPS, Metric.EXAMPLES, "and trained once more"),
        *("seconds", "of them for the choice"),
    )
    return Table("comparison-cost", caption, head, tuple(body), labels=3)


def _timed(study: Study, what: str) -> dict[tuple[str, str, str], list[float]]:
    """Seconds, by model, task and method."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for line in study.speeds:
        if line["what"] == what:
            place = (line["model"], line["task"], line["method"])
            found.setdefault(place, []).append(line["value"])
    return found


def _short(value: float | None) -> str:
    return short(value) if value is not None and math.isfinite(value) else "–"


def _seen_table(study: Study) -> Table:
    """What training saw last and what is kept."""
    columns = {"on in the sample": Metric.HEADS, "of them kept": Metric.KEPT_OF_THEM}
    body = []
    for row in _firsts(study.at(Stage.SAMPLE), "model", "task", "method", "budget"):
        own = {"model": row.model, "task": row.task, "method": row.method, "budget": row.budget}
        heads = [cell(study.spread(Stage.SAMPLE, **own, metric=m), short) for m in columns.values()]
        own["metric"] = study.metric(row.task)
        quality = [cell(study.spread(stage, **own)) for stage in (Stage.SAMPLE, Stage.PRUNED)]
        body.append((row.model, shown(row.task), row.method, str(row.budget), *heads, *quality))
    caption = (
        "What training saw last and what is kept: the heads whose gate was above one half in the "
        "last sample, how many of them are kept, and the quality with them as a mask, beside that "
        "with the heads of the highest scores; nothing trained again."
    )
    head = (*CHOSEN, "heads", *columns, "the sample", "kept heads")
    return Table("comparison-seen", caption, head, tuple(body), labels=3)


def _firsts(rows: Iterable[Row], *fields: str) -> list[Row]:
    """The first row of each place."""
    found: dict[tuple, Row] = {}
    for row in rows:
        found.setdefault(tuple(getattr(row, name) for name in fields), row)
    return list(found.values())


def _scaled_table(study: Study) -> Table:
    """What the smaller scale takes that joint training begins with, beside what it ends with."""
    tunings = spreads(study.at(Stage.COST, metric=Metric.FINE_TUNINGS), "method")
    joint = [method for method, spread in tunings.items() if not spread.mean]

    def beside(stage: str, **what: str):
        def read(row: Row) -> str:
            own = {"model": row.model, "task": row.task, "metric": row.metric}
            own |= {} if stage == Stage.WHOLE else {"budget": row.budget}
            return cell(study.spread(stage, **own, **what))

        return read

    caption = (
        "What joint training loses by the choice of heads and what by its scale: all heads as they "
        "are; all N heads trained and measured times K / N, as soft gates of K heads begin (same "
        "scale); and the K heads of each joint gate, nothing trained again."
    )
    found = table_of(
        "comparison-scale", caption, study.main(Stage.SCALED),
        {"model": "model", "task": "task", "heads": "budget", "all heads": beside(Stage.WHOLE)},
        "same scale, nothing pruned",
        more={method: beside(Stage.PRUNED, method=method) for method in joint},
    )  # fmt: skip
    return found._replace(labels=3)


def _sweep_table(study: Study) -> Table:
    """Prices of a head, in the place of budgets."""

    def is_open(row: Row) -> str:
        own = {"model": row.model, "task": row.task, "method": row.method, "setting": row.setting}
        return cell(study.spread(Stage.SWEEP, **own, metric=Metric.OPEN), short)

    caption = (
        "L0 gates by the price of a head: how many each leaves open, and the quality with these."
    )
    lines = {"model": "model", "task": "task", "gates": _priced, Metric.OPEN: is_open}
    found = table_of("comparison-sweep", caption, study.main(Stage.SWEEP), lines, "quality")
    return found._replace(labels=3)


def _priced(row: Row) -> str:
    return f"{row.method} at {row.setting:g}"


def _rate_table(study: Study) -> Table:
    def metric(row: Row) -> str:
        return row.metric if row.setting is None else f"{row.metric} at {row.setting:g}"

    body = tuple(
        (row.model, shown(row.task), row.method, metric(row), heads_kept(row.budget),
         short(row.value))
        for row in study.at(Stage.LEARNING_RATE)
    )  # fmt: skip
    caption = (
        "The learning rates of gates that were tried, on training examples held out for it, by "
        "models that were trained without those."
    )
    head = (*CHOSEN, "metric", "heads", "value")
    return Table("comparison-learning-rates", caption, head, body, labels=4)


def _speed_table(study: Study) -> Table:
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for line in study.speeds:
        if line["batch"] is not None:
            place = (line["model"], shown(line["task"]), line["method"], str(line["budget"]))
            lines.setdefault(place, {})[_called(line)] = short(line["value"])
    columns = list(dict.fromkeys(column for cells in lines.values() for column in cells))
    body = tuple((*place, *(cells.get(c, "–") for c in columns)) for place, cells in lines.items())
    caption = (
        "Forward passes of the cut and the whole model, taking turns: medians, and of the ratios "
        "within each turn. Bytes are the most that the compiler plans for a pass, and for a step "
        "of fine-tuning with AdamW, parameters included."
    )
    head = (*CHOSEN, "heads kept", *columns)
    return Table("comparison-speed", caption, head, body, labels=4)


def _called(line: Mapping[str, Any]) -> str:
    """What was timed, or its size."""
    unit = f", {line['unit']}" if line["unit"] in (MILLISECONDS, BYTES) else ""
    return f"{line['what']}, batch {line['batch']}{unit}"


def _paretos(study: Study) -> Iterator[Drawing]:
    """Quality against measured speed, at the largest batch that was timed."""
    for model in study.models:
        lines = [s for s in study.speeds if (s["model"], s["what"]) == (model, SPEED_UP)]
        if not lines:
            continue
        own = [line for line in lines if line["batch"] == lines[-1]["batch"]]
        label = _called(own[0])
        tasks = [task for task in study.downstream if any(s["task"] == task for s in own)]
        figure, axes = grid(len(tasks), 4.2, 3.2)
        for axis, task in zip(axes, tasks, strict=True):
            points = {f"{s['method']}, {s['budget']} heads": s for s in own if s["task"] == task}
            for (name, line), style in zip(
                points.items(), line_styles(points).values(), strict=True
            ):
                value = _quality(study, model, line)
                if value is not None:
                    axis.plot(
                        line["value"], value.mean, color=style.color, marker=style.marker,
                        linestyle="", label=name,
                    )  # fmt: skip
            axis.set(title=shown(task), xlabel=label, ylabel=study.metric(task))
        add_legend(figure, axes, columns=2)
        caption = (
            f"{model}: quality (mean over seeds, after all training) against the speed of the cut "
            f"model beside the whole one ({label}); up and to the right is better. One timing "
            "each: small differences of speed are noise."
        )
        yield Drawing(slug("pareto", model), figure, f"Quality against speed of {model}", caption)


def _quality(study: Study, model: str, line: Mapping[str, Any]) -> Spread | None:
    """After all training that there was."""
    what = {"model": model, "task": line["task"], "metric": study.metric(line["task"])}
    what |= {"method": line["method"], "budget": line["budget"]}
    again = study.at(Stage.AGAIN, **what)
    return spread_of(again or study.at(Stage.PRUNED, **what))
