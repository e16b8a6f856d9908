"""How sharply heads attend, noted while their attention is read for something else.

    maps/MODEL-attention-0.npz, MODEL-attention.TASK-SEED.npz

Between words, as the study reads them: minus the entropy, which comes first, and the greatest
weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Bool, Float

from jaxheads.analysis.words import confidence, focus
from jaxheads.models.model import Model
from jaxheads.records.folder import ATTENTION_MAPS
from jaxheads.records.head_maps import save_maps
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.training.identity import encoder_bits

STATISTICS = {"focus (minus entropy)": focus, "confidence": confidence}

Group = tuple[np.ndarray, np.ndarray]  # numbers of sentences, their attention [N, L, H, P, Q]


class Sharpness:
    """Statistics of every head in every sentence of one pass."""

    def __init__(self) -> None:
        self._found: dict[str, dict[int, np.ndarray]] = {name: {} for name in STATISTICS}

    def watch(self, groups: Iterable[Group]) -> Iterator[Group]:
        """Hand the groups on, noting the statistics of each."""
        for index_N, attention in groups:
            for name, statistic in STATISTICS.items():
                own = zip(index_N.tolist(), statistic(attention), strict=True)
                self._found[name].update(own)
            yield index_N, attention

    def by_sentence(self, name: str) -> Float[np.ndarray, "N L H"]:
        """One statistic of all sentences, in the order of their numbers."""
        found = self._found[name]
        return np.stack([found[number] for number in sorted(found)])

    def save(
        self,
        study_model: StudyModel,
        model: Model,
        task: str,
        seed: int,
        first_N: Bool[np.ndarray, "N"],
    ) -> None:
        """Keep the means of all sentences, of the `first_N` and of the others."""
        every_N = np.ones_like(first_N)
        maps, one, two = (
            {name: self.by_sentence(name)[chosen_N].mean(0) for name in STATISTICS}
            for chosen_N in (every_N, first_N, ~first_N)
        )
        save_maps(
            study_model.store, study_model.name, ATTENTION_MAPS, seed, maps, (one, two),
            task=task, weights=encoder_bits(model),
        )  # fmt: skip
