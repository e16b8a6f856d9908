"""Sections of a treebank as a model meets them: what is left out, words that are lost or alike."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from jaxheads.analysis.spans import by_span, f1_by_sentence, label_recall, tied_share
from jaxheads.config import ReadoutConfig
from jaxheads.data.vocabulary import train_tokenizer
from jaxheads.models.checkpoint.convert import save_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import init_model
from jaxheads.storage.store import Store
from jaxheads.studies.luo2021.constituents import (
    baseline_counts,
    counted,
    readings_of,
    section_rows,
)
from jaxheads.studies.luo2021.treebank import section_of
from jaxheads.studies.settings import Luo2021, ModelSettings, Run, TextSettings
from jaxheads.studies.workbench.answers import Way
from jaxheads.studies.workbench.model import StudyModel

ACCENT = "\u0301"  # the tokenizer leaves nothing of it
REPEATED = "(S (NP (DT the) (NN cat)) (VP (VBZ sees) (NP (DT the) (NN cat))))"
PARTLY_LOST = f"(S (NP (DT the) (NN {ACCENT})) (VP (VBZ sees) (NP (DT the) (NN cat))))"
ALIKE = "(S (NP (NN cat) (NN cat)) (VP (NN cat) (NN cat)))"
ODD = (
    f"(S (NN {ACCENT}) (NN {ACCENT}))",  # loses all pieces
    "(S (. .) (, ,))",  # has no word
    "(S (NN cat) (. .))",  # one word
    f"(S {' '.join(['(NN cat)'] * 20)})",  # more than the model's positions
)
TREES = (REPEATED, PARTLY_LOST, ALIKE, REPEATED)


@pytest.fixture(scope="module")
def study_model(tmp_path_factory) -> StudyModel:
    """A model that has no places: words that are alike are all one to it."""
    folder = tmp_path_factory.mktemp("treebank")
    tokenizer = train_tokenizer(["the cat sees the cat"] * 9, vocab_size=24, kind="unigram")
    config = encoder_config(
        "albert", tokenizer.vocab_size, hidden_size=16, num_layers=1, num_heads=2,
        intermediate_size=16, max_positions=16, type_vocab_size=2, norm_eps=1e-5,
        embedding_size=8, hidden_groups=1, pad_token_id=tokenizer.pad_id, initializer_range=0.3,
    )  # fmt: skip
    model = init_model(config, ReadoutConfig("masked_lm"), jax.random.key(0))
    places = model.params["encoder"]["embeddings"]["position"]
    places["table"] = np.zeros(places["table"].shape, np.float32)
    save_model(model, folder / "model", tokenizer=tokenizer)
    (folder / "tune.mrg").write_text(ODD[0])
    (folder / "test.mrg").write_text("\n".join((*ODD[:2], *TREES, *ODD[2:])))
    run = Run(
        study=Luo2021(tune=folder / "tune.mrg", test=folder / "test.mrg"),
        name="odd",
        models=(ModelSettings("odd", source=str(folder / "model")),),
        text=TextSettings("grammar_mlm", length=12),
        devices=1,
    )
    return StudyModel(run, run.models[0], Store(folder))


@pytest.fixture(scope="module")
def section(study_model):
    return section_of(study_model, "test")


@pytest.fixture(scope="module")
def counts(study_model, section):
    return counted(study_model, study_model.base, section, readings_of(study_model)[:1])[
        "jsd"
    ].heads


def test_sentences_that_cannot_be_scored_are_left_out_and_counted_by_reason(study_model, section):
    assert [len(parse.words) for parse in section.parses] == [5, 5, 4, 5]
    assert section.counts == {
        "sentences": 4, "words": 19, "words without pieces": 1,
        "words left out, of unknown tags": 0, "left out, fewer than two words": 2,
        "left out, without pieces": 1,
        "left out, too long": 1,
    }  # fmt: skip
    rows = section_rows(study_model, section, "test")
    assert {(row.stage, row.method) for row in rows} == {("treebank", "test")}
    assert {row.metric: row.value for row in rows} == section.counts


def test_a_section_that_loses_every_sentence_is_an_error_that_says_so(study_model):
    with pytest.raises(ValueError, match="tune: expected sentences to score, got none of 1"):
        section_of(study_model, "tune")


def test_a_word_that_lost_its_pieces_keeps_its_place_and_its_gold_spans(section, counts):
    assert section.pieces[1].units == 5
    assert 1 not in section.pieces[1].unit_T
    assert counts.labelled[1].tolist() == counts.labelled[0].tolist()
    f1 = f1_by_sentence(counts)
    assert f1.shape == (4, 1, 2)
    assert np.isfinite(f1).all()


def test_repeated_words_are_told_apart_by_their_places(section, counts):
    nulls = baseline_counts(section, "jsd")
    assert label_recall(nulls.counts, "NP")[nulls.ways.index(Way("oracle"))] == 1
    assert by_span(nulls.counts).ratio[nulls.ways.index(Way("oracle"))] == pytest.approx(1)
    assert counts.labelled.sum(0).tolist()[1] == 2 + 2 + 1 + 2  # NP of "the cat", twice in a tree


def test_a_sentence_that_comes_twice_counts_twice(counts):
    one, other = counts.rows(np.array([0])), counts.rows(np.array([3]))
    assert all(map(np.array_equal, one, other))
    assert len(f1_by_sentence(counts)) == 4


def test_words_that_a_model_cannot_tell_apart_give_the_right_branching_tree_all_tied(counts):
    alike = counts.rows(np.array([2]))
    assert tied_share(alike).tolist() == [[1.0, 1.0]]
    assert alike.hits.tolist() == [[[1, 1]]]  # of (cat cat) (cat cat) the second alone
    assert np.nanmax(tied_share(counts.rows(np.array([0])))) < 1
