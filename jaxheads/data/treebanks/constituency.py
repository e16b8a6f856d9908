"""Bracketed trees of a treebank to words and labelled spans, as unsupervised parsing scores them.

The preprocessing is that of Kim, Dyer & Rush (2019, compound-pcfg's `process_ptb.py`), which Kim et
al. (2020) follow: a leaf counts if its tag is one of the 36 word tags, so punctuation, currency
signs and traces go, and constituents without a word with them; a label is what stands before its
first "-"; unary chains are kept, spans of one word are not.
"""

from __future__ import annotations

import dataclasses
import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from jaxheads.data.treebanks.sentences import Sentence

LOG = logging.getLogger("jaxheads")
_WORD_TAGS = """
CC CD DT EX FW IN JJ JJR JJS LS MD NN NNS NNP NNPS PDT POS PRP PRP$ RB RBR RBS RP SYM TO UH
VB VBD VBG VBN VBP VBZ WDT WP WP$ WRB
"""
WORD_TAGS = frozenset(_WORD_TAGS.split())
_NO_WORD_TAGS = "-NONE- -LRB- -RRB- -LCB- -RCB- -LSB- -RSB- . , : `` '' \" # $ HYPH NFP"
NO_WORD_TAGS = frozenset(_NO_WORD_TAGS.split())  # of punctuation, currency signs and traces
TOPS = ("", "ROOT", "TOP", "S1", "VROOT")  # brackets around a tree, which are no constituents
SHOWN = 5  # problems of one file that its error names

Span = tuple[str, int, int]  # label, first word, one past the last word


class Parse(NamedTuple):
    """A sentence without punctuation. It may have one word, or none: then there are no spans.

    `spans` are all constituents of at least two words, the outermost first; a unary chain has one
    for each label. Words are written as in the treebank ("1\\/2").
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    spans: tuple[Span, ...]
    place: str  # "file:line" of its first bracket
    unknown: tuple[str, ...] = ()  # tags of leaves that went without being punctuation or traces


def iter_parses(path: str | Path) -> Iterator[Parse]:
    """Yield all trees of a file (`.mrg`), over any number of lines each, in constant memory.

    After a problem no tree is yielded, and reading goes on at the next line that begins with a
    bracket.

    Raises:
        ValueError: where it is reached, up to five problems by file and line; a missing file and
            one without a tree are problems.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(
            f"{path}: {'a directory, not a file' if path.is_dir() else 'no such file'}"
        )
    problems: list[str] = []
    count = 0
    for found in _trees(path):
        if isinstance(found, str):
            problems.append(found)
            if len(problems) >= SHOWN:
                break
        elif not problems:
            count += 1
            yield found
    if problems:
        more = "; and perhaps more" if len(problems) >= SHOWN else ""
        raise ValueError("; ".join(problems) + more)
    if not count:
        raise ValueError(f"{path}: expected bracketed trees, got an empty file")


def parse_of(sentence: Sentence, place: str = "") -> Parse:
    """Preprocess a sentence of the built-in language; the same as reading its brackets."""
    kept = [tag in WORD_TAGS for tag in sentence.tags]
    before = [sum(kept[:word]) for word in range(len(kept) + 1)]
    spans = ((label, before[start], before[end]) for label, start, end in sentence.spans)
    return Parse(
        tuple(word for word, keep in zip(sentence.words, kept, strict=True) if keep),
        tuple(tag for tag, keep in zip(sentence.tags, kept, strict=True) if keep),
        tuple(span for span in spans if span[2] - span[1] > 1),
        place,
    )


def count_unknown(parses: Iterable[Parse], name: str) -> int:
    """How many leaves of trees went for tags that are not known; a warning names and counts them.

    Raises:
      ValueError: if most tags are unknown, as those of other languages and tag sets are.
    """
    parses = list(parses)
    counts = Counter(tag for parse in parses for tag in parse.unknown)
    if not counts:
        return 0
    known = {tag for parse in parses for tag in parse.tags}
    total = counts.total() + sum(len(parse.words) for parse in parses)
    tags = ", ".join(f"{tag[:20]} ({count})" for tag, count in counts.most_common(SHOWN))
    more = f", ... ({len(counts)} tags in all)" if len(counts) > SHOWN else ""
    if len(counts) > len(known):
        said = f"expected the tags of the Penn Treebank, got {tags}{more}"
        raise ValueError(f"{name}: {said}: {counts.total()} of {total} words would be left out")
    said = "%s: left out %d of %d words, whose tags are not known: %s%s"
    LOG.warning(said, name, counts.total(), total, tags, more)
    return counts.total()


@dataclasses.dataclass
class _Node:
    """An open bracket: what was read of it, and where its span will stand."""

    start: int
    slot: int
    label: str
    word: str = ""
    children: int = 0


class _Tree:
    """One tree while it is read: words and spans collect as brackets close."""

    def __init__(self) -> None:
        self.first = 0  # the line of the first bracket
        self.open: list[_Node] = []
        self.words: list[tuple[str, str]] = []
        self.unknown: list[str] = []
        self.spans: list[Span | None] = []  # by the order of opening; None: no constituent

    def take(self, token: str, line: int) -> str:
        """Take "(LABEL", ")" or text; return what is wrong with it."""
        if token[0] == "(":
            return self._begin(token[1:], line)
        if not self.open:
            return f"expected '(', got {token!r}"
        return self._end() if token == ")" else self._text(token)

    def leaf(self, tag: str, word: str, line: int) -> str:
        """Take "(TAG word)" at once."""
        if not self.open:
            return self._begin(tag, line) or self._text(word) or self._end()
        problem = self._child()
        if not problem:
            self._leaf(tag, word)
        return problem

    def _leaf(self, tag: str, word: str) -> None:
        if tag in WORD_TAGS:
            self.words.append((word, tag))
        elif tag not in NO_WORD_TAGS:
            self.unknown.append(tag)

    def _begin(self, label: str, line: int) -> str:
        problem = self._child() if self.open else ""
        self.first = self.first if self.open else line
        self.open.append(_Node(len(self.words), len(self.spans), label))
        self.spans.append(None)
        return problem

    def _child(self) -> str:
        """Count a child of the innermost open bracket, if it may have one."""
        above = self.open[-1]
        above.children += 1
        if above.word:
            return f"expected ')' after ({above.label} {above.word}, got '('"
        if not above.label and len(self.open) > 1:
            return "expected a label after '(', got '('" + self._since()
        return ""

    def _text(self, token: str) -> str:
        node = self.open[-1]
        if node.children or node.word:
            return f"expected '(' or ')', got {token!r}"
        if node.label:
            node.word = token
        else:
            node.label = token
        return ""

    def _end(self) -> str:
        node = self.open.pop()
        if not node.word and not node.children:
            return f"expected a word or a constituent in ({node.label}, got ')'"
        if node.word:
            self._leaf(node.label, node.word)
            return ""
        end = len(self.words)
        if end - node.start > 1 and not self._is_wrapper(node, end):
            self.spans[node.slot] = (node.label.split("-")[0], node.start, end)
        return ""

    def _is_wrapper(self, node: _Node, end: int) -> bool:
        """Whether these are brackets around a tree, not a constituent with parts of its own."""
        if self.open or node.label not in TOPS:
            return False
        return any(span and span[1:] == (node.start, end) for span in self.spans)

    def _since(self) -> str:
        return f" (in the tree that begins in line {self.first})"

    def parse(self, place: str) -> Parse:
        """Return the tree, all of whose brackets are closed."""
        words = tuple(word for word, _ in self.words)
        tags = tuple(tag for _, tag in self.words)
        spans = tuple(span for span in self.spans if span)
        return Parse(words, tags, spans, place, tuple(self.unknown))


TOKEN = re.compile(r"\(([^\s()]+)\s+([^\s()]+)\s*\)|\([^\s()]*|\)|[^\s()]+")  # leaf or part


def _trees(path: Path) -> Iterator[Parse | str]:
    """Yield each tree, or what is wrong with it."""
    tree, skipping = _Tree(), False
    with path.open("rb") as file:
        for line, whole in enumerate(file, 1):
            skipping = skipping and not whole.startswith(b"(")
            if skipping:
                continue
            text, problem = _decoded(whole)
            for match in TOKEN.finditer(text):
                tag, word = match.groups()
                problem = tree.leaf(tag, word, line) if tag else tree.take(match[0], line)
                if problem:
                    break
                if not tree.open:
                    yield tree.parse(f"{path}:{tree.first}")
                    tree = _Tree()
            if problem:
                yield f"{path}:{line}: {problem}"
                tree, skipping = _Tree(), True
    if tree.open:
        count = len(tree.open)
        yield f"{path}:{tree.first}: expected {count} more ')' before the end of the file, got none"


def _decoded(line: bytes) -> tuple[str, str]:
    try:
        return line.decode(), ""
    except UnicodeDecodeError as error:
        byte = line[error.start]
        return "", f"expected UTF-8, got byte 0x{byte:02x} at byte {error.start + 1}"
