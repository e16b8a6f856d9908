"""`jaxheads study` on the shipped config, made tiny: what it leaves, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from jaxheads.cli import main
from jaxheads.models.convert import load_model
from jaxheads.overrides import load_config
from jaxheads.records import read_rows
from tests.studies.conftest import reviews, write_jsonl

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "mini_sst2.py"
TINY = {
    "encoder.vocab_size": 300, "encoder.hidden_size": 16, "encoder.num_layers": 2,
    "encoder.num_heads": 4, "encoder.intermediate_size": 16, "encoder.max_positions": 18,
    "data.length": 16, "pretrain.steps": 12, "pretrain.batch_size": 8, "finetune.steps": 12,
    "finetune.batch_size": 8, "finetune.window": 2, "seeds": "0,1", "scoring.examples": 16,
    "scoring.batch_size": 16, "curve.points": 4, "curve.draws": 2, "curve.blocks": 8,
    "curve.batch_size": 16, "devices": 1,
}  # fmt: skip


def study(out, files, **more) -> int:
    settings = TINY | files | more
    words = [word for item in settings.items() for word in ("--set", f"{item[0]}={item[1]}")]
    return main(["study", str(CONFIG), "--out", str(out), *words])


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Tiny data: every sentence is a paragraph of the text too."""
    folder = tmp_path_factory.mktemp("data")
    found = {}
    for name, rows in (("train", reviews(60)), ("held_out", reviews(24, start=60))):
        found[f"data.{name}"] = write_jsonl(folder / f"{name}.jsonl", rows)
        text = folder / f"{name}.txt"
        text.write_text("\n".join(row["sentence"] for row in rows * 3))
        found["data.text" if name == "train" else "data.text_held_out"] = text
    return found


@pytest.fixture(scope="module")
def finished(files, tmp_path_factory):
    out = tmp_path_factory.mktemp("study") / "out"
    assert study(out, files) == 0
    return out


def values(out, **what) -> list[float]:
    rows = read_rows(out / "rows.jsonl")
    return [r.value for r in rows if all(getattr(r, name) == v for name, v in what.items())]


def test_every_number_is_a_row(finished):
    assert len(values(finished, stage="pre-trained", task="mlm")) == 2  # loss and accuracy
    assert len(values(finished, stage="fine-tuned", metric="accuracy")) == 2  # seeds
    assert len(values(finished, stage="coherence", metric="spearman")) == 2
    assert len(values(finished, stage="coherence", metric="p_value")) == 2
    assert len(values(finished, stage="noise ceiling")) == 1 + 2
    assert len(values(finished, stage="seed 0~1")) == 1
    assert len(values(finished, stage="pruned, then fine-tuned", metric="accuracy")) == 2 * 2
    # 3 orders and the draws, at 0, 2, 4, 6 and 8 heads
    assert len(values(finished, stage="masked", task="sst2", metric="loss")) == 2 * (3 + 2) * 5
    assert len(values(finished, stage="masked", task="mlm", metric="loss")) == (3 + 4) * 5


def test_curves_start_at_the_whole_model_and_end_at_the_same_point(finished):
    for seed in (0, 1):
        whole = values(finished, stage="fine-tuned", task="sst2", metric="loss", seed=seed)
        ends = {"stage": "masked", "task": "sst2", "metric": "loss", "seed": seed}
        assert set(values(finished, budget=8, **ends)) == set(whole)
        assert len(set(values(finished, budget=0, **ends))) == 1


def test_the_figure_and_the_models_are_there(finished):
    for name in ("curves.png", "curves.svg"):
        assert (finished / "figures" / name).stat().st_size > 1000
    smaller = load_model(finished / "cut-0")
    assert sum(map(len, smaller.config.heads_by_layer)) == 4
    assert load_model(finished / "random-0").config.kept is None
    assert np.load(finished / "scores" / "sst2-1.npy").shape == (16, 2, 4)
    log = (finished / "logs" / "pretrain.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["step"] == 12


def test_a_finished_study_is_drawn_again_and_not_run_again(finished, files, capsys):
    before = (finished / "rows.jsonl").read_bytes()
    (finished / "figures" / "curves.png").unlink()
    assert study(finished, files) == 0
    assert "this study is finished" in capsys.readouterr().out
    assert (finished / "figures" / "curves.png").is_file()
    assert (finished / "rows.jsonl").read_bytes() == before


def test_an_unfinished_study_takes_its_saved_models_and_ends_the_same(finished, files, capsys):
    rows = read_rows(finished / "rows.jsonl")
    (finished / "rows.jsonl").rename(finished / "rows.unfinished.jsonl")
    assert study(finished, files) == 0
    assert "pretrained: taken as it was saved" in capsys.readouterr().out
    again = read_rows(finished / "rows.jsonl")
    assert [r for r in again if r.metric != "seconds"] == [r for r in rows if r.metric != "seconds"]


def test_a_folder_of_other_settings_is_refused(finished, files, capsys):
    assert study(finished, files, **{"pretrain.steps": 13}) == 2
    assert "other settings" in (err := capsys.readouterr().err)
    assert "pretrain.steps: 12 there, 13 here" in err
    assert err.count("\n") == 1


def test_a_folder_of_other_files_is_refused(files, tmp_path, capsys):
    (tmp_path / "thesis.tex").touch()
    assert study(tmp_path, files) == 2
    assert "expected a free folder or one of this study" in capsys.readouterr().err


def test_missing_data_names_the_setting_and_writes_nothing(files, tmp_path, capsys):
    out = tmp_path / "out"
    missing = {"data.text": tmp_path / "no.txt", "data.train": tmp_path / "no.jsonl"}
    assert study(out, files, **missing) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    for name, path in missing.items():
        assert f"{path} (--set {name}=FILE)" in err
    assert not out.exists()


def test_bad_data_writes_nothing(files, tmp_path, capsys):
    bad = write_jsonl(tmp_path / "bad.jsonl", [{"sentence": "a film", "label": 7}])
    assert study(tmp_path / "out", files, **{"data.train": bad}) == 2
    assert "bad.jsonl:1: label" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_study_is_refused(files, tmp_path, capsys):
    assert study(tmp_path / "out", files, study="chiang2020") == 2
    assert "did you mean chiang2021?" in capsys.readouterr().err


def test_the_shipped_config_trains_and_scores_apart_from_what_it_evaluates():
    data = load_config(CONFIG).data
    assert len({data.text, data.text_held_out, data.train, data.held_out}) == 4
