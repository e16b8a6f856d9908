"""Which words a classifier's decisions hang on, after Table 3 of Peyrard et al. 2021.

Each word of the test pairs of small edits is masked in turn. All pieces of a word become mask
tokens; a decision flips where another answer is given then. The paper masks words of single
sentences and does not say how words of several pieces are masked; pairs, in which one word of one
side is masked, are ours.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from jaxheads.analysis.sums import grouped
from jaxheads.data.headlines.encoded import analysable, masked_source, question_source
from jaxheads.records.folder import EDITED, FUNNY, OTHER_WORD, SERIOUS, Metric, Stage
from jaxheads.records.rows import Row
from jaxheads.studies.peyrard2021.headlines import (
    TEST,
    humor_task,
    model_of,
    read_headlines,
)
from jaxheads.studies.runner.cells import name_of
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.seeds import Sampled


def masked(study_model: StudyModel, task: str, seed: int) -> list[Row]:
    """The share of decisions that flip: edited words, others, and the difference, by side."""
    pairs = analysable(read_headlines(study_model).splits[TEST]).pairs
    prepared, model = humor_task(study_model, task, seed), model_of(study_model, task, seed)
    pad_id, mask_id = study_model.tokenizer.pad_id, study_model.tokenizer.mask_id
    assert mask_id is not None, "the tokenizer of a masked LM has a mask token"
    whole = question_source(pairs, task, pad_id, seed=seed)
    changed, words = masked_source(pairs, task, pad_id, mask_id, seed=seed)
    before_Q, after_W = (
        study_model.scorer.measure(
            model, prepared._replace(held_out=study_model.reader.placed(source, prepared.lengths))
        ).answers.guess_M
        for source in (whole, changed)
    )
    question_W, pair_W, side_W, edited_W = map(np.array, zip(*words, strict=True))
    flipped_W = after_W != before_Q[question_W]
    groups = [each.pair.group for each in pairs]
    rows, found = [], Sampled(study_model, task, seed)
    for side in (FUNNY, SERIOUS):
        edited_X, other_X = (
            _share_by_pair(flipped_W[own_W], pair_W[own_W])
            for own_W in ((side_W == side) & edited_W, (side_W == side) & ~edited_W)
        )
        shares = {
            (EDITED, ""): edited_X,
            (OTHER_WORD, ""): other_X,
            (EDITED, OTHER_WORD): edited_X - other_X,
        }
        for (one, two), share_X in shares.items():
            what = {"stage": Stage.WORDS_MASKED, "place": side, "method": one, "other_method": two}
            rows += found.rows(Metric.FLIPPED, grouped(share_X, groups), **what)
    found.save(name_of(masked, study_model, task, seed))
    return rows


def _share_by_pair(
    flipped_w: Bool[np.ndarray, "w"], pair_w: Int[np.ndarray, "w"]
) -> Float[np.ndarray, "X"]:
    """Of each pair, which has such words, the share of them that flip the decision."""
    return np.bincount(pair_w, flipped_w) / np.bincount(pair_w)
