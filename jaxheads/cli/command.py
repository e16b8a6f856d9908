"""The door of `jaxheads study`: the status of a study's folder must not start jax."""

from __future__ import annotations

from jaxheads.cli.options.study import StudyOptions
from jaxheads.cli.status import describe


def run(options: StudyOptions) -> int | None:
    """Run the study, or say how far it is; None where a report is to follow."""
    if options.status:
        print(describe(options.folder))
        return 0
    from jaxheads.cli import study

    return study.run(options)
