"""The table of bytes that devices send each other."""

from __future__ import annotations

import dataclasses
import json

import jax
import pytest

from jaxheads.bench import scaling
from jaxheads.cli.main import main


@pytest.mark.long
def test_scoring_moves_nothing_and_training_its_gradient_on_any_number_of_devices(
    tmp_path, capsys, monkeypatch
):
    jax.devices()  # those of all tests, before more could be asked for
    # without dropout, whose random numbers take most of the time to compile and move nothing
    plain = dataclasses.replace(scaling.TINY, hidden_dropout=0.0, attention_dropout=0.0)
    monkeypatch.setattr(scaling, "TINY", plain)
    words = ["bench", "--scaling", "--tiny", "--length", "8", "--out", str(tmp_path)]
    assert main(words) == 0
    assert "scaling.svg" in capsys.readouterr().out and (tmp_path / "scaling.svg").is_file()
    rows = json.loads((tmp_path / "scaling.json").read_text())
    assert [row["devices"] for row in rows] == [1, 2, 4, 8]
    heads = 3 * 4
    for row in rows:
        alone, gradient = row["devices"] == 1, row["gradient"]
        assert row["scoring, a step"] == 0, row
        assert row["scoring, once a pass"] == (0 if alone else 8 * row["devices"] * (heads + 2)), (
            row
        )
        moved = row["fine-tuning, a step"]  # with the sums of losses and of terms
        assert moved == 0 if alone else gradient <= moved <= gradient + 16, row
