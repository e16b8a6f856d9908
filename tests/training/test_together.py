"""Several trainings at once are what each of them is alone."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from typing import Any
from unittest import mock

import jax
import numpy as np
import pytest

from jaxheads.config import OptimizerConfig, ReadoutConfig
from jaxheads.data.loader import batches_together, training_batches
from jaxheads.importance.gate import constant
from jaxheads.importance.hardconcrete import lagrangian
from jaxheads.importance.subset import subset
from jaxheads.mesh import make_mesh
from jaxheads.models.model import init_model
from jaxheads.training import together
from jaxheads.training.fit import fit
from jaxheads.training.together import Member, fit_together
from jaxheads.training.watch import Diverged
from tests.training.conftest import LENGTHS, sentences, word_case, word_sum
from tests.training.runs import CONFIG
from tests.training.test_gating import FAST, HEADS, gated_words

# Not Adam for models: it makes steps of noise from the gradient of key biases, which is nothing.
PLAIN = dataclasses.replace(CONFIG, optimizer=OptimizerConfig(rate=0.1, descent="sgd"))
CLOSE: dict[str, Any] = {"rtol": 2e-5, "atol": 2e-6}  # sums in another order, 30 steps of float32


def alone(case, member: Member, config=CONFIG, **how):
    config = dataclasses.replace(config, seed=member.seed)
    return fit(case.objective, member.params, case.source, config, gate=member.gate, **how)


def check(case, members, config=CONFIG, mesh=None, **how):
    how = {"lengths": LENGTHS, **how}
    found = fit_together(case.objective, members, case.source, config, mesh=mesh, **how)
    assert len(found) == len(members)
    for member, one in zip(members, found, strict=True):
        wanted = alone(case, member, config, **how)
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, **CLOSE),
            (one.params, one.theta), (wanted.params, wanted.theta),
        )  # fmt: skip
        for ours, theirs in zip(one.log, wanted.log, strict=True):
            np.testing.assert_allclose(ours[:4], theirs[:4], **CLOSE)
        for ours, theirs in zip(one.gated, wanted.gated, strict=True):
            assert ours.step == theirs.step
            np.testing.assert_allclose(
                list(ours.gates.values()), list(theirs.gates.values()), **CLOSE
            )
    return found


def seeded(case, count: int, gates=None) -> list[Member]:
    every = [constant()] * count if gates is None else gates
    return [Member(f"run {s}", case.params, s, gate) for s, gate in enumerate(every)]


def test_seeds_together_are_each_seed_alone():
    case = word_case()
    found = check(case, seeded(case, 3))
    assert not np.allclose(found[0].params["table"], found[1].params["table"], atol=1e-3)


@pytest.mark.parametrize("devices", [2, 4])
def test_they_are_split_over_devices_which_they_need_not_fill(devices):
    case = word_case()
    check(case, seeded(case, 3), mesh=make_mesh(devices))


@pytest.mark.parametrize("kind", ["subset", "lagrangian"])
def test_budgets_are_learned_together(kind):
    case, budgets = gated_words(), (2, 3, 6)
    gates = [
        subset(HEADS, k, steps=30) if kind == "subset" else lagrangian(HEADS, k) for k in budgets
    ]
    found = check(case, seeded(case, 3, gates), gates=FAST)
    opened = [one.gated[-1].gates["open"] for one in found]
    if kind == "subset":  # the other comes near its budget only after more steps
        assert opened == pytest.approx(budgets, abs=1e-3)


@pytest.mark.slow
def test_masks_of_a_model_whose_readout_alone_is_trained(classifier):
    """The encoder, one array for all, is kept once; masks differ, readouts differ."""
    masks = np.random.default_rng(0).integers(0, 2, (3, 2, 2)) > 0
    masks[:, 0, 0] = True
    members = [
        Member(f"mask {s}", {**classifier.params, "readout": jax.tree.map(
            lambda leaf, s=s: leaf + 0.01 * s, classifier.params["readout"])}, s, constant(mask))
        for s, mask in enumerate(masks)
    ]  # fmt: skip
    for mesh in (None, make_mesh(2)):
        found = check(classifier, members, PLAIN, only="readout", mesh=mesh)
        assert np.array_equal(
            found[1].params["encoder"]["embeddings"]["word"]["table"],
            classifier.params["encoder"]["embeddings"]["word"]["table"],
        )
    check(classifier, members, PLAIN)


def test_the_log_of_each_is_its_own(tmp_path):
    case = word_case()
    members = [each._replace(log=tmp_path / f"{each.seed}.jsonl") for each in seeded(case, 2)]
    fit_together(case.objective, members, case.source, CONFIG, lengths=LENGTHS)
    for member in members:
        alone(case, member, lengths=LENGTHS, log=tmp_path / "alone.jsonl")
        ours, theirs = (
            [json.loads(line) for line in path.read_text().splitlines()]
            for path in (tmp_path / f"{member.seed}.jsonl", tmp_path / "alone.jsonl")
        )
        assert [line["step"] for line in ours] == [line["step"] for line in theirs]
        loss, wanted = ([line["loss"] for line in lines] for lines in (ours, theirs))
        np.testing.assert_allclose(loss, wanted, **CLOSE)


def test_one_that_diverges_is_named():
    case = word_case()
    members = seeded(case, 3)
    bad = jax.tree.map(lambda leaf: leaf + np.inf, case.params)
    members[1] = members[1]._replace(params=bad)
    with pytest.raises(Diverged, match="run 1: the loss or its gradient is not finite at step 0"):
        fit_together(case.objective, members, case.source, CONFIG, lengths=LENGTHS)


def test_other_shapes_names_and_devices_are_refused():
    case = word_case()
    one, two = seeded(case, 2)

    def run(*members, mesh=None):
        fit_together(case.objective, members, case.source, CONFIG, lengths=LENGTHS, mesh=mesh)

    other = two._replace(params={**case.params, "bias": np.zeros(2, np.float32)})
    with pytest.raises(ValueError, match="of one shape, run 1 has others than run 0"):
        run(one, other)
    with pytest.raises(ValueError, match="of one shape"):
        run(one, two._replace(gate=constant(np.ones(HEADS))))
    with pytest.raises(ValueError, match="expected different names, got run 0, run 0"):
        run(one, one)
    with pytest.raises(ValueError, match="1 along model"):
        run(one, two, mesh=make_mesh(2, 2))
    with pytest.raises(ValueError, match="at least one training"):
        run()


def test_masks_and_seeds_are_one_program():
    steps, make = set(), together._step
    case = word_case()._replace(objective=functools.partial(word_sum))  # that no other test has

    def noting(*what):
        steps.add(make(*what))
        return make(*what)

    with mock.patch.object(together, "_step", noting):
        for first in (0, 3):
            gates = [constant(np.full(HEADS, value)) for value in (first / 3, 0.5, 1.0)]
            members = [each._replace(seed=first + each.seed) for each in seeded(case, 3, gates)]
            fit_together(case.objective, members, case.source, CONFIG, lengths=LENGTHS)
    assert [step._cache_size() for step in steps] == [1]


def test_batches_together_are_those_of_each_padded_alike():
    source = sentences(50)
    lengths = (4, 5, 6, 7, 8)
    both = batches_together(source, 2, seeds=(3, 4, 3), lengths=lengths, window=4)
    each = [training_batches(source, 2, seed=s, lengths=lengths, window=4) for s in (3, 4)]
    cut = 0
    for stacked, *single in itertools.islice(zip(both, *each, strict=True), 40):
        assert stacked.tokens_BT.shape[:2] == (3, 2)
        longest = max(one.tokens_BT.shape[-1] for one in single)
        assert stacked.tokens_BT.shape[-1] == longest
        for row, one in enumerate((*single, single[0])):
            own = one.tokens_BT.shape[-1]
            cut += own < longest
            assert np.array_equal(stacked.tokens_BT[row, :, :own], one.tokens_BT)
            assert not stacked.real_BT[row, :, own:].any()
            assert np.array_equal(stacked.labels[row], one.labels)
    assert cut


def test_new_models_may_differ(classifier):
    """Every array has its row, also those that members do not share."""
    readout = ReadoutConfig("classification", ("low", "high"), dropout=0.0)
    params = [init_model(classifier.config, readout, jax.random.key(s)).params for s in (0, 1)]
    members = [Member(f"run {s}", each, s) for s, each in enumerate(params)]
    check(classifier, members, PLAIN, only="readout")
