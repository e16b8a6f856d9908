"""Faults of the comparison of ways to choose heads, and of the study of Li et al. 2021."""

# fmt: off
from __future__ import annotations

TESTS = "tests/studies/li2021/test_planted.py::test_"
KEPT = f"{TESTS}what_a_method_keeps_is_measured_as_it_is_and_trained_once_more"
PLANTED = f"{TESTS}the_planted_head_is_kept"
CONTRASTS = f"{TESTS}contrasts_say_which_method_is_better"
COSTS = f"{TESTS}costs_are_counted"
RATE = f"{TESTS}the_rate_is_the_best_on_training_examples_that_were_left_out"
LEFT_OUT = f"{TESTS}what_is_left_out_for_the_choice_is_in_no_training_of_it"
SEEN = f"{TESTS}the_last_sample_sees_the_head_that_is_kept"
SCALED = f"{TESTS}scaled_heads_are_trained_and_measured_at_their_scale"
PRICE = f"{TESTS}a_high_price_of_heads_closes_more"

COMPARE, SELECTION = "jaxheads/studies/li2021/compare.py", "jaxheads/studies/li2021/selection.py"
LEARNING_RATES, LI = "jaxheads/studies/li2021/learning_rates.py", "jaxheads/studies/li2021/study.py"
TRAINER = "jaxheads/studies/workbench/trainer.py"

FAULTS = (
    # what is kept
    ("gradient keeps the lowest", SELECTION, f"{KEPT} {PLANTED}",
     "mask_LH = mask_from_scores(scores.score_LH, choice.budget)\n",
     "mask_LH = mask_from_scores(-scores.score_LH, choice.budget)\n"),
    ("a learned gate keeps the lowest", SELECTION, PLANTED,
     "mask_LH = mask_from_scores(found.score_LH, choice.budget)",
     "mask_LH = mask_from_scores(-found.score_LH, choice.budget)"),
    ("magnitude keeps the lowest", SELECTION, KEPT,
     "Selection(mask_from_scores(scores.score_LH, choice.budget), choice.tuned)",
     "Selection(mask_from_scores(-scores.score_LH, choice.budget), choice.tuned)"),
    ("magnitude of the pre-trained model", SELECTION, KEPT,
     "choice.study_model.scorer.score(choice.tuned, choice.task, method=magnitude()",
     "choice.study_model.scorer.score(choice.study_model.base, choice.task, method=magnitude()"),
    ("iterative is not rescored", SELECTION, KEPT,
     "*_, mask_LH = prune_iteratively(\n"
     "        rescore, choice.budgets, present_heads(choice.study_model.layout)\n"
     "    )",
     "mask_LH = mask_from_scores(rescore(present_heads(choice.study_model.layout)), "
     "choice.budget)"),
    ("iterative is rescored without the mask", SELECTION, KEPT,
     '"mask_LH": mask_LH, **reading}', "**reading}"),
    ("iterative: every reading is the plain one", SELECTION, KEPT,
     '"mask_LH": mask_LH, **reading}', '"mask_LH": mask_LH}'),
    ("iterative ends at the first budget", SELECTION, KEPT,
     "*_, mask_LH = prune_iteratively(", "mask_LH, *_ = prune_iteratively("),
    ("random masks are all of the first draw", SELECTION, KEPT,
     "choice.budget, choice.draw, per_layer", "choice.budget, 0, per_layer"),
    ("random masks of every seed are the same", SELECTION, KEPT,
     "first = model.run.seeds.index(seed) * model.run.study.draws", "first = 0"),
    ("random per layer is of all layers", SELECTION, KEPT,
     'f"{RANDOM}, per layer": Method(functools.partial(_random, per_layer=True)',
     'f"{RANDOM}, per layer": Method(functools.partial(_random, per_layer=False)'),
    ("refined keeps what it drops", SELECTION, KEPT,
     "mask_LH, model = refined_mask(effect_NLH, choice.budget), choice.tuned",
     "mask_LH, model = ~refined_mask(effect_NLH, choice.budget), choice.tuned"),
    ("refined: rescaled is not", SELECTION, KEPT,
     '"refined, rescaled": Method(functools.partial(_refined, rescaled=True))',
     '"refined, rescaled": Method(functools.partial(_refined, rescaled=False))'),
    ("a joint gate is learned alone", SELECTION, COSTS,
     "functools.partial(_learned, make=make, joint=joint)",
     "functools.partial(_learned, make=make, joint=not joint)"),
    ("a joint gate starts from the fine-tuned model", SELECTION, RATE,
     "model = study_model.fresh(task, choice.seed) if joint else choice.tuned",
     "model = study_model.trained(study_model.subject('sst2'), choice.seed) if joint else "
     "choice.tuned"),
    ("budgets increase", SELECTION, KEPT, "if each >= budget)", "if each <= budget)"),
    # what is measured
    ("measured with all heads", COMPARE, KEPT,
     "study_model.scorer.measure(chosen.model, task, mask_LH) for mask_LH in masks",
     "study_model.scorer.measure(chosen.model, task) for mask_LH in masks"),
    ("measured on the fine-tuned model", COMPARE, KEPT,
     "study_model.scorer.measure(chosen.model, task, mask_LH) for mask_LH in masks",
     "study_model.scorer.measure(study_model.tuned(name, seed), task, mask_LH) "
     "for mask_LH in masks"),
    ("trained again without the mask", COMPARE, KEPT,
     'masked_training(model, task, seed, f"{file}-again", mask_LH)',
     'masked_training(model, task, seed, f"{file}-again", None)'),
    ("trained again from the beginning", COMPARE, KEPT,
     'masked_training(model, task, seed, f"{file}-again", mask_LH)',
     "masked_training(study_model.fresh(task, seed), task, seed, "
     'f"{file}-again", mask_LH)'),
    ("trained again is measured with all heads", COMPARE, PLANTED,
     "found = study_model.scorer.measure(model, task, mask_LH)\n"
     "        rows += study_model.make_rows(name, found",
     "found = study_model.scorer.measure(model, task)\n"
     "        rows += study_model.make_rows(name, found"),
    ("trained again is as it was", COMPARE, CONTRASTS,
     "guesses[Way(method, Stage.AGAIN)] = found.answers.guess_M[None]",
     "guesses[Way(method, Stage.AGAIN)] = measured[0].answers.guess_M[None]"),
    ("the first draw for all", COMPARE, KEPT,
     "choice_of(study_model, task, seed, budget, learning_rate, draw))\n"
     "        for draw in others",
     "choice_of(study_model, task, seed, budget, learning_rate)) for draw in others"),
    # contrasts
    ("compare: sign of contrasts", COMPARE, CONTRASTS,
     "contrast_rows(model, task, one, two, due, stage=stage",
     "contrast_rows(model, task, two, one, due, stage=stage"),
    ("compare: contrasts are named the other way round", COMPARE, CONTRASTS,
     '{"method": pair[0].method, "other_method": pair[1].method, "budget"',
     '{"method": pair[1].method, "other_method": pair[0].method, "budget"'),
    ("compare: contrasts of the first seed alone", COMPARE, CONTRASTS,
     "for f in answers[way.method]]", "for f in answers[way.method][:1]]"),
    ("compare: equal cost is unequal", COMPARE, CONTRASTS,
     "yield Stage.EQUAL_CONTRAST, again(one), Way(two)",
     "yield Stage.EQUAL_CONTRAST, Way(one), Way(two)"),
    ("compare: equal cost with joint gates", COMPARE, CONTRASTS,
     "[method for method in subsets if METHODS[method].pipelined]", "subsets"),
    ("compare: contrasts once more of the pruned", COMPARE, CONTRASTS,
     "(Stage.AGAIN_CONTRAST, again(one), again(two))",
     "(Stage.AGAIN_CONTRAST, Way(one), again(two))"),
    # costs
    ("costs: joint gates are charged a fine-tuning", SELECTION, COSTS,
     "base=0 if joint else 1", "base=1"),
    ("costs: iterative is charged one pass", SELECTION, COSTS,
     "examples=limit * len(choice.budgets)", "examples=limit"),
    ("costs: training again is free", COMPARE, COSTS,
     "cost[Metric.STEPS_AGAIN] = cost[Metric.STEPS] + training.steps",
     "cost[Metric.STEPS_AGAIN] = cost[Metric.STEPS]"),
    ("costs: a step is one example", COMPARE, COSTS,
     "base * training.batch_size + chosen.examples", "base + chosen.examples"),
    # learning rates
    ("learning rate: the worst", LEARNING_RATES, RATE,
     "best = max(found, key=lambda learning_rate: sum(found[learning_rate]))",
     "best = min(found, key=lambda learning_rate: sum(found[learning_rate]))"),
    ("learning rate: tried on what is held out", LEARNING_RATES, f"{RATE} {LEFT_OUT}",
     "train=train, held_out=batches, references=None)", "train=train)"),
    ("learning rate: trained on what is left out for it", LEARNING_RATES, LEFT_OUT,
     "train=train, held_out=batches, references=None)", "held_out=batches, references=None)"),
    ("learning rate: the first for all methods", LEARNING_RATES, PLANTED,
     "return next(row.value for row in rows if row.metric == Metric.LEARNING_RATE)",
     "return model.run.study.learning_rates[-1]"),
    ("learning rate: tried with all heads", LEARNING_RATES, RATE,
     "model.scorer.measure(chosen.model, part, chosen.mask_LH).metrics",
     "model.scorer.measure(chosen.model, part).metrics"),
    ("learning rate: the fine-tuning of trials is not counted", LEARNING_RATES, RATE,
     "steps = part.training.steps if METHODS[method].pipelined else 0", "steps = 0"),
    ("learning rate: gates learn at the usual one", TRAINER, RATE,
     "gates=job.gates,", "gates=type(job)._field_defaults['gates'],"),
    ("learning rate: the parameters are trained with gates alone", TRAINER, PLANTED,
     "only=job.only,", 'only=None if job.only == "gates" else job.only,'),
    # samples, scales, prices
    ("sample: heads that it leaves out", SELECTION, SEEN,
     "seen_LH=found.sample_LH > 0.5", "seen_LH=found.sample_LH <= 0.5"),
    ("sample: counted beside all heads", COMPARE, SEEN,
     '(chosen.seen_LH & chosen.mask_LH).sum()', '(chosen.seen_LH | chosen.mask_LH).sum()'),
    ("sample: measured with the mask", COMPARE, SEEN,
     "seen = study_model.scorer.measure(chosen.model, task, chosen.seen_LH).metrics",
     "seen = study_model.scorer.measure(chosen.model, task, ~chosen.seen_LH).metrics"),
    ("scaled: trained at full scale", COMPARE, SCALED,
     "masked_training(study_model.fresh(task, seed), task, seed, label, gate_LH)",
     "masked_training(study_model.fresh(task, seed), task, seed, label, None)"),
    ("scaled: by the share that goes", COMPARE, SCALED,
     "np.full(heads, budget / math.prod(heads))", "np.full(heads, 1 - budget / math.prod(heads))"),
    ("prices: heads that were closed", LI, PRICE,
     "mask_LH = naturally_open(found.score_LH)", "mask_LH = ~naturally_open(found.score_LH)"),
    ("prices: all are one", LI, PRICE,
     "gate = l0((model.config.num_layers, model.config.num_heads), strength)",
     "gate = l0((model.config.num_layers, model.config.num_heads), 1e-4)"),
    ("prices: measured with all heads", LI, PRICE,
     "study_model.scorer.measure(found.model, task, mask_LH).metrics",
     "study_model.scorer.measure(found.model, task).metrics"),
)
