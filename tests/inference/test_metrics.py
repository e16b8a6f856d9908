"""Metrics against scikit-learn and seqeval."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from jaxheads.inference.metrics import METRICS, constant_answer, loss_floor, measure

TAGS = ("O", "B-PER", "I-PER", "E-PER", "S-PER", "B-LOC-x", "I-LOC-x", "I-PER2")


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 30))
def test_f1_of_classes_is_that_of_scikit_learn(seed: int, classes: int, count: int):
    from sklearn.metrics import f1_score

    guess, label = np.random.default_rng(seed).integers(0, classes, (2, count))
    for average in ("macro", "micro"):
        wanted = f1_score(label, guess, average=average, zero_division=0)
        name = "accuracy" if average == "micro" else "f1_macro"
        assert METRICS[name](guess, label) == pytest.approx(wanted)


@pytest.mark.filterwarnings("ignore:A single label was found:UserWarning")  # 0, as ours
@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(2, 4), st.integers(2, 30))
@example(seed=2586, classes=2, count=2)
def test_f1_of_one_class_and_matthews_are_those_of_scikit_learn(seed: int, classes: int, count):
    from sklearn.metrics import f1_score, matthews_corrcoef

    guess, label = np.random.default_rng(seed).integers(0, classes, (2, count))
    wanted = matthews_corrcoef(label, guess)
    assert METRICS["matthews"](guess, label) == pytest.approx(wanted)
    wanted = f1_score(label == 1, guess == 1, zero_division=0)
    assert METRICS["f1"](guess, label) == pytest.approx(wanted)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(2, 30))
def test_correlations_are_those_of_pandas_with_ties_too(seed: int, count: int):
    label, guess = np.random.default_rng(seed).integers(0, 4, (2, count)).astype(np.float32)
    frame = pd.DataFrame({"guess": guess, "label": label})
    for name in ("pearson", "spearman"):
        wanted = frame.rank() if name == "spearman" else frame  # a rank for all that are tied
        value = 0.0 if frame.nunique().min() == 1 else wanted.corr().loc["guess", "label"]
        assert METRICS[name](guess, label) == pytest.approx(value, abs=1e-9)


@settings(max_examples=30)
@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 30), st.floats(0, 1))
def test_f1_of_several_labels_is_that_of_scikit_learn(seed: int, classes: int, count: int, often):
    from sklearn.metrics import accuracy_score, f1_score

    drawn = np.random.default_rng(seed).random((2, count, classes)) < often
    guess, label = drawn.astype(np.int32)
    wanted = {
        "f1_micro": f1_score(label, guess, average="micro", zero_division=0),
        "f1_macro": f1_score(label, guess, average="macro", zero_division=0),
        "accuracy": accuracy_score(label, guess),
    }
    if classes == 1:  # scikit-learn takes one column for two classes
        wanted["f1_micro"] = wanted["f1_macro"] = f1_score(
            label[:, 0], guess[:, 0], zero_division=0
        )
    assert {name: METRICS[name](guess, label) for name in wanted} == pytest.approx(wanted)


@settings(max_examples=100)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 8), min_size=1, max_size=4))
def test_spans_are_those_of_seqeval(seed: int, lengths: list[int]):
    from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score

    example = np.repeat(np.arange(len(lengths)), lengths)
    guess, label = np.random.default_rng(seed).integers(0, len(TAGS), (2, len(example)))
    sides = [
        [[TAGS[tag] for tag in side[example == number]] for number in range(len(lengths))]
        for side in (label, guess)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = {
            "span_f1": f1_score(*sides),
            "span_precision": precision_score(*sides),
            "span_recall": recall_score(*sides),
            "accuracy": accuracy_score(*sides),
        }
    found = measure(list(wanted), guess, label, example, TAGS)
    assert found == pytest.approx({name: float(value) for name, value in wanted.items()})


def test_no_span_at_all_scores_0():
    none = np.zeros(3, np.int32)
    assert measure(["span_f1"], none, none, none, TAGS) == {"span_f1": 0.0}


def test_baselines_of_several_labels_are_by_label():
    label = np.array([[1, 0], [1, 0], [1, 1], [0, 0]], np.int32)
    assert constant_answer(label).tolist() == [[1, 0]] * 4
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert loss_floor(label) == pytest.approx(entropy)
