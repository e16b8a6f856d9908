"""A head planted to look at where its phrase begins is found by F1, from weights to tables."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxheads.analysis.spans import LABELS, choose_heads, label_recall, sentence_f1
from jaxheads.config import ReadoutConfig
from jaxheads.data.language.grammar import sentence
from jaxheads.data.tokens import load_tokenizer
from jaxheads.data.treebanks.constituency import parse_of
from jaxheads.models.checkpoint.convert import save_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import init_model
from jaxheads.storage.store import Store
from jaxheads.studies.luo2021.change import halves
from jaxheads.studies.luo2021.constituents import baseline_counts, counted, readings_of
from jaxheads.studies.luo2021.maps import head_maps
from jaxheads.studies.luo2021.treebank import section_of
from jaxheads.studies.settings import Luo2021, ModelSettings, Run, TextSettings
from jaxheads.studies.workbench.answers import Way
from jaxheads.studies.workbench.model import StudyModel

LAYER, HEAD, WIDTH = 0, 2, 32
OPENERS = {"DT", "CD", "IN", "TO", "CC", "WDT", "VB", "VBZ", "VBP", "VBD", "RB"}
BIG = 100.0  # a constant dimension, so that layer normalisation is nearly a division by a number


def plant(params, opening: list[int]) -> None:
    """The head looks at the nearest word that opens a phrase, rather to the left.

    Embeddings: dimension 0 says whether a word opens a phrase, 1 and 2 its place and the square, 3
    is constant; the second half of the dimensions is their negative, which keeps the mean at 0. The
    logit of j for i is, but for what does not depend on j, 30 [j opens] - 4 (i - 0.4 - j)^2.
    """
    encoder, half = params["encoder"], WIDTH // 2
    tables, attention = encoder["embeddings"], encoder["stack0"]["attention"]
    for name in ("word", "position", "type"):
        tables[name]["table"] = np.zeros(tables[name]["table"].shape, np.float32)
    tables["word"]["table"][opening, 0] = 1
    place = np.arange(len(tables["position"]["table"])) / 10
    tables["position"]["table"][:, 1:4] = np.stack([place, place**2, np.full_like(place, BIG)], 1)
    for name in ("word", "position"):
        tables[name]["table"][:, half:] = -tables[name]["table"][:, :half]
    spread = BIG * (2 / WIDTH) ** 0.5  # what normalisation divides by
    query, key = (np.array(attention[name]["kernel"]) for name in ("query", "key"))
    query[LAYER, :, HEAD], key[LAYER, :, HEAD] = 0, 0
    query[LAYER, 3, HEAD, 0] = spread / BIG  # 1
    query[LAYER, 1, HEAD, 1] = spread  # i / 10
    scale = query.shape[-1] ** 0.5  # the logits are divided by it
    key[LAYER, [0, 1, 2], HEAD, 0] = np.array([30.0, -4 * 2 * 0.4 * 10, -4 * 100]) * spread * scale
    key[LAYER, 1, HEAD, 1] = 4 * 2 * 100 * spread * scale
    attention["query"]["kernel"], attention["key"]["kernel"] = query, key


@pytest.fixture(scope="module")
def study_model(tmp_path_factory) -> StudyModel:
    folder, tokenizer = tmp_path_factory.mktemp("planted"), load_tokenizer("builtin:roberta")
    config = encoder_config(
        "roberta", tokenizer.vocab_size, hidden_size=WIDTH, num_layers=1, num_heads=4,
        intermediate_size=32, max_positions=34, type_vocab_size=1, norm_eps=1e-5,
        pad_token_id=tokenizer.pad_id, initializer_range=0.3,
    )  # fmt: skip
    model = init_model(config, ReadoutConfig("masked_lm"), jax.random.key(0))
    parses = [parse_of(sentence("train", number)) for number in range(400)]
    words = {w for p in parses for w, tag in zip(p.words, p.tags, strict=True) if tag in OPENERS}
    plant(model.params, [tokenizer.encode_words([word]).ids[1] for word in sorted(words)])
    save_model(model, folder / "model", tokenizer=tokenizer)
    run = Run(
        study=Luo2021(tune_sentences=60, test_sentences=60),
        name="planted",
        models=(ModelSettings("planted", source=str(folder / "model")),),
        text=TextSettings("grammar_mlm", length=24),
        devices=1,
    )
    return StudyModel(run, run.models[0], Store(folder))


def test_a_planted_chunking_head_is_the_best_on_one_section_and_holds_on_the_other(study_model):
    readings = readings_of(study_model)[:1]
    tune, test = (
        counted(study_model, study_model.base, section_of(study_model, which), readings)[
            "jsd"
        ].heads
        for which in ("tune", "test")
    )
    best = choose_heads(tune, test)
    for column in ("sentence F1", "corpus F1", "NP"):
        assert best[column].head == (LAYER, HEAD), column
    f1_LH = sentence_f1(test)
    others = np.delete(f1_LH.ravel(), LAYER * f1_LH.shape[1] + HEAD)
    assert best["sentence F1"].tested.intervals().low > others.max()
    nulls = baseline_counts(section_of(study_model, "test"), "jsd")
    recall_N = label_recall(nulls.counts, "NP")
    assert best["NP"].tested.intervals().low > max(
        recall_N[nulls.ways.index(Way(n))] for n in ("right", "balanced")
    )


def test_the_maps_of_a_model_hold_f1_and_every_recall(study_model):
    readings = readings_of(study_model)
    found = counted(study_model, study_model.base, section_of(study_model, "test"), readings)
    maps = head_maps(found, readings[0])
    assert list(maps) == [
        "F1", *(f"{label} recall" for label in LABELS), "F1, jsd, bias 1.5", "F1, hellinger",
        "F1, hellinger, bias 1.5",
    ]  # fmt: skip
    assert np.unravel_index(np.argmax(maps["NP recall"]), (1, 4)) == (LAYER, HEAD)


@pytest.mark.parametrize(("section", "split"), [("tune", "validation"), ("test", "test")])
def test_sections_without_files_are_splits_of_the_language(study_model, section, split):
    found = section_of(study_model, section).parses
    assert found[0].words == parse_of(sentence(split, 0)).words
    assert len(found) == 60


def test_halves_of_one_layer_have_no_lower_one():
    assert halves(np.ones((1, 1, 1))).keys() == {"all layers", "upper layers"}
