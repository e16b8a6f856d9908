"""The section and the answer on agreement of two tasks' heads."""

from __future__ import annotations

import dataclasses

import pytest

from jaxheads.records.rows import Row
from jaxheads.report.chiang2021.coherence import coherence_section
from jaxheads.report.chiang2021.coherence_answer import coherence_answer
from jaxheads.report.chiang2021.nulls import orders_answer
from jaxheads.report.folder import Study
from jaxheads.report.parts import Table
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
        "than each of magnitude, output norm, shuffled labels, untrained readout in 0 (single "
        "tests at 5%, not corrected for their number). Spearman correlations go from 0.100 (3 "
        "seeds: 0.000 to 0.200) to 0.400 (3 seeds: 0.300 to 0.500)."
    )
    assert (
        "roberta, masked LM ~ sentiment, fine-tuned: Spearman 0.400 (3 seeds: 0.300 to 0.500), "
        "more than chance (largest permutation p 0.010); ceiling 0.872 (reliabilities: masked LM "
        "0.950 with other examples, sentiment 0.800 with other examples and seed); more than "
        "magnitude (Spearman given it 0.360 (3 seeds: 0.350 to 0.370), largest p 0.004); not shown "
        "to be more than output norm (Spearman given it 0.060 (3 seeds: 0.050 to 0.070), largest p "
        "0.600); more than shuffled labels (by +0.300 (95%: +0.100 to +0.500)); not "
        "shown to be more than untrained readout (by +0.100 (95%: −0.100 to "
        "+0.300))."
    ) in found.points
    (frozen,) = [p for p in found.points if "~ sentiment, linear probe" in p]
    assert "not distinguishable from chance (largest permutation p 0.200)" in frozen
    assert "sentiment ~ entailment" not in " ".join(found.points)


def test_agreement_below_zero_is_not_called_agreement():
    rows = [row(-0.5 - s / 10, p_value=0.01, seed=s, **PAIR) for s in (0, 1)]
    assert ": less than chance" in answer(coherence_answer, *rows).summary
    mixed = [dataclasses.replace(rows[0], value=0.5), *rows[1:]]
    assert "not distinguishable from chance" in answer(coherence_answer, *mixed).summary


def test_one_seed_that_chance_explains_is_enough_to_say_so():
    for p, said in ((0.06, "not distinguishable from chance"), (0.04, "more than chance")):
        rows = [row(0.5, seed=s, p_value=v, **PAIR) for s, v in enumerate((0.01, p))]
        assert said in answer(coherence_answer, *rows).summary


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (-0.2, 0.4, "not distinguishable from random orders (0)."),
        (0.4, 1.4, "not distinguishable from the task's own order (1)."),
        (-0.4, 1.4, "random orders (0) and not distinguishable from the task's own order (1)."),
        (0.2, 0.8, "better than random orders (0), worse than the task's own (1)."),
        (-0.8, -0.2, "worse than random orders."),
        (1.2, 1.8, "better than the task's own order."),
    ],
)
def test_functional_coherence_is_told_from_zero_and_one(low, high, said):
    what = {"other_task": "mlm", "stage": "functional coherence", "budget": 8}
    rows = [row(0.3, **PAIR), row(0.5, stage="whole")]
    rows.append(row((low + high) / 2, low=low, high=high, **what))
    assert answer(coherence_answer, *rows).points[-1].endswith(said)
    undefined = row(float("nan"), low=float("nan"), high=float("nan"), **what)
    assert "undefined" in answer(coherence_answer, *rows[:2], undefined).points[-1]


def test_functional_coherence_is_that_nearest_half_of_the_heads(study):
    functional = [p for p in coherence_answer(study).points if "functional coherence" in p]
    assert functional[0] == (
        "roberta, sentiment pruned to 8 heads by the masked-LM order: functional coherence 0.500 "
        "(95%: 0.200 to 0.800), better than random orders (0), worse than the task's own (1); "
        "order of masked LM − magnitude −0.010 accuracy, not distinguishable."
    )


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
    summary, points = coherence_answer(found)[1:]
    assert " is more than chance in 2 of 3 measurements" in summary
    assert summary.endswith(" Not counted: 1 of models not shown to be above chance.")
    (point,) = (p for p in points if "~ sentiment, linear probe" in p)
    assert "of a model not shown to be above chance, which says nothing of heads; " in point
    assert "more than" not in point
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
    assert "the model is not shown to be above chance" in " ".join(coherence_answer(study).points)
    assert {line["task"][-1] for line in lines(study, "functional-table")} == {"†"}
    assert "Not counted: 1 of one model" in orders_answer(study).summary
    assert "2 of models not shown to be above chance" in orders_answer(study).summary


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
    found = orders_answer(study)
    assert found.summary == (
        "At half of the heads the score's order keeps more than that of magnitude in 2 of 2 (2 "
        "after Holm's correction). Not counted: 1 of one model, which says nothing of another "
        "training."
    )
    assert found.points[1] == (
        "roberta, sentiment, 8 heads kept: gradient − magnitude +0.050 [+0.010 to +0.090] "
        "accuracy: gradient keeps more."
    )


def test_what_gives_the_order_of_one_side_leaves_nothing_to_be_more(study):
    nan = float("nan")
    rows = [
        dataclasses.replace(r, value=nan, p_value=1.0)
        if (r.stage, r.method) == ("coherence given a null", "magnitude")
        else r
        for r in study.rows
    ]
    text = " ".join(coherence_answer(Study(tuple(rows), {}, {})).points)
    assert "not shown to be more than magnitude (which is the very order of one side)" in text


def test_without_nulls_the_page_says_what_that_leaves_open():
    assert answer(coherence_answer, row(0.5, p_value=0.01, **PAIR)).summary.endswith(
        "more than chance, and no null was measured: it may be heads of large weights that are "
        "shared."
    )
