"""The section and the answer on agreement of two tasks' heads."""

from __future__ import annotations

import dataclasses

import pytest

from jaxheads.records.rows import Row
from jaxheads.report.chiang2021.coherence import coherence_section
from jaxheads.report.chiang2021.coherence_answer import coherence_answer
from jaxheads.report.chiang2021.functional import functional_answer
from jaxheads.report.folder import Study
from jaxheads.report.parts import Table
from jaxheads.report.questions import ORDERS, TRANSFER
from jaxheads.report.questions import answer as asked
from tests.report.rows import study_rows

PAIR = {
    "task": "mlm", "other_task": "t", "stage": "coherence", "place": "fine-tuned",
    "metric": "spearman",
}  # fmt: skip


def row(value, **what) -> Row:
    fields = {"study": "s", "model": "m", "task": "t", "metric": "accuracy", "value": value}
    return Row(**fields | what)


def answer(make, *rows: Row):
    return make(Study(rows, {}, {}))


@pytest.fixture(scope="module")
def study() -> Study:
    return Study(tuple(study_rows(("roberta",))), {}, {})


def lines(study: Study, name: str) -> list[dict[str, str]]:
    """The lines of a table of the section, by column."""
    (table,) = (
        part
        for part in coherence_section(study).parts
        if isinstance(part, Table) and part.name == name
    )
    return [dict(zip(table.head, line, strict=True)) for line in table.body]


def test_each_correlation_stands_beside_its_ceiling(study):
    """0.4 / 0.872; no ceiling was measured under the linear probe (encoder frozen)."""
    first, *more = lines(study, "ceiling-table")
    assert first == {
        "model": "roberta", "tasks": "masked LM ~ sentiment", "measured in": "fine-tuned",
        "spearman": "0.400 (0.300 to 0.500)", "ceiling": "0.872",
        "disattenuated": "0.459 (0.344 to 0.573)",
    }  # fmt: skip
    assert [(line["measured in"], line["ceiling"]) for line in more] == [
        ("fine-tuned", "0.872"), ("fine-tuned", "0.800"),
    ]  # fmt: skip


def test_a_ceiling_of_zero_corrects_nothing(study):
    rows = [dataclasses.replace(r, value=0.0) if r.stage == "ceiling" else r for r in study.rows]
    found = lines(Study(tuple(rows), {}, {}), "ceiling-table")
    assert {line["disattenuated"] for line in found} == {"–"}


def test_reliability_is_shown_whole_and_in_parts(study):
    pretrained, sentiment, _ = lines(study, "reliability-table")
    assert pretrained["other examples and seed"] == pretrained["other seed"] == "–"
    assert pretrained["other examples"] == sentiment["other examples"] == "0.950"
    assert sentiment["other examples and seed"] == "0.800"
    assert sentiment["other seed"] == sentiment["kendall"] == "0.850 (0.750 to 0.950)"


# -- the answer


def test_agreement_is_read_by_permutation_and_against_its_ceiling(study):
    found = coherence_answer(study)
    assert found.summary == (
        "Agreement with the pre-training task is more than chance in 2 of 4 measurements, and more "
        "than each of magnitude, output norm, shuffled labels, untrained readout in none (single "
        "tests at 5%, by permutation of heads in each of these models and over seeds against "
        "nulls, not corrected for their number). Spearman correlations go from 0.100 (3 seeds: "
        "0.000 to 0.200) to 0.400 (3 seeds: 0.300 to 0.500)."
    )


def test_agreement_below_zero_is_not_called_agreement():
    rows = [row(-0.5 - s / 10, p_value=0.01, seed=s, **PAIR) for s in (0, 1)]
    assert ": less than chance" in answer(coherence_answer, *rows).summary
    mixed = [dataclasses.replace(rows[0], value=0.5), *rows[1:]]
    assert "not distinguishable from chance" in answer(coherence_answer, *mixed).summary


def test_a_range_of_seeds_without_a_test_is_not_more_than_chance():
    rows = [row(0.5 + s / 10, seed=s, **PAIR) for s in (0, 1)]
    assert "not distinguishable from chance" in answer(coherence_answer, *rows).summary
    bounded = dataclasses.replace(rows[0], low=0.1, high=0.9)
    assert "more than chance" in answer(coherence_answer, bounded).summary


def test_one_seed_that_chance_explains_is_enough_to_say_so():
    for p, said in ((0.06, "not distinguishable from chance"), (0.04, "more than chance")):
        rows = [row(0.5, seed=s, p_value=v, **PAIR) for s, v in enumerate((0.01, p))]
        assert said in answer(coherence_answer, *rows).summary


# -- nulls, and models at chance


def at_chance(study: Study, task: str, place: str) -> Study:
    """The study, in which a model's interval above the baseline holds 0."""
    changed = [
        dataclasses.replace(r, low=-0.01)
        if r.stage == "above the baseline" and (r.task, r.place) == (task, place)
        else r
        for r in study.rows
    ]
    return dataclasses.replace(study, rows=tuple(changed))


def test_a_probe_at_chance_is_marked_and_does_not_answer(study):
    found = at_chance(study, "sentiment", "linear probe")
    summary = coherence_answer(found).summary
    assert " is more than chance in 2 of 3 measurements" in summary
    assert summary.endswith(" Not counted: 1 of models not shown to be above chance.")
    for name in ("nulls-table", "coherence-table"):
        marked = {
            line["tasks"]: line
            for line in lines(found, name)
            if line["measured in"] == "linear probe †"
        }
        assert set(marked) == {"masked LM ~ sentiment", "sentiment ~ entailment"}
        assert {line.get("is more than", "–") for line in marked.values()} == {"–"}


def test_models_at_chance_alone_answer_nothing(study):
    for task in ("sentiment", "entailment"):
        for place in ("fine-tuned", "linear probe"):
            study = at_chance(study, task, place)
    summary = coherence_answer(study).summary
    assert summary.startswith("Unknown: no measurement is of models that do their tasks.")
    assert {line["task"][-1] for line in lines(study, "functional-table")} == {"†"}
    orders = asked(study, ORDERS)
    assert orders is not None
    assert "Not counted: 1 of one model" in orders.summary
    assert "2 of models not shown to be above chance" in orders.summary


def test_each_pair_is_told_from_each_null(study):
    line, *_ = lines(study, "nulls-table")
    assert line == {
        "model": "roberta", "tasks": "masked LM ~ sentiment", "measured in": "fine-tuned",
        "spearman": "0.400 (0.300 to 0.500)",
        "magnitude": "0.360 (0.350 to 0.370), p 0.004",
        "output norm": "0.060 (0.050 to 0.070), p 0.600",
        "shuffled labels": "+0.300 [+0.100 to +0.500]",
        "untrained readout": "+0.100 [−0.100 to +0.300]",
        "is more than": "magnitude, shuffled labels",
    }  # fmt: skip


def test_an_order_is_told_from_that_of_a_null(study):
    found = asked(study, ORDERS)
    assert found is not None
    assert found.summary == (
        "At the budget nearest to half of the heads the score's order keeps more than that of "
        "magnitude in 2 of 2 (2 after Holm's correction), each corrected by itself. Not counted: 1 "
        "of one model, which says nothing of another training."
    )
    line = lines(study, "null-orders-table")[1]
    assert line["value"], line["says"] == ("+0.050", "gradient keeps more")


def test_the_pre_training_order_is_told_from_that_of_a_null(study):
    found = asked(study, TRANSFER)
    assert found is not None
    assert found.summary == (
        "At the budget nearest to half of the heads the order of masked LM keeps more than that of "
        "magnitude in none of 2, each corrected by itself."
    )


@pytest.mark.parametrize(
    ("low", "high", "better", "worse"),
    [(0.2, 0.8, 2, 2), (0.2, 1.1, 2, 0), (-0.1, 0.8, 0, 2), (-0.1, 1.1, 0, 0), (1.1, 1.3, 2, 0),
     (float("nan"), float("nan"), 0, 0), (None, None, 0, 0)],
)  # fmt: skip
def test_functional_coherence_is_told_by_its_interval_nearest_half(study, low, high, better, worse):
    """With 4 heads it is clear on both sides, and with 12 there is nothing to share."""
    rows = [
        dataclasses.replace(r, low=low, high=high)
        if r.stage == "functional coherence" and r.budget == 8 else r
        for r in study.rows
    ]  # fmt: skip
    said = answer(functional_answer, *rows).summary
    assert f"random orders in {better or 'none'} of 2 models and tasks" in said
    assert f"own order in {worse or 'none'} of 2: the 95% interval" in said


def test_functional_coherence_that_says_nothing_is_not_counted(study):
    nan = float("nan")
    undefined = [
        dataclasses.replace(r, value=nan)
        if (r.stage, r.task) == ("functional coherence", "sentiment") else r
        for r in study.rows
    ]  # fmt: skip
    said = answer(functional_answer, *undefined).summary
    assert "in 1 of 1 models" in said
    assert said.endswith(" Not counted: 1 whose own order is no better than random.")
    said = answer(functional_answer, *(r for r in study.rows if not r.seed)).summary
    assert said.startswith("Unknown: no comparison can be counted. Not counted: 2 of one model,")
    said = functional_answer(at_chance(study, "sentiment", "fine-tuned")).summary
    assert said.endswith(" Not counted: 1 of models not shown to be above chance.")


def test_what_gives_the_order_of_one_side_leaves_nothing_to_be_more(study):
    nan = float("nan")
    rows = [
        dataclasses.replace(r, value=nan, p_value=1.0)
        if (r.stage, r.method) == ("coherence given a null", "magnitude")
        else r
        for r in study.rows
    ]
    line, *_ = lines(Study(tuple(rows), {}, {}), "nulls-table")
    assert line["magnitude"] == "–"
    assert "magnitude" not in line["is more than"]


def test_without_nulls_the_page_says_what_that_leaves_open():
    assert answer(coherence_answer, row(0.5, p_value=0.01, **PAIR)).summary.endswith(
        "more than chance, and no null was measured: it may be heads of large weights that are "
        "shared."
    )
