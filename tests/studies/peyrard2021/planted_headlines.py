"""Pairs of headlines of two kinds with a head for each, and the models that have these heads.

Validation pairs are mostly of the first kind, test pairs of the second. Where its word is absent a
head looks at the first word of the headline.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jaxheads.analysis.intervals import crossed
from tests.planted.heads import SEEN, START, Head, Looks, alike, planted, save
from tests.support.reviews import write_jsonl

EDITS = {  # of the funny and of the serious side, by kind
    "one": (("dog", "cat"), ("fox", "pig")),
    "two": (("lion", "bird"), ("duck", "horse")),
    "none": (("goose",), ("barn",)),  # no head knows these
}
CONTEXT = {"train": ["king", "girl", "shop"], "validation": ["girl", "shop", "king"]}
CONTEXT |= {"test": ["shop", "king", "girl"]}  # so that no headline is in two splits
SPLITS = {
    "train": ["one"] * 4 + ["two"] * 4,
    "validation": ["one"] * 6 + ["two"] * 2,
    "test": ["odd", *["one"] * 4, *["two"] * 12, *["none"] * 4],  # the first is for no head
}
SMALL = SPLITS["test"][1:]
SAYS = {word: 1 for kind in ("one", "two") for word in EDITS[kind][0]}
SAYS |= {word: -1 for kind in ("one", "two") for word in EDITS[kind][1]}


def words_of(split: str, kind: str, edit: str) -> list[str]:
    """A headline of five words, or of seven."""
    one, two, three = CONTEXT[split]
    return {
        "one": ["map", edit, one, two, three],
        "two": ["map", one, edit, two, three],
        "none": ["map", one, two, three, edit, "bus", "mouse"],
    }[kind]


def looking(*wanted: str) -> Looks:
    """All tokens look at some words, where those are absent at the first word."""
    return {token: {**alike(*wanted), "map": 1e-6} for token in SEEN}


ONE, TWO = looking(*EDITS["one"][0]), looking(*EDITS["two"][0])
# Where the first token alone looks the contrast of all tokens is small, that of the first large.
START_ALONE = looking() | {START: looking(*EDITS["one"][0], *EDITS["two"][0])[START]}
A: dict[tuple[str, int], Head] = {  # the head for the first kind, by task and seed
    ("humor_single", 0): (0, 1), ("humor_single", 1): (1, 2),
    ("humor_pair", 0): (0, 2), ("humor_pair", 1): (1, 0),
    ("humor_single_shuffled", 0): (1, 3), ("humor_single_shuffled", 1): (1, 3),
    ("humor_pair_shuffled", 0): (0, 3), ("humor_pair_shuffled", 1): (0, 3),
}  # fmt: skip
B, FIRST, UNTUNED_B = (2, 3), (1, 1), (2, 2)
ONE_WORDS, TWO_WORDS = (lambda _, kind=kind: EDITS[kind][0] for kind in ("one", "two"))
TUNED_WORDS = [  # what the heads look at that do not look everywhere, by the token that looks
    ONE_WORDS, TWO_WORDS, lambda token: () if token else EDITS["one"][0] + EDITS["two"][0],
]  # fmt: skip


def contrast(kinds: list[str], wanted: str) -> float:
    """Of a head for one kind: all on the edited word, which is no other's; else nothing."""
    return float(np.mean([1.25 if kind == wanted else 0.0 for kind in kinds]))


def contrast_bounds(kinds: list[str], wanted: str) -> tuple[float, float]:
    """Its interval over originals, of which those that no head knows are one."""
    mean, beside = contrast(kinds, wanted), {}
    for number, kind in enumerate(kinds):
        group = kind if kind == "none" else number
        beside[group] = beside.get(group, 0.0) + contrast([kind], wanted) - mean
    table = mean + np.array([[*beside.values()]]) * len(beside) / len(kinds)
    return crossed(table).at()[1:3]


def attention_by_place(pairs, looks) -> dict[str, float]:
    """The mean over sentences and 12 heads, of which all but some look everywhere."""
    places = {"first word": [], "last word": [], "other words": [], "special tokens": []}
    for words in (side for pair in pairs for side in (pair.funny, pair.serious)):
        tokens = len(words) + 2
        got = np.full(tokens, (12 - len(looks)) / tokens)
        for wanted in looks:
            for token in range(tokens):
                own = [place for place, word in enumerate(words) if word in wanted(token)]
                got[(own or [0])[0] + 1] += 1 / tokens
        inner = got[1:-1] / 12
        places["first word"].append(inner[0])
        places["last word"].append(inner[-1])
        places["special tokens"].append((got[0] + got[-1]) / 24)
        places["other words"] += [inner[1:-1].mean()] if len(words) > 2 else []
    return {name: float(np.mean(each)) for name, each in places.items()}


def write_split(folder: Path, split: str) -> None:
    """SPLIT.jsonl as Unfun.me's pairs are kept.

    Those that no head knows are rated less sure, and are of one original.
    """
    records = []
    for number, kind in enumerate(SPLITS[split]):
        record = {"id": str(number), "group": f"{split} {'none' if kind == 'none' else number}"}
        if kind == "odd":
            sides = {"funny": "map goose king", "serious": "map king"}
        else:
            funny, serious = (words[number % len(words)] for words in EDITS[kind])
            sides = {"funny": " ".join(words_of(split, kind, funny))}
            sides["serious"] = " ".join(words_of(split, kind, serious))
        rating = 1 if kind in ("one", "two") else 0.5
        opposed = {"oppositions": [kind, "any"]} if kind != "odd" else {}
        records.append({**record, **sides, "mean_seriousness": rating, **opposed})
    write_jsonl(folder / f"{split}.jsonl", records)


def write_models(folder: Path) -> None:
    """The untuned model, and all that are fine-tuned where the study looks for them."""
    save(planted({UNTUNED_B: TWO}, says=SAYS), folder / "model")
    for (variant, seed), head in A.items():
        shuffled = variant.endswith("shuffled")
        model = planted(
            {head: ONE} if shuffled else {head: ONE, B: TWO, FIRST: START_ALONE},
            {} if shuffled else {head: 0.5, B: 0.5},
            labels=("0", "1"), says=SAYS, siamese="pair" in variant,
        )  # fmt: skip
        save(model, folder / "out" / "models" / f"roberta-{variant}-{seed}")
