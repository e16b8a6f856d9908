"""Settings of the study after Zhang et al. 2020."""

from __future__ import annotations

import dataclasses

from jaxheads.studies.workbench.settings import MetaSettings


@dataclasses.dataclass(frozen=True)
class Zhang2020(MetaSettings):
    """A pruner that learned on some tasks chooses the heads of others."""
