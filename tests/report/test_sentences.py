"""Pages at chance, at a ceiling, of one seed, one draw, one cut, and without bounds claim nothing.

The rows are those of the made-up studies, changed; every answer, cell and caption is read.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable

import pytest

from jaxheads.records.rows import Row
from jaxheads.report.folder import Study
from jaxheads.report.parts import Table, unfolded
from jaxheads.report.write import answers_of, sections_of
from tests.report.agreement_rows import agreement_rows
from tests.report.htut2019.dependency_rows import dependency_rows
from tests.report.li2021.comparison_rows import study as compared
from tests.report.luo2021.constituent_rows import constituent_rows
from tests.report.peyrard2021.humor_rows import humor_rows
from tests.report.rows import study_rows
from tests.report.zhang2020.meta_rows import made_rows

NAN = float("nan")


def maps_rows() -> list[Row]:
    """Maps beside the importance of a task that its models can do."""
    what = {"study": "htut2019", "model": "roberta", "task": "sst2", "metric": "accuracy"}
    whole = [Row(**what, value=0.8 + seed / 100, stage="whole", seed=seed) for seed in (0, 1)]
    return [*agreement_rows(), *whole, Row(**what, value=0.5, stage="floor")]


STUDIES: dict[str, Callable[[], Iterable[Row]]] = {
    "chiang": study_rows, "compare": lambda: compared().rows, "constituents": constituent_rows,
    "dependencies": dependency_rows, "headlines": humor_rows, "maps": maps_rows,
    "meta": made_rows,
}  # fmt: skip
ORDERS = r"\bkeeps? (?:more|less)\b(?! than that of)"
COUNTED = r"\b[1-9]\d* of \d+(?!\d| heads)(?: \([^)]*\))?"  # of comparisons, not of heads
ELSEWHERE = r"(?!comparisons a map|cases \(a relation|cases the whole)"  # in `counting`
COUNTS = rf"{COUNTED} {ELSEWHERE}(?:are |cases|comparisons|changes|readings|for going)"
TRAINED = (
    r"better at some budget|, as expected|, against it|^(?:better|worse)$|(?:better|worse) with"
)
BOUNDS = r"clearly (?:above|below) (?!none)|surely (?:up to|not beyond)|the head (?:helps|hurts)"
WITHIN = r"worse than the task's|better than random orders"
HEAD = "the head (?:helps|hurts)"
CHANGED = "|".join((ORDERS, COUNTS, TRAINED))
ANY = "|".join((CHANGED, rf"(?<!not ){BOUNDS}", WITHIN))


@functools.lru_cache(maxsize=2)
def texts_of(rows: tuple[Row, ...]) -> list[str]:
    """The answers and cells of a page."""
    study = Study(rows, {}, {})
    texts = [each.summary for each in answers_of(study)]
    for section in sections_of(study):
        tables = [part for part in unfolded(section.parts) if isinstance(part, Table)]
        texts += [cell for table in tables for line in table.body for cell in line]
    return texts


def claims(rows: Iterable[Row], pattern: str, *, without: str = "") -> list[str]:
    """The sentences and cells of a page that match."""
    return [
        text
        for text in texts_of(tuple(rows))
        if re.search(pattern, text) and not (without and re.search(without, text))
    ]


def changed(name: str, change: Callable[[Row], Row | None]) -> list[Row]:
    rows = [change(row) for row in STUDIES[name]()]
    return [row for row in rows if row is not None]


# Answers that count something though nothing is known of other trainings: of models as they are,
# by permutation of a model's heads or pairs, or that no model is above its floors.
AS_THEY_ARE = {"Do heads know constituents?", "Do heads follow dependency relations?"}
PERMUTED = {
    "Are the heads that matter in pre-training those that matter on tasks?",
    "Does one head find what makes a headline funny?",
    "Are the heads that know something the important ones?",
}
FLOORS = {"What would be reached without understanding?"}


def counting(rows: Iterable[Row]) -> set[str]:
    """The questions in whose answers a count is not 0."""
    found = answers_of(Study(tuple(rows), {}, {}))
    return {each.question for each in found if re.search(COUNTED, each.summary)}


# -- the pages as they are claim something, so that the tests below can fail


@pytest.mark.parametrize("name", sorted({*STUDIES} - {"headlines", "maps"}))
def test_the_made_up_pages_make_claims(name):
    assert claims(STUDIES[name](), ANY)


def test_the_made_up_pages_count_in_every_answer_that_can():
    found = {question for make in STUDIES.values() for question in counting(make())}
    assert found == AS_THEY_ARE | PERMUTED | {
        "Do tasks need the heads that know constituents?",
        "Does fine-tuning change what heads know?",
        "Does any way to choose heads beat one pass of the gradient?",
        "Does scoring again, or refining by interactions, beat a learned subset?",
        "Is it better to prune before or after fine-tuning?",
        "Is the order of the score better than chance?",
        "Can tasks be pruned by the order of the pre-training task?",
        "Is the score's order worth more than orders without labels?",
        "Can a pruner that never saw a task choose its heads?",
    }


# -- one seed


SINGLE = {  # stages in which each seed has an interval of its own
    row.stage
    for make in STUDIES.values()
    for row in make()
    if row.low is not None and row.seeds is None
}


def one_seed(row: Row, draws: int = 5) -> Row | None:
    if row.seed or (row.seeds and row.stage in SINGLE):
        return None
    if row.seeds is None:
        return row
    return dataclasses.replace(row, seeds=1, draws=draws, ahead=draws, behind=0)


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("draws", [0, 1, 5, 9])
def test_one_seed_claims_nothing_of_orders_and_trainings(name, draws):
    rows = changed(name, lambda row: one_seed(row, draws))
    assert not claims(rows, CHANGED, without="readings the head chosen")
    assert counting(rows) <= AS_THEY_ARE | PERMUTED | FLOORS
    assert not claims(rows, "Over several seeds")


def test_one_seed_with_enough_draws_claims_its_rank_and_is_not_counted():
    found = claims(changed("chiang", lambda row: one_seed(row, 12)), ORDERS)
    assert found
    assert all(re.search("all 12 .*random.* masks", t) and "(one model)" in t for t in found)
    assert not claims(changed("chiang", lambda row: one_seed(row, 12)), COUNTS)


# -- no bounds


def unbounded(row: Row) -> Row:
    bounds = {} if row.low is None else {"low": NAN, "high": NAN, "p_value": NAN}
    return dataclasses.replace(row, **bounds)


@pytest.mark.parametrize("name", STUDIES)
def test_without_bounds_nothing_is_claimed(name):
    rows = changed(name, unbounded)
    assert not claims(rows, ANY)
    assert not claims(rows, r"\bnan\b")
    assert counting(rows) <= PERMUTED | FLOORS
    assert not claims(rows, r"(?:form of the task|rule|layer) in [1-9]")


# -- at chance


def at_chance(row: Row) -> Row:
    """All models within 0.01 of the majority-class baseline of 0.5."""
    if row.stage == "above the baseline":
        return dataclasses.replace(row, value=0.0, low=-0.01, high=0.01)
    if row.metric != "accuracy" or row.low is not None:
        return row
    value = 0.5 if row.stage == "floor" else (0.499, 0.503, 0.501)[row.seed % 3]
    return dataclasses.replace(row, value=value)


@pytest.mark.parametrize("name", sorted({*STUDIES} - {"dependencies"}))
def test_models_at_chance_claim_nothing_of_heads(name):
    rows = changed(name, at_chance)
    places = {(row.model, row.task) for row in rows if row.stage == "whole"}
    rows += [Row("s", *place, "accuracy", 0.5, stage="floor") for place in places]
    assert not claims(rows, ORDERS)
    assert not claims(rows, COUNTS, without="readings the head")
    assert not claims(rows, rf"{TRAINED}|{HEAD}")
    importance = name == "maps"  # that of masked LM has no floor there
    assert counting(rows) <= {*AS_THEY_ARE, *FLOORS, *(PERMUTED if importance else ())}
    assert not importance or claims(rows, "In 1 of 3 comparisons a map")
    assert not claims(rows, "Over several seeds")


def test_models_at_chance_have_no_k95_and_no_deduction():
    rows = changed("chiang", at_chance)
    found = claims(rows, r"^Unknown: ")
    assert [text.split(" ")[1:3] for text in found] == [
        ["of", "no"],
        ["no", "measurement"],
        ["no", "task"],
        *[["no", "comparison"]] * 4,
    ]
    assert claims(rows, "above chance: this says nothing of heads")
    assert not claims(rows, "keeps 9")


# -- at a ceiling


def at_ceiling(row: Row) -> Row:
    """Every model is right about everything, whatever is masked."""
    if row.metric == "k95":
        return dataclasses.replace(row, value=16.0)
    if row.metric != "accuracy" or row.stage in ("floor", "above the baseline"):
        return row
    if row.low is not None:
        return dataclasses.replace(row, value=0.0, low=0.0, high=0.0)
    return dataclasses.replace(row, value=1.0)


def test_models_at_a_ceiling_say_so_and_claim_nothing():
    rows = changed("chiang", at_ceiling)
    assert not claims(rows, ORDERS)
    assert claims(rows, r"^Unknown: of no whole model")
    assert claims(rows, "kept without any head: this .*; the whole model is at the ceiling")
    assert claims(rows, "the whole model being at the ceiling of the metric")


# -- one draw, one cut


def test_one_draw_of_several_seeds_is_its_seeds_and_of_one_seed_no_claim():
    def one_draw(row: Row) -> Row | None:
        return None if row.draw is not None and row.draw % 2 else row

    assert claims(changed("chiang", one_draw), ORDERS)
    assert not claims([r for r in changed("chiang", one_draw) if one_seed(r) == r], CHANGED,
                      without="3 seeds")  # fmt: skip


def test_one_cut_is_a_bound_and_named_as_the_only_one():
    def one_cut(row: Row) -> Row | None:
        stages = ("deduction", "pruned, then fine-tuned")
        if row.stage == "acceptable deduction" and row.setting == 0.01:
            return dataclasses.replace(row, value=0.0, low=0.0, high=0.0)
        if row.stage == "acceptable deduction":
            return dataclasses.replace(row, low=0.0)
        return None if row.stage in stages and row.budget not in (16, 8) else row

    found = claims(changed("chiang", one_cut), r"of its (?:metric|accuracy) after fine-tuning")
    (text,) = found  # of both models, on all tasks
    assert text.count("the only cut tried: 8 (10%)") == 2
    assert text.count(" up to at least 8 heads removed ") == 2
