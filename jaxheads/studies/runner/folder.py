"""A study's store: made once, for the settings that it then belongs to.

run.json            the settings, and what the study ran on
"""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from jaxheads.records.folder import SETTINGS
from jaxheads.storage.files import is_draft
from jaxheads.storage.store import Store
from jaxheads.studies.runner.driver import LOCK
from jaxheads.training.identity import differences, plain


def open_store(settings: Any, store: Store, machine: Callable[[], dict[str, Any]]) -> None:
    """Make the study's store, or take it up again.

    Raises:
      ValueError: for a folder of other files, or of other settings, naming all that differ.
    """
    settings = plain(dataclasses.asdict(settings))
    if store.exists(SETTINGS):
        _check_same(store, settings)
    elif [name for name in store.names("") if name != LOCK and not is_draft(Path(name))]:
        raise ValueError(f"{store}: expected a free folder or one of this study, got other files")
    else:
        store.write_json(SETTINGS, {"run": settings, "made_on": machine()}, indent=2)


def this_machine() -> dict[str, Any]:
    """What this process computes on."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "devices": f"{jax.device_count()} x {jax.devices()[0].device_kind}",
        "packages": packages(),
    }


def packages() -> dict[str, str]:
    """The versions of what results depend on."""
    names = ("jaxheads", "jax", "jaxlib", "flax", "optax", "numpy", "transformers")
    return {name: metadata.version(name) for name in names}


def _check_same(store: Store, settings: Any) -> None:
    try:
        there = store.read(SETTINGS, lambda path: json.loads(path.read_text()))["run"]
    except (ValueError, KeyError, TypeError) as error:
        got = f"expected the settings of a study, got {error!r}"
        raise ValueError(f"{store}/{SETTINGS}: {got}") from error
    found = [f"{name} {text}" for name, text in differences(there, settings)]
    if found:
        raise ValueError(
            f"{store} holds a study with other settings; choose another --out: " + "; ".join(found)
        )
