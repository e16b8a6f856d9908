"""Maps of other studies: copied for the same weights alone, then compared."""

from __future__ import annotations

import re
import shutil

import jax
import numpy as np
import pytest
from scipy import stats

from jaxheads.config import ReadoutConfig
from jaxheads.models.model import Model, init_model
from jaxheads.records.head_maps import load_halves, load_maps, save_maps
from jaxheads.records.rows import Row, write_rows
from jaxheads.storage.store import Store
from jaxheads.studies.settings import Luo2021, ModelSettings, Run, TextSettings
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.other_studies import check_finished, copy_maps, other_studies_files
from jaxheads.training.identity import encoder_bits
from tests.support.tiny_study import found, study

MAPS = {"MST": np.array([[0.5, 0.25], [1.0, 0.0]])}


def made(config, seed: int = 0) -> Model:
    return init_model(config, ReadoutConfig("masked_lm"), jax.random.key(seed))


@pytest.fixture
def other(tmp_path, config):
    """A finished study that has maps of a model, of a pruner's, and of the model fine-tuned."""
    folder, weights = tmp_path / "other", encoder_bits(made(config))
    save_maps(Store(folder), "tiny", "arcs", 0, MAPS, (MAPS, MAPS), weights=weights)
    save_maps(Store(folder), "tiny", "arcs", 0, MAPS, task="sst2", weights=[1])
    save_maps(Store(folder), "tiny", "meta", 1, MAPS, weights=weights)
    write_rows(folder / "rows.jsonl", [Row("s", "tiny", "", "UUAS", 0.5)])
    return folder


def model_with_other_studies(other, model: Model, name: str = "tiny") -> StudyModel:
    """A model whose study names the other one."""
    settings = ModelSettings(name, source="made up")
    study = Luo2021(tune_sentences=1, test_sentences=1, other_studies=(other,))
    run = Run(study, "own", (settings,), TextSettings())
    study_model = StudyModel(run, settings, Store(other.parent / "own"))
    study_model.__dict__["base"] = model
    return study_model


def test_maps_of_the_model_as_it_is_are_copied_with_their_halves(other, config):
    study_model = model_with_other_studies(other, made(config))
    assert copy_maps(study_model) == []
    (file,) = other_studies_files(study_model)
    assert (file.what, file.task, file.seed, file.study) == ("arcs", "", 0, "other")
    assert (study_model.store.folder / file.name).is_file()
    shutil.rmtree(other)  # the copies are the study's own
    np.testing.assert_array_equal(study_model.store.read_arrays(file.name)["MST"], MAPS["MST"])
    np.testing.assert_array_equal(
        load_halves(study_model.store, file.name)["MST"], [MAPS["MST"]] * 2
    )


def test_a_model_of_the_same_name_with_other_weights_is_rejected(other, config):
    one, two = made(config), made(config, 1)
    study_model = model_with_other_studies(other, two)
    with pytest.raises(ValueError, match=r"that tiny has here, got those of other weights: .*npz"):
        copy_maps(study_model)
    assert not study_model.store.folder.exists()
    readout = two._replace(params={**two.params, "encoder": one.params["encoder"]})
    copy_maps(model_with_other_studies(other, readout))  # another readout makes no other maps


def test_maps_that_do_not_say_what_they_are_of_are_none(other, config):
    shutil.rmtree(other / "maps" / "of")
    with pytest.raises(ValueError, match=r"expected maps of tiny, not fine-tuned, in .*got none"):
        copy_maps(model_with_other_studies(other, made(config)))


def test_a_study_without_maps_of_the_model_is_rejected(other, config):
    with pytest.raises(ValueError, match=r"expected maps of larger, not fine-tuned, in .*other"):
        copy_maps(model_with_other_studies(other, made(config), "larger"))


def test_unfinished_studies_are_all_named(other, config):
    (other / "rows.jsonl").unlink()
    with pytest.raises(ValueError, match=r"expected folders of finished studies.*other; run those"):
        copy_maps(model_with_other_studies(other, made(config)))
    with pytest.raises(ValueError, match=re.escape(f"got {other}, {other / 'none'};")):
        check_finished((other, other / "none"))


def test_folders_of_one_name_are_rejected(tmp_path):
    with pytest.raises(ValueError, match="other_studies: expected folders of different names, got"):
        Luo2021(
            tune_sentences=1, test_sentences=1, other_studies=(tmp_path / "a/x", tmp_path / "b/x")
        )


# -- whole studies


CONFIG = '''"""A built-in model as it is, on few sentences of the built-in language."""

from jaxheads.studies.settings import *

RUN = Run(
    study={study},
    name="tiny",
    models=(ModelSettings("roberta", source="builtin:roberta"),),
    text=TextSettings("grammar_mlm", length=24, paragraphs=40, held_out_blocks=4),
    scoring=ScoringSettings(examples=16, ablated=0, rescored=0, batch_size=16, splits=2),
    devices=1,
)
'''


HTUT = "Htut2019(sentences=12, least=1, controls=0, examples=1)"
LUO = "Luo2021(tune_sentences=12, test_sentences=12, controls=0, examples=1)"


def write(folder, study: str):
    path = folder / f"{study.partition('(')[0].lower()}.py"
    path.write_text(CONFIG.format(study=study))
    return path


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    folder = tmp_path_factory.mktemp("other_studies")
    assert study(write(folder, HTUT), folder / "htut") == 0
    luo = write(folder, LUO)
    assert study(luo, folder / "luo", study__other_studies=str(folder / "htut")) == 0
    return folder


@pytest.mark.slow
def test_arcs_of_one_study_meet_importance_and_constituents_of_another(folders):
    arcs = load_maps(Store(folders / "htut"), "roberta", "arcs", 0)
    spans = load_maps(Store(folders / "luo"), "roberta", "spans", 0)
    score_LH = np.load(folders / "luo" / "scores" / "roberta-mlm-0.npz")["score"]
    rows = found(folders / "luo", metric="spearman", seed=0)
    values = {
        (row.method, row.reading, row.other_method, row.other_reading): row.value
        for row in rows
        if row.stage != "rankings"
    }
    for one, two, one_LH, two_LH in (
        (("arcs of htut", "MST"), ("", ""), arcs["MST"], score_LH),
        (("arcs of htut", "det"), ("", ""), arcs["det"], score_LH),
        (("spans", "F1"), ("arcs of htut", "MST"), spans["F1"], arcs["MST"]),
        (("spans", "F1"), ("arcs of htut", "det"), spans["F1"], arcs["det"]),
        (("spans", "NP recall"), ("arcs of htut", "MST"), spans["NP recall"], arcs["MST"]),
    ):
        expected, _ = np.asarray(stats.spearmanr(one_LH.ravel(), two_LH.ravel()))
        assert values[*one, *two] == pytest.approx(expected), (one, two)
    assert ("attention", "focus (minus entropy)", "spans", "F1") in values
    assert ("attention of htut", "focus (minus entropy)", "", "") in values
    focus = load_maps(Store(folders / "luo"), "roberta", "attention", 0)
    assert list(focus) == ["focus (minus entropy)", "confidence"]  # the first sums up
    assert (focus["focus (minus entropy)"] < 0).all()
    (ceiling,) = found(
        folders / "luo", metric="ceiling", method="spans", reading="F1",
        other_method="arcs of htut", other_reading="MST",
    )  # fmt: skip
    assert 0 <= ceiling.value <= 1


@pytest.mark.slow
def test_a_study_beside_one_that_is_not_there_does_not_begin(folders, capsys):
    out = folders / "other"
    assert study(folders / "luo2021.py", out, study__other_studies=str(folders / "none")) == 2
    assert "other_studies: expected folders of finished studies" in capsys.readouterr().err
    assert not out.exists()


@pytest.mark.slow
def test_a_study_that_compares_no_maps_has_none_beside_it(folders, capsys):
    config = write(folders, "Michel2019()")
    assert study(config, folders / "other", study__other_studies=str(folders / "htut")) == 2
    assert "Michel2019 has no field 'other_studies'" in capsys.readouterr().err
