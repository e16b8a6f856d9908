"""Do heads follow dependency relations: maps, tables with their baselines, arcs over sentences."""

from __future__ import annotations

from collections.abc import Iterator

from matplotlib.axes import Axes

from jaxheads.records.folder import ARC_MAPS, CHAIN, MAX, MST, PRETRAINING, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.claims import clear_in, out_of
from jaxheads.report.figures.attention_view import example_views
from jaxheads.report.figures.panels import add_legend, grid
from jaxheads.report.figures.style import MUTED
from jaxheads.report.folder import Study
from jaxheads.report.htut2019.dependency_figures import arc_drawings, layer_drawings, map_parts
from jaxheads.report.names import shown
from jaxheads.report.parts import Answer, Drawing, Section, Table, section, slug
from jaxheads.report.spread import (
    INTERVAL,
    Spread,
    cell,
    count,
    number,
    percent,
    signed,
    spread_of,
    spreads,
)
from jaxheads.report.tables import table_of

NAMES = {
    MAX: "MAX", MST: "MST", "mst log": "MST of log attention", "mst directed": "MST, directed",
    "mst log directed": "MST of log attention, directed",
    "dependent to head": "dependent attends to head", "head to dependent": "head to dependent",
    "most attentive": "head attends most to dependent",
}  # fmt: skip


def dependencies_section(study: Study) -> Section | None:
    """Everything about dependency trees."""
    if not study.at(Stage.BEST_HEAD, metric=Metric.UUAS):
        return None
    lead = (
        "After Htut et al. 2019. MAX: a gold arc counts where one of its words attends most to the "
        "other. MST: the heaviest tree that can be made of the attention, from the gold root, "
        "which leaks; heads that see no word are measured alike and are the floor. Heads are "
        "chosen on half of the sentences and scored on the other half; brackets are 95% intervals "
        "over its sentences, and over several seeds too. UUAS leaves punctuation out unless it "
        "says otherwise."
    )
    sentences = "Sentences of the treebank: those read, and those left out, by the reason."
    mass = (
        "Attention on gold arcs in either direction, as a share of all attention between different "
        "words (Vig and Belinkov 2019); uniform: what looking anywhere gives."
    )
    masses = (
        "Attention on the gold arcs of a relation, as a share of what the word gives to other "
        "words: the best head on all sentences, so that chance helps it; uniform: what looking "
        "anywhere gives."
    )
    relation = {"model": "model", "relation": "relation", "direction": _named}
    which = "each head that is best at whole trees (MST, MAX)"
    return section(
        "dependencies", "Do heads follow dependency relations", lead,
        table_of("sentences-table", sentences, study.at(Stage.SENTENCES), {"model": "model"},
                 by="metric", form=count),
        _trees(study), _figures(study), layer_drawings(study), map_parts(study),
        _relations(study),
        table_of("mass-table", mass, study.at(Stage.MASS), {"model": "model"}, by="metric",
                 form=percent),
        table_of("mass-relations", masses, study.at(Stage.RELATION_MASS), relation, by="metric",
                 form=percent),
        _changes(study), arc_drawings(study), example_views(study, ARC_MAPS, "arcs-view", which),
    )  # fmt: skip


def dependencies_answer(study: Study) -> Answer | None:
    """Which relations have a head that beats position, and whether whole trees do."""
    rows = [row for model in study.models for row in _gains(study, model)]
    trees = [_above(study, model, way) for model in study.models for way in (MST, MAX)]
    trees = [found for found in trees if found is not None]
    if not rows and not trees:
        return None
    summary = (
        f"In {clear_in(rows)} cases (a relation in a model) a head is above the best unsigned "
        f"offset, and in {out_of(sum(trees), len(trees))} measurements whole trees of the best "
        "head lie above those of every head that sees no word, by 95% intervals over sentences "
        "that chose neither. Of the pre-trained models as they are; another pre-training is not "
        "in it."
    )
    return Answer("Do heads follow dependency relations?", summary)


def _above(study: Study, model: str, reading: str) -> bool | None:
    """Whether the interval of the best head lies above those of all that see no word."""
    best = _one(study, Stage.BEST_HEAD, model, reading, Metric.UUAS)
    floors = _floors(study, model, reading).values()
    if best is None or not floors:
        return None
    return best.kind == INTERVAL and all(
        floor.kind == INTERVAL and best.low > floor.high for floor in floors
    )


def _gains(study: Study, model: str) -> list[Row]:
    """Accuracy of each relation's best head less its best unsigned offset."""
    where = {"model": model, "task": PRETRAINING, "reading": MAX, "metric": Metric.GAIN}
    return [row for row in study.at(Stage.RELATION, **where) if spread_of([row])]


def _one(
    study: Study, stage: str, model: str, reading: str, metric: str, task: str = PRETRAINING,
    **more: str,
) -> Spread | None:  # fmt: skip
    where = {"model": model, "reading": reading, "metric": metric, "task": task}
    return study.spread(stage, **where, **more)


def _floors(study: Study, model: str, reading: str) -> dict[str, Spread]:
    """What the chain, and heads that see no word, reach."""
    where = {"model": model, "reading": reading, "metric": Metric.UUAS}
    return spreads(study.at(Stage.BASELINE, **where), "method")


def _named(row: Row) -> str:
    return NAMES[row.reading]


# -- tables


def _trees(study: Study) -> Table:
    rows = study.at(Stage.BEST_HEAD, metric=Metric.UUAS)
    lines = dict.fromkeys((row.model, row.task, row.reading) for row in rows)
    head = (
        "model", "fine-tuned on", "method", "layer, head", Metric.UUAS, "mean of sentences",
        "with punctuation", "best of all", CHAIN, "best without words", "random weights",
    )  # fmt: skip
    caption = (
        "Whole trees: the best head on the half that did not choose it, in percent. Best of all: "
        "chosen and scored on all sentences, as in the papers. Best without words: the best of "
        "heads that look at the next word, the previous one, two words on or back, near, or "
        "anywhere. Of several seeds the mean."
    )
    body = tuple(_tree_line(study, *line) for line in lines)
    return Table("trees-table", caption, head, body, 3)


def _tree_line(study: Study, model: str, task: str, reading: str) -> tuple[str, ...]:
    def one(metric: str) -> str:
        return cell(_one(study, Stage.BEST_HEAD, model, reading, metric, task), percent)

    floors = _floors(study, model, reading)
    chain = floors.pop(CHAIN, None)
    top = max(floors.items(), key=lambda each: each[1].mean, default=None)
    random = _one(study, Stage.RANDOM_BEST_HEAD, model, reading, Metric.UUAS)
    where = {"model": model, "task": task, "reading": reading, "metric": Metric.UUAS}
    return (
        model, "–" if task == PRETRAINING else shown(task), NAMES[reading],
        _heads(study.at(Stage.BEST_HEAD, **where)), one(Metric.UUAS), one(Metric.UUAS_MEAN),
        one(Metric.ALL_UUAS), one(Metric.UUAS_BEST), cell(chain, percent),
        "–" if top is None else f"{top[0]} {cell(top[1], percent)}", cell(random, percent),
    )  # fmt: skip


def _heads(rows: list[Row]) -> str:
    """Where the best head is; of several seeds, all places."""
    pairs = dict.fromkeys(f"{row.layer}, {row.head}" for row in rows if row.head is not None)
    return "; ".join(pairs)


def _relations(study: Study) -> Table:
    gains = [row for model in study.models for row in _gains(study, model)]
    body = tuple(_relation_line(study, row.model, row.relation) for row in gains)
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
    return Table("relations-table", caption, head, body, 2)


def _relation_line(study: Study, model: str, name: str) -> tuple[str, ...]:
    def one(metric: str, reading: str = MAX, stage: str = Stage.RELATION) -> Spread | None:
        return _one(study, stage, model, reading, metric, relation=name)

    unsigned, offset = one(Metric.UNSIGNED), one(Metric.OFFSET)
    where = {"model": model, "task": PRETRAINING, "reading": MAX, "metric": Metric.ACCURACY}
    return (
        model, name, cell(one(Metric.ARCS), count),
        _heads(study.at(Stage.RELATION, **where, relation=name)),
        cell(one(Metric.ACCURACY), percent),
        cell(one(Metric.GAIN), lambda value: signed(100 * value)[:-2]),
        "–" if unsigned is None else f"{percent(unsigned.mean)} (at {cell(offset, count)})",
        cell(one(Metric.SIGNED), percent),
        cell(one(Metric.ACCURACY, stage=Stage.RANDOM_RELATION), percent),
        *(cell(one(Metric.ACCURACY, reading), percent)
          for reading in ("dependent to head", "head to dependent", "most attentive")),
    )  # fmt: skip


def _changes(study: Study) -> Table:
    found = spreads(study.at(Stage.TUNED_CHANGE), "model", "task", "reading", "relation", "metric")
    body = tuple(
        (model, shown(task), NAMES[reading], relation or metric, cell(spread, number),
         _verdict(spread))
        for (model, task, reading, relation, metric), spread in found.items()
    )  # fmt: skip
    head = ("model", "fine-tuned on", "method", "relation", "change of the best head", "verdict")
    caption = (
        "The best head of the fine-tuned model less the best of the pre-trained one, each chosen "
        "in its own model; mean over seeds, with a 95% interval over seeds and sentences; not "
        "corrected for their number."
    )
    return Table("dependency-change-table", caption, head, body, 4)


def _verdict(found: Spread) -> str:
    if found.number == 1:
        return "one model: no claim"
    if found.kind == INTERVAL and not found.holds(0.0):
        return "better" if found.mean > 0 else "worse"
    return "not clear"


# -- figures


def _figures(study: Study) -> Iterator[Drawing]:
    """By relation, the best head beside position and random weights."""
    for model in study.models:
        names = [row.relation for row in _gains(study, model)][:16]
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
        "best head": (Stage.RELATION, Metric.ACCURACY, "o", "#0072B2"),
        "best unsigned offset": (Stage.RELATION, Metric.UNSIGNED, "|", "#000000"),
        "random weights": (Stage.RANDOM_RELATION, Metric.ACCURACY, "^", MUTED),
    }
    for label, (stage, metric, marker, color) in styles.items():
        found = [_one(study, stage, model, MAX, metric, relation=name) for name in names]
        there = [(row, spread) for row, spread in enumerate(found) if spread is not None]
        axis.plot(
            [spread.mean for _, spread in there], [row for row, _ in there], linestyle="none",
            marker=marker, color=color, label=label, markersize=9 if marker == "|" else 5,
            markeredgewidth=2.2 if marker == "|" else 1,
        )  # fmt: skip
        if marker == "o":
            for row, spread in there:
                axis.plot([spread.low, spread.high], [row, row], color=color, linewidth=1.4)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set(xlim=(-0.02, 1.02), xlabel="share of the relation's arcs found")
