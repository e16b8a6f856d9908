"""Masks by a pruner that never saw the task, beside other ways to choose half of the heads."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes

from jaxheads.records.rows import Row, kind_of
from jaxheads.report.claims import NONE, clear_in, counted, said_of
from jaxheads.report.figures.panels import grid
from jaxheads.report.figures.style import INK, LineStyle, line_styles, shown
from jaxheads.report.folder import Study
from jaxheads.report.parts import Answer, Drawing, Section, Table, slug
from jaxheads.report.spread import Spread, cell, ends, number, signed, spread_of, spreads, words

TRAINED, LOST, SIMILARITY = "masked, fine-tuned", "likeness lost", "similarity"
OVERLAP, CONTRAST, TRAINING = "overlap of masks", "contrast of masks", "pruner training"
ORDER = ("meta", "inverted meta", "random", "gradient", "magnitude")


def meta_section(study: Study) -> Section | None:
    """A figure for each model, and tables: metrics, differences, likeness, overlap and cost."""
    tables = (
        _by_method(
            study, TRAINED, "meta-table",
            "Fine-tuned under a mask: mean (lowest to highest) over seeds, for random masks over "
            "draws too.",
        ),
        _contrasts(study),
        _by_method(
            study, LOST, "meta-likeness-table",
            "Likeness of sentences to each other that a mask loses before any training (what the "
            "pruner is trained to keep; 0: nothing), on held-out sentences.",
        ),
        _by_method(
            study, SIMILARITY, "meta-similarity-table",
            "Sentence likeness without fine-tuning: correlation of the cosine of two sentences' "
            "representations with the label. Random: all draws; bag of words: the cosine "
            "of counts.",
            whole="whole",
        ),
        _overlap(study),
        _learning(study),
        _cost(study),
    )  # fmt: skip
    parts = (*_drawings(study), *(table for table in tables if table is not None))
    if not parts:
        return None
    lead = (
        "In every layer the same share of the heads is masked before fine-tuning, and the training "
        "is the same for all masks. “meta”: the heads that a pruner scores highest which learned "
        "on other tasks, without labels; “inverted meta”: those that it scores lowest; “random”: "
        "any; “gradient”: by the gradient of the pre-training loss; “magnitude”: by the size of "
        "the weights."
    )
    return Section("meta", "Heads chosen by a pruner that never saw the task", lead, parts)


def meta_answer(study: Study) -> Answer | None:
    """Is the pruner's choice better than chance, and does its score carry information at all?"""
    rows = study.at(CONTRAST)
    if not rows:
        return None
    others = {"random": "random masks", "inverted meta": "the mask of the inverted score"}
    compared = [row for row in rows if row.method.removeprefix("meta - ") in others]
    several, left_out = counted(study, compared)
    summary = NONE
    if several:
        parts = []
        for other, what in others.items():
            own = [row for row in several if row.method == f"meta - {other}"]
            parts.append(
                f"better than under {what} in {clear_in(own)}, worse in {clear_in(own, -1)}"
            )
        summary = (
            f"Fine-tuned under its mask, the model is {'; '.join(parts)} (95% intervals over "
            "seeds, random draws and examples)."
        )
    points = tuple(_point(study, model, task) for model, task in _places(study, TRAINED))
    return Answer(
        "Can a pruner that never saw a task choose its heads?", summary + left_out, points
    )


def _places(study: Study, stage: str) -> dict[tuple[str, str], None]:
    return dict.fromkeys((row.model, row.task) for row in study.at(stage))


def _point(study: Study, model: str, task: str) -> str:
    metric = study.metric(task)
    found = spreads(
        study.at(TRAINED, model=model, task=task, metric=metric), lambda row: kind_of(row.method)
    )
    whole = spread_of(study.at("whole", model=model, task=task, metric=metric))
    said = [f"{name} {words(found[name], of=_of(name))}" for name in _in_order(found)]
    before = "" if whole is None else f"all heads {words(whole)}, "
    contrasts = [
        f"{row.method.replace(' - ', ' − ')} {signed(row.value)}{_ends(row)}: {said_of(study, row)}"
        for row in study.at(CONTRAST, model=model, task=task)
        if row.method in ("meta - random", "meta - inverted meta")
    ]
    compared = f" {'; '.join(contrasts)}." if contrasts else ""
    return f"{model}, {shown(task)}: {metric} with {before}{', '.join(said)}.{compared}"


def _ends(row: Row) -> str:
    return f" [{ends(row)}]" if ends(row) else ""


def _of(method: str) -> str:
    return "draws" if method == "random" else "seeds"


def _in_order(names) -> list[str]:
    known = [name for name in ORDER if name in names]
    return known + [name for name in names if name not in known]


# -- parts


def _drawings(study: Study) -> Iterator[Drawing]:
    for model in study.models:
        tasks = [task for own, task in _places(study, TRAINED) if own == model]
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
    metric = study.metric(task)
    rows = study.at(TRAINED, model=model, task=task, metric=metric)
    names = _in_order(dict.fromkeys(kind_of(row.method) for row in rows))
    found: dict[str, LineStyle] = line_styles(names)
    for place, name in enumerate(names):
        values = [row.value for row in rows if kind_of(row.method) == name]
        shifts = [0.28 * (n / max(len(values) - 1, 1) - 0.5) for n in range(len(values))]
        style = found[name]
        axis.plot(
            values, [place + shift for shift in shifts], linestyle="none", marker=style.marker,
            color=style.color, markersize=4.5, markerfacecolor="white",
        )  # fmt: skip
        middle = sum(values) / len(values)
        axis.plot([middle, middle], [place - 0.32, place + 0.32], color=style.color, linewidth=2.2)
    whole = spread_of(study.at("whole", model=model, task=task, metric=metric))
    if whole is not None:
        axis.axvline(whole.mean, color=INK, linewidth=0.8, linestyle=(0, (1, 3)))
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.grid(visible=False, axis="y")
    axis.set(title=shown(task), xlabel=metric)


def _by_method(
    study: Study, stage: str, name: str, caption: str, *, whole: str = ""
) -> Table | None:
    rows = study.at(stage)
    found = spreads(rows, lambda row: (row.model, row.task, row.metric, kind_of(row.method)))
    methods = _in_order(dict.fromkeys(method for *_, method in found if method != whole))
    lines = dict.fromkeys(key[:3] for key in found)
    body = tuple(
        (model, shown(task), metric, *(cell(found.get((model, task, metric, m))) for m in methods),
         cell(_whole(study, found, model, task, metric, whole)))
        for model, task, metric in lines
    )  # fmt: skip
    if not body:
        return None
    return Table(name, caption, ("model", "task", "metric", *methods, "all heads"), body, labels=3)


def _whole(study: Study, found, model: str, task: str, metric: str, whole: str) -> Spread | None:
    if whole:
        return found.get((model, task, metric, whole))
    return spread_of(study.at("whole", model=model, task=task, metric=metric))


def _contrasts(study: Study) -> Table | None:
    body = tuple(
        (row.model, shown(row.task), row.method.replace(" - ", " − "), row.metric,
         signed(row.value), _ends(row).strip() or "none", said_of(study, row))
        for row in study.at(CONTRAST)
    )  # fmt: skip
    if not body:
        return None
    caption = (
        "Differences after fine-tuning, with 95% intervals over seeds, random draws and examples; "
        "not corrected for their number."
    )
    head = ("model", "task", "difference", "metric", "value", "95% interval", "says")
    return Table("meta-contrast-table", caption, head, body, labels=4)


def _overlap(study: Study) -> Table | None:
    rows = study.at(OVERLAP)
    chance = {row.model: row.value for row in rows if row.method == "chance"}
    found = spreads(
        (row for row in rows if row.method != "chance"),
        lambda row: (row.model, shown(row.task), row.method),
    )
    body = tuple(
        (model, task, f"another {between[:-1]}" if between.endswith("s") else between,
         cell(spread), number(chance[model]) if model in chance else "–")
        for (model, task, between), spread in found.items()
    )  # fmt: skip
    if not body:
        return None
    caption = (
        "Heads that the pruner's mask for a task shares with another mask (Jaccard index), mean "
        "(lowest to highest) over seeds or pairs of them; chance: two random masks of this size."
    )
    return Table("meta-overlap-table", caption, ("model", "task", "with", "shared", "chance"), body)


def _learning(study: Study) -> Table | None:
    """How the loss of the pruners fell, or did not."""
    found = spreads(study.at(TRAINING), lambda row: (row.model, row.metric, row.method))
    body = tuple(
        (model, metric, cell(spread), cell(found.get((model, metric, "last"))))
        for (model, metric, end), spread in found.items()
        if end == "first"
    )
    if not body:
        return None
    caption = (
        "Training of the pruners: their loss in the first and in the last lines of the log, mean "
        "(lowest to highest) over seeds. A step takes tasks by chance, so that lines are noisy."
    )
    return Table(
        "meta-learning-table", caption, ("model", "metric", "first", "last"), body, labels=2
    )


def _cost(study: Study) -> Table | None:
    kinds = {"-pruner": "training a pruner", "-scored-meta": "scoring by a pruner",
             "-scored-gradient": "scoring by the gradient",
             "-scored-magnitude": "scoring by magnitude", "-by-": "fine-tuning"}  # fmt: skip
    seconds: dict[str, list[float]] = {}
    for name, took in study.times.items():
        for part, kind in kinds.items():
            if part in name and study.at(TRAINED):
                seconds.setdefault(kind, []).append(took)
                break
    body = tuple(
        (kind, str(len(found)), f"{sorted(found)[len(found) // 2]:.1f}", f"{max(found):.1f}")
        for kind, found in seconds.items()
    )
    if not body:
        return None
    caption = (
        "Wall-clock seconds of the study's cells, compiling and reading of data in them: the "
        "longest is usually the first."
    )
    return Table("meta-cost-table", caption, ("what", "times", "median", "longest"), body, labels=1)
