"""What differences between ways to choose heads allow to say, one by one and counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from jaxheads.records.folder import DRAWN
from jaxheads.records.rows import Row
from jaxheads.report.baseline import MARK, at_ceiling, at_chance
from jaxheads.report.folder import Study
from jaxheads.report.names import other_way, way
from jaxheads.report.spread import interval_of

LEVEL = 0.05
NONE = "Unknown: no comparison can be counted."
FEWEST = 10  # random masks of one model, with fewer of which nothing is claimed


def said_of(study: Study, row: Row) -> str:
    """What a difference on a task says, if the whole model can do the task, and not all of it."""
    if at_chance(study, row.model, row.task):
        return f"the whole model is {MARK}: no claim"
    top = at_ceiling(study, row.model, row.task) and not side(row)
    return verdict(row) + ", the whole model being at the ceiling of the metric" * top


def verdict(row: Row, form: str = "{}") -> str:
    """What a difference says of the first of its two ways, whose names are put in a form.

    Of several seeds by the interval; of one model by the rank among its random masks, see `side`.
    """
    first, second = form.format(way(row)), form.format(other_way(row))
    if row.seeds is None:
        return "of an unknown number of models: no claim"
    found = side(row)
    if row.seeds == 1:
        return _ranked(row, first, second, found)
    if row.low == row.high == 0:
        return "the same on every example"
    if interval_of(row) is None:
        return "no interval, no claim"
    return f"{first} keeps {'more' if found > 0 else 'less'}" if found else "not distinguishable"


def side(row: Row) -> int:
    """1 where the first way keeps more, -1 where it keeps less, 0 where nothing can be told.

    Told by the 95% interval, which must leave out 0. One model must besides have at least `FEWEST`
    random masks, and all but 5% of them must lie on that side.
    """
    found = side_of_interval(row)
    if row.seeds is None or row.seeds > 1:
        return found * (row.seeds is not None)
    alike, draws = (row.ahead if found > 0 else row.behind) or 0, row.draws or 0
    draws *= _is_drawn(row.method, row.reading) or _is_drawn(row.other_method, row.other_reading)
    return found if draws >= FEWEST and draws - alike <= LEVEL * draws else 0


def side_of_interval(row: Row) -> int:
    """The sign of a value whose interval leaves out 0; otherwise, and without one, 0."""
    low, high = interval_of(row) or (0.0, 0.0)
    return int(low > 0) - int(high < 0)


def _is_drawn(method: str, reading: str) -> bool:
    """Whether a way draws its masks."""
    return bool(DRAWN & {method, reading})


def _ranked(row: Row, first: str, second: str, found: int) -> str:
    """Words on one model."""
    draws, ahead, behind = (count or 0 for count in (row.draws, row.ahead, row.behind))
    last = _is_drawn(row.other_method, row.other_reading)
    drawn, own = (second, first) if last else (first, second)
    if not found:
        rank = f" ({first} ahead in {ahead} of {draws} draws, behind in {behind})"
        return f"one model{rank * (draws > 0)}: no claim"
    alike = ahead if found > 0 else behind
    masks = f"{f'all {draws}' if alike == draws else f'{alike} of {draws}'} {drawn} masks"
    more = "more" if found > 0 else "less"
    said = f"{own} keeps {more} than {masks}" if own == first else f"{masks} keep {more} than {own}"
    return f"{said} (one model)"


# -- counts


def counted(
    study: Study, rows: Sequence[Row], idle: Callable[[Row], bool] | None = None
) -> tuple[list[Row], str]:
    """The differences that may be counted together, and a sentence on those left out, if any are.

    Together count those over several seeds of models that are shown to do their task; `idle` says
    which are not, by default those whose whole model is not.
    """
    idle = idle or (lambda row: at_chance(study, row.model, row.task))
    known = [row for row in rows if not idle(row)]
    several = [row for row in known if (row.seeds or 0) > 1]
    reasons = {
        "of one model, which says nothing of another training": len(known) - len(several),
        f"of models {MARK}": len(rows) - len(known),
    }
    left = [f"{number} {reason}" for reason, number in reasons.items() if number]
    return several, f" Not counted: {'; '.join(left)}." if left else ""


def clear_in(rows: Sequence[Row], sign: int = 1) -> str:
    """In how many differences the interval lies on one side of 0: as it is, and by Holm's rule."""
    clear = [side_of_interval(row) == sign for row in rows]
    text = out_of(sum(clear), len(rows))
    if len(rows) < 2 or not any(clear):
        return text
    tested = [row.p_value for row in rows if row.p_value is not None]
    if len(tested) < len(rows):
        return f"{text} (not corrected for their number)"
    known = [not math.isnan(p) and interval_of(row) for p, row in zip(tested, rows, strict=True)]
    sure = holm([p if own else 1.0 for p, own in zip(tested, known, strict=True)])
    count = sum(own and p < LEVEL for own, p in zip(clear, sure, strict=True))
    return f"{text} ({count} after Holm's correction)"


def number_in(rows: Sequence[Row], sign: int = 1) -> tuple[int, str]:
    """How many differences lie on one side of 0, and in words how many by Holm's rule."""
    note = clear_in(rows, sign).partition("(")[2].removesuffix(")")
    count = sum(side_of_interval(row) == sign for row in rows)
    return count, f", {note}" if note else ""


def out_of(count: int, total: int) -> str:
    """A count in words: "2 of 3", "none of 3"."""
    return f"{count or 'none'} of {total}"


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's corrected p-values, in the order given."""
    order = np.argsort(p_values, kind="stable")
    corrected, so_far = [1.0] * len(p_values), 0.0
    for place, index in enumerate(order.tolist()):
        so_far = max(so_far, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = so_far
    return corrected
