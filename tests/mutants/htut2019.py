"""Faults of the study of Htut et al. 2019: arcs, halves, heads of relations and trees, change."""

# fmt: off
from __future__ import annotations

PLANTED = "tests/studies/htut2019/test_planted.py::test_"
BY_HAND = "tests/studies/htut2019/test_study.py::test_"
ARCS = "tests/analysis/test_arcs.py::test_"
CHOSEN = "tests/analysis/test_specialists.py::test_"
TREES = f"{PLANTED}the_head_for_trees_is_chosen_on_one_half_and_scored_on_the_other"
LAYERS = f"{PLANTED}each_layer_has_a_head_for_trees_of_its_own"
PUNCTUATION = f"{PLANTED}punctuation_counts_where_it_is_said_to"
OFFSET = f"{PLANTED}an_offset_is_chosen_on_one_half_and_scored_on_the_other"
BASELINES = f"{PLANTED}baselines_are_of_the_half_that_scores"
BLIND = f"{PLANTED}heads_that_see_no_word_find_what_their_names_say"
CHANGE = f"{PLANTED}change_is_after_less_before_each_by_its_own_head"
CONTROLS = f"{PLANTED}controls_are_models_with_random_weights_of_their_own"
MASS = f"{PLANTED}attention_on_gold_arcs_is_counted_by_hand"
MAPS = f"{PLANTED}maps_have_the_half_that_chooses_first"
DRAWN = f"{PLANTED}sentences_that_are_drawn_chose_no_head_and_show_the_chosen_ones"
PAIRS = f"{BY_HAND}arcs_to_draw_are_the_pairs_that_a_head_makes"
NEAREST = f"{BY_HAND}sentences_to_draw_are_of_the_other_half_and_of_about_ten_words"
SHARES = f"{BY_HAND}the_attention_on_a_relation_is_that_of_its_arcs_by_hand"
REQUEST = (
    "tests/studies/htut2019/test_arcs.py::"
    "test_attention_between_words_is_made_a_distribution_on_request"
)
MACRO = (
    "tests/studies/htut2019/test_arcs.py::"
    "test_the_mean_of_sentences_weighs_long_and_short_ones_alike"
)
SPLIT = f"{BY_HAND}without_a_file_the_sentences_are_those_of_the_validation_split"
SENTENCE = f"{ARCS}the_sentence_by_hand"
SHARED = f"{ARCS}the_attention_of_the_sentence_by_hand_is_shared_out"
GOLD = f"{ARCS}gold_attention_is_found_whole_by_the_trees"
LOG = f"{ARCS}raw_and_log_weights_choose_other_trees"
SUBTYPES = f"{ARCS}subtypes_are_kept_on_request"
ATTACHED = f"{ARCS}accuracies_and_attachment_count_the_same_arcs"
NEAR = f"{CHOSEN}the_planted_head_is_chosen_and_its_score_is_that_of_the_other_half"
GENERAL = f"{CHOSEN}the_best_head_for_trees_is_chosen_on_one_half_and_scored_on_the_other"
HALVES = f"{CHOSEN}halves_are_drawn_from_the_seed"

STUDY, FILES = "jaxheads/studies/htut2019/study.py", "jaxheads/studies/htut2019/arcs.py"
READ = "jaxheads/inference/dependencies.py"
METHODS, SPECIALISTS = "jaxheads/analysis/arcs.py", "jaxheads/analysis/specialists.py"

FAULTS = (
    ("htut: halves swapped", STUDY, TREES,
     "return halves(len(_sentences(model).trees), model.run.study.half)",
     "return ~halves(len(_sentences(model).trees), model.run.study.half)"),
    ("htut: fine-tuned is pre-trained", STUDY, TREES,
     "_recorded(model, model.tuned(task, seed), task, seed)",
     "_recorded(model, model.base, task, seed)"),
    ("htut: fine-tuned with the first seed", STUDY, TREES,
     "_recorded(model, model.tuned(task, seed), task, seed)",
     "_recorded(model, model.tuned(task, model.run.seeds[0]), task, seed)"),
    ("htut: heads named one too high", STUDY, TREES,
     'head = {"layer": best.layer, "head": best.head}\n        rows +=',
     'head = {"layer": best.layer, "head": best.head + 1}\n        rows +='),
    ("htut: the mean of sentences is that of arcs", STUDY, MACRO,
     "Metric.UUAS_MEAN, best.macro, head", "Metric.UUAS_MEAN, best.micro, head"),
    ("htut: layers named one too high", STUDY, LAYERS,
     '"reading": reading, "layer": layer}', '"reading": reading, "layer": layer + 1}'),
    ("htut: punctuation does not count where it is said to", STUDY, PUNCTUATION,
     "generalist(hits, reading, punctuation=True", "generalist(hits, reading, punctuation=False"),
    ("htut: baselines of the half that chooses", STUDY, BASELINES,
     "scored_A = ~chosen_N[hits.arcs.sentence_A]", "scored_A = chosen_N[hits.arcs.sentence_A]"),
    ("htut: before less after", STUDY, CHANGE,
     "arc_sums(two_A - one_A", "arc_sums(one_A - two_A"),
    ("htut: change by the head of before", STUDY, CHANGE,
     "MAX, [one, two], of_A)", "MAX, [one, one], of_A)"),
    ("htut: change of trees by the head of before", STUDY, CHANGE,
     "for hits in (before, after)\n        ]", "for hits in (before, before)\n        ]"),
    ("htut: change on the half that chooses", STUDY, CHANGE,
     "scored_A = ~chosen_N[before.arcs.sentence_A]",
     "scored_A = chosen_N[before.arcs.sentence_A]"),
    ("htut: change with punctuation", STUDY, CHANGE,
     "pair, scored_A & before.arcs.words_A)", "pair, scored_A)"),
    ("htut: random weights are the pre-trained ones", STUDY, CONTROLS,
     "model = init_model(config, readout, jax.random.key(1000 + number))",
     "model = study_model.base"),
    ("htut: random weights of one draw", STUDY, CONTROLS,
     "jax.random.key(1000 + number)", "jax.random.key(1000)"),
    ("htut: uniform attention on one direction", STUDY, MASS,
     "2 * len(words) / sum(words)", "len(words) / sum(words)"),
    ("htut: maps of another half", STUDY, MAPS,
     "record, task, seed, settings.half)", "record, task, seed, settings.half + 1)"),
    ("htut: drawn by the head of the scored half", STUDY, DRAWN,
     "punctuation=False, chosen_N=chosen_N)\n        name",
     "punctuation=False, chosen_N=~chosen_N)\n        name"),
    ("htut: views of the first head", STUDY, DRAWN,
     "tree.words, map_LHPP[head])", "tree.words, map_LHPP[0, 0])"),
    ("htut: heads that see no word are named one off", STUDY, BLIND,
     "hits.found_by(reading, 0, n) for n", "hits.found_by(reading, 0, n - 1) for n"),
    ("htut: maps have the scored half first", FILES, MAPS,
     "for chosen in (first_N, ~first_N))", "for chosen in (~first_N, first_N))"),
    ("htut: sharpness has the scored half first", FILES, MAPS,
     "sharpness.save(study_model, model, task, seed, first_N)",
     "sharpness.save(study_model, model, task, seed, ~first_N)"),
    ("htut: maps of trees with punctuation", READ, MAPS,
     "arcs.words_A if chosen_A is None else arcs.words_A & chosen_A",
     "arcs.words_A | True if chosen_A is None else chosen_A"),
    ("htut: sentences that chose are drawn", FILES, DRAWN,
     "if not chosen_N[number] and", "if chosen_N[number] and"),
    ("htut: the longest and shortest are drawn", FILES, NEAREST,
     "key=lambda number: abs(", "key=lambda number: -abs("),
    ("htut: trees are drawn from the first word", FILES, PAIRS,
     "maximum_arborescences(own_TT[None], tree.heads.index(0))",
     "maximum_arborescences(own_TT[None], 0)"),
    ("htut: words are drawn to themselves", FILES, PAIRS,
     "off = attention * ~np.eye(attention.shape[-1], dtype=bool)", "off = attention"),
    ("htut: looking anywhere is at oneself too", FILES, SHARES,
     "[hits.arcs.sentence_A] - 1", "[hits.arcs.sentence_A]"),
    ("htut: relations of few arcs are reported", FILES, SHARES,
     "if of_A.sum() >= least:", "if of_A.any():"),
    ("htut: made a distribution without a request", READ, REQUEST,
     "renormalised(attention) if renormalise",
     "renormalised(attention) if not renormalise"),
    ("htut: sentences of the training split", FILES, SPLIT,
     'sentence("validation", number)', 'sentence("train", number)'),

    ("arcs: a word's attention to itself counts", METHODS, SENTENCE,
     "attention_NLHTT * ~np.eye(heads_NT.shape[1], dtype=bool)", "attention_NLHTT"),
    ("arcs: from head to dependent", METHODS, SENTENCE,
     '"dependent to head": lambda view: view.up(view.target)',
     '"dependent to head": lambda view: view.down(view.target)'),
    ("arcs: the dependent that is attended to most", METHODS, SENTENCE,
     "view.up(view.source)", "view.down(view.source)"),
    ("arcs: trees from children to parents", METHODS, GOLD,
     "maximum_arborescences(weight_NLHTT.reshape(-1, words, words)",
     "maximum_arborescences(weight_NLHTT.swapaxes(-1, -2).reshape(-1, words, words)"),
    ("arcs: trees of logarithms are of sums", METHODS, LOG,
     '"mst log": lambda view: view.either(view.log_parent)',
     '"mst log": lambda view: view.either(view.parent)'),
    ("arcs: directions of attention swapped", METHODS, SHARED,
     'mass={"dependent to head": sum_RDLH[:, 0], "head to dependent": sum_RDLH[:, 1]}',
     'mass={"dependent to head": sum_RDLH[:, 1], "head to dependent": sum_RDLH[:, 0]}'),
    ("arcs: shares of what the other end gives", METHODS, SHARED,
     "ends = (self.dependent_A, self.head_A)\n        whole",
     "ends = (self.head_A, self.dependent_A)\n        whole"),
    ("arcs: attention on arcs in one direction", METHODS, SHARED,
     "self.on_arcs.sum((0, 1))", "self.on_arcs[0].sum(0)"),
    ("arcs: subtypes are kept without a request", METHODS, SUBTYPES,
     "return relation if subtypes else", "return relation if not subtypes else"),
    ("arcs: a subtype of punctuation is a word's", METHODS, SUBTYPES,
     'strip_subtype(name) == "punct"', 'name == "punct"'),
    ("arcs: punctuation alone", METHODS, ATTACHED,
     "found_A if punctuation else found_A[arcs.words_A]",
     "found_A if punctuation else found_A[~arcs.words_A]"),

    ("specialists: the worst head", SPECIALISTS, NEAR,
     "np.unravel_index(score_LH.argmax(), score_LH.shape))\n    of_A",
     "np.unravel_index(score_LH.argmin(), score_LH.shape))\n    of_A"),
    ("specialists: chosen on the scored half", SPECIALISTS, NEAR,
     "relation_accuracies(hits, method, chosen_A)",
     "relation_accuracies(hits, method, ~chosen_A)"),
    ("specialists: scored where chosen", SPECIALISTS, NEAR,
     "accuracy=arc_sums(found_A, arcs, scored_A)", "accuracy=arc_sums(found_A, arcs, tuned_A)"),
    ("specialists: the offset's gain", SPECIALISTS, NEAR,
     "found_A.astype(float) - by_offset_A", "by_offset_A - found_A.astype(float)"),
    ("specialists: the signed offset for the unsigned", SPECIALISTS, OFFSET,
     "np.abs(arcs.offset_A) == unsigned.offset", "arcs.offset_A == signed.offset"),
    ("specialists: the offset is chosen where it is scored", SPECIALISTS, OFFSET,
     "offset_baseline(arcs, scored_A, tuned_A, signed=kind)",
     "offset_baseline(arcs, scored_A, signed=kind)"),
    ("specialists: the best of all is of the scored half", SPECIALISTS, GENERAL,
     "best = attachment(hits.found(method), hits.arcs, punctuation=punctuation).max()",
     "best = hits.found(method, scored_A).mean(0).max()"),
    ("specialists: sentences that do not count are means of 0", SPECIALISTS, GENERAL,
     "(arcs_N > 0).astype(float))", "np.ones(len(arcs_N)))"),
    ("specialists: the half that chooses is rounded up", SPECIALISTS, HALVES,
     "[: sentences // 2]", "[: -(-sentences // 2)]"),
    ("specialists: halves of one seed", SPECIALISTS, HALVES,
     "np.random.default_rng(seed).permutation", "np.random.default_rng(0).permutation"),
)
