"""Settings of the study after Michel et al. 2019."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Michel2019:
    """Heads are removed one by one, all but one, and in order; nothing is to be set."""
