"""Questions that differences between ways to choose heads answer: a table of what is asked.

What is counted, and how surely, is `claims.counted` and `clear_in`; the tables of the sections have
the differences one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxheads.records.folder import (
    BEST,
    INVERTED,
    LIKE_BEST,
    META,
    OWN,
    PRETRAINING,
    RANDOM,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.report.claims import NONE, clear_in, counted, number_in, side
from jaxheads.report.folder import Study
from jaxheads.report.names import other_way
from jaxheads.report.parts import Answer


class Question(NamedTuple):
    """A question, the differences that answer it, and the answer with its counts.

    `says`: {better} and {worse} are how many are clearly so, {of} names what is subtracted where
    each gets a clause of its own, {ways} those that are better at some budget.
    """

    asks: str
    rows: Callable[[Study], list[Row]]
    says: str
    clause: str = ""


FURTHER = (Stage.PRUNED_CONTRAST, Stage.AGAIN_CONTRAST, Stage.EQUAL_CONTRAST)
BY = "by 95% intervals over seeds, random draws and examples"


def compared(study: Study, *, further: bool) -> list[Row]:
    """What is compared with the gradient's one-shot order, or `further`: with something else."""
    rows = [row for stage in FURTHER for row in study.at(stage)]
    return [row for row in rows if (row.other_method != OWN) == further]


CONTRAST = Question(
    "Is the order of the score better than chance?",
    lambda study: study.at(Stage.CONTRAST),
    "In {better} comparisons over several seeds the order that should be better is: its 95% "
    "interval over seeds, random draws and examples lies above 0.",
)
MASKING = Question(
    "Do tasks need the heads that know constituents?",
    lambda study: study.at(Stage.ABILITY_CONTRAST, method=LIKE_BEST, other_method=BEST),
    "In {better} cases masking about half of the heads, the best at constituents, costs more "
    "than masking random heads of the same layers, " + BY + ".",
)
COMPARISON = Question(
    "Does any way to choose heads beat one pass of the gradient?",
    lambda study: compared(study, further=False),
    "{none_better} with the gradient's one-shot order {is_better} better at equal budgets{sure}; "
    "{none_worse}, " + BY + "{ways}.",
)
ORDERS = Question(
    "Is the score's order worth more than orders without labels?",
    lambda study: study.at(Stage.NULL_CONTRAST, method=OWN, other_task=""),
    "At the budget nearest to half of the heads the score's order keeps more than {clauses}, each "
    "corrected by itself.",
    "that of {of} in {better}",
)
TRANSFER = ORDERS._replace(
    asks="Is the pre-training task's order worth more on tasks than orders without labels?",
    rows=lambda study: study.at(Stage.NULL_CONTRAST, method=OWN, other_task=PRETRAINING),
    says=ORDERS.says.replace("the score's order", "the order of masked LM"),
)
PRUNER = Question(
    "Can a pruner that never saw a task choose its heads?",
    lambda study: [
        row
        for row in study.at(Stage.MASK_CONTRAST, method=META)
        if row.other_method in (RANDOM, INVERTED)
    ],
    "Fine-tuned under its mask, the model is {clauses}, each corrected by itself ("
    + BY.removeprefix("by ")
    + ").",
    "better than under the {of} mask in {better}, worse in {worse}",
)


def answer(study: Study, question: Question) -> Answer | None:
    """The answer, if the study has rows for it."""
    rows = question.rows(study)
    if not rows:
        return None
    several, left_out = counted(study, rows)
    ways = dict.fromkeys(row.method for row in several if side(row) > 0)
    others = dict.fromkeys(map(other_way, several))
    clauses = (
        _counts(question.clause, [row for row in several if other_way(row) == other], of=other)
        for other in others
    )
    said = _counts(
        question.says, several, clauses=", ".join(clauses),
        ways=f"; better at some budget by its own interval: {'; '.join(ways)}" * bool(ways),
    )  # fmt: skip
    return Answer(question.asks, (said if several else NONE) + left_out)


def _counts(text: str, rows: list[Row], **more: str) -> str:
    (better, sure), (worse, surely) = number_in(rows), number_in(rows, -1)
    words = {
        "none_better": f"{better or 'None'} of {len(rows)} comparisons",
        "is_better": "is" if better < 2 else "are",
        "sure": sure,
        "none_worse": f"{worse or 'none'} {'is' if worse < 2 else 'are'} worse{surely}",
    }
    return text.format(better=clear_in(rows), worse=clear_in(rows, -1), **words, **more)
