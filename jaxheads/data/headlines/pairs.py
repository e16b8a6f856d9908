"""Aligned pairs of headlines, one funny and one serious, and the words in which they differ.

Two formats of JSON lines (or CSV, TSV, Parquet: see `records`), told apart by their fields:

- Unfun.me (West & Horvitz 2019): `id`, `group`, `funny`, `serious`, `mean_seriousness` (or null),
  and where they are known `oppositions`, the names of what the sides oppose ("normal/abnormal");
- Humicroedit (SemEval-2020 task 7): `id`, `original` with one `<marked part/>`, and the `edit` that
  makes it funny; its group is its serious side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxheads.data.draws import Draws
from jaxheads.data.language.incongruity import KIND_OF, AlignedPair
from jaxheads.data.lines import Record
from jaxheads.data.records import open_records

SHOWN = 5  # problems of one file that its error names


class Pair(NamedTuple):
    """Two headlines as words, and the places (from 0) of the words that the other side lacks.

    A side from which words were only taken has no edited place. Pairs of one `group` come from one
    original, and must not be split between training and test.
    """

    name: str
    group: str
    funny: tuple[str, ...]
    serious: tuple[str, ...]
    funny_edits: tuple[int, ...]
    serious_edits: tuple[int, ...]
    seriousness: float | None  # the mean rating of the serious side: 1 serious, 0 satirical
    place: str  # "file:line"
    oppositions: tuple[str, ...] = ()  # what the sides oppose; the paper has seven names for it

    @property
    def size(self) -> float:
        """How much was edited: the Jaccard distance of the two sets of words, 0 to 1."""
        one, two = set(self.funny), set(self.serious)
        return 1 - len(one & two) / len(one | two)


def read_pairs(path: str | Path) -> tuple[Pair, ...]:
    """Read the pairs of a file; words are what stands between spaces.

    Upper case tells serious headlines from funny ones in the raw data, so it goes.

    Raises:
      ValueError: names up to five problems by file and line: fields that are missing or of the
        wrong kind, an empty headline, a marked part that is missing, equal sides; or a file without
        pairs.
    """
    path = Path(path)
    pairs: list[Pair] = []
    problems: list[str] = []
    for row in open_records(path).read():
        place = row.place
        found = _read_pair(row, place)
        if isinstance(found, str):
            problems.append(f"{place}: {found}")
            if len(problems) >= SHOWN:
                break
        else:
            pairs.append(found)
    if problems:
        more = "; and perhaps more" if len(problems) >= SHOWN else ""
        raise ValueError("; ".join(problems) + more)
    if not pairs:
        raise ValueError(f"{path}: expected pairs, got an empty file")
    return tuple(pairs)


def generated_pairs(drawn: Iterable[AlignedPair], split: str = "") -> tuple[Pair, ...]:
    """The pairs of the built-in language, numbered; two neighbours are one group of the split.

    What they oppose is called by the kind of the noun that is out of its place ("animal").
    """
    found = []
    for number, each in enumerate(drawn):
        group = f"{split}{number // 2}"
        pair = _pair(str(number), group, each.funny, each.serious, None, "")
        odd = KIND_OF[pair.funny[each.place]]
        found.append(pair._replace(oppositions=(odd,)))
    return tuple(found)


def check_groups(splits: Mapping[str, Sequence[Pair]]) -> None:
    """Check that no two splits share an original: a group, or a funny headline.

    A classifier would know such a headline from training.

    Raises:
      ValueError: names up to five originals that are in two splits, with both places.
    """
    seen: dict[tuple[str, object], tuple[str, str]] = {}
    problems: dict[tuple[str, object], str] = {}
    for split, pairs in splits.items():
        for pair in pairs:
            for key in (("group", pair.group), ("headline", pair.funny)):
                before, place = seen.setdefault(key, (split, pair.place or pair.name))
                if before != split:
                    what = f"{key[0]} {' '.join(pair.funny) if key[1] == pair.funny else key[1]}"
                    here = pair.place or pair.name
                    problems.setdefault(key, f"{what!r:.60} ({before} {place}, {split} {here})")
    if problems:
        shown = "; ".join(list(problems.values())[:SHOWN])
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise ValueError(f"expected every original in one split alone, got {shown}{more}")


# -- one record

MARKED = re.compile(r"<([^<>]*)/>")


def _read_pair(row: Record, place: str) -> Pair | str:
    """Return the pair, or what is wrong with the record."""
    if row.problem:
        return row.problem
    fields = row.fields
    reader = next((each for wanted, each in FORMATS if set(wanted) <= fields.keys()), None)
    if reader is None:
        wanted = " or ".join(", ".join(names) for names, _ in FORMATS)
        return f"expected the fields {wanted}, got {', '.join(map(str, fields)) or 'none'}"
    texts = {"id", "group", "funny", "serious", "original", "edit"} & fields.keys()
    for name in sorted(texts):
        value = fields[name]
        if not isinstance(value, str) or not value.strip():
            return f"{name}: expected text, got {value!r:.60}"
    found = reader(fields, place)
    if isinstance(found, Pair) and found.funny == found.serious:
        return f"expected two different headlines, got {' '.join(found.funny)!r:.60} twice"
    return found


def _read_unfun(fields: Mapping, place: str) -> Pair | str:
    rating = fields["mean_seriousness"]
    known = isinstance(rating, int | float) and not isinstance(rating, bool) and 0 <= rating <= 1
    if rating is not None and not known:
        return f"mean_seriousness: expected a number from 0 to 1 or null, got {rating!r:.60}"
    names = fields.get("oppositions", [])
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
        return f"oppositions: expected a list of names, got {names!r:.60}"
    sides = (fields["funny"], fields["serious"])
    rating = None if rating is None else float(rating)
    pair = _pair(fields["id"], fields["group"], *sides, rating, place)
    return pair._replace(oppositions=tuple(dict.fromkeys(names)))


def _read_humicroedit(fields: Mapping, place: str) -> Pair | str:
    text = fields["original"]
    marked = MARKED.findall(text)
    if len(marked) != 1 or not marked[0].strip():
        return f"original: expected one <marked part/>, got {text!r:.60}"
    serious = MARKED.sub(lambda found: found[1], text)
    funny = MARKED.sub(lambda _: fields["edit"], text)
    return _pair(fields["id"], serious, funny, serious, None, place)


FORMATS = (
    (("id", "group", "funny", "serious", "mean_seriousness"), _read_unfun),
    (("id", "original", "edit"), _read_humicroedit),
)


def _pair(
    name: str,
    group: str,
    funny: str,
    serious: str,
    rating: float | None,
    place: str,
) -> Pair:
    one, two = (tuple(text.lower().split()) for text in (funny, serious))
    return Pair(name, group, one, two, *edited_places(one, two), seriousness=rating, place=place)


# -- alignment


def edited_places(
    one: Sequence[str], two: Sequence[str]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The places on each side of the words that a shortest edit replaces, puts in or takes out.

    The edit distance of Levenshtein over words. Of shortest edits the one is taken that, from the
    end, aligns words with each other as long as it can.
    """
    cost = _edit_costs(one, two)
    here, there = len(one), len(two)
    left: list[int] = []
    right: list[int] = []
    while here or there:
        same = here and there and one[here - 1] == two[there - 1]
        if here and there and cost[here][there] == cost[here - 1][there - 1] + (not same):
            here, there = here - 1, there - 1
            left += [] if same else [here]
            right += [] if same else [there]
        elif here and cost[here][there] == cost[here - 1][there] + 1:
            here -= 1
            left.append(here)
        else:
            there -= 1
            right.append(there)
    return tuple(reversed(left)), tuple(reversed(right))


def _edit_costs(one: Sequence[str], two: Sequence[str]) -> list[list[int]]:
    cost = [list(range(len(two) + 1))]
    for before, word in enumerate(one):
        row = [before + 1]
        for place, other in enumerate(two):
            swap = cost[-1][place] + (word != other)
            row.append(min(swap, row[-1] + 1, cost[-1][place + 1] + 1))
        cost.append(row)
    return cost


def is_small_edit(pair: Pair) -> bool:
    """Whether a pair passes the filter of Peyrard et al. (2021) for the analysis of heads.

    Equally many words, three or more; one or two places that differ; at most two words that only
    one side has. Such pairs are edited at the same places on both sides.
    """
    funny, serious = pair.funny, pair.serious
    if len(funny) != len(serious) or len(funny) < 3 or len(set(funny) ^ set(serious)) > 2:
        return False
    different = sum(one != two for one, two in zip(funny, serious, strict=True))
    return different in (1, 2) and pair.funny_edits == pair.serious_edits


def with_random_words(pairs: Sequence[Pair], seed: int) -> Iterator[Pair]:
    """Yield each pair with a random word at every edited place of its funny side: a control.

    The words are those of all funny headlines given (each once) that the pair itself does not use.

    Raises:
      ValueError: for a pair that uses all words itself.
    """
    words = sorted({word for pair in pairs for word in pair.funny})
    for number, pair in enumerate(pairs):
        used = {*pair.funny, *pair.serious}
        if used.issuperset(words):
            raise ValueError(f"{pair.place or pair.name}: expected other words to put in, got none")
        draws = Draws(seed, "random word", pair.name, number)
        funny = list(pair.funny)
        for place in pair.funny_edits:
            while (word := draws.pick(words)) in used:
                pass
            funny[place] = word
        yield pair._replace(funny=tuple(funny))
