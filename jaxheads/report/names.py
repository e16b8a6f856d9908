"""What readers call the tasks, ways to choose heads and differences that rows name by fields."""

from __future__ import annotations

from jaxheads.records.rows import Row

CALLED = {
    "mlm": "masked LM", "output_norm": "output norm", "shuffled_labels": "shuffled labels",
    "untrained_readout": "untrained readout",
}  # fmt: skip


def shown(name: str) -> str:
    """A task or a null."""
    return CALLED.get(name, name)


def tasks_of(row: Row) -> str:
    """The task, and the other one where there is one."""
    return " ~ ".join(shown(task) for task in (row.task, row.other_task) if task)


def called(method: str, reading: str = "", other_task: str = "") -> str:
    """A way to choose heads; with `other_task`, the order of that task's scores."""
    name = f"order of {shown(other_task)}" if other_task else shown(method)
    return ", ".join(part for part in (name, reading) if part)


def way(row: Row) -> str:
    """The way of a row, of a difference the first."""
    return called(row.method, row.reading, row.other_task)


def other_way(row: Row) -> str:
    """The second way of a difference."""
    return called(row.other_method, row.other_reading)


def difference(row: Row, less: str = " − ", form: str = "{}") -> str:
    """Both ways of a difference."""
    return less.join(form.format(each) for each in (way(row), other_way(row)))


def head_of(row: Row) -> str:
    """A head or a whole layer."""
    layer = "" if row.layer is None else f"layer {row.layer}"
    return layer if row.head is None else f"{layer} head {row.head}"


def heads_kept(budget: int | None) -> str:
    """A number of heads."""
    return "all" if budget is None else str(budget)
