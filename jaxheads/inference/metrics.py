"""Metrics of answers, each a function of `(guess, label)`, and the answer that a baseline gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int, Num


def constant_answer(label: Num[np.ndarray, "N *C"]) -> Num[np.ndarray, "N *C"]:
    """The majority-class baseline: the mean, or the most frequent label (of equals, the lowest).

    Of several labels `[N, C]` each of which is 0 or 1, the more frequent of the two.
    """
    if label.dtype.kind == "f":
        return np.full(len(label), label.mean(dtype=np.float64))
    if label.ndim == 2:
        return np.broadcast_to((label.mean(0) > 0.5).astype(label.dtype), label.shape)
    return np.full(len(label), np.bincount(label).argmax())


def loss_floor(label: Num[np.ndarray, "N *C"]) -> float:
    """The variance of real labels, or the entropy in nats of the frequencies of labels.

    Of several labels `[N, C]` each of which is 0 or 1, the mean over them.
    """
    if label.dtype.kind == "f":
        return float(label.var(dtype=np.float64))
    if label.ndim == 2:
        return float(np.mean([loss_floor(column) for column in label.T]))
    share = np.bincount(label) / len(label)
    share = share[share > 0]
    return float(-(share * np.log(share)).sum())


def _accuracy(guess: Num[np.ndarray, "N *C"], label: Num[np.ndarray, "N *C"]) -> float:
    """The share that is right; of several labels, of examples all of whose labels are."""
    return float(np.mean((guess == label).reshape(len(label), -1).all(1)))


def _f1(guess: Num[np.ndarray, "N"], label: Num[np.ndarray, "N"]) -> float:
    """Of class 1; 0 where it is neither given nor due."""
    return float(_f1_of(*_counts(guess == 1, label == 1)))


def _f1_micro(guess: Int[np.ndarray, "N C"], label: Int[np.ndarray, "N C"]) -> float:
    """Of all labels together."""
    return float(_f1_of(*(np.sum(count) for count in _counts(guess == 1, label == 1))))


def _f1_macro(guess: Int[np.ndarray, "N *C"], label: Int[np.ndarray, "N *C"]) -> float:
    """The mean over classes, as scikit-learn has it.

    Of several labels `[N, C]` over all of them, else over the classes that are given or due.
    """
    if label.ndim == 1:
        class_C = np.union1d(guess, label)
        guess, label = (side[:, None] == class_C for side in (guess, label))
    return float(np.mean(_f1_of(*_counts(guess == 1, label == 1))))


def _counts(given, due):
    """How often both are true, and how often each is, summed over both."""
    return (given & due).sum(0), given.sum(0) + due.sum(0)


def _f1_of(both, either):
    return np.divide(2.0 * both, either, out=np.zeros(np.shape(either)), where=either > 0)


def _matthews(guess: Num[np.ndarray, "N"], label: Num[np.ndarray, "N"]) -> float:
    """Of any number of classes (Gorodkin 2004); 0 where either side is constant."""
    classes = max(guess.max(), label.max()) + 1
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (label, guess), 1)
    due, given, total = table.sum(1), table.sum(0), table.sum()
    spread = float(total**2 - due @ due) * float(total**2 - given @ given)
    return float(np.trace(table) * total - due @ given) / spread**0.5 if spread else 0.0


def _pearson(guess: Num[np.ndarray, "N"], label: Num[np.ndarray, "N"]) -> float:
    return _correlation("pearsonr", guess, label)


def _spearman(guess: Num[np.ndarray, "N"], label: Num[np.ndarray, "N"]) -> float:
    return _correlation("spearmanr", guess, label)


def _bleu(guess: Int[np.ndarray, "N 10"], label: Int[np.ndarray, "N 10"]) -> float:
    """Of texts, by what `translating.text_statistics` says of each; from 0 to 100."""
    del label
    from sacrebleu.metrics.bleu import BLEU

    found = guess.sum(0).tolist()
    return float(BLEU.compute_bleu(found[:4], found[4:8], found[8], found[9]).score)


def _correlation(name: str, guess, label) -> float:
    """By scipy; 0 where either side is constant, or where there is only one pair."""
    from scipy import stats  # a second that other metrics do not need

    guess, label = (np.asarray(side, np.float64) for side in (guess, label))
    if np.ptp(guess) == 0 or np.ptp(label) == 0:
        return 0.0
    return float(getattr(stats, name)(guess, label).statistic)


BLEU, CHRF2 = "bleu", "chrf2"  # of texts, not of single answers
METRICS: dict[str, Callable[..., float]] = {
    "accuracy": _accuracy,
    BLEU: _bleu,
    "f1": _f1,
    "f1_macro": _f1_macro,
    "f1_micro": _f1_micro,
    "matthews": _matthews,
    "pearson": _pearson,
    "spearman": _spearman,
}


# Of spans that tags mark, as seqeval counts them: of all types together, and only whole ones.
SPANS = ("span_f1", "span_precision", "span_recall")


def measure(
    metrics: Sequence[str],
    guess_M: Num[np.ndarray, "M *C"],
    label_M: Num[np.ndarray, "M *C"],
    example_M: Int[np.ndarray, "M"],
    names: Sequence[str],
) -> dict[str, float]:
    """The values of metrics by name; `names` are the labels that spans are read from."""
    found = {name: METRICS[name](guess_M, label_M) for name in metrics if name in METRICS}
    if set(metrics) & set(SPANS):
        given, due = (_spans(side, example_M, names) for side in (guess_M, label_M))
        both, either = len(given & due), len(given) + len(due)
        counts = ((2 * both, either), (both, len(given)), (both, len(due)))
        found |= {n: a / max(b, 1) for n, (a, b) in zip(SPANS, counts, strict=True)}
    return {name: found[name] for name in metrics}


def _spans(
    tag_M: Int[np.ndarray, "M"], example_M: Int[np.ndarray, "M"], names: Sequence[str]
) -> set[tuple[int, int, str]]:
    """First and last word and type of every span.

    A tag goes on with the span before it if that can go on (B, I), itself goes on (I, E), and both
    have one type in one sentence; else it opens a span, whatever its letter.
    """
    letter_C = np.array([name[0] for name in names])
    kind_C = np.array([name.partition("-")[2] for name in names])
    letter_M, kind_M = letter_C[tag_M], kind_C[tag_M]
    inside_M = letter_M != "O"
    goes_on_M = inside_M & np.isin(letter_M, ("I", "E"))
    goes_on_M[0] = False
    goes_on_M[1:] &= np.isin(letter_M[:-1], ("B", "I")) & (kind_M[1:] == kind_M[:-1])
    goes_on_M[1:] &= example_M[1:] == example_M[:-1]
    first = np.flatnonzero(inside_M & ~goes_on_M)
    last = np.flatnonzero(inside_M & ~np.append(goes_on_M[1:], False))
    return set(zip(first.tolist(), last.tolist(), kind_M[first].tolist(), strict=True))


def check_metrics(metrics: Sequence[str]) -> None:
    """Check the names of metrics.

    Raises:
      ValueError: for unknown ones, listing them.
    """
    known = ("loss", *(name for name in METRICS if name != BLEU), *SPANS)
    if unknown := [name for name in metrics if name not in known]:
        raise ValueError(f"metrics: expected any of {', '.join(known)}, got {', '.join(unknown)}")
