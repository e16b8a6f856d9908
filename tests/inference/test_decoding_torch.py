"""Beam search against transformers' `generate`, on random weights, whole and masked."""

from __future__ import annotations

import numpy as np
import pytest

from jaxheads.inference.decoding import decode
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.model import Model
from jaxheads.pruning.cut import zero
from jaxheads.pruning.mask import random_mask
from tests.models.checkpoint.test_marian_torch import random_marian, torch, transformers
from tests.support.translation import CONFIG, TRANSLATION, random_batch

pytestmark = pytest.mark.torch

BATCH = random_batch(CONFIG)


def generated(model, source, real, beams: int, length: int) -> list[list[int]]:
    how = {
        "num_beams": beams, "max_length": length + 1, "do_sample": False, "early_stopping": False,
        "length_penalty": 1.0, "bad_words_ids": [[59]], "forced_eos_token_id": 0,
        "attention_mask": torch.tensor(real).long(),
    }  # fmt: skip
    found = model.generate(torch.tensor(source).long(), **how)
    return [ended(row[1:]) for row in found.tolist()]


def ended(row: list[int]) -> list[int]:
    return row[: row.index(0) + 1]


@pytest.mark.parametrize(("seed", "end"), [(0, 2.0), (1, 2.5), (2, 1.5)])
def test_beams_are_those_of_generate(seed, end, tmp_path):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 10, 12)
    real = np.arange(10) < counts[:, None]
    source = np.where(real, rng.integers(1, 59, real.shape), 59)
    random = random_marian(seed)
    random.final_logits_bias[0, 0] += end  # so that some end before there is no more room
    random.save_pretrained(tmp_path / "theirs")
    ours = load_model(tmp_path / "theirs")
    mask_LH = random_mask(7, 4, 18, seed)
    silent = Model(CONFIG, TRANSLATION, zero(ours.params, ours.config, mask_LH))
    save_model(silent, tmp_path / "silent")
    lengths = set()
    for directory, gate in (("theirs", None), ("silent", mask_LH.astype(np.float32))):
        theirs = transformers.MarianMTModel.from_pretrained(tmp_path / directory).eval()
        for beams in (4, 1):
            found = decode(*ours, source, real, gate, beams=beams, length=15)
            rows = [ended(row) for row in np.asarray(found.tokens_BT).tolist()]
            assert rows == generated(theirs, source, real, beams, 15)
            lengths |= {len(row) for row in rows}
    assert len(lengths) > 1
