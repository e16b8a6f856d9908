"""The study of Zhang et al. 2020 on a tiny model, and `jaxheads score --method meta`."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from scipy.stats import spearmanr

from jaxheads.analysis.agreement import jaccard
from jaxheads.cli.main import main
from jaxheads.config import PrunerConfig
from jaxheads.data.tasks.examples import read_examples
from jaxheads.importance import load_scores
from jaxheads.importance.meta.files import load_pruner, save_pruner
from jaxheads.importance.meta.pruner import init_pruner
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.pruning.mask import mask_from_scores
from tests.support.tiny_study import found, study, write_study

META = """
import dataclasses
from jaxheads.config import PrunerConfig
from jaxheads.studies.settings import Zhang2020

RUN = dataclasses.replace(
    RUN,
    tasks=RUN.tasks[:1],
    study=Zhang2020(
        tasks=RUN.tasks,
        training=dataclasses.replace(SHORT, accumulate=2, steps=2),
        pruner=PrunerConfig(frame=16, width=2),
        draws=1,
        similar=(
            TaskSettings(
                "grammar_paraphrase", length=16, examples=32, held_out_examples=16
            ),
        ),
    ),
)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("zhang")
    config = write_study(folder, models=1)
    config.write_text(config.read_text() + META)
    assert study(config, folder / "out", seeds="0,1") == 0
    return folder / "out"


@pytest.mark.slow
@pytest.mark.long
def test_every_mask_is_measured_alike(finished):
    for seed in (0, 1):
        rows = found(finished, stage="masked, fine-tuned", seed=seed, metric="accuracy")
        assert len(rows) == 5
        assert {row.method for row in rows} == {
            "meta",
            "inverted meta",
            "random",
            "gradient",
            "magnitude",
        }
        assert {row.budget for row in rows} == {4}
    assert len(found(finished, stage="whole", task="sst2", metric="accuracy")) == 2
    random = found(finished, stage="masked, fine-tuned", method="random")
    assert {row.draw for row in random} == {0, 1}


@pytest.mark.slow
@pytest.mark.long
def test_the_pruner_learns_on_other_tasks_alone(finished):
    names = {path.name for path in (finished / "pruners").iterdir()}
    assert names == {  # sst2's learns on cola; the pairs' on both
        f"roberta-pruner{own}-{seed}" for own in ("", ".sst2") for seed in (0, 1)
    }
    one, two = (load_pruner(finished / "pruners" / f"roberta-pruner.sst2-{s}") for s in (0, 1))
    assert (one.params["out"]["kernel"] != two.params["out"]["kernel"]).any()
    assert (one.params["norm1"]["variance"] != 1).all()


@pytest.mark.slow
@pytest.mark.long
def test_contrasts_are_differences_of_the_means(finished):
    (row,) = found(finished, stage="contrast of masks", method="meta", other_method="random")
    what = {"stage": "masked, fine-tuned", "metric": "accuracy"}
    means = [
        np.mean([row.value for row in found(finished, method=name, **what)])
        for name in ("meta", "random")
    ]
    assert row.value == pytest.approx(means[0] - means[1])
    assert row.low <= row.value <= row.high


@pytest.mark.slow
@pytest.mark.long
def test_overlap_is_that_of_the_saved_scores(finished):
    masks = [
        mask_from_scores(load_scores(path).score_LH, 4, per_layer=True)
        for path in (finished / "scores" / f"roberta-sst2-{seed}.meta.npz" for seed in (0, 1))
    ]
    (row,) = found(finished, stage="overlap of masks", method="seeds", task="sst2")
    assert row.value == pytest.approx(jaccard(*masks))
    assert found(finished, stage="overlap of masks", method="chance")[0].value > 0.3


@pytest.mark.slow
@pytest.mark.long
def test_likeness_is_measured_without_training(finished):
    rows = found(finished, stage="similarity", seed=0)
    assert {(row.metric, row.reading) for row in rows} == {
        (name, kind)
        for name in ("spearman", "pearson")
        for kind in ("mean of tokens", "first token")
    }
    assert all(-1 <= row.value <= 1 for row in rows)
    pairs = read_examples("grammar_paraphrase", limit=16)
    counts = [[Counter(side.split()) for side in (each.first, each.second)] for each in pairs]
    likeness = [
        sum((a[w] * b[w]) for w in a)
        / math.sqrt(sum(n * n for n in a.values()) * sum(n * n for n in b.values()))
        for a, b in counts
    ]
    floor = spearmanr(likeness, [each.label for each in pairs]).statistic
    found_floor = [row for row in rows if row.method == "bag of words"]
    assert len(found_floor) == 4
    assert [r.value for r in found_floor if r.metric == "spearman"] == pytest.approx([floor] * 2)
    assert all(row.value > 0 for row in found(finished, stage="likeness lost"))


# -- the command line


@pytest.fixture(scope="module")
def pruner(tmp_path_factory):
    path = tmp_path_factory.mktemp("pruner") / "pruner"
    save_pruner(path, init_pruner(PrunerConfig(frame=16, width=2), 0))
    return path


def test_a_model_is_scored_and_pruned_without_labels_of_its_task(
    checkpoint, pruner, review_file, tmp_path
):
    model, scores, out = checkpoint("masked_lm"), tmp_path / "scores.npz", tmp_path / "smaller"
    words = ["score", "--model", str(model), "--task", "sst2", "--data", str(review_file)]
    words += ["--method", "meta", "--pruner", str(pruner), "--max-length", "32"]
    assert main([*words, "--out", str(scores)]) == 0
    found_scores = load_scores(scores)
    assert (found_scores.method, found_scores.examples) == ("meta", 37)
    words = ["prune", "--model", str(model), "--scores", str(scores), "--budget", "4"]
    assert main([*words, "--per-layer", "--out", str(out)]) == 0
    kept = load_model(out).config.kept
    assert [len(heads) for heads in kept] == [2, 2]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "meta"], "--pruner: expected one for the method meta, got none"),
        (["--pruner", "DIR"], "--pruner: expected --method meta with it, got --method gradient"),
        (["--method", "meta", "--pruner", "none/such"], "none/such: expected the directory of a"),
        (["--method", "meta", "--pruner", "builtin:x"], "builtin:x: expected one of"),
        (["--method", "meta", "--unit", "example", "--pruner", "DIR"],
         "unit of meta: expected one of mean, got 'example'"),
    ],
)  # fmt: skip
def test_wrong_combinations_are_one_line(words, said, tmp_path, capsys):
    out = ["--out", str(tmp_path / "scores.npz")]
    assert main(["score", "--model", "none", "--task", "sst2", *words, *out]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert not (tmp_path / "scores.npz").exists()
