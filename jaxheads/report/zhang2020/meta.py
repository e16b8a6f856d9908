"""Masks by a pruner that never saw the task, beside other ways to choose half of the heads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from matplotlib.axes import Axes

from jaxheads.records.folder import (
    FIRST,
    FROM_CHANCE,
    INVERTED,
    LAST,
    MAGNITUDE,
    META,
    OWN,
    PRUNER_TRAINING,
    RANDOM,
    SCORING,
    TRAINING,
    WHOLE,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.report.figures.panels import grid
from jaxheads.report.figures.style import INK, line_styles
from jaxheads.report.folder import Study
from jaxheads.report.names import shown, tasks_of
from jaxheads.report.parts import Drawing, Section, Table, section, slug
from jaxheads.report.spread import cell, number
from jaxheads.report.tables import difference_table, table_of

ORDER = (META, INVERTED, RANDOM, OWN, MAGNITUDE)
COSTS = (PRUNER_TRAINING, *SCORING.values(), TRAINING)


def meta_section(study: Study) -> Section | None:
    """A figure for each model, and tables: metrics, differences, likeness, overlap and cost."""
    trained = (
        "Fine-tuned under a mask: mean (lowest to highest) over seeds, for random masks over "
        "draws too."
    )
    differences = (
        "Differences after fine-tuning, with 95% intervals over seeds, random draws and examples; "
        "not corrected for their number."
    )
    likeness = (
        "Likeness of sentences to each other that a mask loses before any training (what the "
        "pruner is trained to keep; 0: nothing), on held-out sentences."
    )
    similarity = (
        "Sentence likeness without fine-tuning: correlation of the cosine of two sentences' "
        "representations with the label. Random: all draws; bag of words: the cosine "
        "of counts."
    )
    learning = (
        "Training of the pruners: their loss in the first and in the last lines of the log, mean "
        "(lowest to highest) over seeds. A step takes tasks by chance, so that lines are noisy."
    )
    lead = (
        "In every layer the same share of the heads is masked before fine-tuning, and the training "
        "is the same for all masks. “meta”: the heads that a pruner scores highest which learned "
        "on other tasks, without labels; “inverted meta”: those that it scores lowest; “random”: "
        "any; “gradient”: by the gradient of the pre-training loss; “magnitude”: by the size of "
        "the weights."
    )
    return section(
        "meta", "Heads chosen by a pruner that never saw the task", lead, _drawings(study),
        _by_method(study, Stage.MASK_TUNED, "meta-table", trained),
        difference_table(
            study, "meta-contrast-table", differences, study.at(Stage.MASK_CONTRAST)
        ),
        _by_method(study, Stage.LIKENESS_LOST, "meta-likeness-table", likeness),
        _by_method(study, Stage.SIMILARITY, "meta-similarity-table", similarity),
        _overlap(study),
        table_of(
            "meta-learning-table", learning, study.at(Stage.PRUNER_TRAINING),
            {"model": "model", "metric": "metric"}, (FIRST, LAST), by="method",
        ),
        _cost(study),
    )  # fmt: skip


def _places(study: Study) -> dict[tuple[str, str], None]:
    return dict.fromkeys((row.model, row.task) for row in study.at(Stage.MASK_TUNED))


def _in_order(names: Iterable[str]) -> list[str]:
    found = list(dict.fromkeys(names))
    known = [name for name in ORDER if name in found]
    return known + [name for name in found if name not in known]


# -- parts


def _drawings(study: Study) -> Iterator[Drawing]:
    for model in study.models:
        tasks = [task for own, task in _places(study) if own == model]
        if not tasks:
            continue
        figure, axes = grid(len(tasks), 3.6, 2.6)
        for axis, task in zip(axes, tasks, strict=True):
            _draw_panel(study, axis, model, task)
        yield Drawing(
            slug("meta", model), figure,
            f"Metrics of {model} fine-tuned with half of the heads, by how they were chosen",
            f"{model}: marks are single seeds (for random masks single draws), bars their means; "
            "dotted: all heads.",
        )  # fmt: skip


def _draw_panel(study: Study, axis: Axes, model: str, task: str) -> None:
    where = {"model": model, "task": task, "metric": study.metric(task)}
    rows = study.at(Stage.MASK_TUNED, **where)
    names = _in_order(row.method for row in rows)
    for place, (name, style) in enumerate(line_styles(names).items()):
        values = [row.value for row in rows if row.method == name]
        shifts = [0.28 * (n / max(len(values) - 1, 1) - 0.5) for n in range(len(values))]
        axis.plot(
            values, [place + shift for shift in shifts], linestyle="none", marker=style.marker,
            color=style.color, markersize=4.5, markerfacecolor="white",
        )  # fmt: skip
        middle = sum(values) / len(values)
        axis.plot([middle, middle], [place - 0.32, place + 0.32], color=style.color, linewidth=2.2)
    whole = study.spread(Stage.WHOLE, **where)
    if whole is not None:
        axis.axvline(whole.mean, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set(title=shown(task), xlabel=study.metric(task))


def _by_method(study: Study, stage: str, name: str, caption: str) -> Table:
    rows = study.at(stage)

    def metric(row: Row) -> str:
        return f"{row.metric}, {row.reading}" if row.reading else row.metric

    def whole(row: Row) -> str:
        own = {"model": row.model, "task": row.task, "metric": row.metric}
        if stage == Stage.MASK_TUNED:
            return cell(study.spread(Stage.WHOLE, **own))
        return cell(study.spread(stage, **own, reading=row.reading, method=WHOLE))

    methods = [name for name in _in_order(row.method for row in rows) if name != WHOLE]
    lines = {"model": "model", "task": "task", "metric": metric}
    more = None if stage == Stage.LIKENESS_LOST else {"all heads": whole}
    return table_of(name, caption, rows, lines, methods, by="method", more=more)


def _overlap(study: Study) -> Table:
    rows = study.at(Stage.OVERLAP)
    chance = {row.model: number(row.value) for row in rows if row.method == FROM_CHANCE}
    caption = (
        "Heads that the pruner's mask for a task shares with another mask (Jaccard index), mean "
        "(lowest to highest) over seeds or pairs of them; chance: two random masks of this size."
    )
    lines = {"model": "model", "task": tasks_of, "with": _other_mask}
    found = table_of(
        "meta-overlap-table", caption, (row for row in rows if row.method != FROM_CHANCE), lines,
        "shared", more={"chance": lambda row: chance.get(row.model, "–")},
    )  # fmt: skip
    return found._replace(labels=2)


def _other_mask(row: Row) -> str:
    return {"tasks": "another task", "seeds": "another seed"}.get(row.method, row.method)


def _cost(study: Study) -> Table:
    seconds: dict[str, list[float]] = {}
    for line in study.speeds if study.at(Stage.MASK_TUNED) else ():
        if line["what"] in COSTS:
            seconds.setdefault(line["what"], []).append(line["value"])
    body = tuple(
        (kind, str(len(found)), f"{sorted(found)[len(found) // 2]:.1f}", f"{max(found):.1f}")
        for kind, found in seconds.items()
    )
    caption = (
        "Wall-clock seconds, compiling and reading of data in them: the longest is usually the "
        "first."
    )
    return Table("meta-cost-table", caption, ("what", "times", "median", "longest"), body, labels=1)
