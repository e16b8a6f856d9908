"""Marian's tokenizers: a sentencepiece model for each side, one table of numbers for both.

`source.spm` and `target.spm` cut text into pieces, `vocab.json` numbers them, whatever numbers the
two models have; a piece that it lacks is unknown. The source ends with `</s>`, and so does the
target, which the decoder reads behind `<pad>`. A code such as `>>fra<<` in front of a text says
into which language it goes, and is one piece. Text is not changed before (transformers, too, no
longer applies Moses' punctuation to it).
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, pre_tokenizers

from jaxheads.storage.files import write_atomically

SOURCE, TARGET, NUMBERS = SIDE_FILES = ("source.spm", "target.spm", "vocab.json")
START, END, UNKNOWN = "<pad>", "</s>", "<unk>"
NAMES = {"cls_token": START, "sep_token": END, "pad_token": START, "unk_token": UNKNOWN}


@dataclasses.dataclass(frozen=True, eq=False)
class Sides:
    """What cuts the two sides of a translation into pieces, and the numbers of all pieces."""

    models: tuple[bytes, bytes]  # sentencepiece's, of the source and of the target
    numbers: dict[str, int]
    where: str  # they were read, for messages

    @functools.cached_property
    def _sides(self) -> list[Any]:
        import sentencepiece

        found = []
        for name, model in zip(SIDE_FILES, self.models, strict=False):
            try:
                found.append(sentencepiece.SentencePieceProcessor(model_proto=model))
            except RuntimeError as error:
                raise ValueError(f"{self.where}/{name}: not a sentencepiece model") from error
        return found

    def encode(
        self, sources: Sequence[str], targets: Sequence[str], most: int | None = None
    ) -> list[list[int]]:
        """The numbers of each source and its target in turn; what is longer loses its end.

        Raises:
          ValueError: for no room for a piece of the target.
        """
        if most is not None and most < 3:
            raise ValueError(f"max_length: expected at least 3 tokens, got {most}")
        found = []
        room = None if most is None else most - 1
        for pair in zip(sources, targets, strict=True):
            for side, start, text in zip(self._sides, ([], [START]), pair, strict=True):
                code, rest = _language_code(text)
                pieces = [*start, *code, *side.encode(rest, out_type=str)][:room]
                found.append(self._numbered([*pieces, END]))
        return found

    def _numbered(self, pieces: list[str]) -> list[int]:
        unknown = self.numbers[UNKNOWN]
        return [self.numbers.get(piece, unknown) for piece in pieces]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of a target without its special tokens."""
        pieces = [self._piece_of.get(number, UNKNOWN) for number in ids]
        kept = [piece for piece in pieces if piece not in (START, END, UNKNOWN)]
        return self._sides[1].decode_pieces(kept).replace("▁", " ").strip()

    @functools.cached_property
    def _piece_of(self) -> dict[int, str]:
        return {number: piece for piece, number in self.numbers.items()}

    def pipeline(self) -> tokenizers.Tokenizer:
        """The table as a pipeline, by which numbers of pieces are looked up; it cuts no text."""
        found = tokenizers.Tokenizer(models.WordLevel(self.numbers, unk_token=UNKNOWN))
        found.pre_tokenizer = pre_tokenizers.Metaspace()
        found.decoder = decoders.Metaspace()
        special = {name: tokenizers.AddedToken(name, special=True) for name in NAMES.values()}
        found.add_special_tokens([*special.values()])
        return found

    def save(self, directory: Path) -> None:
        """Write the files, and what makes transformers open them as Marian's."""
        directory.mkdir(parents=True, exist_ok=True)
        texts = {NUMBERS: self.numbers, "tokenizer_config.json": _config()}
        files = dict(zip((SOURCE, TARGET), self.models, strict=True))
        files |= {name: json.dumps(text, indent=2).encode() for name, text in texts.items()}
        for name, content in files.items():
            with write_atomically(directory / name) as draft:
                draft.write_bytes(content)


def has_sides(directory: Path) -> bool:
    """Whether a directory has Marian's files."""
    return all((directory / name).is_file() for name in SIDE_FILES)


def read_sides(directory: Path) -> Sides:
    """Marian's tokenizers in a directory.

    Raises:
      ValueError: for damaged files, numbers that are not those of pieces, special tokens that are
        missing, and sides with a table of their own each.
    """
    path = directory / NUMBERS
    if (directory / "target_vocab.json").is_file():
        wanted = f"one {NUMBERS} for both sides"
        raise ValueError(f"{directory}: expected {wanted}, got target_vocab.json too")
    try:
        numbers = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    if not isinstance(numbers, dict) or any(type(each) is not int for each in numbers.values()):
        raise ValueError(f"{path}: expected a number for each piece, got something else")
    if len({*numbers.values()}) < len(numbers) or min(numbers.values(), default=0) < 0:
        raise ValueError(f"{path}: expected another number from 0 for each piece")
    if missing := [name for name in (START, END, UNKNOWN) if name not in numbers]:
        raise ValueError(f"{path}: expected {', '.join(missing)} among the pieces")
    both = ((directory / name).read_bytes() for name in (SOURCE, TARGET))
    found = Sides((next(both), next(both)), numbers, str(directory))
    found.encode(["a"], ["a"])  # the models are read, and raise here
    return found


def _config() -> dict[str, Any]:
    special = {name: text for name, text in NAMES.items() if name not in ("cls_token", "sep_token")}
    return {"tokenizer_class": "MarianTokenizer", "eos_token": END, **special}


def _language_code(text: str) -> tuple[list[str], str]:
    """A language code at the start, if there is one, and the rest."""
    end = text.find("<<")
    if not text.startswith(">>") or end < 0:
        return [], text
    return [text[: end + 2]], text[end + 2 :]
