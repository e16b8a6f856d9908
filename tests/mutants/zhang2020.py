"""Faults of the study of Zhang et al. 2020: pruners, masks in force, what is lost and shared."""

# fmt: off
from __future__ import annotations

PLANTED = "tests/studies/zhang2020/test_planted.py::test_"
SCORING = "tests/importance/meta/test_scoring.py::test_"
NETWORK = "tests/importance/meta/test_pruner.py::test_"
OTHERS = f"{PLANTED}a_pruner_learns_on_other_tasks_than_its_own"
SEED = f"{PLANTED}a_pruner_is_what_its_seed_gives_on_the_other_task"
SCORES = f"{PLANTED}a_pruner_scores_its_task_on_training_examples"
ENDS = f"{PLANTED}the_ends_of_a_pruners_training_are_its_first_and_last_step"
ROWS = f"{PLANTED}every_row_is_of_the_mask_that_it_names"
FORCE = f"{PLANTED}masks_are_in_force_while_training_on_training_examples"
LOST = f"{PLANTED}lost_likeness_is_of_held_out_sentences_under_each_mask"
SIMILARITY = f"{PLANTED}similarity_is_the_cosine_of_held_out_pairs_under_each_mask"
CONTRASTS = f"{PLANTED}contrasts_are_of_the_means_over_seeds_and_draws"
OVERLAP = f"{PLANTED}overlap_is_of_the_masks_of_two_tasks_two_seeds_or_two_methods"
LOOP = f"{SCORING}the_loss_is_that_of_a_direct_loop"
WINNER = f"{SCORING}the_gradient_goes_into_the_soft_probability_of_the_winning_draw"
BEST = f"{SCORING}without_chance_the_best_heads_of_each_layer_stay"
WITHOUT_KEY = f"{SCORING}without_a_key_the_loss_is_that_of_the_best_heads"
SPECIFIED = f"{NETWORK}scores_and_statistics_are_those_of_the_specification"
CORNER = f"{NETWORK}the_corner_holds_the_map_as_it_is"

STUDY, PRUNERS = "jaxheads/studies/zhang2020/study.py", "jaxheads/studies/workbench/pruners.py"
TASKS = "jaxheads/studies/workbench/tasks.py"
META, PRUNER = "jaxheads/importance/meta/scoring.py", "jaxheads/importance/meta/pruner.py"

FAULTS = (
    ("pruner: learns on its own task too", PRUNERS, OTHERS,
     "if each.name != task)", "if each.name)"),
    ("pruner: starts as that of the first seed", PRUNERS, SEED,
     "init_pruner(meta.pruner, seed)", "init_pruner(meta.pruner, 0)"),
    ("pruner: learns in the order of the first seed", PRUNERS, SEED,
     "dataclasses.replace(meta.training, seed=seed)", "meta.training"),
    ("pruner: learns pairs as single sentences", PRUNERS, SEED,
     "channel_of(task_of(each).is_pair)", "channel_of(not task_of(each).is_pair)"),
    ("pruner: learns to keep one head more", PRUNERS, SEED,
     "meta.pruner, kept_heads(study_model))", "meta.pruner, kept_heads(study_model) + 1)"),
    ("pruner: learns on held-out examples", TASKS, SEED,
     'return self._read(settings, None, settings.train, "train", settings.examples)',
     'return self._read(settings, None, settings.held_out, "validation", settings.examples)'),
    ("pruner: scores with that of the first seed", PRUNERS, SCORES,
     "pruner_file(model, task.name, seed), load_pruner",
     "pruner_file(model, task.name, model.run.seeds[0]), load_pruner"),
    ("pruner: scores pairs as single sentences", PRUNERS, SCORES,
     "task_of(task).is_pair\n    return", "not task_of(task).is_pair\n    return"),
    ("pruner: scores on held-out examples", TASKS, SCORES,
     "return self._scored(settings, self.teaching(settings))",
     "return self.teaching(dataclasses.replace(settings, train=settings.held_out))"),
    ("pruner: the last loss is the first", PRUNERS, ENDS,
     "(LAST, fitted.log[-1])", "(LAST, fitted.log[0])"),

    ("meta: the inverse mask is the mask", STUDY, ROWS,
     "score_LH if way.method == META else -score_LH",
     "score_LH if way.method == META else score_LH"),
    ("meta: the mask is the inverse", STUDY, ROWS,
     "score_LH if way.method == META else -score_LH",
     "-score_LH if way.method == META else score_LH"),
    ("meta: masks of the first seed", STUDY, ROWS,
     "_meta_file(model, task, seed)).score_LH\n        return",
     "_meta_file(model, task, model.run.seeds[0])).score_LH\n        return"),
    ("meta: maps of the first seed", STUDY, SCORES,
     "_meta_file(model, name, seed)).score_LH for name",
     "_meta_file(model, name, model.run.seeds[0])).score_LH for name"),
    ("other masks keep the lowest", STUDY, ROWS,
     "layer_mask(model, model.scorer.saved(_file(model, way.method)).score_LH)",
     "layer_mask(model, -model.scorer.saved(_file(model, way.method)).score_LH)"),
    ("magnitude is the gradient", STUDY, ROWS,
     "layer_mask(model, model.scorer.saved(_file(model, way.method)).score_LH)",
     "layer_mask(model, model.scorer.saved(_file(model, OWN)).score_LH)"),
    ("chance: masks of all seeds are those of the first", STUDY, ROWS,
     "draw=place * draws + draw)", "draw=draw)"),
    ("chance: masks are all of the first draw", STUDY, ROWS,
     "shape[0], way.draw, per_layer=True)", "shape[0], 0, per_layer=True)"),
    ("chance: masks are of all layers", STUDY, ROWS,
     "shape[0], way.draw, per_layer=True)", "shape[0], way.draw)"),
    ("masked: measured with all heads", STUDY, ROWS,
     "found = model.scorer.measure(trained, task, mask_LH)",
     "found = model.scorer.measure(trained, task)"),
    ("masked: measured on training examples", STUDY, ROWS,
     "found = model.scorer.measure(trained, task, mask_LH)",
     "found = model.scorer.measure(trained, task._replace(\n        "
     "held_out=model.reader.placed(task.train, task.lengths)), mask_LH)"),
    ("masked: trained with all heads", STUDY, FORCE,
     "task, seed, file, mask_LH)", "task, seed, file, None)"),
    ("masked: with the readout of the first seed", STUDY, FORCE,
     "model.fresh(task, seed)", "model.fresh(task, model.run.seeds[0])"),
    ("likeness lost: with all heads", STUDY, LOST,
     "whole, (), gate=gate_LH", "whole, (), gate=np.ones_like(gate_LH)"),
    ("likeness lost: of training sentences", STUDY, LOST,
     "for batch in task.held_out if",
     "for batch in study_model.reader.placed(task.train, task.lengths) if"),
    ("likeness lost: of pairs as of single sentences", STUDY, LOST,
     "channel_of(task.task.is_pair)", "channel_of(not task.task.is_pair)"),
    ("similarity: with all heads", STUDY, SIMILARITY,
     "mask_by(study_model, task.name, seed, way).astype",
     "mask_by(study_model, task.name, seed, WHOLE_MASK).astype"),
    ("similarity: the first token for the mean", STUDY, SIMILARITY,
     '(("mean of tokens", False), ("first token", True))',
     '(("mean of tokens", True), ("first token", False))'),
    ("similarity: of training pairs", TASKS, SIMILARITY,
     'settings, readout, settings.held_out, "validation", (settings.length,)',
     'settings, readout, settings.train, "train", (settings.length,)'),
    ("contrasts of masks: sign", STUDY, CONTRASTS,
     "contrast_rows(model, task, of(one), of(two), due",
     "contrast_rows(model, task, of(two), of(one), due"),
    ("contrasts of masks: the first seed for all", STUDY, CONTRASTS,
     "way: load_answers(model.store, name_of(tuned, model, name, seed, way))\n        "
     "    for way in (WHOLE_MASK, *methods(model, seed))",
     "way: load_answers(model.store, name_of(tuned, model, name, model.run.seeds[0], "
     "way))\n            for way in (WHOLE_MASK, *methods(model, model.run.seeds[0]))"),
    ("contrasts of masks: one draw", STUDY, CONTRASTS,
     "for way, found in each.items() if way.kind == kind]",
     "for way, found in each.items() if way.kind == kind][:1]"),
    ("overlap: of inverse masks", STUDY, OVERLAP,
     "mask_by(model, *place, Way(META)) for place",
     "mask_by(model, *place, Way(INVERTED)) for place"),
    ("overlap: of a task with itself", STUDY, OVERLAP,
     'shared(one, seed, masks[two, seed], "tasks"', 'shared(one, seed, masks[one, seed], "tasks"'),
    ("overlap: of a seed with itself", STUDY, OVERLAP,
     'shared(name, one, masks[name, two], "seeds")',
     'shared(name, one, masks[name, one], "seeds")'),
    ("overlap: chance over all layers", STUDY, OVERLAP,
     "chance_jaccard(layers, heads, kept_heads(model))",
     "chance_jaccard(1, layers * heads, layers * kept_heads(model))"),

    ("meta loss: from the pruned to the whole", META, LOOP,
     "(jnp.exp(target) * (target - found))", "(jnp.exp(found) * (found - target))"),
    ("meta loss: not centred", META, LOOP, "centred = x_BD - x_BD.mean(0)", "centred = x_BD"),
    ("meta loss: single sentences by the first token", META, WITHOUT_KEY,
     "jnp.where(pairs, each.pooled_BD, each.mean_BD)",
     "jnp.where(pairs, each.mean_BD, each.pooled_BD)"),
    ("meta loss: single sentences weigh as pairs", META, WITHOUT_KEY,
     "SINGLE_WEIGHT = 10.0", "SINGLE_WEIGHT = 1.0"),
    ("meta masks: the other layers are whole", META, WINNER,
     "layers) < layers // 2", "layers) >= layers // 2"),
    ("meta masks: the lowest heads stay", META, BEST,
     "place_LH >= heads - kept", "place_LH < kept"),
    ("meta masks: the other output", META, WITHOUT_KEY,
     "jnp.take(score_BLH2, channel, axis=-1)", "jnp.take(score_BLH2, 1 - channel, axis=-1)"),
    ("pruner: old statistics weigh as new ones", PRUNER, SPECIFIED,
     "MOMENTUM = 0.1", "MOMENTUM = 0.9"),
    ("pruner: biased running variance", PRUNER, SPECIFIED,
     '"variance": variance * (count / max(count - 1, 1))', '"variance": variance'),
    ("pruner: padding queries are seen", PRUNER, CORNER,
     "probs = probs_BHTS * real_BT[:, None, :, None]", "probs = probs_BHTS"),
)
