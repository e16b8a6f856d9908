"""A directory's files to the pipeline of a tokenizer, as the library `tokenizers` runs it.

`tokenizer.json` is read as it stands. Files older than that are read through the class in
transformers that belongs to them, and then put right.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import tokenizers

LOG = logging.getLogger("jaxheads")
SPIECE, SPIECE_BPE = "spiece.model", "sentencepiece.bpe.model"

# Older files that make a tokenizer, and whose they are where no file names a class. A model may
# have another family's tokenizer (Chinese ALBERTs have BERT's), so that its own type says little.
OLDER_FILES = {
    (SPIECE,): "albert",
    (SPIECE_BPE,): "xlm-roberta",
    ("vocab.txt",): "bert",
    ("vocab.json", "merges.txt"): "roberta",
}
# Every file that a tokenizer may be read from; a copy of a model needs those that there are.
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "config.json",
    *(file for files in OLDER_FILES for file in files),
    "bpe.codes",
    "source.spm",
    "target.spm",
)
# How classes and types of transformers put special tokens around texts: one separator between the
# sentences of a pair, which have types of their own; or two, and one type.
SEPARATORS = {"Bert": 1, "DistilBert": 1, "Electra": 1, "Albert": 1}
SEPARATORS |= {"Roberta": 2, "XLMRoberta": 2, "Camembert": 2}
WORDPIECE = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
CAPITALS = 0.01  # a share of pieces with capitals that no vocabulary of lower-cased text has


def read_pipeline(directory: Path) -> tokenizers.Tokenizer:
    """The pipeline of a directory.

    Raises:
      ValueError: for missing or damaged files, and a tokenizer that exists in Python alone.
    """
    if (directory / "tokenizer.json").is_file():
        return read_file(directory / "tokenizer.json")
    return _read_older(directory, directory)


def read_file(path: Path) -> tokenizers.Tokenizer:
    """A `tokenizer.json`, or one ALBERT `spiece.model`, whatever the file is called.

    Raises:
      ValueError: for a damaged file.
    """
    if path.suffix == ".model":
        with tempfile.TemporaryDirectory() as folder:
            shutil.copyfile(path, Path(folder, SPIECE))
            return _read_older(Path(folder), path)
    try:
        return tokenizers.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ValueError(f"{path}: not a tokenizer: {error}") from error


def separators_of(directory: Path) -> int | None:
    """How many separators the class or the type that a directory names puts between sentences."""
    named = _class_of(directory) or str(_json_of(directory / "config.json").get("model_type"))
    plain = named.removesuffix("Fast").removesuffix("Tokenizer").replace("-", "").lower()
    return next((count for name, count in SEPARATORS.items() if name.lower() == plain), None)


def add_special_tokens(pipeline: tokenizers.Tokenizer, separators: int, cls: str, sep: str) -> None:
    """Make a pipeline put these tokens around every text, with so many between two sentences."""
    second = ":1" if separators == 1 else ""
    pipeline.post_processor = tokenizers.processors.TemplateProcessing(
        single=[cls, "$A", sep],
        pair=[cls, "$A", *[sep] * separators, f"$B{second}", f"{sep}{second}"],
        special_tokens=[(name, pipeline.token_to_id(name)) for name in (cls, sep)],
    )


def share_of_capitals(pieces: Iterable[str]) -> float:
    """Which share of pieces has a capital letter."""
    capital = [piece != piece.lower() for piece in pieces]
    return sum(capital) / max(len(capital), 1)


class WordMark(NamedTuple):
    """A prefix of pieces, and whether it opens a word or continues one."""

    text: str
    opens: bool


def word_mark(spec: dict) -> WordMark:
    """How the pieces of a pipeline tell where words start.

    Raises:
      ValueError: for pieces that do not tell.
    """
    kinds = {step["type"] for step in steps_of(spec["pre_tokenizer"])}
    if "ByteLevel" in kinds:
        return WordMark("Ġ", opens=True)  # how byte-level BPE writes a space
    if "Metaspace" in kinds:
        return WordMark("▁", opens=True)
    if spec["model"].get("continuing_subword_prefix"):
        return WordMark(spec["model"]["continuing_subword_prefix"], opens=False)
    raise ValueError(
        "cannot tell where words start: expected a tokenizer with ByteLevel or Metaspace steps or "
        f"a continuing_subword_prefix, got {', '.join(sorted(kinds)) or 'none'}"
    )


def steps_of(pre_tokenizer: dict | None) -> list[dict]:
    """The steps of a pre-tokenizer as `tokenizer.json` writes it, nested or not."""
    if pre_tokenizer is None:
        return []
    if pre_tokenizer["type"] == "Sequence":
        return [step for part in pre_tokenizer["pretokenizers"] for step in steps_of(part)]
    return [pre_tokenizer]


# -- files older than tokenizer.json


def _read_older(directory: Path, where: Path) -> tokenizers.Tokenizer:
    """Read a directory that has some of OLDER_FILES; errors are about `where`."""
    files = next((f for f in OLDER_FILES if all((directory / file).is_file() for file in f)), None)
    if files is None:
        choices = ", ".join(" + ".join(files) for files in OLDER_FILES)
        raise ValueError(f"{where}: no tokenizer: expected tokenizer.json, {choices}")
    pieces = _pieces(directory / files[0], where)
    named = _class_of(directory)
    if (directory / "bpe.codes").is_file() and not named:
        named = "BertweetTokenizer or PhobertTokenizer"
        raise ValueError(f"{where}: {_no_pipeline(named)}")
    pipeline = _through_transformers(directory, files, named, pieces, where)
    found = pipeline.get_vocab_size()
    if found < 0.9 * len(pieces):
        raise ValueError(
            f"{where}: expected a tokenizer of the {len(pieces)} pieces of {files[0]}, got one of "
            f"{found}; tokenizer_config.json should name the class of these files"
        )
    return _without_cut_out(pipeline)


def _through_transformers(
    directory: Path, files: tuple[str, ...], named: str | None, pieces: list[str], where: Path
) -> tokenizers.Tokenizer:
    with _quietly():
        from transformers import AutoTokenizer
        from transformers.utils import logging as theirs
    how = {} if named else {"tokenizer_type": _owner(directory, files)}
    before = theirs.get_verbosity()
    theirs.set_verbosity_error()
    try:
        found: Any = AutoTokenizer.from_pretrained(
            str(directory),
            local_files_only=True,
            trust_remote_code=False,
            **{**how, **_case(directory, files, pieces, where)},
        )
    except Exception as error:  # any class; the files are there
        raise ValueError(f"{where}: not a tokenizer: {' '.join(str(error).split())}") from error
    finally:
        theirs.set_verbosity(before)
    if not hasattr(found, "backend_tokenizer"):
        raise ValueError(f"{where}: {_no_pipeline(type(found).__name__)}")
    return found.backend_tokenizer


def _no_pipeline(name: str) -> str:
    return f"{name} exists in Python alone: expected a tokenizer.json, the pipeline that it equals"


def _owner(directory: Path, files: tuple[str, ...]) -> str:
    """The family whose class reads these files."""
    model_type = _json_of(directory / "config.json").get("model_type")
    return (
        "camembert" if (files, model_type) == ((SPIECE_BPE,), "camembert") else OLDER_FILES[files]
    )


def _case(
    directory: Path, files: tuple[str, ...], pieces: list[str], where: Path
) -> dict[str, bool]:
    """Whether to lower-case, where no file says so: transformers would whatever the vocabulary."""
    said = _json_of(directory / "tokenizer_config.json")
    other = (_class_of(directory) or "BertTokenizer").removesuffix("Fast") not in WORDPIECE
    if files != ("vocab.txt",) or other or "do_lower_case" in said:
        return {}
    plain = [piece for piece in pieces if not piece.startswith("[")]
    if share_of_capitals(plain) <= CAPITALS:
        return {}
    LOG.warning(
        "%s: vocab.txt has capitals, so text is not lower-cased; where it should be, "
        "do_lower_case in tokenizer_config.json says so",
        where,
    )
    return {"do_lower_case": False}


def _pieces(path: Path, where: Path) -> list[str]:
    """The pieces that a vocabulary file lists."""
    if path.suffix == ".model":
        return _spieces(path, where)
    try:
        text = path.read_text(encoding="utf-8")
        return list(json.loads(text)) if path.suffix == ".json" else text.split("\n")[:-1]
    except ValueError as error:
        raise ValueError(f"{path}: not a vocabulary: {' '.join(str(error).split())}") from error


def _spieces(path: Path, where: Path) -> list[str]:
    """Raise ValueError for a damaged file here: transformers would ask for `tiktoken` instead."""
    import sentencepiece

    try:
        model = sentencepiece.SentencePieceProcessor(model_proto=path.read_bytes())
    except RuntimeError as error:
        raise ValueError(f"{where}: not a sentencepiece model: {error}") from error
    return [model.id_to_piece(number) for number in range(model.get_piece_size())]


def _without_cut_out(pipeline: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """Drop the added tokens that transformers 5 makes of some pieces of `spiece.model`.

    The user-defined symbols ( ) " - . – £ € become added tokens, which are cut out of the text
    before the pieces are looked up, so that what follows them seems to start a word. In the
    published `tokenizer.json`, and in sentencepiece itself, they are pieces like others. Checked
    against sentencepiece on 31,000 sentences: no difference.
    """
    spec = json.loads(pipeline.to_str())
    if spec["model"]["type"] == "Unigram":
        pieces = len(spec["model"]["vocab"])
        spec["added_tokens"] = [
            t for t in spec["added_tokens"] if t["special"] or t["id"] >= pieces
        ]
    return tokenizers.Tokenizer.from_str(json.dumps(spec))


def _class_of(directory: Path) -> str | None:
    """The class that `tokenizer_config.json` or `config.json` names."""
    for file in ("tokenizer_config.json", "config.json"):
        name = _json_of(directory / file).get("tokenizer_class")
        if isinstance(name, str) and name:
            return name
    return None


def _json_of(path: Path) -> dict[str, Any]:
    """The object in a file, empty where there is no such file."""
    try:
        found = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    return found if isinstance(found, dict) else {}


@contextmanager
def _quietly() -> Iterator[None]:
    """Import transformers without its advice on missing frameworks, and leave no trace of it."""
    name = "TRANSFORMERS_VERBOSITY"
    before = os.environ.get(name)
    os.environ[name] = before or "error"
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before
