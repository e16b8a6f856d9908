"""The speed of reading trees off all heads, as a multiple of the forward passes alone."""

from __future__ import annotations

import jax
import numpy as np

from jaxheads.analysis.spans import sentence_f1
from jaxheads.analysis.trees import Reading, tree_counts
from jaxheads.data.constituency import Span
from jaxheads.data.pieces import Pieces
from jaxheads.data.tokens import max_tokens
from jaxheads.importance.maps import LENGTHS, TOKENS, attention_maps, unit_batches
from jaxheads.models.model import Model, encode
from jaxheads.objectives import watch_for
from jaxheads.studies.timing import Turns, Workload

FORWARD = "forward passes"
READINGS = (Reading("jsd"), Reading("hellinger"))


def constituency_speed(model: Model, sentences: int, repeats: int) -> dict:
    """Sentences/s of forward passes alone, of attention maps, and of the F1 of all heads.

    Sentences are random, as long as those of PUD; all workloads run the same padded batches.
    """
    spans, pieces = zip(*(_sentence(model, number) for number in range(sentences)), strict=True)
    turns = Turns({FORWARD: (_forward(model, pieces), sentences)})
    turns.add("attention maps", lambda: [each.index_N for each in _maps(model, pieces)], sentences)
    for reading in READINGS:
        turns.add(f"constituents, {reading.name}", _trees(model, pieces, spans, reading), sentences)
    found = turns.measure(repeats, against=FORWARD)
    times = {name.split(" / ")[0]: 1 / ratio for name, ratio in found.pop("ratio").items()}
    return {**found, "time as a multiple of forward": times}


def _sentence(model: Model, number: int) -> tuple[list[Span], Pieces]:
    """Of 3 to 59 words, 21 in the mean, a third of them with two pieces; nested random spans."""
    random = np.random.default_rng(number)
    words = int(np.clip(random.gamma(5.5, 3.85), 3, 59))
    unit_T = np.repeat(np.arange(words), random.choice([1, 2], words, p=[2 / 3, 1 / 3]))
    ids_T = random.integers(5, model.config.vocab_size, len(unit_T))
    starts = sorted(random.choice(words - 1, min(words - 1, 12), replace=False).tolist())
    spans = [("S", 0, words), *(("NP", start, words) for start in starts if start)]
    return spans, Pieces(ids_T, unit_T, words, np.zeros_like(ids_T))


def _maps(model: Model, pieces):
    config = model.config
    return attention_maps(
        watch_for(config), model.params, pieces, heads=(config.num_layers, config.num_heads),
        pad_id=config.pad_token_id, most=max_tokens(config),
    )  # fmt: skip


def _forward(model: Model, pieces) -> Workload:
    """The same batches through the encoder, without maps."""
    config = model.config
    step = jax.jit(
        lambda params, batch: encode(
            config, params, batch.tokens_BT, batch.real_BT, batch.types_BT
        ).hidden_BPD[:, 0]
    )

    def run() -> None:
        sizes = [length for length in LENGTHS if length <= max_tokens(config)]
        packed = unit_batches(pieces, config.pad_token_id, "mean", "sum", sizes, TOKENS, None)
        jax.block_until_ready([step(model.params, batch) for batch in packed])

    return run


def _trees(model: Model, pieces, spans, reading: Reading) -> Workload:
    def run() -> None:
        groups = ((each.index_N, each.attention) for each in _maps(model, pieces))
        sentence_f1(tree_counts(groups, spans, [reading])[reading.name].heads)

    return run
