"""Faults of encoder-decoders: heads of three kinds, decoding, and what the decoder reads."""

# fmt: off
from __future__ import annotations

ENCODER_FILE, BLOCKS_FILE = "jaxheads/models/encoder.py", "jaxheads/models/blocks.py"
DECODING_FILE, ENCODE_FILE = "jaxheads/inference/decoding.py", "jaxheads/data/encode.py"
MODEL = "tests/models/test_translation.py::test_"
CUT = f"{MODEL}masked_and_cut_models_give_the_same_logits"
CAUSAL = f"{MODEL}a_target_position_sees_none_after_it_and_padding_is_not_seen"
DECODING = "tests/inference/test_decoding.py::test_"
BEAMS = f"{DECODING}beams_are_those_of_a_plain_search"
GREEDY = f"{DECODING}greedy_takes_the_most_likely_token_until_the_end"
LOOKS = (
    "tests/importance/test_attention.py::"
    "test_attention_scores_of_an_encoder_decoder_are_those_of_plain_loops_by_kind"
)
SIDES_FILE = "jaxheads/data/translation/sides.py"
SIDED = (
    "tests/data/test_sides.py::"
    "test_each_side_is_cut_by_its_own_model_and_numbered_by_the_one_table"
)
TRANSLATING_FILE = "jaxheads/inference/translating.py"
BLEU = (
    "tests/inference/test_translating.py::"
    "test_bleu_of_any_texts_is_computed_from_what_is_kept_of_each"
)
IN_STUDY = "tests/studies/li2021/test_translation.py::test_"
SEEDS = f"{IN_STUDY}seeds_of_what_is_not_pre_trained_begin_with_other_weights"
STUDIED = "tests/models/test_translation.py::test_gates_by_kind_are_those_of_one_array"
PAGE = (
    "tests/report/li2021/test_comparison.py::"
    "test_kinds_of_heads_have_a_table_and_panels_where_there_are_several"
)
READS = (
    "tests/data/test_translation.py::"
    "test_the_decoder_reads_the_target_but_its_end_and_each_next_token_is_due"
)

FAULTS = (
    ("kinds: the source is seen through the gates of the target", ENCODER_FILE, CUT,
     "gate, cross_layers(self.config, run), run.cross)", "gate, run.layers, run.heads)"),
    ("kinds: the decoder sees what comes", ENCODER_FILE, CAUSAL,
     "seen_BTT = before_TT & real_BT[:, None, :]", "seen_BTT = (before_TT | ~before_TT) & real_BT[:, None, :]"),  # noqa: E501
    ("kinds: positions of a step begin anew", BLOCKS_FILE, GREEDY,
     "at = positions(config, real, packing) if at is None else at",
     "at = positions(config, real, packing) if at is None else 0 * at"),
    ("kinds: both attentions are cut alike", "jaxheads/models/layout.py", CUT,
     '"cross": block + config.decoder_layers}', '"cross": block}'),
    ("decoding: the remembered is not reordered", DECODING_FILE, BEAMS,
     "leaf[:, from_n], cache.own)", "leaf, cache.own)"),
    ("decoding: long hypotheses are not helped", DECODING_FILE, BEAMS,
     "ranked_BC = score_BC / (s.at + 1.0) ** penalty", "ranked_BC = score_BC"),
    ("decoding: the end may be left out", DECODING_FILE, GREEDY,
     "return jnp.where(is_last, ended_V, score_nV)", "return score_nV + 0 * ended_V[0] * is_last"),
    ("translation: the token read is due", ENCODE_FILE, READS,
     "np.roll(tokens[:, 1], -1, axis=1)", "np.roll(tokens[:, 1], 0, axis=1)"),
    ("translation: the end is read too", ENCODE_FILE, READS,
     "read = place < count[:, 1:] - 1", "read = place < count[:, 1:]"),
    ("attention: the keys of cross heads are the target's", BLOCKS_FILE, LOOKS,
     "observe=of_sides(observe, 1, 0)", "observe=of_sides(observe, 1, 1)"),
    ("attention: the queries of the decoder are the source's", BLOCKS_FILE, LOOKS,
     "else of_sides(observe, 1, 1)", "else of_sides(observe, 0, 1)"),
    ("attention: the heads that look at the source count its tokens as queries", BLOCKS_FILE, LOOKS,
     "observe=of_sides(observe, 1, 0)", "observe=of_sides(observe, 0, 0)"),
    ("sides: targets are cut by the source's model", SIDES_FILE, SIDED,
     "zip(self._sides, ([], [START])", "zip(self._sides[:1] * 2, ([], [START])"),
    ("sides: unknown pieces have the number of padding", SIDES_FILE, SIDED,
     "unknown = self.numbers[UNKNOWN]", "unknown = self.numbers[START]"),
    ("sides: a cut sentence has no end", SIDES_FILE, SIDED,
     "self._numbered([*pieces, END])", "self._numbered(([*pieces, END])[: most and most - 1])"),
    ("bleu: lengths are exchanged", "jaxheads/inference/metrics.py", BLEU,
     "found[:4], found[4:8], found[8], found[9]", "found[:4], found[4:8], found[9], found[8]"),
    ("bleu: counts are of single texts with smoothed orders", TRANSLATING_FILE, BLEU,
     "[*e.counts, *e.totals, e.sys_len", "[*e.totals, *e.totals, e.sys_len"),
    ("study: all kinds are counted as the encoder's", "jaxheads/models/layout.py", STUDIED,
     "return found._asdict() if isinstance(found, HeadKinds)", "return {\"encoder\": heads} if isinstance(found, HeadKinds)"),  # noqa: E501
    ("study: seeds begin with the same weights", "jaxheads/studies/workbench/model.py", SEEDS,
     "init_model(self.base.config, task.readout, jax.random.key(seed))",
     "init_model(self.base.config, task.readout, jax.random.key(0))"),
    ("page: encoders alone have a table of kinds", "jaxheads/report/li2021/kinds.py", PAGE,
     "[row for row in rows if row.model in models]", "[*rows]"),
)
