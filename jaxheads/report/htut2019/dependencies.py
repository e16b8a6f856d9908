"""Do heads follow dependency relations: maps, tables with their baselines, arcs over sentences."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes

from jaxheads.records.rows import Row
from jaxheads.report.claims import clear_in
from jaxheads.report.figures.attention_view import example_views
from jaxheads.report.figures.panels import add_legend, grid
from jaxheads.report.figures.style import MUTED, shown
from jaxheads.report.folder import PRETRAINING, Study
from jaxheads.report.htut2019.dependency_figures import arc_drawings, layer_drawings, map_parts
from jaxheads.report.parts import Answer, Drawing, Folded, Markup, Section, Table, slug
from jaxheads.report.spread import (
    INTERVAL,
    Spread,
    cell,
    number,
    percent,
    signed,
    spread_of,
    spreads,
    words,
)

BEST, RELATION, BASELINE, CHANGE = "best head", "relation", "baseline", "change by fine-tuning"
RANDOM, MASS, GAIN = ", random weights", "attention mass", ", gain"
UUAS, WITH_PUNCTUATION = "UUAS", "UUAS, punctuation too"
NAMES = {
    "max": "MAX", "mst": "MST", "mst log": "MST of log attention", "mst directed": "MST, directed",
    "mst log directed": "MST of log attention, directed",
    "dependent to head": "dependent attends to head", "head to dependent": "head to dependent",
    "most attentive": "head attends most to dependent",
}  # fmt: skip


def dependencies_section(study: Study) -> Section | None:
    """Everything about dependency trees."""
    if not study.at(BEST, metric=UUAS):
        return None
    tables = [_sentences(study), _trees(study), _relations(study), _mass(study)]
    tables += [_relation_masses(study), _changes(study)]
    parts: list[Drawing | Table | Markup | Folded] = [
        table for table in tables[:2] if table is not None
    ]
    parts += [*_figures(study), *layer_drawings(study), *map_parts(study)]
    parts += [table for table in tables[2:] if table is not None]
    which = "each head that is best at whole trees (MST, MAX)"
    parts += [*arc_drawings(study), *example_views(study, "arcs", "arcs-view", which)]
    lead = (
        "After Htut et al. 2019. MAX: a gold arc counts where one of its words attends most to the "
        "other. MST: the heaviest tree that can be made of the attention, from the gold root, "
        "which leaks; heads that see no word are measured alike and are the floor. Heads are "
        "chosen on half of the sentences and scored on the other half; brackets are 95% intervals "
        "over its sentences, and over several seeds too. UUAS leaves punctuation out unless it "
        "says otherwise."
    )
    return Section("dependencies", "Do heads follow dependency relations", lead, tuple(parts))


def dependencies_answer(study: Study) -> Answer | None:
    """Which relations have a head that beats position, and whether whole trees do."""
    points = tuple(_points(study))
    if not points:
        return None
    rows = [row for model in study.models for row in _gain_rows(study, model)]
    summary = (
        f"Relations with a head above the best unsigned offset: {clear_in(rows)}, over all "
        "pre-trained models as they are (the 95% interval of the gain over sentences lies above 0; "
        "the head and the offset are chosen on other sentences)."
    )
    return Answer("Do heads follow dependency relations?", summary, points)


def _points(study: Study) -> Iterator[str]:
    for model in study.models:
        gains = _gains(study, model)
        if gains:
            clear = [
                f"{name} {signed(g.mean)}"
                for name, g in gains.items()
                if g.kind == INTERVAL and g.low > 0
            ]
            yield (
                f"{model}, relations (MAX), each by its own interval: "
                + (", ".join(clear) or "none clearly beats its offset")
                + "."
            )
        for method in ("mst", "max"):
            best = _one(study, BEST, model, method, UUAS)
            floors = _floors(study, model, method)
            if best is not None and floors:
                name, floor = max(floors.items(), key=lambda each: each[1].mean)
                clear = best.kind == floor.kind == INTERVAL and best.low > floor.high
                said = "above" if clear else "not clearly above"
                yield (
                    f"{model}, whole trees ({NAMES[method]}): best head {words(best, percent)}, "
                    f"{said} “{name}”, which sees no word: {words(floor, percent)}."
                )


def _gain_rows(study: Study, model: str) -> list[Row]:
    """Accuracy of each relation's best head less its best unsigned offset."""
    rows = study.at(RELATION, model=model, task=PRETRAINING, method="max")
    return [row for row in rows if row.metric.endswith(GAIN) and spread_of([row])]


def _gains(study: Study, model: str) -> dict[str, Spread]:
    """The same by relation."""
    found = {row.metric.removesuffix(GAIN): spread_of([row]) for row in _gain_rows(study, model)}
    return {name: gain for name, gain in found.items() if gain is not None}


def _one(
    study: Study, stage: str, model: str, method: str, metric: str, task: str = PRETRAINING
) -> Spread | None:
    return spread_of(study.at(stage, model=model, method=method, metric=metric, task=task))


def _floors(study: Study, model: str, method: str, metric: str = UUAS) -> dict[str, Spread]:
    """What the chain, and heads that see no word, reach."""
    rows = study.at(BASELINE, model=model, metric=metric)
    own = {
        row.method.partition(": ")[2]: row for row in rows if row.method.startswith(f"{method}:")
    }
    found = {name: spread_of([row]) for name, row in own.items()}
    return {name: floor for name, floor in found.items() if floor is not None}


# -- tables


def _sentences(study: Study) -> Table | None:
    rows = study.at("sentences")
    metrics = list(dict.fromkeys(row.metric for row in rows))
    body = tuple(
        (model, *(number_of(spread_of([r for r in rows if (r.model, r.metric) == (model, m)]))
                  for m in metrics))
        for model in dict.fromkeys(row.model for row in rows)
    )  # fmt: skip
    caption = "Sentences of the treebank: those read, and those left out, by the reason."
    return Table("sentences-table", caption, ("model", *metrics), body, 1) if body else None


def number_of(spread: Spread | None) -> str:
    """A count."""
    return "–" if spread is None else f"{spread.mean:,.0f}"


def _trees(study: Study) -> Table | None:
    rows = study.at(BEST, metric=UUAS)
    lines = dict.fromkeys((row.model, row.task, row.method) for row in rows)
    body = tuple(_tree_line(study, *line) for line in lines)
    head = (
        "model", "fine-tuned on", "method", "layer, head", UUAS, "mean of sentences",
        "with punctuation", "best of all", "chain", "best without words", "random weights",
    )  # fmt: skip
    caption = (
        "Whole trees: the best head on the half that did not choose it, in percent. Best of all: "
        "chosen and scored on all sentences, as in the papers. Best without words: the best of "
        "heads that look at the next word, the previous one, two words on or back, near, or "
        "anywhere. Of several seeds the mean."
    )
    return Table("trees-table", caption, head, body, 3) if body else None


def _tree_line(study: Study, model: str, task: str, method: str) -> tuple[str, ...]:
    def one(metric: str) -> Spread | None:
        return _one(study, BEST, model, method, metric, task)

    floors = _floors(study, model, method)
    chain = floors.pop("chain", None)
    top = max(floors.items(), key=lambda each: each[1].mean, default=None)
    return (
        model, "–" if task == PRETRAINING else shown(task), NAMES[method],
        _head(study, BEST, model, method, UUAS, task), cell(one(UUAS), percent),
        cell(one(f"{UUAS}, mean of sentences"), percent), cell(one(WITH_PUNCTUATION), percent),
        cell(one(f"{UUAS}, best of all"), percent), cell(chain, percent),
        "–" if top is None else f"{top[0]} {cell(top[1], percent)}",
        cell(_one(study, BEST + RANDOM, model, method, UUAS), percent),
    )  # fmt: skip


def _head(study: Study, stage: str, model: str, method: str, metric: str, task: str) -> str:
    """Where the best head is; of several seeds, all places."""
    what = {"model": model, "method": method, "task": task}
    both = [study.at(stage, metric=f"{metric}, {part}", **what) for part in ("layer", "head")]
    pairs = dict.fromkeys((int(a.value), int(b.value)) for a, b in zip(*both, strict=True))
    return "; ".join(f"{layer}, {head}" for layer, head in pairs)


def _relations(study: Study) -> Table | None:
    gains = {model: _gains(study, model) for model in study.models}
    body = tuple(_relation_line(study, model, name) for model in gains for name in gains[model])
    head = (
        "model", "relation", "arcs", "layer, head", "best head", "gain over the offset",
        "unsigned offset", "signed", "random weights", "up", "down", "Clark's",
    )  # fmt: skip
    caption = (
        "Relations by their number of arcs, counted in the scored half; percent: the best head of "
        "MAX, the unsigned offset (which a head that looks one word away reaches), and the "
        "best heads of the directed variants: the dependent attends most to its head (up), the "
        "head to its dependent (down), and of all words the head attends most to it (Clark's)."
    )
    return Table("relations-table", caption, head, body, 2) if body else None


def _relation_line(study: Study, model: str, name: str) -> tuple[str, ...]:
    def one(metric: str, method: str = "max", stage: str = RELATION) -> Spread | None:
        return _one(study, stage, model, method, metric)

    offset = one(f"{name}, offset")
    unsigned = one(f"{name}, unsigned")
    return (
        model, name, number_of(one(f"{name}, arcs")),
        _head(study, RELATION, model, "max", name, PRETRAINING), cell(one(name), percent),
        cell(one(f"{name}, gain"), lambda value: signed(100 * value)[:-2]),
        "–" if unsigned is None else f"{percent(unsigned.mean)} (at {number_of(offset)})",
        cell(one(f"{name}, signed"), percent), cell(one(name, stage=RELATION + RANDOM), percent),
        *(cell(one(name, method), percent)
          for method in ("dependent to head", "head to dependent", "most attentive")),
    )  # fmt: skip


def _mass(study: Study) -> Table | None:
    found = spreads(study.at(MASS), lambda row: (row.model, row.metric.rpartition(", ")[2]))
    columns = tuple(dict.fromkeys(column for _, column in found))
    body = tuple(
        (model, *(cell(found.get((model, column)), percent) for column in columns))
        for model in dict.fromkeys(model for model, _ in found)
    )
    caption = (
        "Attention on gold arcs in either direction, as a share of all attention between different "
        "words (Vig and Belinkov 2019); uniform: what looking anywhere gives."
    )
    return Table("mass-table", caption, ("model", *columns), body, 1) if body else None


def _relation_masses(study: Study) -> Table | None:
    found = spreads(
        study.at(f"{MASS} by relation"),
        lambda row: (row.model, *row.metric.rpartition(", ")[::2], row.method),
    )
    columns = tuple(dict.fromkeys(column for _, _, column, _ in found))
    body = tuple(
        (model, relation, NAMES[way],
         *(cell(found.get((model, relation, column, way)), percent) for column in columns))
        for model, relation, way in dict.fromkeys((m, r, w) for m, r, _, w in found)
    )  # fmt: skip
    caption = (
        "Attention on the gold arcs of a relation, as a share of what the word gives to other "
        "words: the best head on all sentences, so that chance helps it; uniform: what looking "
        "anywhere gives."
    )
    head = ("model", "relation", "direction", *columns)
    return Table("mass-relations", caption, head, body, 3) if body else None


def _changes(study: Study) -> Table | None:
    rows = study.at(CHANGE)
    lines = dict.fromkeys((row.model, row.task, row.method, row.metric) for row in rows)
    body = []
    for model, task, method, metric in lines:
        found = _one(study, CHANGE, model, method, metric, task)
        said = "–"
        if found is not None:
            said = "not clear"
            if found.number == 1:
                said = "one model: no claim"
            elif found.kind == INTERVAL and not found.holds(0.0):
                said = "better" if found.mean > 0 else "worse"
        body.append((model, shown(task), NAMES[method], metric, cell(found, number), said))
    head = ("model", "fine-tuned on", "method", "relation", "change of the best head", "verdict")
    caption = (
        "The best head of the fine-tuned model less the best of the pre-trained one, each chosen "
        "in its own model; mean over seeds, with a 95% interval over seeds and sentences; not "
        "corrected for their number."
    )
    return Table("dependency-change-table", caption, head, tuple(body), 4) if body else None


# -- figures


def _figures(study: Study) -> Iterator[Drawing]:
    """By relation, the best head beside position and random weights."""
    for model in study.models:
        names = list(_gains(study, model))[:16]
        if not names:
            continue
        figure, (axis,) = grid(1, 6.4, 0.26 * len(names) + 0.9)
        _draw_relations(study, model, axis, names)
        add_legend(figure, [axis], 3)
        yield Drawing(
            slug("relations", model), figure,
            f"Best head of each dependency relation against its baselines, {model}",
            f"{model}: share of the arcs of a relation that its best head finds (MAX, chosen on "
            "other sentences; bars are 95% intervals), what the best unsigned offset finds, and "
            "the best head of a model with random weights.",
        )  # fmt: skip


def _draw_relations(study: Study, model: str, axis: Axes, names: list[str]) -> None:
    styles = {
        "best head": (RELATION, "{}", "o", "#0072B2"),
        "best unsigned offset": (RELATION, "{}, unsigned", "|", "#000000"),
        "random weights": (RELATION + RANDOM, "{}", "^", MUTED),
    }
    for label, (stage, metric, marker, color) in styles.items():
        found = [_one(study, stage, model, "max", metric.format(name)) for name in names]
        there = [(row, spread) for row, spread in enumerate(found) if spread is not None]
        axis.plot(
            [spread.mean for _, spread in there], [row for row, _ in there], linestyle="none",
            marker=marker, color=color, label=label, markersize=9 if marker == "|" else 5,
            markeredgewidth=2.2 if marker == "|" else 1,
        )  # fmt: skip
        if label == "best head":
            for row, spread in there:
                axis.plot([spread.low, spread.high], [row, row], color=color, linewidth=1.4)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set(xlim=(-0.02, 1.02), xlabel="share of the relation's arcs found")
