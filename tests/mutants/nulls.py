"""Faults of reliability, ceilings and nulls, from maps on disk to what the page says."""

# fmt: off
from __future__ import annotations

NULLS, RELIABILITY = "jaxheads/studies/chiang2021/nulls.py", "jaxheads/importance/reliability.py"
AGREEMENT, TASKS = "jaxheads/analysis/agreement.py", "jaxheads/studies/workbench/tasks.py"
PAGE = "jaxheads/report/chiang2021/nulls.py"
ANSWER = "jaxheads/report/chiang2021/coherence_answer.py"
SECTION, BASELINE = "jaxheads/report/chiang2021/coherence.py", "jaxheads/report/baseline.py"

PLANTED = "tests/studies/chiang2021/test_nulls.py::test_"
MAPS = f"{PLANTED}rows_are_the_correlations_of_the_maps"
ONLY_SIZE = f"{PLANTED}importance_that_is_magnitude_is_not_said_to_be_more"
BLIND = f"{PLANTED}what_shuffled_labels_have_as_well_is_not_of_the_task"
TRAINED = f"{PLANTED}shuffled_labels_are_trained_on_and_scored_and_true_ones_held_out"
VARIANCES = (
    "tests/importance/test_reliability.py::test_"
    "reliability_is_the_share_of_the_task_among_the_planted_variances"
)
PARTIAL = "tests/analysis/test_agreement.py::test_"
WORDS = "tests/report/chiang2021/test_coherence.py::test_"

FUNCTIONAL = "jaxheads/report/chiang2021/functional.py"
INTERVALS = f"{WORDS}functional_coherence_is_told_by_its_interval_nearest_half"
SILENT = f"{WORDS}functional_coherence_that_says_nothing_is_not_counted"

FAULTS = (
    ("reliability: over examples alone", RELIABILITY, VARIANCES,
     "return float(2 * other / (1 + same))", "return float(2 * same / (1 + same))"),
    ("reliability: halves not raised to full size", RELIABILITY, VARIANCES,
     "return float(2 * other / (1 + same))", "return float(other)"),
    ("reliability: overlapping halves", RELIABILITY, VARIANCES,
     "for _, other_SX in halves]", "for other_SX, _ in halves]"),
    ("partial correlation: one side keeps what is held constant", AGREEMENT,
     f"{PARTIAL}a_partial_correlation_is_that_of_the_textbook",
     "rest(ranks[0]), rest(ranks[1])", "ranks[0], rest(ranks[1])"),
    ("partial correlation: shuffled residuals keep their freedom", AGREEMENT,
     f"{PARTIAL}the_p_values_of_partial_correlations_are_uniform_under_their_null",
     "shuffled_SN = rest(rng.permuted", "shuffled_SN = (rng.permuted"),
    ("nulls: labels are not shuffled", NULLS, TRAINED,
     "task = study_model.reader.shuffled(study_model.task(name), seed)", "task = "
         "study_model.task(name)"),
    ("nulls: scored on true labels", TASKS,
     ""
     "tests/studies/workbench/test_tasks.py::test_shuffled_labels_are_those_of_training_in_another_order",
     "scored=self._scored(self._settings(task.name), train)", "scored=task.scored"),
    ("nulls: the whole model is trained for the probe", NULLS, TRAINED,
     "    if place == FROZEN:\n        model", "    if place == TUNED:\n        model"),
    ("nulls: beside the importance of their own task alone", NULLS, MAPS,
     "_map(model, score_file(model.name, two, seed, place)),",
     "_map(model, score_file(model.name, one, seed, place)),"),
    ("nulls: a task's null beside its own importance is subtracted", NULLS, MAPS,
     "zip(pair, (two_LH, one_LH), strict=True)", "zip(pair, (one_LH, two_LH), strict=True)"),
    ("nulls: the side that agrees less is subtracted", NULLS, MAPS,
     "- max(0.0, *blind)", "- min(blind)"),
    ("nulls: one that disagrees adds to the agreement", NULLS,
     f"{PLANTED}a_null_that_disagrees_adds_nothing", "- max(0.0, *blind)", "- max(blind)"),
    ("nulls: the pre-trained model's held constant for both", NULLS,
     f"{PLANTED}what_is_held_constant_are_the_nulls_of_both_models",
     "null_file(model, null, task, seed, place)) for task in pair]",
     "null_file(model, null, PRETRAINING, seed, place)) for task in pair]"),
    ("nulls: those that nobody asked for", NULLS,
     f"{PLANTED}only_the_nulls_that_are_asked_for_are_there",
     "for null in model.run.scoring.nulls if null in known", "for null in known"),
    ("page: any partial correlation is more than magnitude", PAGE, ONLY_SIZE,
     "clear = p < LEVEL and all", "clear = p < 2 or all"),
    ("page: an interval that holds 0 is more than shuffled labels", PAGE, BLIND,
     "Beyond(null, spread.low > 0, cell", "Beyond(null, spread.high > 0, cell"),
    ("page: a range of seeds is a test", ANSWER,
     f"{WORDS}a_range_of_seeds_without_a_test_is_not_more_than_chance",
     "spread.kind == INTERVAL and not", "spread.has_bounds and not"),
    ("page: functional coherence by its mean", FUNCTIONAL, INTERVALS,
     "spread.low > 0 for", "spread.mean > 0 for"),
    ("page: functional coherence below 1 by its mean", FUNCTIONAL, INTERVALS,
     "spread.high < 1 for", "spread.mean < 1 for"),
    ("page: functional coherence without bounds", FUNCTIONAL, INTERVALS,
     "sum(spread.kind == INTERVAL and spread.low", "sum(spread.low"),
    ("page: functional coherence at most heads", FUNCTIONAL, INTERVALS,
     "key=lambda budget: abs(budget - half)", "key=lambda budget: budget"),
    ("page: functional coherence of one seed", FUNCTIONAL, SILENT,
     "_seeds(study, *place) > 1", "_seeds(study, *place) > 0"),
    ("page: functional coherence at chance", FUNCTIONAL, SILENT,
     "if not at_chance(study, *place)]", "if place]"),
    ("page: a probe at chance answers", ANSWER,
     f"{WORDS}a_probe_at_chance_is_marked_and_does_not_answer",
     "if not pair_at_chance(study, place)}", "if place}"),
    ("page: reliability over examples stands for both", SECTION,
     "tests/report/chiang2021/test_answers.py::test_reliability_and_floors_are_printed",
     "for what in (OTHER_BOTH, OTHER_EXAMPLES)", "for what in (OTHER_EXAMPLES, OTHER_BOTH)"),
    ("page: disattenuated by the ceiling's square", SECTION,
     f"{WORDS}each_correlation_stands_beside_its_ceiling",
     "found.scaled(1 / ceiling.mean)", "found.scaled(1 / ceiling.mean**2)"),
)
