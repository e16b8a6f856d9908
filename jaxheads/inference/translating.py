"""Translations of a whole split, and how they compare with references, by sacrebleu."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Int

from jaxheads.data.batch import Batch
from jaxheads.data.tokens import Tokenizer
from jaxheads.inference.decoding import decode
from jaxheads.inference.evaluate import Answers, Evaluation
from jaxheads.inference.metrics import BLEU as OF_WORDS
from jaxheads.inference.metrics import CHRF2
from jaxheads.inference.stream import stream
from jaxheads.models.model import Model
from jaxheads.parallel.mesh import place_params
from jaxheads.parallel.processes import gather_rows

BEAMS = 4  # hypotheses that run at a time
ROOM = 2  # times as many tokens as the padded source has may a translation have


class TextScores(NamedTuple):
    """How like their references texts are, from 0 to 100, and exactly how that was computed."""

    values: dict[str, float]
    signatures: dict[str, str]


def translate(
    model: Model,
    tokenizer: Tokenizer,
    batches: Iterable[Batch],
    gate: Any = None,
    *,
    beams: int = BEAMS,
    penalty: float = 1.0,
    mesh: Mesh | None = None,
) -> list[str]:
    """The translation of every example, in the order of their numbers, under a gate on the heads.

    With several processes all of them call and get the same. See `decoding.decode`.
    """
    tokens_NT = search(model, batches, gate, beams=beams, penalty=penalty, mesh=mesh)
    return [tokenizer.decode(row) for row in tokens_NT.tolist()]


def search(
    model: Model,
    batches: Iterable[Batch],
    gate: Any = None,
    *,
    beams: int = BEAMS,
    penalty: float = 1.0,
    mesh: Mesh | None = None,
) -> Int[np.ndarray, "N T"]:
    """The tokens of those translations, each with the one that ends it, then padding."""
    config, readout, params = model
    params = place_params(mesh, params)

    def step(batch: Batch):
        source = (batch.tokens_BT[:, 0], batch.real_BT[:, 0])
        length = min(config.max_positions, ROOM * batch.tokens_BT.shape[-1])
        how = {"length": length, "beams": beams, "penalty": penalty}
        return decode(config, readout, params, *source, gate, **how).tokens_BT

    numbers, rows = [], []
    for index_b, tokens_bT in stream(step, batches, mesh=mesh, progress=False):
        numbers.append(index_b)
        rows.append(_widened(tokens_bT, config.max_positions, config.pad_token_id))
    number_N = gather_rows(np.concatenate(numbers))
    return gather_rows(np.concatenate(rows))[np.argsort(number_N)]


def _widened(tokens_bT: Int[np.ndarray, "b T"], length: int, pad_id: int):
    room = ((0, 0), (0, length - tokens_bT.shape[1]))
    return np.pad(tokens_bT, room, constant_values=pad_id)


def text_scores(found: Sequence[str], references: Sequence[str]) -> TextScores:
    """BLEU and chrF2 of a corpus with one reference for each text.

    Raises:
      ValueError: without the package sacrebleu, or for another number of references.
    """
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ModuleNotFoundError as error:
        wanted = "pip install 'jaxheads[translation]'; --beams 0 measures the loss alone"
        raise ValueError(f"BLEU needs the package sacrebleu: {wanted}") from error
    if len(found) != len(references):
        raise ValueError(f"expected {len(references)} translations, got {len(found)}")
    values, signatures = {}, {}
    for name, metric in ((OF_WORDS, BLEU()), (CHRF2, CHRF())):
        values[name] = metric.corpus_score(list(found), [list(references)]).score
        signatures[name] = str(metric.get_signature())
    return TextScores(values, signatures)


def text_statistics(found: Sequence[str], references: Sequence[str]) -> Int[np.ndarray, "N 10"]:
    """What BLEU of any of these texts is computed from, by text.

    How many runs of 1 to 4 words are right, how many there are, and both lengths in words.
    """
    from sacrebleu.metrics.bleu import BLEU

    one = BLEU(effective_order=True)
    pairs = zip(found, references, strict=True)
    each = [one.sentence_score(text, [reference]) for text, reference in pairs]
    return np.array([[*e.counts, *e.totals, e.sys_len, e.ref_len] for e in each])


def by_texts(found: Evaluation, texts: Sequence[str], references: tuple[str, ...]) -> Evaluation:
    """An evaluation with BLEU and chrF2, whose answers are the `text_statistics`."""
    loss = {"loss": found.metrics["loss"]}
    number_N = np.arange(len(references))
    return found._replace(
        metrics=loss | text_scores(texts, references).values | found.metrics,
        floors=found.floors | _constant_scores(references),
        answers=Answers(
            text_statistics(texts, references), text_statistics(references, references), number_N
        ),
    )


@functools.lru_cache
def _constant_scores(references: tuple[str, ...]) -> dict[str, float]:
    return text_scores(constant_text(references), references).values


def constant_text(references: Sequence[str]) -> list[str]:
    """The same answer to all: the most frequent reference (of equals, the first)."""
    return [Counter(references).most_common(1)[0][0]] * len(references)
