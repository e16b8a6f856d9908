"""Faults of the lower rooms: splits, noise, ties, first weights, the best head for trees."""

# fmt: off
from __future__ import annotations

RELIABILITY = "tests/importance/test_reliability.py::test_"
SUBSET = "tests/importance/gates/test_subset.py::test_"
META = "tests/importance/meta/test_scoring.py::test_"
MASK = "tests/pruning/test_mask.py::test_"
SPECIALISTS = "tests/analysis/test_specialists.py::test_"
NO_EXAMPLE = f"{RELIABILITY}no_example_is_in_both_halves_and_none_in_neither"
HALF_HALF = f"{RELIABILITY}a_half_is_half_of_the_examples_and_the_other_half_the_rest"
NOISE_DRAWS = f"{SUBSET}the_noise_draws_heads_as_often_as_the_softmax_of_their_weights"
EQUAL_WEIGHTS = f"{SUBSET}of_equal_weights_the_gates_keep_the_heads_that_masks_keep"
WEIGHTS_START = f"{SUBSET}the_weights_start_by_xavier_as_the_papers_code_has_them"
FIFTH_DIMENSIONS = f"{META}a_fifth_of_the_dimensions_is_seen_in_a_step"
SHARED_HEAD = f"{MASK}a_shared_head_is_ranked_by_the_mean_of_its_uses"
BEST_HEAD = f"{SPECIALISTS}the_best_head_for_trees_is_chosen_on_one_half_and_scored_on_the_other"

RELIABILITY_FILE = "jaxheads/importance/reliability.py"
SUBSET_FILE = "jaxheads/importance/gates/subset.py"
GATE = "jaxheads/importance/gates/gate.py"
META_FILE = "jaxheads/importance/meta/scoring.py"
MASK_FILE = "jaxheads/pruning/mask.py"
SPECIALISTS_FILE = "jaxheads/analysis/specialists.py"
INTERVALS, SUMS = "jaxheads/analysis/intervals.py", "jaxheads/analysis/sums.py"
NOTHING_VARIED = (
    "tests/analysis/test_intervals.py::"
    "test_where_nothing_varied_there_is_no_interval_unless_all_is_zero"
)
TOGETHER = (
    "tests/analysis/test_sums.py::test_models_together_are_bounded_over_models_and_examples"
)

PARITY = "tests/models/test_parity.py::test_every_family_and_readout_agrees_with_hugging_face"
PARITY_OF_MEAN = f"{PARITY}[modernbert-mean]"
WINDOW = (
    "tests/models/test_encoder.py::"
    "test_a_token_of_a_local_layer_sees_its_window_and_no_farther"
)
PIPELINES = "tests/data/test_pipelines.py::test_"
BY_FILES = f"{PIPELINES}a_vocab_txt_is_wordpiece_whatever_the_model"
COPIED = f"{PIPELINES}a_copy_of_a_tokenizers_files_by_name_or_by_directory_tokenises_alike"
ATTENTION_FILE = "jaxheads/models/attention.py"
ENCODER_FILE, PIPELINES_FILE = "jaxheads/models/encoder.py", "jaxheads/data/pipelines.py"

PACKING_FILE, PACKED = "jaxheads/models/packing.py", "tests/models/test_packing.py::test_"
PACKED_ALONE = (
    f"{PACKED}logits_and_the_gradient_of_each_examples_gate_are_those_of_the_example_alone"
)

FAULTS = (
    ("packing: tokens see the whole row", PACKING_FILE, PACKED_ALONE,
     "(self.slot_RT[:, :, None] == self.slot_RT[:, None])", "(self.slot_RT[:, :, None] >= 0)"),
    ("packing: positions go on", PACKING_FILE, PACKED_ALONE,
     "jnp.arange(self.slot_RT.shape[1]) - start", "jnp.arange(self.slot_RT.shape[1]) - 0 * start"),
    ("packing: effects by position are the row's", "jaxheads/importance/gradient.py",
     "tests/importance/test_packed.py::test_scores_are_those_of_one_example_at_a_time",
     "        return packing.sum_over_examples(effect)",
     "        return packing.sum_over_examples(effect + 0 * effect.sum(-1, keepdims=True) + 1e-3)"),
    ("families: rotary positions turn backwards", "jaxheads/models/attention.py", PARITY_OF_MEAN,
     "[one * cos - two * sin, two * cos + one * sin]",
     "[one * cos + two * sin, two * cos - one * sin]"),
    ("families: the window is one narrower", ATTENTION_FILE, WINDOW,
     "<= config.local_window", "< config.local_window"),
    ("families: local layers turn as global ones", ATTENTION_FILE, PARITY_OF_MEAN,
     "jnp.where(local, here_k, everywhere_k)", "jnp.where(local, everywhere_k, everywhere_k)"),
    ("families: the activated part is the other one", "jaxheads/models/checkpoint/modernbert.py",
     PARITY_OF_MEAN, '"up": Part("mlp.Wi", 0, 2)', '"up": Part("mlp.Wi", 1, 2)'),
    ("families: the mean is over padding too", "jaxheads/models/model.py", PARITY_OF_MEAN,
     "else mean_over_tokens(hidden_BTD, real_BT)", "else hidden_BTD.mean(1)"),
    ("families: a tokenizer by the model's type", PIPELINES_FILE, BY_FILES,
     'how = {} if named else {"tokenizer_type": _owner(directory, files)}', "how = {}"),
    ("families: added tokens stay behind", PIPELINES_FILE, COPIED,
     '    "added_tokens.json",\n', ""),
    ("halves overlap", RELIABILITY_FILE, NO_EXAMPLE,
     "both = np.concatenate([halves_SR, ~halves_SR])",
     "both = np.concatenate([halves_SR, ~halves_SR | (np.arange(rows) == 2)])"),
    ("second half drawn anew", RELIABILITY_FILE, HALF_HALF,
     "both = np.concatenate([halves_SR, ~halves_SR])",
     "both = np.concatenate([halves_SR, np.random.default_rng(1).permuted(~halves_SR, axis=1)])"),
    ("no noise, bounded", SUBSET_FILE, NOISE_DRAWS,
     '    noisy_LH = theta["weight"] + jax.random.gumbel(key, present_LH.shape)\n    return '
     'bounded_top',
     '    noisy_LH = theta["weight"]\n    return bounded_top'),
    ("no noise, chained", SUBSET_FILE, NOISE_DRAWS,
     '    noisy_LH = theta["weight"] + jax.random.gumbel(key, present_LH.shape)\n    return '
     'chained_top',
     '    noisy_LH = theta["weight"]\n    return chained_top'),
    ("keep_top ties", GATE, EQUAL_WEIGHTS,
     "rank_N = jnp.argsort(jnp.argsort(flat, stable=True), stable=True)",
     "rank_N = flat.size - 1 - jnp.argsort(jnp.argsort(-flat, stable=True), stable=True)"),
    ("init of w", SUBSET_FILE, WEIGHTS_START,
     "bound = np.sqrt(6 / sum(present_LH.shape))",
     "bound = np.sqrt(6 / present_LH.size)"),
    ("init of w zero", SUBSET_FILE, WEIGHTS_START,
     "minval=-bound, maxval=bound)",
     "minval=0, maxval=bound)"),
    ("DIMENSIONS", META_FILE, FIFTH_DIMENSIONS,
     "DIMENSIONS = 0.2",
     "DIMENSIONS = 0.8"),
    ("max for mean tied", MASK_FILE, SHARED_HEAD,
     "return score_LH[0] + (score_LH - score_LH[0]).mean(0) if len(score_LH) > 1 else "
     "score_LH[0]",
     "return score_LH.max(0)"),
    ("generalist on scored", SPECIALISTS_FILE, BEST_HEAD,
     "return hits.found(method, chosen_A).mean(0), scored_A",
     "return hits.found(method, scored_A).mean(0), scored_A"),
    ("generalist on all", SPECIALISTS_FILE, BEST_HEAD,
     "return hits.found(method, chosen_A).mean(0), scored_A",
     "return hits.found(method, counted_A).mean(0), scored_A"),
    ("generalist scores chosen", SPECIALISTS_FILE, BEST_HEAD,
     "return hits.found(method, chosen_A).mean(0), scored_A",
     "return hits.found(method, chosen_A).mean(0), chosen_A"),
    ("generalist macro is micro", SPECIALISTS_FILE, BEST_HEAD,
     "for of in (arc_sums, sentence_sums))",
     "for of in (arc_sums, arc_sums))"),
    ("generalist punctuation", SPECIALISTS_FILE, BEST_HEAD,
     "if punctuation else arcs.words_A\n    chosen_A = ",
     "if not punctuation else arcs.words_A\n    chosen_A = "),
    ("generalist worst", SPECIALISTS_FILE, BEST_HEAD,
     "np.unravel_index(score_LH.argmax(), score_LH.shape))\n    best = ",
     "np.unravel_index(score_LH.argmin(), score_LH.shape))\n    best = "),
    ("intervals: without variance of no width", INTERVALS, NOTHING_VARIED,
     "np.where(known, total, 1)), np.nan)", "np.where(known, total, 1)), 0.0)"),
    ("intervals: rounding is variance", INTERVALS, NOTHING_VARIED,
     "known = total > self.least", "known = total > 0"),
    ("intervals: what is 0 everywhere is unknown", INTERVALS, NOTHING_VARIED,
     "half = np.where(none, 0.0, variance.half_width(level))",
     "half = variance.half_width(level)"),
    ("sums: the first model for all", SUMS, TOGETHER,
     "(np.stack(side) for side in zip(*sums_S, strict=True))",
     "(np.stack(side) for side in zip(*sums_S[:1], strict=True))"),
    ("sums: all models have one ratio", SUMS, TOGETHER,
     "total_S = bottom_SX.sum(1, keepdims=True)",
     "total_S = bottom_SX.sum(1, keepdims=True).mean(0, keepdims=True)"),
)
