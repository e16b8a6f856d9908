"""Names to directories: a local one as it is, else a snapshot from the Hub; fails fast offline.

Left to themselves the Hub's clients retry for 25 to 50 s when there is no network. Here one request
settles whether the Hub answers; if not, only its cache on disk is asked. It may take as long as the
clients allow any request (`HF_HUB_ETAG_TIMEOUT`). Imports nothing of ours.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

BUILTIN = "builtin:"  # before the name of a model that comes with the package
ASSETS = Path(__file__).parents[1] / "assets"


def fetch_model_dir(source: str | Path, patterns: Sequence[str]) -> Path:
    """Return the directory that `source` names: itself, or a snapshot of that model on the Hub.

    `builtin:NAME` is a model that comes with the package.

    `patterns` (`config.json`, `*.safetensors`) say which of a Hub model's files are wanted; a local
    directory is returned as it is.

    Raises:
      ValueError: in one line, whatever goes wrong.
    """
    text = str(source)
    path = Path(text).expanduser()
    if not text.strip():
        raise ValueError("expected a model directory or a name on the Hub, got an empty string")
    if text.startswith(BUILTIN):
        return builtin_dir(text)
    if path.is_dir():
        return path
    if path.exists():
        raise ValueError(f"{text}: expected a model directory, got a file")
    if isinstance(source, Path) or _reads_as_path(text):
        raise ValueError(f"{text}: no such directory")
    return fetch_snapshot(text, patterns)


def builtin_dir(text: str, marker: str = "config.json") -> Path:
    """The directory that `builtin:NAME` names, among those with a file called `marker`.

    Raises:
      ValueError: for a name that is not there, listing those that are.
    """
    name = text.removeprefix(BUILTIN)
    names = sorted(path.parent.name for path in ASSETS.glob(f"*/{marker}"))
    if name not in names:
        known = ", ".join(BUILTIN + each for each in names) or "none, there are no built-in ones"
        raise ValueError(f"{text}: expected one of {known}")
    return ASSETS / name


def fetch_snapshot(
    name: str,
    patterns: Sequence[str],
    *,
    kind: Literal["model", "dataset"] = "model",
    revision: str | None = None,
) -> Path:
    """Return a directory with the files of a Hub repository that match `patterns`.

    Downloads what is missing if the Hub answers; otherwise what was downloaded before is taken.

    Raises:
      ValueError: for a repository that is not there or cannot be read, or without such files.
    """
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    online = hub_answers()
    neither = (
        f"{name!r} is neither a local directory nor" if kind == "model" else f"{name!r} is not"
    )
    try:
        found = snapshot_download(
            name,
            repo_type=kind,
            revision=revision,
            allow_patterns=list(patterns),
            local_files_only=not online,
        )
    except HFValidationError as error:
        raise ValueError(f"{neither} a valid name on the Hub") from error
    except RepositoryNotFoundError as error:
        raise ValueError(f"{neither} a public {kind} on {constants.ENDPOINT}") from error
    except Exception as error:  # the clients raise a dozen unrelated classes
        if online:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(f"{neither} readable from {constants.ENDPOINT}: {reason}") from error
        why = "HF_HUB_OFFLINE is set" if constants.HF_HUB_OFFLINE else "which cannot be reached"
        raise ValueError(
            f"{neither} in the cache {constants.HF_HUB_CACHE} of {constants.ENDPOINT}, {why}"
        ) from error
    directory = Path(found)
    if not any(match.is_file() for pattern in patterns for match in directory.rglob(pattern)):
        raise ValueError(f"{name}: expected files {', '.join(patterns)}, found none ({directory})")
    return directory


def fetch_dataset(name: str, subset: str | None, split: str, revision: str | None = None) -> Any:
    """Return a split of a data set on the Hub, as a `datasets.Dataset` that lies on disk.

    Downloads it if the Hub answers; otherwise what the library `datasets`
    has prepared before is taken.

    Raises:
      ValueError: for a data set, subset or split that is not there or cannot be read.
    """
    import datasets
    from datasets.config import HF_DATASETS_CACHE
    from datasets.utils import logging
    from huggingface_hub import constants

    what = f"{name!r}" + (f" ({subset})" if subset else "")
    before, online = constants.HF_HUB_OFFLINE, hub_answers()
    logging.set_verbosity(logging.CRITICAL)
    try:
        constants.HF_HUB_OFFLINE = not online  # its clients would retry for half a minute
        return datasets.load_dataset(name, subset, split=split, revision=revision)
    except Exception as error:  # the library raises a dozen unrelated classes
        if online:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ValueError(
                f"{what} is no data set that {constants.ENDPOINT} has: {reason}"
            ) from error
        why = "HF_HUB_OFFLINE is set" if before else "which cannot be reached"
        where = f"the cache {HF_DATASETS_CACHE} of {constants.ENDPOINT}, {why}"
        raise ValueError(f"{what} is neither a file nor in {where}") from error
    finally:
        constants.HF_HUB_OFFLINE = before


def hub_answers(seconds: float | None = None) -> bool:
    """Whether the Hub answers a request within `seconds`, proxies and name look-up included.

    Args:
      seconds: None: as long as its clients wait for the answer to any request.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    if constants.HF_HUB_OFFLINE:
        return False
    seconds = constants.HF_HUB_ETAG_TIMEOUT if seconds is None else seconds
    answers: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def ask() -> None:
        try:
            get_session().head(constants.ENDPOINT, timeout=seconds)
        except Exception:  # noqa: BLE001  (no answer, whatever the reason)
            answers.put(False)
        else:
            answers.put(True)

    threading.Thread(target=ask, daemon=True).start()  # a name look-up obeys no timeout of its own
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return False


def _reads_as_path(text: str) -> bool:
    """Whether a string cannot be a Hub name (`name` or `owner/name`) and so means a local place."""
    return text.startswith((".", "/", "~")) or text.endswith("/") or text.count("/") > 1
