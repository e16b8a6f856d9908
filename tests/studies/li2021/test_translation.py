"""The comparison on a translation, tiny: heads of three kinds, BLEU, and what the page says."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pytest

from jaxheads.cli.main import main
from jaxheads.cli.overrides import load_config, override
from jaxheads.config import TrainingConfig
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.records.rows import read_rows
from jaxheads.storage.store import Store
from jaxheads.studies.li2021 import study as li2021
from jaxheads.studies.li2021.selection import GATED, choice_of, training_of
from jaxheads.studies.li2021.selection import METHODS as WAYS
from jaxheads.studies.registry import check_inputs
from jaxheads.studies.settings import ModelSettings, Run
from jaxheads.studies.workbench.model import study_models
from tests.support.found import having
from tests.support.paths import ROOT
from tests.tiny import shrink

WORDS = {
    "en": ("one", "two", "three", "four", "five", "six"),
    "de": ("eins", "zwei", "drei", "vier", "fünf", "sechs"),
}
METHODS = ("gradient", "random", "straight-through, joint")


def write_pairs(folder: Path, name: str, count: int, seed: int) -> tuple[Path, Path]:
    """Sentences of numbers, in two files."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, 6, rng.integers(1, 6)) for _ in range(count)]
    for side, words in WORDS.items():
        lines = (" ".join(words[n] for n in row) + "\n" for row in rows)
        (folder / f"{name}.{side}").write_text("".join(lines), encoding="utf-8")
    return folder / f"{name}.en", folder / f"{name}.de"


def tiny(folder: Path) -> Run:
    """The published config at the least size, on pairs in the folder."""
    run = shrink(load_config(ROOT / "configs" / "li_multi30k.py"))
    files = {
        "train": write_pairs(folder, "train", 48, 0),
        "held_out": write_pairs(folder, "test", 24, 1),
    }
    sizes = {"activation": "relu", "norm_eps": 1e-5, "scales_embeddings": True}
    encoder = encoder_config("marian", 300, 16, 4, 4, 16, 32, decoder_layers=1, **sizes)
    how = {"methods": METHODS, "shares": (0.5,), "timed": (0.5,), "batches": (2,)}
    return dataclasses.replace(
        run,
        study=dataclasses.replace(run.study, **how, draws=2),
        models=(ModelSettings("small", encoder=encoder),),
        tasks=tuple(dataclasses.replace(task, **files, length=32) for task in run.tasks),
        devices=1,
    )


CONFIG = """\"\"\"A translation, tiny.\"\"\"

from pathlib import Path

from tests.studies.li2021.test_translation import tiny

RUN = tiny(Path({folder!r}))
"""


@pytest.mark.slow
def test_a_translation_is_compared_by_bleu_and_says_which_kinds_of_heads_are_kept(tmp_path):
    pytest.importorskip("sacrebleu")
    config, out = tmp_path / "tiny.py", tmp_path / "out"
    config.write_text(CONFIG.format(folder=str(tmp_path)))
    assert main(["study", str(config), "--out", str(out)]) == 0
    rows = read_rows(out / "rows.jsonl")
    whole = having(rows, stage="whole", seed=0)
    assert [row.metric for row in whole] == ["loss", "bleu", "chrf2", "accuracy"]
    assert {row.metric for row in having(rows, stage="floor")} >= {"bleu", "chrf2", "accuracy"}
    for budget in (8,):
        for method in METHODS:
            what = {"method": method, "budget": budget, "seed": 0}
            kinds = having(rows, stage="heads kept by kind", **what)
            draws = 2 if method == "random" else 1
            assert [row.metric for row in kinds] == ["encoder", "decoder", "cross"] * draws
            assert sum(row.value for row in kinds) == budget * draws
            assert len(having(rows, stage="pruned", metric="bleu", **what)) == draws
    contrasts = having(rows, stage="pruned, contrast")
    assert {(row.metric, row.other_method) for row in contrasts} == {("bleu", "gradient")}
    assert all(math.isfinite(row.value) for row in contrasts)
    smaller = load_model(next((out / "smaller").glob("*gradient-8")))
    assert sum(map(len, smaller.config.heads_by_layer)) == 8
    lines = [line for path in out.glob("speeds/*") for line in json.loads(path.read_text())]
    assert {"speed-up", "whole", "cut"} <= {line["what"] for line in lines if line["batch"] == 2}
    page = (out / "report" / "index.html").read_text()
    assert "How many heads of each kind are kept at each budget" in page
    assert "bleu" in page


def test_files_of_both_sides_are_asked_for_and_given_by_one_setting(tmp_path):
    run = load_config(ROOT / "configs" / "li_multi30k.py")
    train, test = (write_pairs(tmp_path, name, 8, 0) for name in ("train", "test"))
    absent = ",".join(str(tmp_path / f"test_2016_flickr.{side}") for side in ("en", "de"))
    run = override(
        run, [f"tasks.en_de.train={train[0]},{train[1]}", f"tasks.en_de.held_out={absent}"]
    )
    with pytest.raises(ValueError, match=r"there is no .*flickr") as error:
        check_inputs(run)
    assert "test_2016_flickr.de (--set tasks.en_de.held_out=SOURCE,TARGET)" in str(error.value)
    assert "tasks.en_de.train" not in str(error.value)
    run = override(run, [f"tasks.en_de.held_out={test[0]},{test[1]}"])
    found = check_inputs(run)
    assert found["tasks.en_de.train, target"] == train[1]
    assert len(found) == 4


@pytest.mark.slow
def test_gates_alone_are_trained_as_the_study_says(tmp_path):
    run = tiny(tmp_path)
    alone = TrainingConfig(steps=5, batch_size=8)
    run = dataclasses.replace(run, study=dataclasses.replace(run.study, pipelined=alone))
    (model,) = study_models(run, Store(tmp_path / "out"))
    task = model.task("en_de")
    choice = choice_of(model, task, 0, 8, learning_rate=0.2)
    found = WAYS["straight-through, pipelined"].choose(choice)
    assert (found.steps, found.examples) == (5, 40)
    assert training_of(model, task, joint=True) is task.training is not alone
    gate = GATED["subset of the paper"](choice, 66)
    annealing = {name: gate.sample.keywords[name] for name in ("start", "end", "cooldown")}
    assert annealing == pytest.approx({"start": 0.1, "end": 1e-8, "cooldown": 15})


def test_seeds_of_what_is_not_pre_trained_begin_with_other_weights(tmp_path):
    (model,) = study_models(tiny(tmp_path), Store(tmp_path / "out"))
    task = model.task("en_de")
    assert model.tokenizer.decode(model.tokenizer.encode(["drei fünf"]).ids[0]) == "drei fünf"
    one, two = (model.fresh(task, seed).params["encoder"] for seed in (0, 1))
    tables = [np.asarray(each["embeddings"]["word"]["table"]) for each in (one, two)]
    assert np.abs(tables[0] - tables[1]).max() > 0.01
    ends = (model.tokenizer.cls_id, model.tokenizer.sep_id, model.tokenizer.pad_id)
    config = model.base.config
    assert (config.start_token_id, config.eos_token_id, config.pad_token_id) == ends
    assert task.references is not None
    texts = (tmp_path / "test.de").read_text(encoding="utf-8").splitlines()
    assert list(task.references.texts) == texts[:24]
    names = [cell.name for cell in li2021.cells(model.run, model.store)]
    assert "small-en_de-0-whole" in names
