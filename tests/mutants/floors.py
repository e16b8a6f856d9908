"""Faults of floors without a model, of readings, and of the small tables of the papers' studies."""

# fmt: off
from __future__ import annotations

BASELINES, TASKS = "jaxheads/data/baselines.py", "jaxheads/studies/workbench/tasks.py"
BAGS = "tests/data/test_baselines.py::test_"
COUNTED = "tests/studies/workbench/test_tasks.py::test_words"
RIDGE = f"{BAGS}real_labels_are_guessed_by_ridge_regression_as_its_normal_equations_say"
CLASSES = f"{BAGS}classes_keep_the_numbers_that_they_have"
COSINE = f"{BAGS}likeness_is_the_cosine_of_counts"
OWN_METRIC = f"{COUNTED}_of_real_tasks_are_counted_in_the_metric_of_the_task"
ANSWERS = "jaxheads/report/chiang2021/answers.py"
PRINTED = "tests/report/chiang2021/test_answers.py::test_reliability_and_floors_are_printed"

CURVES = "jaxheads/studies/workbench/prunability.py"
SETTINGS = "jaxheads/studies/workbench/settings.py"
SELECTION = "jaxheads/studies/li2021/selection.py"
READINGS = "tests/studies/workbench/test_prunability.py::test_"
BUDGETS = f"{READINGS}budgets_are_those_of_the_code_of_michel_et_al"
UNITS = f"{READINGS}a_reading_has_its_unit_and_its_normalisation"
ANEW = f"{READINGS}orders_are_estimated_anew_in_every_reading_that_asks_for_it"
LI = f"{READINGS}the_baseline_of_li_et_al_takes_batches_normalised_by_layer"
MICHEL = "jaxheads/studies/michel2019/study.py"
STAYS = (
    "tests/studies/michel2019/test_study.py::"
    "test_the_head_that_stays_is_chosen_by_loss_by_the_metric_or_where_it_is_measured"
)
PRETRAIN = "jaxheads/studies/workbench/pretrain.py"
BEGINS = "tests/test_configs.py::test_a_study_that_reads_text_does_not_begin_without_it"

HEADLINES, MASKING = "jaxheads/data/headlines/encoded.py", "jaxheads/studies/peyrard2021/masking.py"
IN_TURN = (
    "tests/data/headlines/test_encoded.py::"
    "test_each_word_is_masked_in_turn_with_all_its_pieces"
)
PLANTED = "tests/studies/peyrard2021/test_planted.py::test_"
HANG = f"{PLANTED}decisions_hang_on_the_words_that_heads_carry"
ACCURACY = f"{PLANTED}accuracy_is_of_test_and_of_the_pairs_it_says"
HEAD = f"{PLANTED}validation_names_the_head_and_test_says_what_it_is_worth"
BY_PLACE = f"{PLANTED}attention_by_place_is_that_of_heads_that_look_where_they_are_planted"
ATTENTION = "jaxheads/studies/peyrard2021/attention.py"
FOUND = "jaxheads/studies/peyrard2021/head.py"
PEYRARD, CONTRAST = "jaxheads/studies/peyrard2021/study.py", "jaxheads/analysis/contrast.py"
PLACES = "tests/analysis/test_contrast.py::test_places_are_of_words_and_special_tokens"

SPECIALISTS, HTUT = "jaxheads/analysis/specialists.py", "jaxheads/studies/htut2019/study.py"
LAYERS = (
    "tests/studies/htut2019/test_planted.py::test_each_layer_has_a_head_for_trees_of_its_own"
)
HALF_CUT = (
    "tests/studies/michel2019/test_study.py::"
    "test_a_model_cut_to_half_of_its_heads_is_timed_beside_the_whole_one"
)
SINGLE = "jaxheads/report/michel2019/single.py"
SPEEDS = (
    "tests/report/test_figures.py::"
    "test_a_model_cut_to_half_stands_beside_the_whole_one_at_every_batch"
)

FAULTS = (
    ("bag of words: no penalty", BASELINES, RIDGE, '"damp": damp', '"damp": 0.0'),
    ("bag of words: classes renumbered", BASELINES, CLASSES,
     "return class_C[(test_NF @ weights_FC).argmax(1)]",
     "return (test_NF @ weights_FC).argmax(1)"),
    ("bag of words: lengths for cosines", BASELINES, COSINE,
     "np.sqrt((one * one).sum(1) * (other * other).sum(1))",
     "np.sqrt(one.sum(1) * other.sum(1))"),
    ("bag of words: always accuracy", TASKS, OWN_METRIC,
     "METRICS[metrics_of(task)[0]](guess", 'METRICS["accuracy"](guess'),
    ("bag of words: measured on training examples", TASKS, OWN_METRIC,
     "read_examples(task, settings.held_out",
     "read_examples(task, settings.train"),
    ("bag of words: from a few examples", TASKS, OWN_METRIC,
     'split="train", limit=settings.examples', 'split="train", limit=2'),
    ("floors: above for below", ANSWERS, PRINTED,
     "whole.mean <= highest", "whole.mean >= highest"),

    ("budgets: rounded, not down", CURVES, BUDGETS,
     "steps - steps * i // points", "steps - round(steps * i / points)"),
    ("readings: l2 alone is normalised", SETTINGS, UNITS,
     '{"unit": unit, "normalize": "l2"} for', '{"unit": unit, "normalize": "none"} for'),
    ("readings: anew by examples alone", CURVES, ANEW,
     '"mask_LH": mask_LH, **READINGS.get(reading, PLAIN)', '"mask_LH": mask_LH'),
    ("the baseline of Li et al.: not normalised", SELECTION, LI,
     'unit="batch", normalize="l2"', 'unit="batch"'),
    ("the baseline of Li et al.: of examples", SELECTION, LI,
     'unit="batch", normalize="l2"', 'normalize="l2"'),
    ("alone: the greatest loss", MICHEL, STAYS, '[-each["loss"]', '[each["loss"]'),
    ("alone: by the metric where it is measured", MICHEL, STAYS,
     "[each[metric] for each in tried]", "[change.ratio for change in changes]"),
    ("alone: heads of the first layer", MICHEL, STAYS,
     "best = layer * heads + int", "best = 0 * heads + int"),
    ("text: not asked for", PRETRAIN, BEGINS,
     'if text.task == "mlm" and None in', 'if text.task == "" and None in'),

    ("masking: edited for others", HEADLINES, IN_TURN, "word in edits)", "word not in edits)"),
    ("masking: the next word", HEADLINES, IN_TURN, "owner == word", "owner == word + 1"),
    ("masking: one order of the sides", HEADLINES, IN_TURN,
     "enumerate(QUESTIONS[task]([each.pair for each in pairs], seed))",
     "enumerate(QUESTIONS[task]([each.pair for each in pairs], 0))"),
    ("masking: sign", MASKING, HANG, "(EDITED, OTHER_WORD): edited_X - other_X",
    "(EDITED, OTHER_WORD): other_X - edited_X"),
    ("masking: decisions that stay", MASKING, HANG, "after_W != before_Q", "after_W == before_Q"),
    ("masking: validation pairs", MASKING, HANG, "splits[TEST]", 'splits["validation"]'),
    ("masking: all words edited", MASKING, HANG,
     "(side_W == side) & ~edited_W", "(side_W == side) & edited_W"),
    ("oppositions: of all others", PEYRARD, ACCURACY,
     "[name in pair.oppositions for pair in asked]",
     "[name not in pair.oppositions for pair in asked]"),
    ("places: the first for the last", CONTRAST, PLACES,
     "weight_LHN[..., -1:], weight_LHN", "weight_LHN[..., :1], weight_LHN"),
    ("places: counted twice", ATTENTION, BY_PLACE,
     "self._add(name, value_LH, 1)", "self._add(name, value_LH, 2)"),
    ("places: of validation too", ATTENTION, BY_PLACE,
     "if sentence.split in (TEST, OTHER):\n                places",
     "if sentence.split in (TEST, OTHER, VALIDATION):\n                places"),
    ("head: rank from the lowest", FOUND, HEAD,
     "last_LH > last_LH[layer, number]", "last_LH < last_LH[layer, number]"),
    ("head: share of all distances", FOUND, HEAD,
     "/ distance_LH[layer].sum()", "/ distance_LH.sum()"),

    ("layers: the worst head", SPECIALISTS, LAYERS,
     "int(score_LH[layer].argmax())", "int(score_LH[layer].argmin())"),
    ("layers: the best of all is that of all layers", SPECIALISTS, LAYERS,
     "_generalist(hits, method, (layer, int(score_LH[layer].argmax())), scored_A, best)",
     "_generalist(hits, method, (layer, int(score_LH[layer].argmax())), scored_A, best_L.max())"),
    ("layers: punctuation counts", HTUT, LAYERS,
     "layer_generalists(hits, reading, punctuation=False",
     "layer_generalists(hits, reading, punctuation=True"),
    ("speed: a third of the heads stay", MICHEL, HALF_CUT,
     "score_LH.size // 2", "score_LH.size // 3"),
    ("speed: of twice the length", MICHEL, HALF_CUT,
     "ideal_speedup(model.config, length, mask_LH)",
     "ideal_speedup(model.config, 2 * length, mask_LH)"),
    ("speed: of other budgets too", SINGLE, SPEEDS,
     '"task": row.task, "budget": row.budget}',
     '"task": row.task}'),
)
