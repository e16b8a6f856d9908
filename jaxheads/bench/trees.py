"""The `trees` row of `jaxheads bench`: the cost of trees of all heads beside forward passes.

Sentences have the words and arcs of a treebank, or are random and about as long as those of PUD.
Their pieces and constituents are drawn: no tokenizer goes with a shape. All workloads run the same
padded batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np

from jaxheads.analysis.arborescences import maximum_arborescences
from jaxheads.analysis.arcs import ArcRecorder
from jaxheads.analysis.spans import sentence_f1
from jaxheads.analysis.trees import Reading, tree_counts
from jaxheads.bench.timing import Turns, Workload
from jaxheads.data.pieces import Pieces
from jaxheads.data.tokens import max_tokens
from jaxheads.data.treebanks.constituency import Span
from jaxheads.data.treebanks.dependency import DependencyTree
from jaxheads.inference.attention_maps import LENGTHS, TOKENS, Maps, model_maps, unit_batches
from jaxheads.models.model import Model, encode

FORWARD = "forward passes"
METHODS = ("max", "mst", "mst log", "mst directed")
READINGS = (Reading("jsd"), Reading("hellinger"))
WORDS, SHAPE, LONGEST = 21.2, 4.0, 59  # mean, shape of a gamma distribution, longest: as in PUD
PIECES = 1.25  # of a word
LOOPED = 2  # sentences that the plain loop reads


class BenchSentences(NamedTuple):
    """Sentences, each with gold arcs and drawn pieces and nested constituents."""

    pieces: list[Pieces]
    trees: list[DependencyTree]
    spans: list[list[Span]]


def random_trees(count: int) -> list[DependencyTree]:
    """Sentences of random lengths, each a chain of arcs."""
    drawn = np.random.default_rng(0).gamma(SHAPE, WORDS / SHAPE, count).round().astype(int)
    return [
        DependencyTree(("w",) * n, ("w",) * n, tuple(range(n)), ("root", *("dep",) * (n - 1)))
        for n in np.clip(drawn, 2, LONGEST).tolist()
    ]


def sample(trees: Sequence[DependencyTree], count: int | None) -> list[DependencyTree]:
    """So many sentences of two words or more, by chance and in their order; None: all of them."""
    fit = [tree for tree in trees if len(tree.words) > 1]
    if count is None or count >= len(fit):
        return fit
    chosen = np.random.default_rng(0).choice(len(fit), count, replace=False)
    return [fit[number] for number in sorted(chosen.tolist())]


def tree_speed(model: Model, dtype: str, repeats: int, trees: Sequence[DependencyTree]) -> dict:
    """Sentences/s of forward passes, of attention maps, and of each kind of tree of all heads.

    `time_ratio` is the median time of a workload over that of the forward passes, which take turns
    with it; `loop` is how many times longer spanning trees take one graph at a time than all
    of a sentence together.

    Raises:
      ValueError: for a sentence that the model cannot read.
    """
    drawn = _drawn(model, trees)
    sentences = len(drawn.trees)
    turns = Turns({FORWARD: (_forward(model, drawn.pieces, dtype), sentences)})
    turns.add("attention maps", lambda: _read(model, drawn.pieces, dtype), sentences)
    for method in METHODS:
        turns.add(method, _arcs(model, drawn, dtype, method), sentences)
    for reading in READINGS:
        work = _constituents(model, drawn, dtype, reading)
        turns.add(f"constituents, {reading.name}", work, sentences)
    found = turns.measure(repeats, against=FORWARD)
    times = {name.split(" / ")[0]: 1 / ratio for name, ratio in found.pop("ratio").items()}
    return {
        "sentences": sentences,
        "words": sum(len(tree.words) for tree in drawn.trees),
        "tokens": sum(len(pieces.ids) for pieces in drawn.pieces),
        "sentences_per_second": found["examples_per_second"],
        "range": found["range"],
        "time_ratio": times,
        "loop": _against_loop(model, drawn.pieces, dtype, repeats),
    }


def _drawn(model: Model, trees: Sequence[DependencyTree]) -> BenchSentences:
    """Draw what goes with the words; ValueError for a sentence that the model cannot read."""
    random, drawn = np.random.default_rng(1), BenchSentences([], [], [])
    for tree in trees:
        words = len(tree.words)
        starts = sorted(random.choice(words - 1, min(words - 1, 12), replace=False).tolist())
        inner = (("NP", start, words) for start in starts if start)
        drawn.spans.append([("S", 0, words), *inner])
        of_word = np.repeat(np.arange(words), 1 + (random.random(words) < PIECES - 1))
        unit_T = np.array([-1, *of_word, -1])
        ids_T = random.integers(5, model.config.vocab_size, len(unit_T))
        drawn.pieces.append(Pieces(ids_T, unit_T, words))
        drawn.trees.append(tree)
    longest = max((len(pieces.ids) for pieces in drawn.pieces), default=0)
    if not 0 < longest <= max_tokens(model.config):
        most = max_tokens(model.config)
        raise ValueError(f"treebank: expected sentences of 1 to {most} tokens, got {longest}")
    return drawn


# -- workloads


def _maps(model: Model, pieces: Sequence[Pieces], dtype: str):
    return model_maps(model, pieces, compute_dtype=dtype)


def _read(model: Model, pieces: Sequence[Pieces], dtype: str) -> None:
    for _ in _maps(model, pieces, dtype):
        pass


def _forward(model: Model, pieces: Sequence[Pieces], dtype: str) -> Workload:
    """The same batches through the encoder, without maps."""
    config = model.config
    step = jax.jit(
        lambda params, batch: encode(
            config,
            params,
            batch.tokens_BT,
            batch.real_BT,
            batch.types_BT,
            dtype=jax.numpy.dtype(dtype),
        ).hidden_BPD[:, 0]
    )

    def run() -> None:
        sizes = [length for length in LENGTHS if length <= max_tokens(config)]
        packed = unit_batches(pieces, config.pad_token_id, "mean", "sum", sizes, TOKENS, None)
        jax.block_until_ready([step(model.params, batch) for batch in packed])

    return run


def _arcs(model: Model, drawn: BenchSentences, dtype: str, method: str) -> Callable[[], None]:
    def run() -> None:
        recorder = ArcRecorder((method,))
        for index_N, attention in _maps(model, drawn.pieces, dtype):
            numbers = index_N.tolist()
            recorder.add_group(numbers, [drawn.trees[n] for n in numbers], attention)

    return run


def _constituents(
    model: Model, drawn: BenchSentences, dtype: str, reading: Reading
) -> Callable[[], None]:
    def run() -> None:
        groups = ((m.index_N, m.attention) for m in _maps(model, drawn.pieces, dtype))
        sentence_f1(tree_counts(groups, drawn.spans, [reading])[reading.name].heads)

    return run


def _against_loop(model: Model, pieces: Sequence[Pieces], dtype: str, repeats: int) -> dict:
    """One graph at a time against all of a sentence, by the same function."""
    groups: list[Maps] = list(_maps(model, pieces[:LOOPED], dtype))

    def together() -> None:
        for _, attention in groups:
            flat = attention.reshape(-1, *attention.shape[-2:])
            maximum_arborescences(flat.astype(np.float64), 0)

    def alone() -> None:
        for _, attention in groups:
            for graph in attention.reshape(-1, *attention.shape[-2:]).astype(np.float64):
                maximum_arborescences(graph[None], 0)

    turns = Turns({"all heads together": (together, LOOPED), "one by one": (alone, LOOPED)})
    return turns.measure(repeats)["ratio"]
