"""A checkpoint of any kind becomes a masked LM: a new readout first, then the encoder too."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

from jaxheads.config import OptimizerConfig, ReadoutConfig, TrainingConfig
from jaxheads.data.tokens import load_tokenizer
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.storage.store import Store
from jaxheads.studies.settings import ModelSettings, Pretrain, Run, ScoringSettings, TextSettings
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.pretrain import pretrained

LM = "builtin:roberta"
TRAINING = TrainingConfig(
    steps=40, batch_size=16, optimizer=OptimizerConfig(learning_rate=1e-2, weight_decay=0.0)
)


def study_model(folder, source, **changes) -> StudyModel:
    settings = ModelSettings("m", source=source, pretrain=dataclasses.replace(TRAINING, **changes))
    run = Run(
        study=Pretrain(), name="further", models=(settings,),
        text=TextSettings("grammar_mlm", length=24, held_out_blocks=32),
        scoring=ScoringSettings(examples=32), devices=1,
    )  # fmt: skip
    return StudyModel(run, settings, Store(folder))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The built-in encoder without its readout, beside its tokenizer."""
    path = tmp_path_factory.mktemp("encoder") / "model"
    model = load_model(LM)
    bare = model._replace(readout=ReadoutConfig(), params={**model.params, "readout": {}})
    save_model(bare, path, tokenizer=load_tokenizer(LM))
    return str(path)


def accuracy(rows) -> float:
    (found,) = (row.value for row in rows if (row.stage, row.metric) == ("whole", "accuracy"))
    return found


def same_encoder(one, two) -> bool:
    leaves = zip(*(jax.tree.leaves(m.params["encoder"]) for m in (one, two)), strict=True)
    return all(np.array_equal(a, b) for a, b in leaves)


def test_an_encoder_alone_gets_a_readout_that_learns_while_it_stays_as_it_is(encoder, tmp_path):
    model = study_model(tmp_path, encoder, frozen_steps=40)
    rows = pretrained(model)
    assert same_encoder(load_model(tmp_path / "models" / "m"), load_model(encoder))
    floor = max(row.value for row in rows if (row.stage, row.metric) == ("floor", "accuracy"))
    assert accuracy(rows) > floor + 0.05
    assert load_tokenizer(tmp_path / "models" / "m").vocab_size == model.tokenizer.vocab_size


def test_after_its_frozen_steps_the_encoder_learns_too(encoder, tmp_path):
    pretrained(study_model(tmp_path, encoder, steps=2, frozen_steps=1))
    assert not same_encoder(load_model(tmp_path / "models" / "m"), load_model(encoder))


def test_a_masked_lm_goes_on_from_its_own_readout(tmp_path):
    model = study_model(tmp_path, LM, steps=1, optimizer=OptimizerConfig(learning_rate=1e-9))
    before = model.scorer.measure(load_model(LM), model.text).metrics["accuracy"]
    assert accuracy(pretrained(model)) == pytest.approx(before)
    assert model.layout.num_layers == load_model(LM).config.num_layers


def test_a_model_has_either_a_source_or_an_encoder():
    with pytest.raises(ValueError, match="expected either a source or an encoder to pretrain"):
        ModelSettings("m", pretrain=TRAINING)
