"""Every learned gate finds the heads that carry the label, on sentences of the built-in language.

The label is whether a sentence denies something ("not", "never", "nobody"), in a model of the
built-in RoBERTa's shape with random parameters, in which two heads of different layers carry it
and nothing else does.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import NamedTuple

import jax
import numpy as np
import pytest

from jaxheads.config import OptimizerConfig, ReadoutConfig, TrainingConfig
from jaxheads.data.encode import EncodedSource, encode_task
from jaxheads.data.language.tasks import iter_drawn
from jaxheads.data.tasks.task import Example, Examples, Task
from jaxheads.data.tokens import Tokenizer, load_tokenizer
from jaxheads.importance.gates.hard_concrete import l0, lagrangian, naturally_open
from jaxheads.importance.gates.subset import PAPER, subset
from jaxheads.inference.evaluate import evaluate
from jaxheads.models.checkpoint.hf_config import read_config
from jaxheads.models.model import Params, abstract_params
from jaxheads.objectives import Objective, objective_for
from jaxheads.pruning.mask import mask_from_scores
from jaxheads.storage.hub import builtin_dir
from jaxheads.training.fit import fit
from jaxheads.training.optimizer import GATES
from tests.planted.classifier import FROM, SINK, TO, carry, clear

DENIALS = {"not", "never", "nobody"}
PLANTED = ((0, 1), (2, 3))
HEADS, LENGTH = (4, 4), 18


class Planted(NamedTuple):
    """A classifier with planted heads, and sentences with what it is to say of them."""

    objective: Objective
    params: Params
    source: EncodedSource


@pytest.fixture(scope="module")
def planted() -> Planted:
    """Half of 128 sentences deny something; with one of the heads most of those are missed."""
    where = builtin_dir("builtin:roberta")
    config, tokenizer = read_config(where / "config.json").config, load_tokenizer(where)
    assert (config.num_layers, config.num_heads) == HEADS
    readout, rng = ReadoutConfig("classification", ("says", "denies")), np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: rng.normal(0, config.initializer_range, leaf.shape).astype(np.float32),
        abstract_params(config, readout),
    )
    clear(params["encoder"])
    for place in PLANTED:
        carry(params["encoder"], *place)
    _mark_denials(params, tokenizer)
    _read_mean(params["readout"], threshold=0.17, sharpness=15.0)
    examples = Examples(Task("classify", labels=readout.labels), _told())
    source = encode_task(tokenizer, examples, readout, LENGTH)
    return Planted(objective_for(config, readout), params, source)


def _told() -> list[Example]:
    """As many sentences of either label, in turns."""
    drawn = (each.first for each in iter_drawn("grammar_sentiment", "train"))
    taken: tuple[list[Example], list[Example]] = ([], [])
    for number, text in enumerate(itertools.islice(drawn, 1000)):
        label = int(not DENIALS.isdisjoint(text.split()))
        taken[label].append(Example(text, None, label, f"{number}"))
    return [each for pair in itertools.islice(zip(*taken, strict=False), 64) for each in pair]


def _mark_denials(params: Params, tokenizer: Tokenizer) -> None:
    """FROM of the pieces that deny, balanced by SINK as there."""
    table = params["encoder"]["embeddings"]["word"]["table"]
    table[:, [FROM, SINK]] = 0
    for word in DENIALS:
        for row in tokenizer.encode([word, f"a {word}"]).ids:
            table[row[-2], [FROM, SINK]] = (2, -2)


def _read_mean(readout: Params, *, threshold: float, sharpness: float) -> None:
    """The answer is whether TO is above the threshold."""
    for part in (readout["dense"], readout["out"]):
        part["kernel"][:], part["bias"][:] = 0, 0
    readout["dense"]["kernel"][TO, 0] = 1
    readout["dense"]["bias"][0] = -threshold
    readout["out"]["kernel"][0] = (-sharpness, sharpness)


STEPS = 80  # three times as many for multipliers, which grow first: then heads are sorted
GATES_OF = {
    "bounded": lambda: subset(HEADS, 2, steps=STEPS),
    "chained": lambda: subset(HEADS, 2, steps=STEPS, relaxation="chained", annealing=PAPER),
    "straight_through": lambda: subset(HEADS, 2, steps=STEPS, relaxation="straight_through"),
    "l0": lambda: l0(HEADS, 0.03),
    "lagrangian": lambda: lagrangian(HEADS, 2),
}


def learned(planted: Planted, name: str, seed: int) -> np.ndarray:
    """The score of a gate that was trained alone."""
    gate, steps = GATES_OF[name](), 3 * STEPS if name == "lagrangian" else STEPS
    config = TrainingConfig(
        steps=steps, batch_size=8, seed=seed, log_every=steps, optimizer=OptimizerConfig()
    )
    fitted = fit(
        planted.objective, planted.params, planted.source, config, gate=gate,
        gates=dataclasses.replace(GATES, learning_rate=0.2), only="gates", lengths=(LENGTH,),
    )  # fmt: skip
    return np.asarray(gate.score(fitted.theta), np.float64)


def accuracy(planted: Planted, *heads: tuple[int, int]) -> float:
    """With these heads alone."""
    gate_LH, every = np.zeros(HEADS, np.float32), np.arange(128)
    for place in heads:
        gate_LH[place] = 1
    batch = planted.source.rows(every, np.zeros_like(every), LENGTH)
    found = evaluate(planted.objective, planted.params, [batch], ["accuracy"], gate=gate_LH)
    return found.metrics["accuracy"]


def test_both_planted_heads_are_needed_and_no_other(planted):
    assert accuracy(planted, *PLANTED) == 1
    assert accuracy(planted, PLANTED[0]) < 0.85
    assert accuracy(planted, PLANTED[1]) < 0.85
    assert accuracy(planted) == 0.5


@pytest.mark.parametrize(
    "name",
    [
        name if name == "bounded" else pytest.param(name, marks=pytest.mark.slow)
        for name in GATES_OF
    ],
)
def test_a_learned_gate_keeps_exactly_the_planted_heads(planted, name):
    right = 0
    for seed in range(5):
        score_LH = learned(planted, name, seed)
        kept = {tuple(where) for where in np.argwhere(mask_from_scores(score_LH, 2))}
        right += kept == set(PLANTED)
        if name == "l0":  # without a budget
            assert {tuple(w) for w in np.argwhere(naturally_open(score_LH))} >= set(PLANTED)
    assert right >= 4
