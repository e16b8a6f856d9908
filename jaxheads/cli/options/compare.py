"""Options of the verbs `compare` and `attention`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from jaxheads.cli.options.fields import option
from jaxheads.errors import refuse, too_low


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompareOptions:
    """`jaxheads compare`: two score files, or the attention of two models in the same sentences."""

    one: str = option("a score or map file (.npz), or a model", metavar="FILE_OR_MODEL", role="in")
    two: str = option("the same kind of thing", metavar="FILE_OR_MODEL", role="in")
    share: float = option("of heads whose overlap is said, of score files", 0.5, metavar="SHARE")
    text: Path | None = option("of models: a sentence a line", None, metavar="FILE", role="in")
    limit: int = option("read so many sentences", 100, metavar="N")
    out: Path | None = option("of models: distances of heads", None, metavar="NPZ", role="out")

    @property
    def models(self) -> bool:
        """Whether models are compared, not files."""
        return not self.one.endswith(".npz")

    def __post_init__(self) -> None:
        """Check the options.

        Raises:
          ValueError: for a file beside a model, and options that are of the other kind.
        """
        refuse("", _compare_problems(self))


def _compare_problems(o: CompareOptions) -> Iterator[str]:
    yield from too_low([("--limit", o.limit, 1)])
    if o.models == o.two.endswith(".npz"):
        yield f"--one and --two: expected two .npz files or two models, got {o.one} and {o.two}"
    elif o.models and o.text is None:
        yield "--text: expected a file with a sentence a line, for models to read"
    elif not o.models and (o.text or o.out):
        yield "--text and --out: expected two models, got score files"
    if not 0 < o.share < 1:
        yield f"--share: expected a share between 0 and 1, got {o.share}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AttentionOptions:
    """`jaxheads attention`: a page with what every head attends to in a sentence or a pair."""

    model: str = option(
        "model directory, or a name on the Hugging Face Hub", metavar="DIR_OR_HUB", role="in"
    )
    text: str = option("a sentence", metavar="TEXT")
    second: str | None = option("the second one of a pair", None, metavar="TEXT")
    words: bool = option("between words instead of tokens", False)
    out: Path = option("the page", metavar="HTML", role="out")
