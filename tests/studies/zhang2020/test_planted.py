"""The study of meta-pruning against its definitions: which mask is in force where, on which data.

A loss tells masks, data and seeds apart, so that each row is compared with what a test measures by
itself under the mask that ought to be in force. Training hardly moves anything.
"""

from __future__ import annotations

import dataclasses
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxheads.analysis.agreement import chance_jaccard, jaccard
from jaxheads.config import OptimizerConfig, PrunerConfig, ReadoutConfig, TrainingConfig
from jaxheads.data.encode import encode_task
from jaxheads.data.loader import batches
from jaxheads.data.pool import Pool
from jaxheads.data.tasks.examples import read_examples
from jaxheads.data.tasks.named import task_named
from jaxheads.importance import load_scores, score_heads
from jaxheads.importance.meta.files import load_pruner
from jaxheads.importance.meta.pruner import init_pruner
from jaxheads.importance.meta.scoring import channel_of, departure_objective, meta_objective
from jaxheads.importance.methods import meta
from jaxheads.inference.evaluate import evaluate
from jaxheads.models.model import encode, init_model
from jaxheads.objectives import objective_for, represent_for
from jaxheads.pruning.mask import mask_from_scores, random_mask
from jaxheads.records.head_maps import load_maps
from jaxheads.storage.store import Store
from jaxheads.studies.settings import TaskSettings, Zhang2020
from jaxheads.studies.zhang2020.study import cells
from jaxheads.training.fit import fit
from tests.planted.heads import (
    SHAPE,
    SIZES,
    TOKENIZER,
    WORDS,
    run_study,
    save,
    tiny_run,
)
from tests.support.found import having, value_of
from tests.support.reviews import write_jsonl

pytestmark = pytest.mark.slow  # a whole study

TASKS, SIMILAR, SEEDS, DRAWS, LENGTH = ("sst2", "rte"), "mrpc", (0, 1), 2, 20
MODEL = init_model(
    dataclasses.replace(SIZES, initializer_range=0.3), ReadoutConfig("masked_lm"), jax.random.key(0)
)
BUDGET = 6
METHODS = ("meta", "inverted meta", "random", "gradient", "magnitude")
RUNS = list(itertools.product(TASKS, SEEDS))
runs = pytest.mark.parametrize(("task", "seed"), RUNS)


def write_task(folder, name: str, split: str, seed: int) -> None:
    """Eight examples of some words, with labels of chance."""
    rng = np.random.default_rng(seed)
    fields = {"sst2": ["sentence"], "rte": ["sentence1", "sentence2"]}
    records = [
        {field: " ".join(rng.choice(WORDS, 3)) for field in fields.get(name, fields["rte"])}
        for _ in range(8)
    ]
    labels = rng.permutation([0, 1] * 4).tolist()
    rows = [{**record, "label": label} for record, label in zip(records, labels, strict=True)]
    write_jsonl(folder / f"{name}.{split}.jsonl", rows)


def settings_of(folder, name: str) -> TaskSettings:
    files = (folder / f"{name}.{split}.jsonl" for split in ("train", "held_out"))
    return TaskSettings(name, *files, length=LENGTH)


def run_in(folder):
    still = TrainingConfig(
        steps=1,
        batch_size=8,
        dropout=0.0,
        optimizer=OptimizerConfig(learning_rate=1e-12, warmup=0.0),
    )
    tasks = tuple(settings_of(folder, name) for name in TASKS)
    moving = OptimizerConfig(learning_rate=0.05)
    pruner = dataclasses.replace(still, steps=3, accumulate=2, log_every=1, optimizer=moving)
    meta = Zhang2020(
        tasks, pruner, PrunerConfig(frame=8, width=1), draws=DRAWS,
        similar=(settings_of(folder, SIMILAR),),
    )  # fmt: skip
    run = tiny_run(meta, folder, finetune=still)
    return dataclasses.replace(run, tasks=tasks)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted_zhang")
    places = itertools.product((*TASKS, SIMILAR), ("train", "held_out"))
    for seed, (name, split) in enumerate(places):
        write_task(folder, name, split, seed)
    save(MODEL, folder / "model")
    return folder


@pytest.fixture(scope="module")
def rows(folder):
    return run_study(run_in(folder), folder / "out")


# -- what a test measures by itself


def encoded(folder, name: str, split: str, *, siamese: bool = False):
    task = task_named(name)
    examples = read_examples(task, folder / f"{name}.{split}.jsonl")
    readout = ReadoutConfig("pair", task.labels) if siamese else None
    return encode_task(TOKENIZER, examples, readout, LENGTH)


def batched(folder, name: str, split: str, *, siamese: bool = False) -> list:
    """All eight examples in one batch."""
    source = encoded(folder, name, split, siamese=siamese)
    return [jax.tree.map(np.asarray, batch) for batch in batches(source, 8, lengths=(LENGTH,))]


@pytest.fixture(scope="module")
def scored(rows, folder) -> dict:
    """Scores of every pruner for its task, on the task's training examples."""
    found = {}
    for name, seed in itertools.product((*TASKS, SIMILAR), SEEDS):
        own = "" if name == SIMILAR else f".{name}"
        pruner = load_pruner(folder / "out" / "pruners" / f"roberta-pruner{own}-{seed}")
        found[name, seed] = score_heads(
            None, MODEL.params, batched(folder, name, "train"), heads=MODEL.config, progress=False,
            method=meta(pruner, pair=name != "sst2"),
        ).score_LH  # fmt: skip
    return found


@pytest.fixture(scope="module")
def masks(scored, folder) -> dict:
    """The mask of every way, by task, seed and its name and draw in records."""
    scores = folder / "out" / "scores"
    gradient, magnitude = (
        load_scores(scores / f"roberta-mlm-0{name}.npz") for name in ("", ".magnitude")
    )
    assert (gradient.method, magnitude.method) == ("gradient", "magnitude")
    found = {}
    for (name, seed), score_LH in scored.items():
        best = mask_from_scores(score_LH, BUDGET, per_layer=True)
        found[name, seed, "meta", None], found[name, seed, "inverted meta", None] = best, ~best
        for draw in range(seed * DRAWS, (seed + 1) * DRAWS):
            chance = random_mask(*SHAPE, BUDGET, draw, per_layer=True)
            found[name, seed, "random", draw] = chance
        for scores in (gradient, magnitude):
            mask_LH = mask_from_scores(scores.score_LH, BUDGET, per_layer=True)
            found[name, seed, scores.method, None] = mask_LH
    return found


def masks_of(masks: dict, task: str, seed: int) -> dict[tuple, np.ndarray]:
    """By method and draw."""
    return {key[2:]: mask for key, mask in masks.items() if key[:2] == (task, seed)}


def loss_of(folder, task: str, seed: int, split: str, mask_LH: np.ndarray) -> dict[str, float]:
    """Of the pre-trained encoder with the seed's new readout, which training hardly moves."""
    readout = ReadoutConfig("classification", ("0", "1"))
    fresh = init_model(MODEL.config, readout, jax.random.key(seed))
    params = {**fresh.params, "encoder": MODEL.params["encoder"]}
    gate_LH = mask_LH.astype(np.float32)
    objective = objective_for(MODEL.config, readout)
    found = evaluate(objective, params, batched(folder, task, split), ("accuracy",), gate=gate_LH)
    return found.metrics


# -- the pruner


def test_a_pruner_learns_on_other_tasks_than_its_own(rows, folder, tmp_path):
    """Other examples of one task leave its own pruner as it is, and no other one."""
    for name in (*TASKS, SIMILAR):
        for split in ("train", "held_out"):
            source = folder / f"{name}.{split}.jsonl"
            (tmp_path / source.name).write_bytes(source.read_bytes())
    write_task(tmp_path, "sst2", "train", 99)
    for cell in cells(
        dataclasses.replace(run_in(tmp_path), models=run_in(folder).models), Store(tmp_path)
    ):
        if "pruner" in cell.name:
            assert list(cell.run())
    for name in (".sst2", ".rte", ""):
        for seed in SEEDS:
            one, two = (
                load_pruner(out / "pruners" / f"roberta-pruner{name}-{seed}").params["out"][
                    "kernel"
                ]
                for out in (folder / "out", tmp_path)
            )
            assert (one == two).all() == (name == ".sst2"), name


@pytest.mark.parametrize("seed", SEEDS)
def test_a_pruner_is_what_its_seed_gives_on_the_other_task(rows, folder, seed):
    meta = run_in(folder).study
    fresh = init_pruner(meta.pruner, seed)
    pool = Pool((encoded(folder, "rte", "train"),), (channel_of(pair=True),), 2)
    objective = meta_objective(represent_for(MODEL.config, ReadoutConfig()), meta.pruner, 2)
    params = {"encoder": MODEL.params["encoder"], "readout": {}, "pruner": fresh.params}
    how = dataclasses.replace(meta.training, seed=seed)
    trained = fit(objective, params, pool, how, only="pruner", lengths=(LENGTH,)).params["pruner"]
    saved = load_pruner(folder / "out" / "pruners" / f"roberta-pruner.sst2-{seed}").params
    np.testing.assert_allclose(saved["out"]["kernel"], trained["out"]["kernel"], rtol=1e-5)


def test_a_pruner_scores_its_task_on_training_examples(scored, rows, folder):
    for (name, seed), score_LH in scored.items():
        saved = load_scores(folder / "out" / "scores" / f"roberta-{name}-{seed}.meta.npz").score_LH
        np.testing.assert_allclose(saved, score_LH, rtol=1e-5)
        maps = load_maps(Store(folder / "out"), "roberta", "meta", seed)
        np.testing.assert_allclose(maps[name], score_LH, rtol=1e-5)
    assert len({mask_from_scores(s, BUDGET, per_layer=True).tobytes() for s in scored.values()}) > 2


def test_the_ends_of_a_pruners_training_are_its_first_and_last_step(rows, folder):
    for name, seed in itertools.product(("pruner.sst2", "pruner.rte", "pruner"), SEEDS):
        text = (folder / "out" / "logs" / f"roberta-{name}-{seed}.jsonl").read_text()
        losses = [json.loads(line)["loss"] for line in text.splitlines()]
        assert len(set(losses)) == 3
        for method, loss in (("first", losses[0]), ("last", losses[-1])):
            found = having(rows, stage="pruner training", method=method, seed=seed)
            assert loss in [row.value for row in found]


# -- masks in force


@runs
def test_every_row_is_of_the_mask_that_it_names(rows, masks, folder, task, seed):
    expected = masks_of(masks, task, seed)
    found = having(rows, stage="masked, fine-tuned", task=task, seed=seed)
    assert {(row.method, row.draw) for row in found} == expected.keys()
    assert {row.budget for row in found} == {BUDGET}
    losses = {}
    for method, mask_LH in expected.items():
        metrics = loss_of(folder, task, seed, "held_out", mask_LH)
        own = {row.metric: row.value for row in found if (row.method, row.draw) == method}
        assert own == pytest.approx(metrics, rel=1e-4), method
        losses[method] = round(metrics["loss"], 4)
    assert len(set(losses.values())) >= len(losses) - 1  # they tell masks apart
    whole = loss_of(folder, task, seed, "held_out", np.ones(SHAPE, bool))
    own = {row.metric: row.value for row in having(rows, stage="whole", task=task, seed=seed)}
    assert own == pytest.approx(whole, rel=1e-4)


@runs
def test_masks_are_in_force_while_training_on_training_examples(rows, masks, folder, task, seed):
    expected = {**masks_of(masks, task, seed), ("whole", None): np.ones(SHAPE, bool)}
    for method, mask_LH in expected.items():
        of = "-".join(str(part) for part in method if part is not None).replace(" ", "-")
        name = f"roberta-{task}-{seed}-{of}-tuned"
        (line,) = (folder / "out" / "logs" / f"{name}.jsonl").read_text().splitlines()
        loss = loss_of(folder, task, seed, "train", mask_LH)["loss"]
        assert json.loads(line)["loss"] == pytest.approx(loss, rel=1e-4), method


@runs
def test_lost_likeness_is_of_held_out_sentences_under_each_mask(rows, masks, folder, task, seed):
    channel = channel_of(task != "sst2")
    objective = departure_objective(represent_for(MODEL.config, ReadoutConfig()), channel)
    for (method, draw), mask_LH in masks_of(masks, task, seed).items():
        what = {"task": task, "seed": seed, "method": method, "draw": draw}
        found = value_of(rows, stage="likeness lost", **what)
        batch = batched(folder, task, "held_out")
        expected = evaluate(objective, MODEL.params, batch, (), gate=mask_LH.astype(np.float32))
        assert found == pytest.approx(expected.metrics["loss"], rel=1e-4), method


@pytest.mark.parametrize("seed", SEEDS)
def test_similarity_is_the_cosine_of_held_out_pairs_under_each_mask(rows, masks, folder, seed):
    (batch,) = batched(folder, SIMILAR, "held_out", siamese=True)
    sides = (batch.tokens_BT, batch.real_BT, batch.types_BT)
    flat = [jnp.asarray(array).reshape(16, -1) for array in sides]
    of = jax.jit(lambda gate: encode(MODEL.config, MODEL.params, *flat, gate).hidden_BPD)
    expected = {("whole", None): np.ones(SHAPE, bool)} | masks_of(masks, SIMILAR, seed)
    found = having(rows, stage="similarity", task=SIMILAR, seed=seed)
    assert {(row.method, row.draw) for row in found} >= expected.keys()
    for (method, draw), mask_LH in expected.items():
        hidden, real = np.asarray(of(mask_LH.astype(np.float32))), np.asarray(flat[1])[..., None]
        for kind, state in (
            ("mean of tokens", (hidden * real).sum(1) / real.sum(1)), ("first token", hidden[:, 0])
        ):  # fmt: skip
            unit = state / np.linalg.norm(state, axis=-1, keepdims=True)
            cosine = (unit[::2] * unit[1::2]).sum(-1)
            values = {
                "spearman": stats.spearmanr(cosine, batch.labels).statistic,
                "pearson": stats.pearsonr(cosine, batch.labels).statistic,
            }
            for name, value in values.items():
                own = value_of(found, method=method, draw=draw, reading=kind, metric=name)
                assert own == pytest.approx(value, abs=2e-3), (method, name, kind)


# -- comparisons


@pytest.mark.parametrize("task", TASKS)
def test_contrasts_are_of_the_means_over_seeds_and_draws(rows, task):
    def mean(kind: str) -> float:
        stage = "whole" if kind == "whole" else "masked, fine-tuned"
        own = having(rows, stage=stage, task=task, metric="accuracy")
        names = [row for row in own if kind == "whole" or row.method == kind]
        return float(np.mean([row.value for row in names]))

    found = having(rows, stage="contrast of masks", task=task)
    others = ("random", "inverted meta", "gradient", "magnitude", "whole")
    assert {(row.method, row.other_method) for row in found} == {
        *(("meta", other) for other in others), ("random", "inverted meta"), ("gradient", "random"),
    }  # fmt: skip
    values = []
    for row in found:
        difference = mean(row.method) - mean(row.other_method)
        assert row.value == pytest.approx(difference, abs=1e-12), row
        assert row.budget == BUDGET
        values.append(row.value)
    assert len({round(value, 6) for value in values}) > 3


def test_overlap_is_of_the_masks_of_two_tasks_two_seeds_or_two_methods(rows, masks):
    found = {
        (row.task, row.other_task, row.seed, row.method): row.value
        for row in having(rows, stage="overlap of masks")
    }
    names, expected = (*TASKS, SIMILAR), {("", "", 0, "chance"): chance_jaccard(*SHAPE, 2)}
    for seed, (one, two) in itertools.product(SEEDS, itertools.combinations(names, 2)):
        pair = (masks[one, seed, "meta", None], masks[two, seed, "meta", None])
        expected[one, two, seed, "tasks"] = jaccard(*pair)
    for name in names:
        expected[name, "", 0, "seeds"] = jaccard(
            *(masks[name, seed, "meta", None] for seed in SEEDS)
        )
        for seed, other in itertools.product(SEEDS, ("gradient", "magnitude")):
            both = (masks[name, seed, "meta", None], masks[name, seed, other, None])
            expected[name, "", seed, other] = jaccard(*both)
    assert found == pytest.approx(expected)
