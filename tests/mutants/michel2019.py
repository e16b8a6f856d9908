"""Faults of the study of Michel et al. 2019."""

# fmt: off
from __future__ import annotations

TESTS = "tests/studies/michel2019/test_planted.py::test_"
REMOVED = f"{TESTS}every_head_that_is_removed_changes_what_it_carries"
USE = f"{TESTS}the_use_of_a_shared_head_that_carries_the_label_is_the_one_that_counts"
COUNTS = f"{TESTS}sure_changes_are_counted_on_the_side_where_they_are"
SET_AGAINST = f"{TESTS}changes_are_set_against_the_gradient_and_another_data_set"
ALONE = f"{TESTS}the_head_that_stays_alone_is_the_best_on_training_examples"
ORDERS = f"{TESTS}heads_go_in_the_order_of_the_gradient_and_of_chance"

MICHEL, ABLATION = "jaxheads/studies/michel2019/study.py", "jaxheads/importance/ablation.py"
TASKS = "jaxheads/studies/workbench/tasks.py"

FAULTS = (
    ("removed: sign", MICHEL, REMOVED,
     "one, two = [[masked.guess_M]], [[whole.guess_M]]",
     "two, one = [[masked.guess_M]], [[whole.guess_M]]"),
    ("removed: gates off by one", MICHEL, REMOVED,
     "zip(variants.gates_VLH[1:], variants.entries, strict=True)",
     "zip(variants.gates_VLH[:-1], variants.entries, strict=True)"),
    ("removed: head and layer swapped", MICHEL, REMOVED,
     "found[int(layers[0]), int(heads[0])]", "found[int(heads[0]), int(layers[0])]"),
    ("removed: layers named one too high", MICHEL, REMOVED,
     '"stage": Stage.REMOVED, "layer": layer, "head": head}',
     '"stage": Stage.REMOVED, "layer": layer + 2, "head": head}'),
    ("removed: heads named one too low", MICHEL, REMOVED,
     '"stage": Stage.REMOVED, "layer": layer, "head": head}',
     '"stage": Stage.REMOVED, "layer": layer, "head": head + 1}'),
    ("removed: on training examples", MICHEL, REMOVED,
     "_effects(study_model, model, task, task.held_out),\n"
     "        Sampled",
     "_effects(study_model, model, task, [*batches_of(task.train, "
     "task.lengths, 32)]), Sampled"),
    ("removed: of the pre-trained body", MICHEL, REMOVED,
     "task, model = study_model.task(name), study_model.tuned(name, seed)\n"
     "    effects",
     "task = study_model.task(name)\n"
     "    model = study_model.fresh(task, seed)\n"
     "    effects"),
    ("removed: all that is not removed", MICHEL, REMOVED,
     'mask_LH: Bool[np.ndarray, "L H"] = gate_LH > 0',
     'mask_LH: Bool[np.ndarray, "L H"] = gate_LH == 0'),
    ("removed: all uses of a head at once", ABLATION, USE,
     "blocks = range(len(gate_LH)) if block_by_layer is None else block_by_layer",
     "blocks = [0] * len(gate_LH) if block_by_layer is None else block_by_layer"),
    ("counts: 10% for 1%", MICHEL, COUNTS, "LEVEL = 0.01", "LEVEL = 0.1"),
    ("counts: worse for better", MICHEL, COUNTS, "sum(s and c > 0", "sum(s and c < 0"),
    ("counts: those that are not sure", MICHEL, COUNTS,
     "row.p_value < LEVEL for", "row.p_value >= LEVEL for"),
    ("counts: near is far", MICHEL, COUNTS,
     "(np.abs(change_N) <= NEAR + 1e-12)", "(np.abs(change_N) >= NEAR + 1e-12)"),
    ("counts: every fall is near", MICHEL, COUNTS,
     "(np.abs(change_N) <= NEAR + 1e-12)", "(change_N <= NEAR + 1e-12)"),
    ("gradient and ablation: sign", MICHEL, SET_AGAINST,
     "_correlations(gradient, -change_N.reshape(gradient.shape))",
     "_correlations(gradient, change_N.reshape(gradient.shape))"),
    ("gradient and ablation: heads in another order", MICHEL, SET_AGAINST,
     "_correlations(gradient, -change_N.reshape(gradient.shape))",
     "_correlations(gradient, -change_N.reshape(gradient.shape)[::-1])"),
    ("data sets: the same twice", MICHEL, SET_AGAINST,
     "there = _effects(study_model, model, task, other)",
     "there = _effects(study_model, model, task, task.held_out)"),
    ("data sets: the second is the first", TASKS, SET_AGAINST,
     'self._held_out(settings, task.readout, path, split or "validation", task.lengths)',
     'self._held_out(settings, task.readout, settings.held_out, "validation", task.lengths)'),
    ("data sets: the whole model on the first", MICHEL, SET_AGAINST,
     "whole = study_model.scorer.measure(model, task).answers\n"
     "    found = {}",
     "whole = study_model.scorer.measure(model, study_model.task(task.name)).answers\n"
     "    found = {}"),
    ("data sets: changes of as many examples differ by rounding", MICHEL, SET_AGAINST,
     "np.round([change.ratio for change in effects.values()], 12)",
     "np.array([change.ratio for change in effects.values()])"),
    ("correlations: pearson of ranks", MICHEL, SET_AGAINST,
     "Metric.PEARSON: float(np.corrcoef(one, two)[0, 1])",
     "Metric.PEARSON: float(np.corrcoef(*ranks)[0, 1])"),
    ("alone: layers from wrong rows", MICHEL, ALONE,
     "best = layer * heads + int(np.argmax(score_V[layer * heads : (layer + 1) * heads]))",
     "best = layer + layers * int(np.argmax(score_V[layer::layers]))"),
    ("alone: the worst for the best", MICHEL, ALONE,
     "int(np.argmax(score_V", "int(np.argmin(score_V"),
    ("alone: gates off by one", MICHEL, ALONE,
     "alone_in_layer(np.ones((layers, heads))).gates_VLH[1:] > 0",
     "alone_in_layer(np.ones((layers, heads))).gates_VLH[:-1] > 0"),
    ("alone: the most loss", MICHEL, ALONE,
     '"": [-each["loss"] for each in tried]', '"": [each["loss"] for each in tried]'),
    ("alone: chosen on what is held out", MICHEL, ALONE,
     "training = task._replace(held_out=chosen_on)", "training = task"),
    ("alone: the best on training examples for the best of all", MICHEL, ALONE,
     "BEST_OF_ALL: [change.ratio for change in changes]",
     'BEST_OF_ALL: [-each["loss"] for each in tried]'),
    ("alone: sign", MICHEL, ALONE,
     "_change(task, whole, study_model.scorer.measure(model, task, mask_LH).answers)\n"
     "        for mask_LH in masks_VLH",
     "_change(task, study_model.scorer.measure(model, task, mask_LH).answers, whole) for mask_LH "
     "in masks_VLH"),
    ("alone: all heads but one", MICHEL, ALONE,
     "alone_in_layer(np.ones((layers, heads)))", "without_each(np.ones((layers, heads)))"),
    ("curves: of another place's draws", MICHEL, ORDERS,
     "numbers = range(place * draws, (place + 1) * draws)",
     "numbers = range((place + 1) * draws, (place + 2) * draws)"),
    ("curves: another task's scores", MICHEL, ORDERS,
     "draws, file = model.run.curve.draws, score_file(model.name, name, seed)",
     'draws, file = model.run.curve.draws, score_file(model.name, name, seed) + ".ablation"'),
)
