"""A study's folder: made once, for the settings that it then belongs to.

run.json            the settings, and what the study ran on
"""

from __future__ import annotations

import dataclasses
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from jaxheads.records.folder import SETTINGS
from jaxheads.storage.files import is_draft, write_atomically
from jaxheads.training.identity import differences, plain


def open_folder(settings: Any, folder: Path) -> None:
    """Make the study's folder, or take it up again.

    Raises:
      ValueError: for a folder of other files, or of other settings, naming all that differ.
    """
    settings = plain(dataclasses.asdict(settings))
    others = folder.is_dir() and not all(is_draft(path) for path in folder.iterdir())
    if (folder / SETTINGS).is_file():  # looked for last: another worker may just have written it
        _check_same(folder / SETTINGS, settings)
    elif others:
        raise ValueError(f"{folder}: expected a free folder or one of this study, got other files")
    else:
        with write_atomically(folder / SETTINGS) as draft:
            draft.write_text(json.dumps({"run": settings, "made_on": _machine()}, indent=2) + "\n")


def _machine() -> dict[str, Any]:
    packages = ("jaxheads", "jax", "jaxlib", "flax", "optax", "numpy", "transformers")
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "packages": {name: metadata.version(name) for name in packages},
    }


def _check_same(path: Path, settings: Any) -> None:
    try:
        there = json.loads(path.read_text())["run"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: expected the settings of a study, got {error!r}") from error
    found = [f"{name} {text}" for name, text in differences(there, settings)]
    if found:
        raise ValueError(
            f"{path.parent} holds a study with other settings; choose another --out: "
            + "; ".join(found)
        )
