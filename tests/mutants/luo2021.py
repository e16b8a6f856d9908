"""Faults of the study of Luo 2021: sections, heads and layers, change by fine-tuning, masking."""

# fmt: off
from __future__ import annotations

PLANTED = "tests/studies/luo2021/test_planted.py::test_"
LUO2021 = "tests/studies/luo2021/test_study.py::test_"
CONSTITUENTS = "tests/studies/luo2021/test_constituents.py::test_"
HEAD_CHOSEN = f"{PLANTED}the_head_is_chosen_on_the_tune_section_and_scored_on_the_test_section"
MARGINS_LAYERS = (
    f"{PLANTED}margins_layers_and_ensembles_are_those_of_the_heads_that_the_tune_"
    "section_ranks"
)
RANKINGS_WITHOUT = (
    f"{PLANTED}rankings_without_labels_are_of_the_tune_section_against_the_test_"
    "section"
)
OTHER_TREES = f"{PLANTED}other_trees_are_of_models_with_random_weights"
HEAD_DRAWN = f"{PLANTED}the_head_that_is_drawn_is_the_best_of_the_tune_section"
CHANGE_AFTER = f"{PLANTED}change_is_after_less_before_in_every_layer_and_half"
HEADS_CHANGE = f"{PLANTED}heads_that_change_alike_with_every_seed_are_counted_on_their_side"
KINDS_TASKS = f"{PLANTED}kinds_of_tasks_are_told_apart"
MAPS_TEST = f"{PLANTED}maps_are_of_the_test_section_and_its_halves"
TASK_FALLS = f"{PLANTED}a_task_falls_where_an_order_masks_the_head_that_it_needs"
CONTRASTS_ABILITY = (
    f"{PLANTED}contrasts_by_ability_are_the_first_less_the_second_at_half_of_the_"
    "heads"
)
MASKING_ENDS = f"{LUO2021}masking_ends_agree_and_every_order_is_there"
SECTIONS_WITHOUT = f"{CONSTITUENTS}sections_without_files_are_splits_of_the_language"

CONSTITUENTS_FILE = "jaxheads/studies/luo2021/constituents.py"
SPANS = "jaxheads/analysis/spans.py"
CONSTITUENT_CHANGE = "jaxheads/studies/luo2021/change.py"
CONSTITUENT_MAPS = "jaxheads/studies/luo2021/maps.py"
CONSTITUENT_MASKING = "jaxheads/studies/luo2021/masking.py"
TREEBANK = "jaxheads/studies/luo2021/treebank.py"
PRUNABILITY = "jaxheads/studies/workbench/prunability.py"

FAULTS = (
    ("tune is test", CONSTITUENTS_FILE, HEAD_CHOSEN,
     'tune, test = section_of(model, "tune"), section_of(model, "test")\n'
     "    readings, main",
     'tune, test = section_of(model, "test"), section_of(model, "test")\n'
     "    readings, main"),
    ("sections swapped", CONSTITUENTS_FILE, HEAD_CHOSEN,
     'tune, test = section_of(model, "tune"), section_of(model, "test")\n'
     "    readings, main",
     'test, tune = section_of(model, "tune"), section_of(model, "test")\n'
     "    readings, main"),
    ("fine-tuned: chosen on test", CONSTITUENTS_FILE, HEAD_CHOSEN,
     '    on_tune = counted(study_model, model, section_of(study_model, "tune"), readings)\n'
     "    on_test = counted(\n"
     "        study_model, model",
     '    on_tune = counted(study_model, model, section_of(study_model, "test"), readings)\n'
     "    on_test = counted(study_model, model"),
    ("fine-tuned: base looked at", CONSTITUENTS_FILE, HEAD_CHOSEN,
     "model, readings = study_model.tuned(task, seed), readings_of(study_model, "
     "all_measures=False)",
     "model, readings = study_model.base, readings_of(study_model, all_measures=False)"),
    ("fine-tuned: scored on tune", CONSTITUENTS_FILE, HEAD_CHOSEN,
     "    on_test = counted(\n"
     '        study_model, model, section_of(study_model, "test"), readings, '
     "sharpness=sharpness\n"
     "    )\n"
     "    save_counts(\n"
     "        study_model.store,\n"
     '        f"',
     '    on_test = counted(study_model, model, section_of(study_model, "tune"), readings, '
     "sharpness=sharpness)\n"
     '    save_counts(study_model.store, f"'),
    ("best rows: sections swapped", CONSTITUENTS_FILE, HEAD_CHOSEN,
     "rows, best = [], choose_heads(tune, test)",
     "rows, best = [], choose_heads(test, tune)"),
    ("best rows: head by test", CONSTITUENTS_FILE, HEAD_CHOSEN,
     "rows, best = [], choose_heads(tune, test)",
     "rows, best = [], choose_heads(test, test)"),
    ("tested reported as tuned", CONSTITUENTS_FILE, HEAD_CHOSEN,
     "{column: chosen.tuned}",
     "{column: float(chosen.tested.ratio)}"),
    ("margins: head by test", CONSTITUENTS_FILE, MARGINS_LAYERS,
     "for column, chosen in choose_heads(tune, test).items()",
     "for column, chosen in choose_heads(test, test).items()"),
    ("margins: sign", CONSTITUENTS_FILE, MARGINS_LAYERS,
     "own.top_X - nulls.mean(null, column) for null",
     "nulls.mean(null, column) - own.top_X for null"),
    ("margins: nulls of tune", CONSTITUENTS_FILE, HEAD_CHOSEN,
     "nulls = baseline_counts(test, main.measure)",
     "nulls = baseline_counts(tune, main.measure)"),
    ("layers: best for mean", CONSTITUENTS_FILE, MARGINS_LAYERS,
     "Sums(heads.top_X.mean(-1), heads.bottom_X)",
     "Sums(heads.top_X.max(-1), heads.bottom_X)"),
    ("layers: of heads' number", CONSTITUENTS_FILE, MARGINS_LAYERS,
     "Sums(heads.top_X.mean(-1), heads.bottom_X)",
     "Sums(heads.top_X.mean(-2), heads.bottom_X)"),
    ("rankings from test", CONSTITUENTS_FILE, MARGINS_LAYERS,
     "rankings = {name: rankings_of(found) for name, found in on_tune.items()}",
     "rankings = {name: rankings_of(found) for name, found in counted(model, model.base, "
     "test, readings, unlabelled=True).items()}"),
    ("rankings reversed", CONSTITUENTS_FILE, MARGINS_LAYERS,
     "return {name: ranked(score_LH) for name, score_LH in scores.items()}",
     "return {name: ranked(-score_LH) for name, score_LH in scores.items()}"),
    ("unlabelled against tune", CONSTITUENTS_FILE, RANKINGS_WITHOUT,
     "    f1_LH = sentence_f1(test.heads)\n",
     "    f1_LH = sentence_f1(tune.heads)\n"),
    ("unlabelled sign", CONSTITUENTS_FILE, RANKINGS_WITHOUT,
     "rank_agreement(tune.unlabelled[name], f1_LH)",
     "rank_agreement(-tune.unlabelled[name], f1_LH)"),
    ("random weights are the base", CONSTITUENTS_FILE, OTHER_TREES,
     "model = init_model(study_model.base.config, study_model.base.readout, "
     "jax.random.key(draw))",
     "model = study_model.base"),
    ("random weights of one draw", CONSTITUENTS_FILE, OTHER_TREES,
     "jax.random.key(draw))\n    readings",
     "jax.random.key(0))\n    readings"),
    ("head named one off", CONSTITUENTS_FILE, HEAD_CHOSEN,
     'head = {"layer": layer, "head": number}',
     'head = {"layer": layer, "head": number + 1}'),
    ("counts of tune kept (base)", CONSTITUENTS_FILE, HEAD_CHOSEN,
     "save_counts(model.store, model.name, {name: found.heads for name, found in "
     "on_test.items()})",
     "save_counts(model.store, model.name, {name: found.heads for name, found in "
     "on_tune.items()})"),
    ("maps of tune (base)", CONSTITUENTS_FILE, HEAD_CHOSEN,
     "save_head_maps(\n"
     '        model, model.base, "", 0, on_test, main',
     'save_head_maps(model, model.base, "", 0, on_tune, main'),
    ("examples: head by test", CONSTITUENTS_FILE, HEAD_DRAWN,
     "write_examples(model, test, main, on_tune[main.name].heads)",
     "write_examples(model, test, main, on_test[main.name].heads)"),
    ("ensemble rank off by one", CONSTITUENTS_FILE, MARGINS_LAYERS,
     "budget=place + 1,",
     "budget=place + 2,"),
    ("choose: worst", SPANS, HEAD_CHOSEN,
     "np.unravel_index(int(np.nanargmax(score)), score.shape)",
     "np.unravel_index(int(np.nanargmin(score)), score.shape)"),
    ("choose: on the other section", SPANS, HEAD_CHOSEN,
     "score, there = column(tune).ratio, column(test)",
     "score, there = column(test).ratio, column(test)"),
    ("choose: scored where chosen", SPANS, HEAD_CHOSEN,
     "score, there = column(tune).ratio, column(test)",
     "score, there = column(tune).ratio, column(tune)"),
    ("change: before less after", CONSTITUENT_CHANGE, CHANGE_AFTER,
     "f1_by_sentence(load_counts(model.store, name, reading)) - before for name",
     "before - f1_by_sentence(load_counts(model.store, name, reading)) for name"),
    ("change: one seed for all", CONSTITUENT_CHANGE, CHANGE_AFTER,
     'names = [f"{model.name}-{task}-{seed}" for seed in model.run.seeds]',
     'names = [f"{model.name}-{task}-{model.run.seeds[0]}" for seed in model.run.seeds]'),
    ("change: upper and lower swapped", CONSTITUENT_CHANGE, CHANGE_AFTER,
     "UPPER_LAYERS: layers_SXL[..., middle:]}",
     "UPPER_LAYERS: layers_SXL[..., :middle]}"),
    ("change: lower is upper", CONSTITUENT_CHANGE, CHANGE_AFTER,
     "parts[LOWER_LAYERS] = layers_SXL[..., :middle]",
     "parts[LOWER_LAYERS] = layers_SXL[..., middle:]"),
    ("change: middle rounds up", CONSTITUENT_CHANGE, CHANGE_AFTER,
     "middle = layers_SXL.shape[-1] // 2",
     "middle = -(-layers_SXL.shape[-1] // 2)"),
    ("change: layers off by one", CONSTITUENT_CHANGE, CHANGE_AFTER,
     "layers_SXL[..., n]) for n",
     "layers_SXL[..., n - 1]) for n"),
    ("change: heads for layers", CONSTITUENT_CHANGE, CHANGE_AFTER,
     "layers_SXL = change_SXLH.mean(-1)",
     "layers_SXL = change_SXLH.mean(-2)"),
    ("changed heads: sides swapped", CONSTITUENT_CHANGE, HEADS_CHANGE,
     "Metric.HIGHER: float((heads.low > 0).sum()),\n            Metric.LOWER: "
     "float((heads.high < 0).sum()),",
     "Metric.HIGHER: float((heads.high < 0).sum()),\n            Metric.LOWER: "
     "float((heads.low > 0).sum()),"),
    ("changed heads: certain or not", CONSTITUENT_CHANGE, HEADS_CHANGE,
     "Metric.HIGHER: float((heads.low > 0).sum())",
     "Metric.HIGHER: float((heads.high > 0).sum())"),
    ("kinds swapped", CONSTITUENT_CHANGE, KINDS_TASKS,
     'SIMILAR: ("mrpc", "stsb", "qqp", "grammar_paraphrase"),\n    ENTAILMENT: (',
     'ENTAILMENT: ("mrpc", "stsb", "qqp", "grammar_paraphrase"),\n    SIMILAR: ('),
    ("kinds: difference reversed", CONSTITUENT_CHANGE, KINDS_TASKS,
     "{place: one[place] - two[place] for place in one}",
     "{place: two[place] - one[place] for place in one}"),
    ("kinds: first task alone", CONSTITUENT_CHANGE, KINDS_TASKS,
     "for task in tasks], axis=0)",
     'for task in ["mrpc"]], axis=0)'),
    ("halves: the same twice", CONSTITUENT_MAPS, MAPS_TEST,
     "for half_N in (first_N, ~first_N)",
     "for half_N in (first_N, first_N)"),
    ("halves: swapped", CONSTITUENT_MAPS, MAPS_TEST,
     "for half_N in (first_N, ~first_N)",
     "for half_N in (~first_N, first_N)"),
    ("halves: overlapping", CONSTITUENT_MAPS, MAPS_TEST,
     "np.arange(count) < count // 2",
     "np.arange(count) < count // 2 + 2"),
    ("best and worst swapped", CONSTITUENT_MASKING, TASK_FALLS,
     "for score in (-ability_LH, ability_LH))",
     "for score in (ability_LH, -ability_LH))"),
    ("ability of the pre-trained model", CONSTITUENT_MASKING, TASK_FALLS,
     'load_maps(study_model.store, study_model.name, what, seed)["F1"]',
     'load_maps(study_model.store, study_model.name, SPAN_MAPS, 0)["F1"]'),
    ("ability of the first seed", CONSTITUENT_MASKING, TASK_FALLS,
     'load_maps(study_model.store, study_model.name, what, seed)["F1"]',
     'load_maps(study_model.store, study_model.name, what, study_model.run.seeds[0])["F1"]'),
    ("masked: the base model", CONSTITUENT_MASKING, TASK_FALLS,
     "task, model = study_model.task(name), study_model.tuned(name, seed)",
     "task, model = study_model.task(name), study_model.tuned(name, study_model.run.seeds[0])"),
    ("of layer is not", CONSTITUENT_MASKING, TASK_FALLS,
     "keep = functools.partial(mask_from_scores, per_layer=layered)",
     "keep = functools.partial(mask_from_scores, per_layer=False)"),
    ("layer masked off by one", CONSTITUENT_MASKING, TASK_FALLS,
     "mask_LH[layer] = False",
     "mask_LH[layer - 1] = False"),
    ("layer kept for masked", CONSTITUENT_MASKING, TASK_FALLS,
     "        mask_LH = np.ones(ability_LH.shape, bool)\n        mask_LH[layer] = False",
     "        mask_LH = np.zeros(ability_LH.shape, bool)\n        mask_LH[layer] = True"),
    ("like best is like worst", CONSTITUENT_MASKING, TASK_FALLS,
     "((LIKE_BEST, best), (LIKE_WORST, worst))",
     "((LIKE_BEST, worst), (LIKE_WORST, best))"),
    ("pairs reversed", CONSTITUENT_MASKING, CONTRASTS_ABILITY,
     '(f"{WORST} {OF_LAYER}", f"{BEST} {OF_LAYER}"),',
     '(f"{BEST} {OF_LAYER}", f"{WORST} {OF_LAYER}"),'),
    ("random draws of one seed", CONSTITUENT_MASKING, MASKING_ENDS,
     "first = model.run.seeds.index(seed) * count",
     "first = 0"),
    ("random of layer is not", CONSTITUENT_MASKING, TASK_FALLS,
     "return random_mask(*shape, budget, draw, per_layer=layered)",
     "return random_mask(*shape, budget, draw)"),
    ("like: not shuffled", CONSTITUENT_MASKING, TASK_FALLS,
     "return shuffled_in_layers(order(budget), draw)",
     "return order(budget)"),
    ("sections of the language swapped", TREEBANK, SECTIONS_WITHOUT,
     'SPLITS = {"tune": "validation", "test": "test"}',
     'SPLITS = {"tune": "test", "test": "validation"}'),
    ("tune of the language is test", TREEBANK, SECTIONS_WITHOUT,
     'SPLITS = {"tune": "validation", "test": "test"}',
     'SPLITS = {"tune": "test", "test": "test"}'),
    ("contrasts by ability: sign", "jaxheads/studies/workbench/answers.py", CONTRASTS_ABILITY,
     "contrast_rows(model, task, of(one), of(two), answers[0], **what)",
     "contrast_rows(model, task, of(two), of(one), answers[0], **what)"),
    ("contrasts: at all heads", "jaxheads/studies/workbench/answers.py", CONTRASTS_ABILITY,
     "place = int(np.argmin(np.abs(budgets - budgets[0] / 2)))",
     "place = int(np.argmin(np.abs(budgets - budgets[0] / 4)))"),
)
