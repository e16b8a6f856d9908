"""Translations of a planted model: one head that sees the source does all, and BLEU says so."""

from __future__ import annotations

from typing import NamedTuple

import jax
import numpy as np
import pytest

from jaxheads.config import OptimizerConfig, ReadoutConfig, TrainingConfig
from jaxheads.data.encode import EncodedSource, encode_task
from jaxheads.data.loader import batches
from jaxheads.data.tasks.examples import read_examples
from jaxheads.data.tasks.task import Task
from jaxheads.data.tokens import Tokenizer
from jaxheads.data.vocabulary import train_tokenizer
from jaxheads.importance.gates.gate import constant
from jaxheads.importance.methods import ablation, gradient, integrated
from jaxheads.importance.score import score_heads
from jaxheads.inference.evaluate import Evaluation
from jaxheads.inference.metrics import METRICS, check_metrics
from jaxheads.inference.translating import (
    by_texts,
    constant_text,
    text_scores,
    text_statistics,
    translate,
)
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.layout import by_kind
from jaxheads.models.model import Model, init_model
from jaxheads.objectives import objective_for
from jaxheads.pruning.cut import cut
from jaxheads.pruning.mask import mask_from_scores
from jaxheads.training.fit import fit

ENGLISH = ("one", "two", "three", "four", "five", "six")
GERMAN = ("eins", "zwei", "drei", "vier", "fünf", "sechs")
PLANTED = np.zeros((3, 4), np.float32)
PLANTED[2, 1] = 1  # a head of the only attention to the source


class Planted(NamedTuple):
    model: Model
    tokenizer: Tokenizer
    source: EncodedSource
    references: list[str]

    def bleu(self, gate, model: Model | None = None) -> float:
        pytest.importorskip("sacrebleu")
        order = batches(self.source, 32)
        texts = translate(model or self.model, self.tokenizer, order, gate, beams=2)
        return text_scores(texts, self.references).values["bleu"]


@pytest.fixture(scope="module")
def planted() -> Planted:
    """A model that learned word for word with one head, the others silent and as they began."""
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 6, rng.integers(4, 8)) for _ in range(128)]
    sides = {"en": ENGLISH, "de": GERMAN}
    pairs = [{side: " ".join(words[n] for n in r) for side, words in sides.items()} for r in rows]
    tokenizer = train_tokenizer([text for p in pairs for text in p.values()], vocab_size=320)
    source = encode_task(
        tokenizer,
        read_examples(Task("translate", "en,de"), pairs),
        ReadoutConfig("translation"),
        32,
    )
    config = encoder_config(
        "marian", tokenizer.vocab_size, 32, 3, 4, 64, 64, decoder_layers=1, activation="relu",
        norm_eps=1e-5, initializer_range=32**-0.5, pad_token_id=1, eos_token_id=2,
        scales_embeddings=True, hidden_dropout=0.0, attention_dropout=0.0,
    )  # fmt: skip
    model = init_model(config, ReadoutConfig("translation"), jax.random.key(0))
    training = TrainingConfig(
        steps=400, batch_size=32, optimizer=OptimizerConfig(learning_rate=1e-2, weight_decay=0.0)
    )
    objective = objective_for(config, model.readout)
    fitted = fit(objective, model.params, source, training, gate=constant(PLANTED))
    found = model._replace(params=jax.device_get(fitted.params))
    return Planted(found, tokenizer, source, [pair["de"] for pair in pairs])


@pytest.mark.slow
def test_a_planted_head_translates_and_without_heads_that_see_the_source_bleu_collapses(planted):
    assert planted.bleu(PLANTED) > 90
    blind = by_kind(planted.model.config, np.ones((3, 4), np.float32))._replace(
        cross=np.zeros((1, 4), np.float32)
    )
    floor = text_scores(constant_text(planted.references), planted.references).values["bleu"]
    assert planted.bleu(blind) < 20
    assert planted.bleu(np.zeros((3, 4), np.float32)) < 20
    assert floor < 20
    params, config = cut(planted.model.params, planted.model.config, PLANTED > 0)
    smaller = planted.model._replace(params=params, config=config)
    assert planted.bleu(None, smaller) == planted.bleu(PLANTED)


@pytest.mark.slow
@pytest.mark.parametrize("method", [gradient(), integrated(points=4), ablation()])
def test_a_planted_head_that_sees_the_source_is_kept(planted, method):
    """The others are as they were drawn, a tenth open.

    The gradient is that of a loss near 0, whose slope is small where the head does all: it finds
    the head among those of its kind; what looks farther finds it among all.
    """
    scores = score_heads(
        objective_for(planted.model.config, planted.model.readout),
        planted.model.params,
        batches(planted.source, 32),
        heads=planted.model.config,
        method=method,
        gate=np.where(PLANTED > 0, 1.0, 0.1).astype(np.float32),
        progress=False,
    )
    found = by_kind(planted.model.config, scores.score_LH)
    assert mask_from_scores(found.cross, 1).tolist() == [[False, True, False, False]]
    if method.name != "gradient":
        assert np.argwhere(np.asarray(mask_from_scores(found, 1))).tolist() == [[2, 1]]


def test_scores_of_texts_are_sacrebleus_and_differ_by_what_is_said():
    sacrebleu = pytest.importorskip("sacrebleu")
    found, due = ["a man runs home", "a dog sleeps here"], ["a man runs home", "a cat sleeps here"]
    values, signatures = text_scores(found, due)
    assert values["bleu"] == pytest.approx(sacrebleu.corpus_bleu(found, [due]).score)
    assert values["chrf2"] == pytest.approx(sacrebleu.corpus_chrf(found, [due]).score)
    assert signatures["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp")
    assert text_scores(due, due).values["bleu"] == pytest.approx(100)
    assert constant_text(["b", "a", "b"]) == ["b"] * 3
    with pytest.raises(ValueError, match="expected 2 translations, got 1"):
        text_scores(found[:1], due)


def test_bleu_of_any_texts_is_computed_from_what_is_kept_of_each():
    sacrebleu = pytest.importorskip("sacrebleu")
    found = ("a man runs home .", "a dog sleeps here", "", "two cats", "the end of all things now")
    due = ("a man runs home .", "a cat sleeps here", "x", "two cats", "the end of all the things")
    kept_N10 = text_statistics(found, due)
    assert kept_N10.shape == (5, 10)
    for some in ([0, 1, 2, 3, 4], [1, 4], [0, 0, 3], [2]):
        want = sacrebleu.corpus_bleu([found[n] for n in some], [[due[n] for n in some]]).score
        assert METRICS["bleu"](kept_N10[some], kept_N10[some]) == pytest.approx(want)
    plain = Evaluation({"loss": 1.0, "accuracy": 0.5}, {"loss": 2.0}, 5, None, np.zeros(5))
    whole = by_texts(plain, found, due)
    assert list(whole.metrics) == ["loss", "bleu", "chrf2", "accuracy"]
    assert whole.metrics["bleu"] == pytest.approx(sacrebleu.corpus_bleu(found, [due]).score)
    assert METRICS["bleu"](whole.answers.label_M, kept_N10) == pytest.approx(100)
    assert whole.floors["bleu"] < whole.metrics["bleu"]
    with pytest.raises(ValueError, match="metrics: expected any of"):
        check_metrics(["bleu"])


def test_without_sacrebleu_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sacrebleu.metrics.bleu", None)
    with pytest.raises(ValueError, match=r"pip install 'jaxheads\[translation\]'; --beams 0"):
        text_scores(["a"], ["a"])
