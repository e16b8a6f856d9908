"""The study of headlines with a DistilBERT of the built-in language, pre-trained by the study."""

from __future__ import annotations

import pytest

from tests.support.tiny_study import found, study

pytestmark = [pytest.mark.slow, pytest.mark.long]

CONFIG = '''"""A tiny DistilBERT on pairs of the built-in language; another task is a control."""

from jaxheads.config import OptimizerConfig, TrainingConfig
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.studies.settings import (
    CurveSettings, Peyrard2021, ModelSettings, Run, ScoringSettings, TaskSettings, TextSettings
)

DISTILBERT = encoder_config(
    "distilbert", vocab_size=400, hidden_size=16, num_layers=2, num_heads=4, intermediate_size=16,
    max_positions=50, initializer_range=0.3,
)
SHORT = TrainingConfig(
    steps=4, batch_size=8, dropout=0.0, log_every=2, optimizer=OptimizerConfig(learning_rate=1e-2)
)
RUN = Run(
    name="tiny",
    models=(ModelSettings("distilbert", encoder=DISTILBERT, pretrain=SHORT),),
    text=TextSettings("grammar_mlm", length=24, paragraphs=300, held_out_blocks=8),
    tasks=(TaskSettings("grammar_sentiment", length=24, examples=64, held_out_examples=32),),
    finetune=SHORT,
    probe=SHORT,
    seeds=(0,),
    study=Peyrard2021(length=40, pairs=60, held_out_pairs=30, permutations=999),
    scoring=ScoringSettings(examples=16, ablated=0, rescored=0, batch_size=16),
    curve=CurveSettings(batch_size=16, readings=()),
    devices=1,
)
'''


def test_a_distilbert_is_trained_and_its_heads_are_tested(tmp_path):
    config = tmp_path / "tiny.py"
    config.write_text(CONFIG)
    assert study(config, tmp_path / "out") == 0
    out = tmp_path / "out"
    where = {"stage": "pairs of headlines", "method": "test"}
    left = {row.metric: row.value for row in found(out, **where)}
    assert left["pairs"] == 30 - left["left out as too long"] > 20  # words have many pieces
    assert left["left out for words without pieces"] == 0
    for task in ("humor_single", "humor_pair"):
        rows = found(out, stage="head", task=task, method="all tokens")
        value = {row.metric: row.value for row in rows}
        assert value["heads"] == 8
        assert value["pairs"] == left["small edits"] == left["pairs"]
        assert value["p"] <= value["corrected p"] <= 1
        assert found(out, stage="linear probe", task=task, metric="accuracy")
        rows = found(out, stage="control", task=task)
        controls = {(row.method, row.other_task) for row in rows}
        assert {
            ("fine-tuned", "grammar_sentiment"), ("labels shuffled", ""), ("untuned", ""),
        } <= controls  # fmt: skip
    assert {row.model for row in found(out)} == {"distilbert"}
