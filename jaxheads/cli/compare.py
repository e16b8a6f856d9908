"""`jaxheads compare` and `attention`: heads side by side, and what they look at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float

from jaxheads.analysis.agreement import overlap, rank_agreement
from jaxheads.analysis.similarity import HeadComparison, compare_heads
from jaxheads.cli.options.compare import AttentionOptions, CompareOptions
from jaxheads.data.tokens import check_fits, load_tokenizer
from jaxheads.inference.text_maps import Text, attention_maps
from jaxheads.models.checkpoint.convert import load_model
from jaxheads.records.folder import Metric
from jaxheads.report.figures.attention_page import view_attention
from jaxheads.storage.files import read_arrays, write_arrays
from jaxheads.storage.remote import named

FARTHEST = 5  # heads that are listed


def run(options: CompareOptions) -> None:
    """Compare two files or two models, and print what was found.

    Raises:
      ValueError: for files or models that cannot be compared.
    """
    lines = _of_models(options) if options.models else _of_files(options)
    print("\n".join(lines))


def run_attention(options: AttentionOptions) -> None:
    """Write the page of one text.

    Raises:
      ValueError: for a model or a text that cannot be read.
    """
    text = options.text if options.second is None else (options.text, options.second)
    (found,) = _maps(options.model, [text], words=options.words)
    view_attention(*found).save(options.out)
    layers, heads, size, _ = found.attention.shape
    print(f"{named(options.out)}: {layers} layers x {heads} heads, {size} tokens")


def _maps(source: str, texts: Sequence[Text], *, words: bool):
    model, tokenizer = load_model(source), load_tokenizer(source)
    check_fits(tokenizer, model.config)
    return attention_maps(model, tokenizer, texts, words=words)


def _of_files(options: CompareOptions) -> Iterator[str]:
    """Rank correlations and overlap of the first maps of two files, or of those of one name."""
    one, two = (_named_maps(Path(name)) for name in (options.one, options.two))
    pairs = [(name, one[name], two[name]) for name in one if name in two]
    if not pairs:
        (a, *_), (b, *_) = one, two
        pairs = [(f"{a} and {b}", one[a], two[b])]
    yield f"{named(options.one)} and {named(options.two)}: Spearman [p]  Kendall [p]  overlap [p]"
    for name, mine, theirs in pairs:
        if mine.shape != theirs.shape:
            shapes = f"{list(mine.shape)} and {list(theirs.shape)}"
            raise ValueError(f"{name}: expected scores of models of one size, got {shapes}")
        found = rank_agreement(mine, theirs)
        best = overlap(mine, theirs, options.share, lowest=False)
        said = [found[Metric.SPEARMAN], found[Metric.KENDALL], best]
        cells = "  ".join(f"{each.value:6.3f} [{each.p_value:.3f}]" for each in said)
        yield f"{name:24} {cells}"
    yield f"overlap: of the {options.share:.0%} of heads that score highest, those that both have"


def _named_maps(path: Path) -> dict[str, Float[np.ndarray, "L H"]]:
    """The arrays [L, H] of a file that vary: of a score file the score alone."""
    found = {n: a.astype(float) for n, a in read_arrays(path).items() if a.dtype.kind in "fiu"}
    found = {"score": found["score"]} if "score" in found else found
    maps = {n: a for n, a in found.items() if a.ndim == 2 and np.isfinite(a).all() and np.ptp(a)}
    if not maps:
        raise ValueError(f"{path}: expected arrays [layers, heads] that vary, got {[*found]}")
    return maps


def _of_models(options: CompareOptions) -> Iterator[str]:
    """Distances of heads in place, and the nearest heads."""
    assert options.text is not None, options
    lines = options.text.read_text(encoding="utf-8").splitlines()
    texts = [line for line in lines if line.strip()][: options.limit]
    if not texts:
        raise ValueError(f"{options.text}: expected a sentence a line, got none")
    both = ([each.attention for each in _maps(name, texts, words=True)]
            for name in (options.one, options.two))  # fmt: skip
    found = compare_heads(*both)
    yield f"{named(options.one)} and {named(options.two)}, {len(texts)} sentences"
    yield from _told(found)
    if options.out is not None:
        arrays = {"distance": found.distance, "match": found.match}
        arrays |= {} if found.same_place is None else {"same_place": found.same_place}
        write_arrays(options.out, arrays)
        yield f"wrote {named(options.out)}"


def _told(found: HeadComparison) -> Iterator[str]:
    yield "Jensen-Shannon distance of attention between words, 0 to 0.833"
    place_LH, near_LH, match = found.same_place, found.match_distance, found.match
    if place_LH is not None:
        own = [place == tuple(match[place].tolist()) for place in np.ndindex(*place_LH.shape)]
        yield f"same head      mean {place_LH.mean():.3f}, largest {place_LH.max():.3f}"
        yield f"nearest head   the same one for {sum(own)} of {len(own)}"
    yield f"nearest head   mean {near_LH.mean():.3f}, largest {near_LH.max():.3f}"
    shown_LH = near_LH if place_LH is None else place_LH
    for flat in np.argsort(-shown_LH, axis=None, kind="stable")[:FARTHEST]:
        layer, head = (int(each) for each in np.unravel_index(flat, shown_LH.shape))
        where = "" if place_LH is None else f"{place_LH[layer, head]:.3f} from itself, "
        to = "layer {} head {}".format(*match[layer, head])
        yield f"layer {layer} head {head}   {where}{near_LH[layer, head]:.3f} from {to}"
