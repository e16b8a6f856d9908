"""What a page is made of: paragraphs, tables and drawings, gathered in sections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from matplotlib.figure import Figure


class Drawing(NamedTuple):
    """A figure with its words; `name` is its file's and its id in the page."""

    name: str
    figure: Figure
    alt: str
    caption: str


class Table(NamedTuple):
    """Plain text in cells; the first `labels` columns name a line, the others are numbers."""

    name: str
    caption: str
    head: tuple[str, ...]
    body: tuple[tuple[str, ...], ...]
    labels: int = 2


class Markup(NamedTuple):
    """HTML that a module of this room has written and escaped, such as an inline SVG."""

    name: str
    html: str
    caption: str


class Folded(NamedTuple):
    """Parts that are seen when a reader opens them; `summary` says which they are."""

    name: str
    summary: str
    parts: tuple[Drawing | Table | Markup, ...]


class Section(NamedTuple):
    """A heading with what stands below it; `lead` says what is seen and how it was measured."""

    name: str
    title: str
    lead: str
    parts: tuple[Drawing | Table | Markup | Folded, ...]


Part = Drawing | Table | Markup | Folded


def section(
    name: str, title: str, lead: str, *parts: Part | Iterable[Part] | None
) -> Section | None:
    """A section with the parts that there are, in order; None without any.

    A table without lines is left out, alone or folded.
    """
    single = (Drawing, Table, Markup, Folded)
    found = [
        part
        for each in parts
        if each is not None
        for part in ((each,) if isinstance(each, single) else each)
        if not isinstance(part, Table) or part.body
    ]
    return Section(name, title, lead, tuple(found)) if found else None


class Answer(NamedTuple):
    """A question, and its answer in one sentence or two.

    `section` has what it rests on; `figures`: the names of the drawings that show it.
    """

    question: str
    summary: str
    section: str = ""
    figures: tuple[str, ...] = ()


def unfolded(parts: Sequence[Part]) -> Iterator[Drawing | Table | Markup]:
    """All parts in order, those that are folded among them."""
    for part in parts:
        yield from part.parts if isinstance(part, Folded) else (part,)


def slug(*words: str) -> str:
    """A name for files and ids: letters, digits and hyphens; different words stay different."""
    return "-".join("".join(_kept(letter) for letter in word) for word in words)


def _kept(letter: str) -> str:
    plain = letter.isascii() and (letter.isalnum() or letter in "-_.")
    return letter if plain else f"_{ord(letter):x}"
