"""Faults of the study of Chiang & Chen 2021: scores, curves, coherence, deductions, regimes."""

# fmt: off
from __future__ import annotations

CURVES = "tests/studies/chiang2021/test_planted_prunability.py::test_"
HELD_OUT = f"{CURVES}what_is_held_out_is_measured"
SCORED = f"{CURVES}training_examples_are_scored"
TEXT = f"{CURVES}the_text_is_scored_where_it_trains_and_measured_where_it_is_held_out"
READINGS = f"{CURVES}every_reading_is_of_the_same_effects"
POINTS = f"{CURVES}every_point_of_a_curve_is_of_the_heads_that_its_order_keeps"
CONTRASTS = f"{CURVES}contrasts_say_which_order_keeps_more"
NUMBERS = f"{CURVES}a_curve_in_one_number_is_that_of_its_points"

REST = "tests/studies/chiang2021/test_planted_before_and_after.py::test_"
AGREEMENT = f"{REST}agreement_is_of_the_scores_at_the_same_place"
RELIABILITY = f"{REST}reliability_is_over_other_examples_and_other_seeds"
FUNCTIONAL = f"{REST}functional_coherence_is_what_another_order_gains_over_chance"
LOST = f"{REST}what_is_lost_before_fine_tuning_is_the_change_from_all_heads"
MASKED = f"{REST}masks_are_in_force_while_training"
AGAIN = f"{REST}what_is_trained_again_goes_on_under_the_same_mask"
REGIMES = f"{REST}regimes_are_measured_under_the_masks_that_they_name"
OTHER_HEAD = f"{REST}a_task_that_needs_another_head_than_the_text_loses_by_its_order"
COMPARED = f"{REST}regimes_are_compared_with_each_other_and_with_a_constant_answer"
DRIFT = f"{REST}drift_is_of_the_heads_that_are_left_from_before_training_to_after"
SMALLER = f"{REST}the_smaller_model_answers_as_the_masked_one"
ACCEPTABLE = f"{REST}the_acceptable_deduction_is_that_of_the_worst_task"

STUDY, COMPARING, DEDUCTION, WORST, COHERENCE = (
    f"jaxheads/studies/chiang2021/{name}.py"
    for name in ("study", "regimes", "deduction", "acceptable", "coherence")
)
MODEL, TASKS, PRUNABILITY, STEPS, SCORER, TRAINER = (
    f"jaxheads/studies/workbench/{name}.py"
    for name in ("model", "tasks", "prunability", "steps", "scorer", "trainer")
)
CURVE = "jaxheads/pruning/curve.py"

FAULTS = (
    # which data
    ("held-out examples of tasks are training examples", TASKS, HELD_OUT,
     'self._held_out(settings, readout, settings.held_out, "validation", lengths)',
     'self._held_out(settings, readout, settings.train, "validation", lengths)'),
    ("held-out examples are scored", TASKS, SCORED,
     "scored=self._scored(settings, train),",
     'scored=self._read(settings, readout, settings.held_out, "validation", None),'),
    ("fine-tuning on held-out examples", TASKS, HELD_OUT,
     'train = self._read(settings, readout, settings.train, "train", settings.examples)',
     'train = self._read(settings, readout, settings.held_out, "train", settings.examples)'),
    ("measured on training examples", SCORER, HELD_OUT,
     "_objective(model), model.params, task.held_out, task.metrics,",
     "_objective(model), model.params, batches_of(task.train, task.lengths, 32, self.mesh), "
     "task.metrics,"),
    ("held-out text is training text", TASKS, TEXT,
     "self.tokenizer, text.held_out, text.length", "self.tokenizer, text.train, text.length"),
    ("held-out text is scored", TASKS, TEXT,
     "scored=self._masked(scored, seed)", "scored=self._masked(held_out, seed)"),
    ("scores of a readout that is not trained", STEPS, SCORED,
     "score_all(study_model, model, task, score_file(study_model.name, name, seed))",
     "score_all(study_model, study_model.fresh(task, seed), task, score_file(study_model.name, "
     "name, seed))"),
    ("scores of a linear probe with a readout that is not trained", STUDY, SCORED,
     "score_all(study_model, model, task, file)", "score_all(study_model, study_model.fresh(task, "
                                          "seed), task, file)"),
    ("scores of the fine-tuned body for the frozen one", STUDY, SCORED,
     "model = study_model.trainer.fitted(study_model.probing(task, seed, file))", "model = "
         "study_model.tuned(name, seed)"),
    ("ablation is of all examples", PRUNABILITY, SCORED,
     "method=ablation(), limit=how.ablated)", "method=ablation())"),
    ("all seeds train in the order of the first", TRAINER, MASKED,
     "return dataclasses.replace(training, seed=seed)", "return training"),
    # contrasts
    ("contrasts: sign", PRUNABILITY, CONTRASTS,
     "found = contrast(of[one], of[two],", "found = contrast(of[two], of[one],"),
    ("contrasts: at another budget", PRUNABILITY, CONTRASTS,
     "np.abs(budgets - budgets[0] / 2)", "np.abs(budgets - budgets[0] / 4)"),
    ("contrasts: of two seeds the first twice", PRUNABILITY, CONTRASTS,
     "answers = [load_answers(model.store, name) for name in names.values()]\n"
     "    first",
     "answers = [load_answers(model.store, [*names.values()][0]) for name in names.values()]\n"
     "    first"),
    # orders
    ("orders: reversed is the own one", PRUNABILITY, POINTS,
     "yield REVERSED, Curve(budgets, by(reversed_scores(own_LH)))",
     "yield REVERSED, Curve(budgets, by(own_LH))"),
    ("orders: the own one is reversed", PRUNABILITY, POINTS,
     "yield OWN, Curve(budgets, by(own_LH))",
     "yield OWN, Curve(budgets, by(reversed_scores(own_LH)))"),
    ("orders: another task's is the own one", PRUNABILITY, POINTS,
     "by(study_model.scorer.saved(file).score_LH))", "by(own_LH))"),
    ("orders: a reading's is the own one", PRUNABILITY, POINTS,
     "score_LH = study_model.scorer.saved(scores_name(name, reading)).score_LH",
     "score_LH = own_LH"),
    ("orders: ablation's is the own one", PRUNABILITY, POINTS,
     "by(study_model.scorer.saved(scores_name(name, ABLATION)).score_LH))", "by(own_LH))"),
    ("orders: all draws are the first", PRUNABILITY, POINTS,
     "random_mask(*shape, budget, draw, tied_rows=rows)",
     "random_mask(*shape, budget, 0, tied_rows=rows)"),
    ("orders: iterative is not rescored", PRUNABILITY, POINTS,
     "masks = (present_LH, *prune_iteratively(rescore, budgets[1:], present_LH))",
     "one_LH = rescore(present_LH)\n    masks = [mask_from_scores(one_LH, b) for b in budgets]"),
    ("orders: iterative is rescored without the mask", PRUNABILITY, POINTS,
     '"mask_LH": mask_LH, **read_as(reading)}', "**read_as(reading)}"),
    ("orders: iterative is of plain scores for every reading", PRUNABILITY, POINTS,
     '"mask_LH": mask_LH, **read_as(reading)}', '"mask_LH": mask_LH}'),
    ("orders: the tied one is reversed", PRUNABILITY, POINTS,
     "((OWN, score_LH), (REVERSED, -score_LH))", "((OWN, -score_LH), (REVERSED, score_LH))"),
    ("orders: the tied one is of single uses", PRUNABILITY, POINTS,
     "mask_from_scores(s, b, tied_rows=rows)", "mask_from_scores(s, b)"),
    ("orders: the tied one by plain scores", PRUNABILITY, POINTS,
     "score_LH = model.scorer.saved(scores_name(name, TIED)).score_LH",
     "score_LH = model.scorer.saved(name).score_LH"),
    ("orders: other tasks' scores are of the first seed", STUDY, POINTS,
     "return seed if seed in model.run.seeds else model.run.seeds[0]", "return model.run.seeds[0]"),
    ("orders: every seed has the draws of the first", STUDY, POINTS,
     "range(place * count, (place + 1) * count),", "range(count),"),
    # readings
    ("readings: tied scores are not tied", PRUNABILITY, READINGS,
     "config.block_by_layer if config is not None else None", "None"),
    ("readings: l2 is not normalised", PRUNABILITY, READINGS,
     'normalize = "l2" if "l2" in (unit, more) else "none"',
     'normalize = "l2" if more == "l2" else "none"'),
    ("readings: token+l2 is not normalised", PRUNABILITY, READINGS,
     'normalize = "l2" if "l2" in (unit, more) else "none"',
     'normalize = "l2" if unit == "l2" else "none"'),
    ("readings: all are normalised", PRUNABILITY, READINGS,
     'normalize = "l2" if "l2" in (unit, more) else "none"', 'normalize = "l2"'),
    ("readings: tokens are read from examples", PRUNABILITY, READINGS,
     'token_file(path) if how["unit"] == "token" else path', "path"),
    ("readings: all are by example", PRUNABILITY, READINGS,
     '"example" if unit in ("", "l2") else unit', '"example"'),
    # points
    ("points: budgets are shifted", PRUNABILITY, POINTS,
     "for budget, evaluation in zip(budgets, found, strict=True)",
     "for budget, evaluation in zip(budgets, found[1:] + found[:1], strict=True)"),
    ("points: measured whole", PRUNABILITY, POINTS,
     "seen[key] = study_model.scorer.measure(model, task, mask_LH)", "seen[key] = "
                                                      "study_model.scorer.measure(model, task)"),
    ("points: what is masked is kept", PRUNABILITY, POINTS,
     "seen[key] = study_model.scorer.measure(model, task, mask_LH)",
     "seen[key] = study_model.scorer.measure(model, task, ~mask_LH)"),
    ("points: of the first seed's model", STUDY, POINTS,
     "model = study_model.base if name == PRETRAINING else study_model.tuned(name, seed)",
     "model = study_model.base if name == PRETRAINING else study_model.tuned(name, 0)"),
    ("points: no mask is in force", SCORER, POINTS,
     "gate=gate_of(model, mask_LH), mesh=self.mesh,", "gate=gate_of(model, None), mesh=self.mesh,"),
    ("scores: no mask is in force", SCORER, POINTS, "gate=mask_LH,", "gate=None,"),
    ("one number: of the loss", PRUNABILITY, NUMBERS,
     "metric_K = [each.metrics[task.metrics[0]] for each in found]",
     'metric_K = [each.metrics["loss"] for each in found]'),
    ("one number: k95 is k99", PRUNABILITY, NUMBERS,
     '{"k95": 0.95, "k99": 0.99}', '{"k95": 0.99, "k99": 0.95}'),
    ("one number: heads that stay, not those that go", CURVE, NUMBERS,
     "return int(budget_K[0] - budget_K[last - 1])", "return int(budget_K[last - 1])"),
    # coherence
    ("agreement: of the fine-tuned scores at both places", STEPS, AGREEMENT,
     'middle = {TUNED: "", FROZEN: "-frozen"}', 'middle = {TUNED: "", FROZEN: ""}'),
    ("agreement: of the first seed alone", COHERENCE, AGREEMENT,
     "model.scorer.saved(score_file(model.name, task, seed, place)).score_LH\n"
     "                    for task in (one, two)",
     "model.scorer.saved(score_file(model.name, task, 0, place)).score_LH for task in (one, two)"),
    ("agreement: overlap of the highest for the lowest", COHERENCE, AGREEMENT,
     "overlap(one_LH, two_LH, LOWEST, lowest=True)",
     "overlap(one_LH, two_LH, LOWEST, lowest=False)"),
    ("agreement: overlap of the lowest for the highest", COHERENCE, AGREEMENT,
     "overlap(one_LH, two_LH, HIGHEST, lowest=False)",
     "overlap(one_LH, two_LH, HIGHEST, lowest=True)"),
    ("reliability: halves of the first seed", COHERENCE, RELIABILITY,
     "reliability([matrix_NLH], splits=splits)", "reliability([kept[0]], splits=splits)"),
    ("reliability: halves of all seeds", COHERENCE, RELIABILITY,
     "reliability([matrix_NLH], splits=splits)",
     "reliability(list(kept.values()), splits=splits)"),
    ("reliability: a seed beside itself", COHERENCE, RELIABILITY,
     "(model.scorer.saved(name).score_LH for name in pair)",
     "(model.scorer.saved(name).score_LH for name in (pair[0], pair[0]))"),
    ("reliability: of one seed for that of both", COHERENCE, RELIABILITY,
     "value = reliability(list(kept.values()), splits=splits)",
     "value = reliability([kept[0]], splits=splits)"),
    ("ceiling: of one map twice", COHERENCE, RELIABILITY,
     '{"spearman": ceiling(*values)}', '{"spearman": ceiling(values[0], values[0])}'),
    ("ceiling: of the fine-tuned maps at both places", COHERENCE, RELIABILITY,
     "both[task, TUNED if task == PRETRAINING else place]", "both[task, TUNED]"),
    ("functional coherence: off by one budget", COHERENCE, FUNCTIONAL,
     "budget=int(budgets[place]),", "budget=int(budgets[place + 1]),"),
    ("functional coherence: the other order is the own one", COHERENCE, FUNCTIONAL,
     "(each[name][place], each[OWN][place],", "(each[OWN][place], each[OWN][place],"),
    ("functional coherence: own and other swapped", COHERENCE, FUNCTIONAL,
     "return quotient(gain(0), gain(1))", "return quotient(gain(1), gain(0))"),
    ("functional coherence: chance is the reverse order", COHERENCE, FUNCTIONAL,
     "[each[k][place] for k in each if is_draw(k)]", '[each["reversed"][place]]'),
    ("functional coherence: chance of tied heads too", PRUNABILITY, FUNCTIONAL,
     "return name != RANDOM and kind_of(name) == RANDOM",
     'return name != RANDOM and kind_of(name) in (RANDOM, f"{RANDOM} {TIED}")'),
    # pruned before fine-tuning
    ("loss before: before less after", DEDUCTION, LOST,
     "more_N = found.loss_N - whole.loss_N", "more_N = whole.loss_N - found.loss_N"),
    ("loss before: as a share of the masked model's", DEDUCTION, LOST,
     "Sums(more_N, whole.loss_N)", "Sums(more_N, found.loss_N)"),
    ("accuracy before: after less before", DEDUCTION, LOST,
     "(right.astype(float) - still, right)", "(still.astype(float) - right, right)"),
    ("loss before: with all heads", DEDUCTION, LOST,
     "found = model.scorer.measure(model.base, task, mask_of(model, method, budget))",
     "found = model.scorer.measure(model.base, task)"),
    ("pruned before: the lowest are kept", DEDUCTION, f"{LOST} {MASKED}",
     "return mask_from_scores(scores.score_LH, budget, tied_rows=rows)",
     "return mask_from_scores(-scores.score_LH, budget, tied_rows=rows)"),
    ("pruned before: tied heads by plain scores", DEDUCTION, MASKED,
     'TIED if rows is not None else ""', '"" if rows is not None else ""'),
    ("pruned before: tied uses go one by one", DEDUCTION, MASKED,
     "mask_from_scores(scores.score_LH, budget, tied_rows=rows)",
     "mask_from_scores(scores.score_LH, budget)"),
    ("pruned before: all random masks are the first", DEDUCTION, MASKED,
     'draw = int(method.rpartition(" ")[2])', "draw = 0"),
    ("pruned before: every seed has the draws of the first", DEDUCTION, MASKED,
     "numbers = range(seed_place * draws, (seed_place + 1) * draws)", "numbers = range(draws)"),
    ("pruned before: measured with all heads", DEDUCTION, OTHER_HEAD,
     "found = study_model.scorer.measure(model, task, mask_LH)\n"
     "    again",
     "found = study_model.scorer.measure(model, task)\n"
     "    again"),
    ("pruned before: trained without the mask", DEDUCTION, MASKED,
     "masked_training(fresh, task, seed, file, mask_LH)",
     "masked_training(fresh, task, seed, file, None)"),
    ("pruned before: trained without the mask, by the metric", DEDUCTION, OTHER_HEAD,
     "masked_training(fresh, task, seed, file, mask_LH)",
     "masked_training(fresh, task, seed, file, None)"),
    ("pruned before: on a model that is fine-tuned", DEDUCTION, MASKED,
     "masked_training(fresh, task, seed, file, mask_LH)",
     "masked_training(study_model.tuned(name, seed), task, seed, file, mask_LH)"),
    ("a new model has a random encoder", MODEL, MASKED,
     'model._replace(params={**model.params, "encoder": self.base.params["encoder"]})', "model"),
    ("a new model has the readout of the first seed", MODEL, MASKED,
     "task.readout, jax.random.key(seed))", "task.readout, jax.random.key(0))"),
    ("trained without the mask", TRAINER, MASKED,
     "constant(gate_of(model, mask_LH))", "constant(gate_of(model, None))"),
    ("probed without the mask", MODEL, MASKED,
     "task, seed, name, mask_LH)", "task, seed, name, None)"),
    ("probed with the body in training", MODEL, SCORED, ', only="readout")', ")"),
    ("probed after pruning without the mask", DEDUCTION, MASKED,
     "study_model.probing(task, seed, file, mask_LH)",
     "study_model.probing(task, seed, file)"),
    ("probed after pruning and measured with all heads", DEDUCTION, OTHER_HEAD,
     "found = study_model.scorer.measure(model, task, mask_LH)\n"
     "    study_model.scorer.save",
     "found = study_model.scorer.measure(model, task)\n"
     "    study_model.scorer.save"),
    # regimes
    ("twice: the second training is without the mask", DEDUCTION, AGAIN,
     'masked_training(model, task, seed, f"{name}-twice", mask_LH)',
     'masked_training(model, task, seed, f"{name}-twice", None)'),
    ("twice: the second training starts anew", DEDUCTION, AGAIN,
     'masked_training(model, task, seed, f"{name}-twice", mask_LH)',
     'masked_training(study_model.fresh(task, seed), task, seed, f"{name}-twice", '
     "mask_LH)"),
    ("again: trained without the mask", DEDUCTION, AGAIN,
     'masked_training(model, task, seed, file, masks[""])',
     "masked_training(model, task, seed, file, None)"),
    ("again: trained with random heads", DEDUCTION, AGAIN,
     'masked_training(model, task, seed, file, masks[""])',
     'masked_training(model, task, seed, file, masks[", random"])'),
    ("regimes: pruned after by the text's scores", DEDUCTION, REGIMES,
     "own = score_file(study_model.name, name, seed)",
     "own = score_file(study_model.name, PRETRAINING, seed)"),
    ("regimes: the lowest are kept after", DEDUCTION, REGIMES,
     '"": mask_from_scores(study_model.scorer.saved(own).score_LH, budget)',
     '"": mask_from_scores(-study_model.scorer.saved(own).score_LH, budget)'),
    ("regimes: random heads after are those of the first seed", DEDUCTION, REGIMES,
     "random_mask(*shape, budget, seed)", "random_mask(*shape, budget, 0)"),
    ("regimes: random before is named by score", DEDUCTION, REGIMES,
     'return f"prune, fine-tune, {RANDOM}"', 'return "prune, fine-tune"'),
    ("regimes compared: sign", COMPARING, COMPARED,
     "model, task, answered[one], answered[two], due,",
     "model, task, answered[two], answered[one], due,"),
    ("regimes compared: the majority-class baseline first", COMPARING, COMPARED,
     "_contrast(model, task, guesses, constant, due, **what)",
     "_contrast(model, task, constant, guesses, due, **what)"),
    ("regimes compared: in the first seed alone", COMPARING, COMPARED,
     "for each in enumerate(model.run.seeds)]", "for each in enumerate(model.run.seeds[:1])]"),
    ("regimes compared: twice is once", COMPARING, COMPARED,
     "by_regime |= {TWICE: [own[TWICE]]}", 'by_regime |= {TWICE: [own["guess"]]}'),
    ("regimes compared: random is by score", COMPARING, COMPARED,
     "if method.startswith(RANDOM)]", "if method == BEFORE]"),
    ("regimes compared: the linear probe is the fine-tuned model", STUDY, COMPARED,
     "(FROZEN, frozen))", "(FROZEN, finetuned))"),
    ("drift: over all heads", DEDUCTION, DRIFT, "present=mask_LH, permutations=1",
     "permutations=1"),
    ("drift: after with all heads", DEDUCTION, DRIFT,
     "after = study_model.scorer.score(model, task, mask_LH=mask_LH)",
     "after = study_model.scorer.score(model, task)"),
    ("drift: before with all heads", DEDUCTION, DRIFT,
     "study_model.scorer.save(file, study_model.scorer.score(model, task, mask_LH=mask_LH))",
     "study_model.scorer.save(file, study_model.scorer.score(model, task))"),
    ("drift: before is after", DEDUCTION, DRIFT,
     "rank_agreement(before.score_LH, after.score_LH,",
     "rank_agreement(after.score_LH, after.score_LH,"),
    ("smaller: what is kept is cut", DEDUCTION, SMALLER,
     "cut(model.params, model.config, mask_LH)", "cut(model.params, model.config, ~mask_LH)"),
    ("smaller: nothing is cut", DEDUCTION, SMALLER,
     "smaller = model._replace(params=params, config=config)", "smaller = model"),
    # acceptable deduction
    ("acceptable: the deepest cut first", STUDY, ACCEPTABLE,
     "BEFORE, budget)\n"
     "                    for budget in budgets(model)\n"
     "                ),",
     "BEFORE, budget) for budget in budgets(model)[::-1]),"),
    ("acceptable: the best task for the worst", WORST, ACCEPTABLE,
     "least = Estimates(*(np.min(", "least = Estimates(*(np.max("),
    ("acceptable: the tolerance is what is kept", WORST, ACCEPTABLE,
     "return kept - (1 - tolerance) * whole", "return kept - tolerance * whole"),
    ("acceptable: whole and pruned swapped", WORST, ACCEPTABLE,
     "for at in (place, 0)", "for at in (0, place)"),
    ("acceptable: heads left for heads removed", WORST, ACCEPTABLE,
     "return loss, float(budgets[0] - budgets[place])", "return loss, float(budgets[place])"),
    ("acceptable: of the accuracy before", WORST, ACCEPTABLE,
     'r.metric == "loss increase"', 'r.metric == "accuracy drop"'),
    ("acceptable: of random heads", STUDY, ACCEPTABLE,
     "name_of(prune_and_train, model, task.name, seed, BEFORE, budget)\n"
     "                    for budget",
     'name_of(prune_and_train, model, task.name, seed, f"random {seed}", budget) for budget'),
)
