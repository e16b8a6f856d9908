"""Metrics are exact, whatever the batches, the devices and the gate."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxheads.config import ReadoutConfig
from jaxheads.data.batch import Batch
from jaxheads.data.loader import batches
from jaxheads.inference.evaluate import evaluate
from jaxheads.inference.metrics import METRICS
from jaxheads.models.model import init_model
from jaxheads.objectives import Outcome, objective_for
from jaxheads.parallel.mesh import make_mesh, place_batch
from tests.support.cases import LENGTHS, encoder, on_device, sentences


def known(answers, classes):
    """An objective that gives these answers; an example's loss is its number."""

    def objective(params, gate, batch, key):
        guess = jnp.asarray(answers)[jnp.maximum(batch.index_B, 0)]
        logits = guess[:, None] if classes == 1 else jax.nn.one_hot(guess, classes)
        loss = batch.index_B.astype(jnp.float32)
        return Outcome(loss, logits, jnp.ones_like(loss))

    return objective


def rows_of(labels, size=4):
    """Batches of `size` rows of these labels, the last one padded."""
    labels = np.asarray(labels)
    index = np.arange(-(-len(labels) // size) * size)
    index[len(labels) :] = -1
    for part in index.reshape(-1, size):
        shape = (size, 2)
        yield Batch(
            np.zeros(shape, np.int32), np.ones(shape, bool), np.zeros(shape, np.int32),
            labels[np.maximum(part, 0)], (part >= 0).astype(np.float32), part,
        )  # fmt: skip


GUESS = np.array([1, 0, 1, 1, 0, 0, 1, 1, 0])
LABEL = np.array(
    [1, 0, 0, 1, 1, 0, 1, 1, 1]
)  # 4 true positives, 1 false, 2 missed, 2 true negatives


def test_words_count_alike_in_batches_of_any_length():
    words = np.array([4, 1, 3, 2, 5, 1])
    tag_NT = np.where(np.arange(5) < words[:, None], np.arange(30).reshape(6, 5) % 3, -1)
    guess_NT = np.arange(30).reshape(6, 5) // 2 % 3

    def objective(params, gate, batch, key):
        length = batch.tokens_BT.shape[1]
        guess = jnp.asarray(guess_NT)[jnp.maximum(batch.index_B, 0), :length]
        terms = (batch.labels >= 0).sum(1).astype(jnp.float32)
        return Outcome(terms * batch.index_B, jax.nn.one_hot(guess, 3), terms)

    def batch(rows, length):
        shape = (len(rows), length)
        return Batch(
            np.zeros(shape, np.int32), np.ones(shape, bool), np.zeros(shape, np.int32),
            tag_NT[rows, :length], np.ones(len(rows), np.float32), np.array(rows),
        )  # fmt: skip

    how = {"metrics": ("accuracy", "span_f1"), "names": ("O", "B-X", "I-X")}
    whole = evaluate(objective, {}, [batch([0, 1, 2, 3, 4, 5], 5)], **how)
    parts = evaluate(objective, {}, [batch([1, 5], 2), batch([4, 0], 5), batch([2, 3], 3)], **how)
    assert parts.metrics == whole.metrics and parts.floors == whole.floors
    assert whole.metrics["accuracy"] == np.mean((guess_NT == tag_NT)[tag_NT >= 0])
    assert parts.answers.example_M.tolist() == np.repeat(np.arange(6), words).tolist()


def test_the_metrics_of_two_classes_are_those_counted_by_hand():
    found = evaluate(
        known(GUESS, 2), {}, rows_of(LABEL), ("accuracy", "f1", "matthews"), classes=(0, 1)
    )
    assert found.examples == 9
    assert found.metrics["accuracy"] == pytest.approx(6 / 9)
    assert found.answers.guess_M.tolist() == GUESS.tolist()
    assert found.answers.label_M.tolist() == LABEL.tolist()
    assert found.metrics["f1"] == pytest.approx(2 * 4 / (5 + 6))
    assert found.metrics["matthews"] == pytest.approx(
        (4 * 2 - 1 * 2) / np.sqrt((4 + 1) * (4 + 2) * (2 + 1) * (2 + 2))
    )
    assert found.metrics["loss"] == pytest.approx(np.arange(9).mean())


def test_the_floor_is_that_of_the_most_frequent_label():
    found = evaluate(
        known(GUESS, 2), {}, rows_of(LABEL), ("accuracy", "f1", "matthews"), classes=(0, 1)
    )
    entropy = -(6 / 9 * np.log(6 / 9) + 3 / 9 * np.log(3 / 9))
    expected = {"loss": entropy, "accuracy": 6 / 9, "f1": 2 * 6 / (9 + 6), "matthews": 0.0}
    assert found.floors == pytest.approx(expected)


def test_matthews_of_three_classes_is_the_correlation_of_indicators():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 40)
    guess = np.where(rng.random(40) < 0.5, label, rng.integers(0, 3, 40))
    found = evaluate(known(guess, 3), {}, rows_of(label), ("matthews",))
    one, two = (np.eye(3)[side] - np.eye(3)[side].mean(0) for side in (guess, label))
    expected = (one * two).sum() / np.sqrt((one**2).sum() * (two**2).sum())
    assert found.metrics["matthews"] == pytest.approx(expected)


def test_regression_has_both_correlations_and_the_variance_as_floor():
    rng = np.random.default_rng(1)
    label = np.float32(rng.integers(0, 11, 30) / 2)  # with ties
    guess = np.float32(label + rng.normal(size=30))
    found = evaluate(known(guess, 1), {}, rows_of(label), ("pearson", "spearman"))
    assert found.metrics["pearson"] == pytest.approx(np.corrcoef(guess, label)[0, 1])
    assert found.metrics["spearman"] == pytest.approx(stats.spearmanr(guess, label).statistic)
    assert found.floors == pytest.approx({"loss": label.var(), "pearson": 0.0, "spearman": 0.0})


@pytest.mark.parametrize("name", ["f1", "matthews", "pearson", "spearman"])
def test_a_metric_of_constant_answers_is_zero_and_no_warning(name):
    assert METRICS[name](np.zeros(5, np.int32), np.array([0, 1, 0, 1, 1])) == 0.0


def masked_by_hand(case):
    """Loss and hits of every predicted token, one example at a time."""
    losses, hits = [], []
    objective = jax.jit(case.objective)
    for number in range(len(case.source.lengths)):
        batch = on_device(case.source.rows(np.array([number]), np.array([0]), 8))
        logits_PV = np.asarray(objective(case.params, None, batch, None).logits[0], np.float64)
        for logits_V, label in zip(logits_PV, np.asarray(batch.labels)[0], strict=True):
            if label >= 0:
                losses.append(np.log(np.exp(logits_V).sum()) - logits_V[label])
                hits.append(logits_V.argmax() == label)
    return np.mean(losses), np.mean(hits)


def test_a_masked_lm_is_measured_by_predicted_tokens(masked_lm):
    found = evaluate(
        masked_lm.objective, masked_lm.params,
        batches(masked_lm.source, 16, lengths=LENGTHS), ("loss", "accuracy"),
    )  # fmt: skip
    loss, accuracy = masked_by_hand(masked_lm)
    assert found.metrics["loss"] == pytest.approx(loss, rel=1e-5)
    assert found.metrics["accuracy"] == pytest.approx(accuracy)
    every = masked_lm.source.rows(np.arange(50), np.zeros(50, int), 8).labels
    share = np.bincount(every[every >= 0]) / (every >= 0).sum()
    assert found.floors["accuracy"] == pytest.approx(share.max())
    assert found.floors["loss"] == pytest.approx(-sum(p * np.log(p) for p in share if p))


def run(case, size, mesh=None, gate=None):
    return evaluate(
        case.objective, case.params, batches(case.source, size, lengths=LENGTHS),
        ("accuracy", "matthews"), mesh=mesh, gate=gate,
    )  # fmt: skip


def test_metrics_do_not_depend_on_batches_or_devices(classifier):
    whole = run(classifier, 50)
    for other in (run(classifier, 7), run(classifier, 10, make_mesh(4, 2))):
        assert other.examples == whole.examples == 50
        assert other.floors == whole.floors
        assert other.metrics["accuracy"] == whole.metrics["accuracy"]
        assert other.metrics["loss"] == pytest.approx(whole.metrics["loss"], rel=1e-6)  # rounding


def test_batches_that_lie_on_the_devices_are_evaluated_there(classifier):
    mesh = make_mesh(8)
    placed = [place_batch(mesh, b) for b in batches(classifier.source, 10, lengths=LENGTHS)]
    found = evaluate(classifier.objective, classifier.params, placed, ("accuracy",), mesh=mesh)
    assert found.metrics["accuracy"] == run(classifier, 10).metrics["accuracy"]


def test_a_pruning_curve_is_one_compilation(classifier):
    traced = []

    def counted(params, gate, batch, key):
        traced.append(1)
        return classifier.objective(params, gate, batch, key)

    case = classifier._replace(objective=counted)
    rng = np.random.default_rng(0)
    losses = {
        run(case, 10, gate=np.float32(rng.random((2, 2)) < 0.5)).metrics["loss"] for _ in range(6)
    }
    assert len(losses) > 2
    assert len(traced) == 1


def test_the_gate_is_applied(classifier):
    closed = run(classifier, 10, gate=np.zeros((2, 2), np.float32)).metrics["loss"]
    batch = on_device(classifier.source.rows(np.arange(50), np.zeros(50, int), 8))
    by_hand = jax.jit(classifier.objective)(
        classifier.params, jnp.zeros((2, 2)), batch, None
    ).loss_B.mean()
    assert closed == pytest.approx(float(by_hand), rel=1e-6)
    assert closed != run(classifier, 10).metrics["loss"]


def test_real_labels_of_a_real_model_are_measured():
    config, readout = encoder(), ReadoutConfig("classification", ("similarity",))
    source = sentences()
    source = dataclasses.replace(source, labels=np.float32(source.lengths / 8))
    found = evaluate(
        objective_for(config, readout), init_model(config, readout, jax.random.key(1)).params,
        batches(source, 16, lengths=LENGTHS), ("pearson", "spearman"),
    )  # fmt: skip
    assert -1 < found.metrics["pearson"] < 1
    assert found.floors["loss"] == pytest.approx(source.labels.var())


def test_faults_are_named(classifier):
    with pytest.raises(ValueError, match=r"expected any of loss, accuracy, .* got bleu"):
        evaluate(classifier.objective, classifier.params, [], ("bleu", "accuracy"))
    with pytest.raises(ValueError, match="expected at least one example, got none"):
        evaluate(classifier.objective, classifier.params, [], ("accuracy",))
    with pytest.raises(ValueError, match="f1: expected `classes`, as jh"):
        evaluate(classifier.objective, classifier.params, [], ("f1",))
    broken = known(GUESS, 2)

    def nan_at_5(params, gate, batch, key):
        outcome = broken(params, gate, batch, key)
        return outcome._replace(loss_B=jnp.where(batch.index_B == 5, jnp.nan, outcome.loss_B))

    with pytest.raises(ValueError, match="expected finite losses, got another at example 5"):
        evaluate(nan_at_5, {}, rows_of(LABEL), ("accuracy",))
