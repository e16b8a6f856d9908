"""Faults of the study of Peyrard et al. 2021: the head, its controls, places, questions, models."""

# fmt: off
from __future__ import annotations

PLANTED = "tests/studies/peyrard2021/test_planted.py::test_"
CONTRAST = "tests/analysis/test_contrast.py::test_"
LOCALISED = "tests/analysis/test_localisation.py::test_"
HUMOR = "tests/data/headlines/test_humor.py::test_"
PAIRS = "tests/data/headlines/test_pairs.py::test_"
HEAD = f"{PLANTED}validation_names_the_head_and_test_says_what_it_is_worth"
FIRST = f"{PLANTED}the_first_tokens_attention_has_a_head_of_its_own"
EDITED = f"{PLANTED}the_edited_word_is_localised_by_the_head_and_by_rules_of_validation"
CONTROLS = f"{PLANTED}controls_look_at_the_same_head_in_other_models"
ACCURACY = f"{PLANTED}accuracy_is_of_test_and_of_the_pairs_it_says"
GATED = f"{PLANTED}the_gate_of_the_head_costs_what_it_alone_carries"
HANG = f"{PLANTED}decisions_hang_on_the_words_that_heads_carry"
LEAKS = f"{PLANTED}surface_leaks_are_learned_from_training_pairs"
TASKS = f"{PLANTED}tasks_train_on_train_pairs_and_are_measured_on_test_pairs"
DISTANCES = f"{PLANTED}distances_are_means_over_sentences_and_heads"
MAPS = f"{PLANTED}maps_are_of_the_test_pairs_and_their_halves"
VIEWS = f"{PLANTED}one_headline_is_shown_that_the_head_finds_and_one_that_it_misses"
FOUR = f"{CONTRAST}the_four_maps_are_means_over_pairs"
WORD = f"{CONTRAST}a_word_gets_the_sum_of_its_pieces_and_the_mean_over_queries"
CERTAIN = f"{CONTRAST}a_planted_head_is_found_and_is_the_only_significant_one"
GROUPS = f"{CONTRAST}pairs_of_one_group_count_once"
FLIPS = f"{CONTRAST}p_values_are_those_of_all_sign_flips"
HOLM = f"{CONTRAST}holm_multiplies_the_least_p_value_by_the_number_of_heads"
SIZES = f"{CONTRAST}accuracy_is_split_by_the_size_of_the_edit"
SPECIAL = f"{LOCALISED}the_predicted_word_may_be_a_special_token_only_if_these_count"
RULES = f"{LOCALISED}rules_and_heads_are_known_headline_by_headline"
PLACE = f"{LOCALISED}the_most_edited_place_counts_from_either_end"
COIN = f"{HUMOR}a_coin_puts_one_sentence_of_a_pair_first"
RANDOM_WORD = f"{PAIRS}a_random_word_is_one_of_another_headline"

STUDY, FOUND = "jaxheads/studies/peyrard2021/study.py", "jaxheads/studies/peyrard2021/head.py"
SEEN, MASKING = (
    f"jaxheads/studies/peyrard2021/{name}.py" for name in ("attention", "masking")
)
ABLATION, MODELS = (
    f"jaxheads/studies/peyrard2021/{name}.py" for name in ("head_ablation", "headlines")
)
NUMBERS, POINTED = "jaxheads/analysis/contrast.py", "jaxheads/analysis/localisation.py"
QUESTIONS, ALIGNED = "jaxheads/data/headlines/humor.py", "jaxheads/data/headlines/pairs.py"

FAULTS = (
    ("humor: the head is chosen on test pairs", FOUND, EDITED,
     "choose_head(self.seen.contrast[VALIDATION, QUERIES[0]])",
     "choose_head(self.seen.contrast[TEST, QUERIES[0]])"),
    ("humor: the head is chosen by the first token", FOUND, EDITED,
     "choose_head(self.seen.contrast[VALIDATION, QUERIES[0]])",
     "choose_head(self.seen.contrast[VALIDATION, QUERIES[1]])"),
    ("humor: the head that is tested is chosen on test pairs", FOUND, HEAD,
     "case.seen.contrast[VALIDATION, queries], test, case.groups", "test, test, case.groups"),
    ("humor: intervals over pairs, not originals", FOUND, HEAD,
     "return [each.pair.group for each in self.pairs]",
     "return [each.pair.name for each in self.pairs]"),
    ("humor: the first token has the head of all", FOUND, FIRST,
     "case.seen.contrast[VALIDATION, queries], test, case.groups",
     "case.seen.contrast[VALIDATION, QUERIES[0]], test, case.groups"),
    ("humor: the most edited place of test pairs", FOUND, EDITED,
     "for each in validation])", "for each in case.pairs])"),
    ("humor: a rule less the head", FOUND, EDITED, 'own - hits[rule, ""]', 'hits[rule, ""] - own'),
    ("humor: answered wrong", FOUND, EDITED, "if guess == label and", "if guess != label and"),
    ("humor: the serious side is answered right", FOUND, EDITED,
     "(question.label or case.task == PAIRED)", "(not question.label or case.task == PAIRED)"),
    ("humor: shuffled labels are true ones", FOUND, CONTROLS,
     '(Stage.SHUFFLED, ""): task + SHUFFLED}', '(Stage.SHUFFLED, ""): task}'),
    ("humor: controls of the first seed", FOUND, CONTROLS,
     "variant_file(case.study_model, variant, case.seed))\n        test",
     "variant_file(case.study_model, variant, 0))\n        test"),
    ("humor: controls are the head itself", FOUND, CONTROLS,
     "test = there.contrast[TEST, QUERIES[0]]", "test = own"),
    ("humor: a control less the head", FOUND, CONTROLS,
     "own.contrast()[:, layer, number] - test.contrast()[:, layer, number]",
     "test.contrast()[:, layer, number] - own.contrast()[:, layer, number]"),
    ("humor: a control's best head is chosen by the head's model", FOUND, CONTROLS,
     "there.contrast[VALIDATION, QUERIES[0]], test",
     "case.seen.contrast[VALIDATION, QUERIES[0]], test"),
    ("humor: random words are the edited ones", FOUND, CONTROLS,
     "case.seen.contrast[REPLACED, QUERIES[0]]", "case.seen.contrast[TEST, QUERIES[0]]"),
    ("humor: a random word less the edited one", FOUND, CONTROLS,
     "grouped(here_X - there_X, groups)", "grouped(there_X - here_X, groups)"),
    ("humor: maps of validation pairs", SEEN, MAPS,
     "{queries: seen.contrast[TEST, queries] for",
     "{queries: seen.contrast[VALIDATION, queries] for"),
    ("humor: the second half first", SEEN, MAPS,
     "for half in (slice(middle), slice(middle, None))",
     "for half in (slice(middle, None), slice(middle))"),
    ("humor: the serious side is localised", SEEN, EDITED,
     "if (split, side) == (TEST, FUNNY):", "if (split, side) == (TEST, SERIOUS):"),
    ("humor: distances from itself", SEEN, DISTANCES,
     "_maps(study_model, base, sentences)", "_maps(study_model, model, sentences)"),
    ("humor: distances of a pair from its own side", SEEN, DISTANCES,
     "attention_distance(first, attention_LHTT)", "attention_distance(first, first)"),
    ("humor: all heads but one are gated", ABLATION, GATED,
     "mask_LH = np.ones(shape, bool)\n        mask_LH[layer, number] = False",
     "mask_LH = np.zeros(shape, bool)\n        mask_LH[layer, number] = True"),
    ("humor: the gate of the layer before", ABLATION, GATED,
     "mask_LH[layer, number] = False", "mask_LH[layer - 1, number] = False"),
    ("humor: whole less gated", ABLATION, GATED,
     "correct(mask_LH) - whole_N", "whole_N - correct(mask_LH)"),
    ("humor: the head is one of the others", ABLATION, GATED,
     "enumerate(changes) if number != chosen]", "enumerate(changes)]"),
    ("humor: rank from the least loss", ABLATION, GATED,
     "<= float(changes[chosen].mean())", ">= float(changes[chosen].mean())"),
    ("humor: what is missed is found", ABLATION, VIEWS,
     "{int(place): bool(hit_X[place])", "{int(place): not hit_X[place]"),
    ("humor: views of another head", ABLATION, VIEWS,
     "int(index): attention[layer, number]", "int(index): attention[layer, number - 1]"),
    ("humor: flips of the other side", MASKING, HANG,
     "((side_W == side) & edited_W,", "((side_W != side) & edited_W,"),
    ("humor: flips from the answer to another question", MASKING, HANG,
     "before_Q[question_W]", "before_Q[question_W - 1]"),
    ("humor: measured on validation pairs", MODELS, TASKS,
     "_source(model, task, TEST, seed)", "_source(model, task, VALIDATION, seed)"),
    ("humor: trained on test pairs", MODELS, TASKS,
     "_source(model, task, TRAIN, seed, shuffled=shuffled)",
     "_source(model, task, TEST, seed, shuffled=shuffled)"),
    ("humor: labels are never shuffled", MODELS, TASKS,
     "_source(model, task, TRAIN, seed, shuffled=shuffled)", "_source(model, task, TRAIN, seed)"),
    ("humor: held-out labels are shuffled too", MODELS, TASKS,
     "_source(model, task, TEST, seed)", "_source(model, task, TEST, seed, shuffled=shuffled)"),
    ("humor: validated on test pairs", MODELS, TASKS,
     "_source(model, task.task.name, VALIDATION, seed)",
     "_source(model, task.task.name, TEST, seed)"),
    ("humor: pairs in the order of the first seed", MODELS, TASKS,
     "pad_id, seed=seed, shuffled=shuffled)", "pad_id, seed=0, shuffled=shuffled)"),
    ("humor: pairs are trained as single ones", MODELS, TASKS,
     "settings.paired or single if", "single if"),
    ("humor: shuffled labels are measured on the true model", STUDY, ACCURACY,
     "model_of(study_model, variant, seed)\n    found",
     "model_of(study_model, task, seed)\n    found"),
    ("humor: pairs that some took for satire", STUDY, ACCURACY,
     "pair.seriousness == RATED", "pair.seriousness != RATED"),
    ("humor: leaks are learned from test pairs", STUDY, LEAKS,
     "_leaks(model, train, test)", "_leaks(model, test, train)"),
    ("humor: bags of words of test pairs", STUDY, LEAKS,
     "bag_of_words_accuracy(_examples(task, train),",
     "bag_of_words_accuracy(_examples(task, test),"),

    ("contrast: serious less funny", NUMBERS, FOUR,
     "return funny - (self.edited_serious - self.other_serious)",
     "return self.edited_serious - self.other_serious - funny"),
    ("contrast: the last token for the first", NUMBERS, WORD,
     '"first": slice(1)', '"first": slice(-1, None)'),
    ("contrast: others for edited", NUMBERS, WORD,
     "Looked(weight_LHN[..., is_edited_N].mean(-1), weight_LHN[..., ~is_edited_N].mean(-1))",
     "Looked(weight_LHN[..., ~is_edited_N].mean(-1), weight_LHN[..., is_edited_N].mean(-1))"),
    ("contrast: the least for the greatest", NUMBERS, CERTAIN,
     "int(chosen_LH.argmax())", "int(chosen_LH.argmin())"),
    ("contrast: chosen where it is tested", NUMBERS, HEAD,
     "layer, head = choose_head(validation)", "layer, head = choose_head(test)"),
    ("contrast: validation's is that of test", NUMBERS, HEAD,
     "float(validation.contrast()[:, layer, head].mean())",
     "float(value_XLH[:, layer, head].mean())"),
    ("contrast: permutations that fall short", NUMBERS, FLIPS,
     "(signs @ flat_XN >= least)", "(signs @ flat_XN <= least)"),
    ("contrast: what is observed is no permutation", NUMBERS, CERTAIN,
     "as_far_N = np.ones(heads)", "as_far_N = np.zeros(heads)"),
    ("contrast: pairs of a group flip apart", NUMBERS, GROUPS,
     "sign_flip_p_values(sum_GLH,", "sign_flip_p_values(value_XLH,"),
    ("contrast: Bonferroni for Holm", NUMBERS, HOLM,
     "flat[order] * np.arange(len(flat), 0, -1)", "flat[order] * len(flat)"),
    ("contrast: small edits are great ones", NUMBERS, SIZES,
     "np.stack([small_YX, ~small_YX])", "np.stack([~small_YX, small_YX])"),
    ("localisation: the fainter special token", POINTED, SPECIAL,
     "np.where(other_LH > weight_LHN.max(-1)", "np.where(other_LH < weight_LHN.max(-1)"),
    ("localisation: the first word for the last", POINTED, RULES,
     "each.words - 1 in each.edited,\n            -each", "0 in each.edited,\n            -each"),
    ("localisation: the least edited place", POINTED, PLACE,
     "(-count[place], abs(place), place)", "(count[place], abs(place), place)"),
    ("humor: the funny sentence is always the first", QUESTIONS, COIN,
     'Draws(seed, "order of pair", pair.name).below(2)', "1"),
    ("humor: random words of the pair itself", ALIGNED, RANDOM_WORD,
     "draws.pick(words)) in used:", "draws.pick(words)) not in used:"),
)
