"""The acceptable deduction in words: where it lies among the cuts that were tried, how surely."""

from __future__ import annotations

import math
from typing import NamedTuple

from jaxheads.records.folder import ALL_TASKS, OWN, PRETRAINING, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.report.baseline import MARK, at_ceiling, at_chance, floor_suffices
from jaxheads.report.folder import Study
from jaxheads.report.names import shown
from jaxheads.report.parts import Answer, Table
from jaxheads.report.spread import ends, percent


class Acceptable(NamedTuple):
    """The heads that may go before fine-tuning if a task is to keep a share of its metric after it.

    `surely` is the deepest cut at which it surely keeps enough, `unsurely` the deepest at which it
    is not sure that it does not; None without an interval. `cuts` are the increases of the
    pre-training loss by the number of heads removed, all heads left out.
    """

    model: str
    task: str
    tolerance: float
    removed: int
    surely: int | None
    unsurely: int | None
    cuts: dict[int, Row]

    def loss(self, removed: int) -> Row | None:
        """The greatest increase of the loss up to a cut; None for no cut."""
        up_to = [row for heads, row in self.cuts.items() if heads <= removed]
        return max(up_to, key=lambda row: row.value, default=None)

    def heads(self, removed: int) -> str:
        """A cut, by its heads and the increase of the loss."""
        row = self.loss(removed)
        return f"{removed}" if row is None else f"{removed} ({percent(row.value)})"

    @property
    def tried(self) -> str:
        """The smallest and the deepest cut."""
        first, last = min(self.cuts), max(self.cuts)
        if first == last:
            return f"the only cut tried: {self.heads(first)}"
        return f"cuts tried: {self.heads(first)} to {self.heads(last)}"


def acceptable_of(study: Study) -> list[Acceptable]:
    """Every deduction that is known, in the order of the rows."""
    found = []
    for row in study.at(Stage.ACCEPTABLE, metric=Metric.HEADS_REMOVED):
        cuts = cuts_of(study, row.model)
        if cuts and row.setting is not None and math.isfinite(row.value):
            known = [e for e in (row.low, row.high) if e is not None and math.isfinite(e)]
            surely, unsurely = map(int, known) if len(known) == 2 else (None, None)
            what = (row.model, row.task, row.setting, int(row.value))
            found.append(Acceptable(*what, surely, unsurely, cuts))
    return found


def cuts_of(study: Study, model: str) -> dict[int, Row]:
    """By heads removed: the relative increase of the pre-training loss before any fine-tuning."""
    what = {"model": model, "task": PRETRAINING, "metric": Metric.LOSS_INCREASE}
    rows = study.at(Stage.DEDUCTION, **what, method=OWN, reading="")
    budgets = {row.budget: row for row in rows if row.budget is not None}
    total = study.heads(model) or 0
    return {total - kept: row for kept, row in budgets.items() if kept < total}


# -- the table


def acceptable_table(study: Study) -> Table:
    """A line for each task and tolerance."""
    found = acceptable_of(study)
    body = tuple(_line(each) for each in found)
    tried = "; ".join(dict.fromkeys(f"{each.model}, {each.tried}" for each in found))
    caption = (
        "Acceptable deductions: by how much the pre-training loss may rise before fine-tuning if "
        "the task is to keep such a share of its metric after it, with the loss's own 95% interval "
        "over blocks of text; and the heads removed there. Surely up to, surely not beyond: the "
        "cuts up to which the 95% interval of what the task keeps, over seeds and examples, lies "
        "above that share, and beyond which it lies below (no cut tried: none does); each cut is "
        "asked by itself, not corrected for their number. “all tasks”: every one of them. In heads "
        f"(loss) – {tried}."
    )
    head = (
        *("model", "task", "kept", "loss may rise by", "95% over blocks", "heads removed"),
        *("surely up to", "surely not beyond"),
    )
    return Table("acceptable-table", caption, head, body, labels=3)


def _line(each: Acceptable) -> tuple[str, ...]:
    none = "–" if each.surely is None else "no cut tried"
    return (
        each.model, _task(each), f"{100 * (1 - each.tolerance):g}%", _increase(each),
        _blocks(each) or "–", str(each.removed), *(side or none for side in _sides(each)),
    )  # fmt: skip


def _task(each: Acceptable) -> str:
    return each.task if each.task == ALL_TASKS else shown(each.task)


def _increase(each: Acceptable) -> str:
    """The increase; at the end of what was tried as the bound that it is."""
    row = each.loss(each.removed)
    if row is None:
        return "no cut tried"
    return f"{'at least ' * (each.removed >= max(each.cuts))}{percent(row.value)}"


def _blocks(each: Acceptable) -> str:
    """The loss's own interval there."""
    row = each.loss(each.removed)
    return "" if row is None else ends(row, percent)


def _sides(each: Acceptable) -> tuple[str, str]:
    """How deep a cut surely may be, and how deep surely not; empty where no cut tried says so."""
    surely, unsurely = each.surely or 0, each.unsurely or 0
    known = each.unsurely is not None and unsurely < max(each.cuts)
    return each.heads(surely) if surely else "", each.heads(unsurely) if known else ""


# -- the answer


def deduction_answer(study: Study) -> Answer | None:
    """How much the pre-training task may lose before fine-tuning."""
    if not study.at(Stage.ACCEPTABLE):
        return None
    question = "How much may the pre-training task lose?"
    found = [(each, _said(study, each)) for each in acceptable_of(study)]
    if not found:
        return Answer(question, "No deduction is known.")
    loosest = max(each.tolerance for each, _ in found)
    loose = [each for each, _ in found if each.tolerance == loosest]
    lead = [each for each in loose if each.task == ALL_TASKS] or loose
    asked = [text for each, text in found if each in lead and not _all_idle(study, each)]
    if not asked:
        return Answer(question, "Unknown: no task is known to need its heads.")
    known = any(each.surely is not None for each in lead)
    how = ["“Surely”: by the 95% interval over seeds and examples of each cut by itself."] * known
    return Answer(question, " ".join([*asked, *how]))


def _said(study: Study, each: Acceptable) -> str:
    kept = f"{100 * (1 - each.tolerance):g}%"
    who, what = ("every task", "its metric")
    if each.task != ALL_TASKS:
        who, what = _task(each), f"its {study.metric(each.task)}"
    trained = study.at(Stage.PRUNED_FIRST, model=each.model)
    seeds = len({row.seed for row in trained if each.task in (row.task, ALL_TASKS)})
    surely, beyond = _sides(each)
    safe = f"surely up to {surely}" if surely else "no cut tried is surely safe"
    deep = f"surely not beyond {beyond}" if beyond else "no cut tried is surely too deep"
    bounds = "" if each.surely is None else f"; {safe}, {deep}"
    models = f"n = {seeds} seeds" if seeds != 1 else "n = 1 seed, so of that one model"
    return (
        f"{each.model}, {_task(each)}: {_place(each, who, kept, what)}{bounds}; {each.tried} "
        f"heads; {models}{_idle(study, each)}."
    )


def _place(each: Acceptable, who: str, kept: str, what: str) -> str:
    """How deep the deepest cut that keeps enough is."""
    row = each.loss(each.removed)
    if row is None:
        return f"at no cut tried {who} keeps {kept} of {what} after fine-tuning"
    deepest = "at least " * (each.removed >= max(each.cuts))
    blocks = _blocks(each)
    return (
        f"{who} keeps {kept} of {what} after fine-tuning up to {deepest}{each.removed} heads "
        f"removed before it, where the increase of the masked-LM loss is {percent(row.value)}"
        + (f" (95% over blocks of text: {blocks})" if blocks else " (no interval)")
    )


def _tasks(study: Study, each: Acceptable) -> list[str]:
    return study.downstream if each.task == ALL_TASKS else [each.task]


def _all_idle(study: Study, each: Acceptable) -> bool:
    return all(_needs_none(study, each, task) for task in _tasks(study, each))


def _needs_none(study: Study, each: Acceptable, task: str) -> bool:
    """Whether a task keeps that share of its metric at chance, or by the majority class."""
    suffices = floor_suffices(study, each.model, task, 1 - each.tolerance)
    return suffices or at_chance(study, each.model, task)


def _idle(study: Study, each: Acceptable) -> str:
    """A warning where a task tells nothing of heads, or its metric cannot rise."""
    tasks = _tasks(study, each)
    idle = [shown(task) for task in tasks if _needs_none(study, each, task)]
    top = [shown(task) for task in tasks if at_ceiling(study, each.model, task)]
    text = f"; on {', '.join(top)} the whole model is at the ceiling" if top else ""
    if idle:
        text += (
            f"; but on {', '.join(idle)} the model is {MARK}, or the majority-class baseline does "
            "as well, which says nothing of heads"
        )
    return text
