"""A head planted to look at the previous word is found by MAX, from weights to tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxheads.analysis.specialists import halves
from jaxheads.config import ReadoutConfig
from jaxheads.data.tokens import load_tokenizer
from jaxheads.inference.dependencies import readable
from jaxheads.models.checkpoint.convert import save_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import init_model
from jaxheads.records.head_maps import load_maps
from jaxheads.records.rows import Row
from jaxheads.report.folder import Study
from jaxheads.report.htut2019.dependencies import dependencies_answer, dependencies_section
from jaxheads.storage.store import Store
from jaxheads.studies.htut2019.arcs import read_treebank, study_maps
from jaxheads.studies.htut2019.study import pretrained_arcs
from jaxheads.studies.settings import Htut2019, ModelSettings, Run, TextSettings
from jaxheads.studies.workbench.model import StudyModel
from tests.support.found import having, metrics, value_of

LAYER, HEAD = 0, 1
TOKENS, WIDTH = 16, 64  # as many dimensions are for places, the others for words
WORDS = ("the", "dog", "cat", "sees", "new", "old")  # the last has two pieces
SENTENCES = 24


def plant(params, unused: int) -> None:
    """The head looks at the token before, whatever the words are.

    Position embeddings are one-hot; the key is a token's place, the query the place before its own.
    """
    encoder = params["encoder"]
    tables, attention = encoder["embeddings"], encoder["stack0"]["attention"]
    tables["type"]["table"] = np.zeros((1, WIDTH), np.float32)
    tables["position"]["table"] = np.eye(TOKENS + unused, WIDTH, -unused, dtype=np.float32)
    word = np.array(tables["word"]["table"])
    word[:, :TOKENS] = 0
    tables["word"]["table"] = word
    query, key = (np.array(attention[name]["kernel"]) for name in ("query", "key"))
    query[LAYER, :, HEAD] = 10 * np.eye(WIDTH, TOKENS, -1)
    key[LAYER, :, HEAD] = np.eye(WIDTH, TOKENS)
    attention["query"]["kernel"], attention["key"]["kernel"] = query, key


def write_treebank(path: Path) -> Path:
    """Every "flat" is the next word's, every "far" is not."""
    rng, lines = np.random.default_rng(0), []
    for _ in range(SENTENCES):
        for number in range(1, int(rng.integers(7, 9)) + 1):
            far = number > 2 and rng.random() < 0.4
            head = int(rng.integers(1, number - 1)) if far else number - 1
            relation = "far" if far else "flat" if head else "root"
            form = WORDS[int(rng.integers(len(WORDS)))]
            lines.append(f"{number}\t{form}\t_\tX\t_\t_\t{head}\t{relation}\t_\t_")
        lines.append("")
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def study_model(tmp_path_factory) -> StudyModel:
    folder, tokenizer = tmp_path_factory.mktemp("planted"), load_tokenizer("builtin:roberta")
    unused = tokenizer.pad_id + 1
    config = encoder_config(
        "roberta", tokenizer.vocab_size, hidden_size=WIDTH, num_layers=1, num_heads=4,
        intermediate_size=32, max_positions=TOKENS + unused, type_vocab_size=1, norm_eps=1e-5,
        pad_token_id=tokenizer.pad_id, initializer_range=0.3,
    )  # fmt: skip
    model = init_model(config, ReadoutConfig("masked_lm"), jax.random.key(0))
    plant(model.params, unused)
    save_model(model, folder / "model", tokenizer=tokenizer)
    treebank = write_treebank(folder / "trees.conllu")
    run = Run(
        study=Htut2019(treebank=treebank, least=1, examples=1),
        name="planted",
        models=(ModelSettings("planted", source=str(folder / "model")),),
        text=TextSettings("grammar_mlm", length=12),
        devices=1,
    )
    return StudyModel(run, run.models[0], Store(folder))


@pytest.fixture(scope="module")
def rows(study_model) -> list[Row]:
    return pretrained_arcs(study_model)


def test_max_picks_the_planted_head_for_the_relation_that_links_neighbours(study_model, rows):
    assert metrics(rows, stage="sentences")["read"] == SENTENCES
    assert len(study_model.tokenizer.encode_words(WORDS).ids) > len(WORDS) + 2
    for method in ("max", "dependent to head"):
        what = {"stage": "relation", "metric": "accuracy", "reading": method}
        (found,) = having(rows, relation="flat", **what)
        assert (found.value, found.layer, found.head) == (1.0, LAYER, HEAD), method
        assert value_of(rows, relation="far", **what) < 0.6
    assert value_of(rows, **what | {"reading": "head to dependent", "relation": "flat"}) < 0.6


def test_no_other_head_does_so(study_model, rows):
    found_LH = load_maps(study_model.store, "planted", "arcs", 0)["flat"]
    assert found_LH[LAYER, HEAD] == 1.0
    assert np.delete(found_LH.ravel(), HEAD).max() < 0.9


def test_the_mean_of_sentences_weighs_long_and_short_ones_alike(study_model, rows):
    """Of the six or seven arcs of a sentence the head finds those to the word before."""
    trees = read_treebank(study_model.run.study)
    scored = [trees[number] for number in np.flatnonzero(~halves(SENTENCES, 0))]
    found = [[name == "flat" for name in tree.relations[1:]] for tree in scored]
    what = {"stage": "best head", "reading": "dependent to head"}
    (row,) = having(rows, metric="UUAS", **what)
    assert (row.layer, row.head) == (LAYER, HEAD)
    best = metrics(rows, **what)
    assert best["UUAS"] == pytest.approx(np.mean(np.concatenate(found)))
    assert best["UUAS, mean of sentences"] == pytest.approx(np.mean([np.mean(n) for n in found]))
    assert best["UUAS"] != pytest.approx(best["UUAS, mean of sentences"], abs=1e-4)


@pytest.mark.parametrize("renormalise", [False, True])
def test_attention_between_words_is_made_a_distribution_on_request(study_model, renormalise):
    settings = dataclasses.replace(study_model.run.study, renormalise=renormalise)
    pieces = readable(study_model.tokenizer, read_treebank(settings), TOKENS, "dropped").pieces
    changed = dataclasses.replace(study_model.run, study=settings)
    other = dataclasses.replace(study_model, run=changed)
    maps = study_maps(other, study_model.base, pieces)
    rows = np.concatenate([each.attention.sum(-1).ravel() for each in maps])
    assert (rows > 0.999).all() == renormalise  # else special tokens have their share


def test_the_page_names_the_head_and_that_position_explains_it(rows):
    study = Study(tuple(rows), {}, {})
    section, answer = dependencies_section(study), dependencies_answer(study)
    assert section is not None
    assert answer is not None
    (table,) = (part for part in section.parts if part.name == "relations-table")
    (line,) = (line for line in table.body if line[1] == "flat")
    assert line[3:7] == ("0, 1", "100%", "+0.0", "100% (at 1)")
    assert answer.summary.startswith("In none of 2 ")
