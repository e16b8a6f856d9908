from __future__ import annotations

import functools

import jax
import numpy as np
import pytest

from jaxheads.config import ReadoutConfig
from jaxheads.data.batch import Batch
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import abstract_params, logits
from jaxheads.objectives import Outcome, objective_for, watch_for

CONFIG = encoder_config(
    family="bert", vocab_size=40, hidden_size=8, num_layers=1, num_heads=2, intermediate_size=8,
    max_positions=9, type_vocab_size=2,
)  # fmt: skip
READOUTS = {
    "classes": ReadoutConfig("classification", ("a", "b", "c")),
    "score": ReadoutConfig("classification", ("score",)),
    "pair": ReadoutConfig("pair", ("a", "b")),
    "words": ReadoutConfig("masked_lm"),
}


@functools.cache
def params_of(name):
    """Random parameters whose biases do not drown what the tokens say."""
    rng = np.random.default_rng(0)

    def draw(path, leaf):
        size = 0.1 if path[-1].key == "bias" else 1.0
        return (size * rng.normal(size=leaf.shape)).astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, abstract_params(CONFIG, READOUTS[name]))


def make_batch(name) -> Batch:
    rng, shape = np.random.default_rng(1), (3, 2, 5) if name == "pair" else (3, 5)
    tokens, where = rng.integers(0, 40, shape), None
    labels = {"classes": np.array([2, 0, 1]), "score": np.array([0.5, -1, 2], np.float32)}
    labels |= {"pair": np.array([0, 1, 1]), "words": np.array([[3, 39], [7, -1], [-1, -1]])}
    if name == "words":
        where = np.array([[1, 4], [2, 0], [0, 0]])
    real = np.arange(5) < rng.integers(4, 6, (*shape[:-1], 1))
    return Batch(
        tokens, real, tokens % 2, labels[name], np.ones(3, np.float32), np.arange(3), where
    )


@functools.cache
def outcome_of(name, **more) -> Outcome:
    objective = objective_for(CONFIG, READOUTS[name], **more)
    return jax.tree.map(np.asarray, jax.jit(objective)(params_of(name), None, make_batch(name)))


def nats(logits, label) -> float:
    exact = np.asarray(logits, np.float64)
    return float(np.log(np.exp(exact).sum()) - exact[label])


@pytest.mark.parametrize("name", ["classes", "pair"])
def test_a_classifiers_loss_is_the_cross_entropy_of_each_example(name):
    found, labels = outcome_of(name), make_batch(name).labels
    expected = [nats(found.logits[row], labels[row]) for row in range(3)]
    np.testing.assert_allclose(found.loss_B, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.terms_B, [1, 1, 1])


def test_a_regressions_loss_is_the_squared_error():
    found, labels = outcome_of("score"), make_batch("score").labels
    np.testing.assert_allclose(found.loss_B, (found.logits[:, 0] - labels) ** 2, rtol=1e-5)
    np.testing.assert_array_equal(found.terms_B, [1, 1, 1])


def test_a_masked_lms_loss_is_summed_over_the_positions_that_it_predicts():
    found = outcome_of("words")
    assert found.logits.shape == (3, 2, 40)
    expected = [nats(found.logits[0, 0], 3) + nats(found.logits[0, 1], 39)]
    expected += [nats(found.logits[1, 0], 7), 0.0]
    np.testing.assert_allclose(found.loss_B, expected, rtol=1e-5)
    np.testing.assert_array_equal(found.terms_B, [2, 1, 0])


def test_the_logits_are_the_models():
    batch = jax.tree.map(jax.numpy.asarray, make_batch("classes"))
    run = jax.jit(functools.partial(logits, CONFIG, READOUTS["classes"]))
    expected = run(params_of("classes"), batch.tokens_BT, batch.real_BT, batch.types_BT)
    np.testing.assert_allclose(outcome_of("classes").logits, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["classes", "words"])
def test_own_targets_are_what_the_full_model_predicts_whatever_the_gate(name):
    own = jax.jit(objective_for(CONFIG, READOUTS[name], targets="own"))
    batch, gate = make_batch(name), np.full((1, 2), -9, np.float32)
    best = outcome_of(name).logits.argmax(-1)
    labels = np.where(batch.labels >= 0, best, -1) if name == "words" else best
    given = jax.jit(objective_for(CONFIG, READOUTS[name]))
    expected = given(params_of(name), gate, batch._replace(labels=labels))
    assert (expected.logits.argmax(-1) != best).any()
    other = batch._replace(labels=np.where(batch.labels < 0, -1, 0))  # which are not looked at
    for labelled in (batch, other):
        found = own(params_of(name), gate, labelled)
        np.testing.assert_allclose(found.loss_B, expected.loss_B, rtol=1e-5, atol=1e-6)
    full = own(params_of(name), None, batch)
    np.testing.assert_array_equal(full.logits, outcome_of(name).logits)


def test_a_label_that_is_no_class_gives_no_number_for_that_example_alone():
    bad = make_batch("classes")._replace(labels=np.array([3, -1, 1]))
    objective = jax.jit(objective_for(CONFIG, READOUTS["classes"]))
    found = np.asarray(objective(params_of("classes"), None, bad).loss_B)
    assert np.isnan(found[:2]).all() and found[2] == outcome_of("classes").loss_B[2]


def test_bfloat16_is_near_float32_and_its_loss_is_float32():
    half = outcome_of("classes", compute_dtype="bfloat16")
    assert half.loss_B.dtype == np.float32
    np.testing.assert_allclose(half.loss_B, outcome_of("classes").loss_B, rtol=0.1, atol=0.05)
    assert (half.loss_B != outcome_of("classes").loss_B).any()


def test_a_watch_shows_every_head_and_the_mean_over_a_pairs_sentences():
    batch, params = make_batch("pair"), params_of("pair")
    flat = batch._replace(
        **{
            name: getattr(batch, name).reshape(6, 5)
            for name in ("tokens_BT", "real_BT", "types_BT")
        }
    )
    watch = jax.jit(
        lambda batch: watch_for(CONFIG)(params, None, batch, lambda view: view.probs_BHTS[..., 0])
    )
    single_BLHT, pair_BLHT = np.asarray(watch(flat)), np.asarray(watch(batch))
    assert single_BLHT.shape == (6, 1, 2, 5) and pair_BLHT.shape == (3, 1, 2, 5)
    expected = (single_BLHT[0::2] + single_BLHT[1::2]) / 2
    np.testing.assert_allclose(pair_BLHT, expected, rtol=1e-5)


def test_one_function_stands_for_one_objective_so_that_it_is_compiled_once():
    assert objective_for(CONFIG, READOUTS["words"]) is objective_for(CONFIG, READOUTS["words"])
    assert watch_for(CONFIG) is watch_for(CONFIG)


def test_what_has_no_loss_is_rejected():
    with pytest.raises(ValueError, match=r"expected one of the readouts masked_lm, .* got none"):
        objective_for(CONFIG, ReadoutConfig())
    with pytest.raises(ValueError, match="own prediction has no error"):
        objective_for(CONFIG, READOUTS["score"], targets="own")
    with pytest.raises(ValueError, match="where_BP is None"):
        objective = objective_for(CONFIG, READOUTS["words"])
        objective(params_of("words"), None, make_batch("words")._replace(where_BP=None), None)


@pytest.mark.parametrize("name", ["classes", "words"])
def test_smoothed_targets_are_a_mixture_with_all_classes(name):
    """PyTorch's definition: the share is spread over all classes, the true one too."""
    plain, smoothed = outcome_of(name), outcome_of(name, label_smoothing=0.25)
    labels = make_batch(name).labels.reshape(3, -1)
    for row in range(3):
        rows = smoothed.logits[row].reshape(labels.shape[1], -1)
        wanted = sum(
            0.75 * nats(logit, label) + 0.25 * np.mean([nats(logit, c) for c in range(len(logit))])
            for logit, label in zip(rows, labels[row], strict=True)
            if label >= 0
        )
        np.testing.assert_allclose(smoothed.loss_B[row], wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(plain.logits, smoothed.logits)
    with pytest.raises(ValueError, match="label_smoothing: expected 0 where no class of several"):
        objective_for(CONFIG, READOUTS["score"], label_smoothing=0.1)
