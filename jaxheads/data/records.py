"""Data sets of any form as records: each with its place, or what is wrong there.

| data | what it is |
|---|---|
| a text file | see `lines` |
| two text files | of a translation: a line of each is a pair |
| `.parquet`, `.arrow` | columns |
| a directory | what `save_to_disk` of the library `datasets` wrote |
| `owner/name` | a data set on the Hugging Face Hub |
| a `datasets.Dataset`, a pandas frame, a list of dicts | itself |

The library `datasets` opens all of them. Nothing is held in memory: files are streamed, and what
`datasets` has written is mapped from the disk.
"""

from __future__ import annotations

import functools
import glob
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxheads.data.lines import (
    CHUNK,
    PLAIN,
    READERS,
    Reading,
    Record,
    count_lines,
    extension,
    quiet_datasets,
    read_lines,
    read_parallel,
)
from jaxheads.storage import hub

COLUMNAR = {".parquet": "parquet", ".arrow": "arrow"}  # with their readers in `datasets`


class Records(NamedTuple):
    """The records of a data set, which are read anew whenever they are asked for."""

    name: str  # in errors
    read: Callable[[], Iterator[Record]]
    class_names: Mapping[str, tuple[str, ...]] = {}  # by column, where it holds their numbers


def open_records(data: Any, *, split: str = "train", reading: Reading = PLAIN) -> Records:
    """The records of a data set of any form: see the table above.

    Args:
      data: a path, a name on the Hub, or an object.
      split: of those that the Hub, a directory or an object may have.

    Raises:
      ValueError: at once, for what is not there, or no data set, or has no such split.
    """
    if not isinstance(data, str | Path):
        return _in_memory(data, split)
    path = Path(data).expanduser()
    kind, known = extension(path), (*READERS, *COLUMNAR)
    if path.is_dir():
        return _from_disk(path, split)
    if path.is_file() and kind in COLUMNAR:
        return _from_columns(path, COLUMNAR[kind])
    if path.is_file() and kind in READERS:
        return Records(str(path), functools.partial(read_lines, path, reading))
    if path.is_file():
        got = path.suffix or "none"
        raise ValueError(f"{path}: expected a file ending in {', '.join(known)}, got {got!r}")
    if kind not in known and _is_hub_name(str(data)):
        return from_hub(str(data), reading.subset, split)
    raise ValueError(f"{path}: no such file")


def two_files(data: Any) -> tuple[Path, Path] | None:
    """The files of the two sides of a translation, where that is what is given.

    Raises:
      ValueError: for another number of files.
    """
    if isinstance(data, str) and "," in data and not Path(data).exists():
        data = tuple(data.split(","))
    if not isinstance(data, tuple | list) or not all(isinstance(n, str | Path) for n in data):
        return None
    if len(data) != 2:
        raise ValueError(f"data: expected two files, one for each side, got {len(data)}")
    one, other = (Path(name).expanduser() for name in data)
    return one, other


def open_parallel(files: tuple[Path, Path], fields: Sequence[str]) -> Records:
    """The records of two text files, line by line.

    Raises:
      ValueError: for a file that is not there, and files of different numbers of lines.
    """
    if missing := [str(file) for file in files if not file.is_file()]:
        raise ValueError(f"{missing[0]}: no such file")
    counts = [count_lines(file) for file in files]
    if counts[0] != counts[1]:
        raise ValueError(
            f"{files[0]} and {files[1]}: expected equally many lines, got {counts[0]} and "
            f"{counts[1]}: each line is one side of a pair"
        )
    return Records(str(files[0]), functools.partial(read_parallel, files, fields))


def from_hub(name: str, subset: str | None, split: str, revision: str | None = None) -> Records:
    """The records of a split of a data set on the Hub.

    Raises:
      ValueError: for a data set, subset or split that is not there, or cannot be reached.
    """
    found = hub.fetch_dataset(name, subset, split, revision)
    return _columns(found, f"{name} ({', '.join(filter(None, (subset, split)))})")


def _is_hub_name(text: str) -> bool:
    owner, _, name = text.partition("/")
    return bool(owner and name) and "/" not in name and not text.startswith((".", "~"))


def _from_disk(path: Path, split: str) -> Records:
    if not any((path / name).is_file() for name in ("state.json", "dataset_dict.json")):
        expected = "expected a file, or a directory that save_to_disk of `datasets` wrote"
        raise ValueError(f"{path}: {expected}, got another directory")
    try:
        found = quiet_datasets().load_from_disk(str(path))
    except Exception as error:  # damaged files raise what they like
        raise ValueError(f"{path}: not a saved data set: {_told(error)}") from error
    return _columns(_split_of(found, split, str(path)), str(path))


def _from_columns(path: Path, kind: str) -> Records:
    place = glob.escape(str(path))
    try:
        found = quiet_datasets().load_dataset(kind, data_files=place, split="train", streaming=True)
    except Exception as error:
        raise ValueError(f"{path}: not {kind.title()}: {_told(error)}") from error
    return _columns(found, str(path))


def _split_of(found: Any, split: str, name: str) -> Any:
    datasets = quiet_datasets()
    if not isinstance(found, datasets.DatasetDict | datasets.IterableDatasetDict):
        return found
    if split not in found:
        raise ValueError(f"{name}: expected a split of {', '.join(found)}, got {split!r}")
    return found[split]


def _in_memory(data: Any, split: str) -> Records:
    datasets = quiet_datasets()
    data = _split_of(data, split, "data")
    if isinstance(data, datasets.Dataset | datasets.IterableDataset):
        return _columns(data, "data")
    if hasattr(data, "to_parquet"):  # a frame
        try:
            return _columns(datasets.Dataset.from_pandas(data, preserve_index=False), "data")
        except Exception as error:  # of columns with values of several types
            raise ValueError(f"data: not a table: {_told(error)}") from error
    if isinstance(data, Sequence) and all(isinstance(row, Mapping) for row in data):
        return Records("data", functools.partial(_of_rows, data))
    raise ValueError(
        "data: expected a path, a name on the Hub, a datasets.Dataset, a pandas frame or a list of "
        f"dicts, got {type(data).__name__}"
    )


def _of_rows(rows: Sequence[Mapping[str, Any]]) -> Iterator[Record]:
    """Rows of a list; numbers and lists of NumPy as those of Python."""
    for number, row in enumerate(rows, 1):
        fields = {name: v.tolist() if hasattr(v, "tolist") else v for name, v in row.items()}
        yield Record(f"data, row {number}", fields)


def _columns(found: Any, name: str) -> Records:
    """A `datasets.Dataset` or `IterableDataset`; its values are as they are stored."""

    def read() -> Iterator[Record]:
        row = 0
        try:
            for chunk in found.with_format("arrow").iter(CHUNK):
                for fields in chunk.to_pylist():
                    row += 1
                    yield Record(f"{name}, row {row}", fields)
        except Exception as error:  # the library raises a dozen unrelated classes
            raise ValueError(f"{name}, row {row + 1}: cannot be read: {_told(error)}") from error

    return Records(name, read, _class_names(found.features or {}))


def _class_names(features: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The names of classes by column, of lists of them too."""
    inner = {column: getattr(each, "feature", each) for column, each in features.items()}
    named = {column: getattr(each, "names", None) for column, each in inner.items()}
    return {column: tuple(names) for column, names in named.items() if names is not None}


def _told(error: Exception) -> str:
    """An error of a library on one short line."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."
