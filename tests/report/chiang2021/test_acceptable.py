"""The acceptable deduction on the page: a value between cuts, and a bound at the ends of them."""

from __future__ import annotations

import dataclasses

import pytest

from jaxheads.records.rows import Row
from jaxheads.report.chiang2021.acceptable import acceptable_of, acceptable_table, deduction_answer
from jaxheads.report.chiang2021.deduction import retained
from jaxheads.report.folder import Study
from tests.report.rows import BEFORE, study_rows

NAN = float("nan")


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(tuple(study_rows(("roberta",))), {}, {})


def row(value, **what) -> Row:
    fields = {"study": "s", "model": "m", "task": "t", "metric": "accuracy", "value": value}
    return Row(**fields | what)


def made(
    removed, low, high, *, cuts=(4, 8, 12), seeds=3, whole=0.9, step=0.001, floor=0.5
) -> Study:
    """A model of 16 heads; the loss rises by 1% for each head removed, give or take 0.5%."""
    rows = [row(whole + s * step, stage="whole", seed=s) for s in range(seeds)]
    rows.append(row(floor, stage="floor"))
    for heads in (0, *cuts):
        ends = {"low": heads / 100 - 0.005, "high": heads / 100 + 0.005} if heads else {}
        what = {"stage": "deduction", "budget": 16 - heads, **BEFORE}
        lost = {"task": "mlm", "metric": "loss increase"}
        rows.append(row(heads / 100, **lost, **what, **ends))
        what |= {"stage": "pruned, then fine-tuned"}
        rows += [row(whole, **what, seed=s) for s in range(seeds)]
    for name, unit in (("loss increase", 100), ("heads removed", 1)):
        what = {"metric": name, "stage": "acceptable deduction", "setting": 0.05, **BEFORE}
        ends = {} if low is None else {"low": low / unit, "high": high / unit}
        rows += [row(removed / unit, task=task, **what, **ends) for task in ("t", "all tasks")]
    return Study(tuple(rows), {}, {})


SURELY = " “Surely”: by the 95% interval over seeds and examples of each cut by itself."


def point(study: Study) -> str:
    """The answer where there is no row of all tasks together."""
    rows = tuple(r for r in study.rows if r.task != "all tasks")
    answer = deduction_answer(dataclasses.replace(study, rows=rows))
    assert answer is not None
    assert answer.summary.endswith(SURELY) == ("sure" in answer.summary)
    return answer.summary.removesuffix(SURELY)


def line(study: Study) -> tuple[str, ...]:
    table = acceptable_table(study)
    assert table is not None
    return table.body[0][3:]


# -- by hand


def test_between_cuts_it_is_a_value_with_the_losss_own_interval_and_how_sure_it_is():
    study = made(8.0, 4.0, 8.0)
    assert point(study) == (
        "m, t: t keeps 95% of its accuracy after fine-tuning up to 8 heads removed before it, "
        "where the increase of the masked-LM loss is 8.0% (95% over blocks of text: 7.5% to 8.5%); "
        "surely up to 4 (4.0%), surely not beyond 8 (8.0%); cuts tried: 4 (4.0%) to 12 (12%) "
        "heads; n = 3 seeds."
    )
    assert line(study) == ("8.0%", "7.5% to 8.5%", "8", "4 (4.0%)", "8 (8.0%)")


def test_at_the_deepest_cut_it_is_at_least_that():
    study = made(12.0, 8.0, 12.0)
    assert " up to at least 12 heads removed before it, where " in point(study)
    assert "; surely up to 8 (8.0%), no cut tried is surely too deep; " in point(study)
    assert line(study) == ("at least 12%", "12% to 12%", "12", "8 (8.0%)", "no cut tried")


def test_where_the_smallest_cut_is_too_deep_it_is_none():
    study = made(0.0, 0.0, 4.0)
    assert point(study).startswith("m, t: at no cut tried t keeps 95% of its accuracy after fine-")
    assert "; no cut tried is surely safe, surely not beyond 4 (4.0%); " in point(study)
    assert line(study) == ("no cut tried", "–", "0", "no cut tried", "4 (4.0%)")


def test_one_cut_is_named_as_the_only_one():
    study = made(8.0, 0.0, 8.0, cuts=(8,))
    assert "up to at least 8 heads" in point(study)
    assert "; the only cut tried: 8 (8.0%) heads; " in point(study)
    assert "; no cut tried is surely safe, no cut tried is surely too deep; " in point(study)


@pytest.mark.parametrize("ends", [(None, None), (NAN, NAN)])
def test_without_bounds_nothing_is_sure(ends):
    study = made(8.0, *ends)
    assert "sure" not in point(study)
    assert line(study)[3:] == ("–", "–")


def test_one_seed_speaks_of_one_model():
    assert point(made(8.0, 4.0, 8.0, seeds=1)).endswith("; n = 1 seed, so of that one model.")


def test_a_loss_without_an_interval_says_so():
    study = made(8.0, 4.0, 8.0)
    rows = [dataclasses.replace(r, low=None, high=None) if r.task == "mlm" else r
            for r in study.rows]  # fmt: skip
    assert "loss is 8.0% (no interval);" in point(dataclasses.replace(study, rows=tuple(rows)))


@pytest.mark.parametrize(
    ("whole", "step", "floor"), [(0.5, 0.001, 0.5), (0.5, 0.2, 0.5), (0.9, 0.001, 0.86)]
)
def test_a_task_at_chance_or_near_a_constant_answer_says_nothing_of_heads(whole, step, floor):
    study = made(8.0, 4.0, 8.0, whole=whole, step=step, floor=floor, seeds=2)
    answer = deduction_answer(study)
    assert answer is not None
    assert answer.summary == "Unknown: no task is known to need its heads."


def test_a_model_at_the_ceiling_is_said_to_be():
    assert point(made(8.0, 4.0, 8.0, whole=1.0)).endswith(
        "; on t the whole model is at the ceiling."
    )


# -- the whole study


def test_all_tasks_at_the_loosest_tolerance_are_the_summary(study):
    answer = deduction_answer(study)
    assert answer is not None
    assert answer.summary == (
        "roberta, all tasks: every task keeps 95% of its metric after fine-tuning up to 8 heads "
        "removed before it, where the increase of the masked-LM loss is 10% (95% over blocks of "
        "text: 9.0% to 11%); surely up to 4 (2.0%), surely not beyond 8 (10%); cuts tried: 4 "
        "(2.0%) to 12 (50%) heads; n = 3 seeds." + SURELY
    )
    assert [each.removed for each in acceptable_of(study)] == [4, 8] * 3


def test_the_figure_averages_as_the_answer_does():
    """The mean of metrics, then the share: (0.9 + 0.3) / (1.0 + 0.5), not the mean of shares."""
    rows = [row(1.0, stage="whole", seed=0), row(0.5, stage="whole", seed=1)]
    what = {"stage": "pruned, then fine-tuned", "budget": 8, **BEFORE}
    rows += [row(0.9, seed=0, **what), row(0.3, seed=1, **what)]
    (found,) = retained(Study(tuple(rows), {}, {}), "m", "t").values()
    assert (found.mean, found.low, found.high) == pytest.approx((0.8, 0.6, 0.9))
