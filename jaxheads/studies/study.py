"""The body of `jaxheads study`: a config file, with changes, to the study that it names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jaxheads.config import Run
from jaxheads.options import StudyOptions
from jaxheads.overrides import closest, load_config, override
from jaxheads.studies import chiang2021

STUDIES: dict[str, Callable[[Run, Path], None]] = {"chiang2021": chiang2021.run}


def run(options: StudyOptions) -> None:
    """Run the study into `options.folder`; one that is finished there is left as it is."""
    settings = override(load_config(options.config), options.set)
    if not isinstance(settings, Run):
        got = type(settings).__name__
        raise ValueError(f"{options.config}: expected RUN to be a jaxheads.config.Run, got {got}")
    if settings.study not in STUDIES:
        raise ValueError(
            f"{options.config}: no study {settings.study!r}{closest(settings.study, STUDIES)}"
        )
    STUDIES[settings.study](settings, options.folder)
