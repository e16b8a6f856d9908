"""Measures models of a study, and scores their heads.

scores/*.npz        scores [L, H]
scores/kept/*.npy   the effects on single examples
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

from jax.sharding import Mesh

from jaxheads.importance import Scores, load_scores, save_scores, score_heads
from jaxheads.importance.kept import gather_kept, open_kept, token_file
from jaxheads.importance.methods import Method, ablation, gradient
from jaxheads.importance.reliability import ScoreReading, score_kept
from jaxheads.inference.evaluate import Evaluation, evaluate
from jaxheads.inference.metrics import BLEU, CHRF2
from jaxheads.inference.translating import by_texts, translate
from jaxheads.models.model import Model
from jaxheads.objectives import Objective, objective_for
from jaxheads.records.folder import OWN, TIED, Room
from jaxheads.storage.store import Store
from jaxheads.studies.workbench.settings import PLAIN, READINGS, ScoringSettings
from jaxheads.studies.workbench.tasks import PreparedTask, batches_of
from jaxheads.studies.workbench.trainer import Gates, Mask, gate_of, without_labels

ABLATION = "ablation"


@dataclasses.dataclass(frozen=True)
class Scorer:
    """Measures and scores whatever is made of one pre-trained model."""

    model: str  # its name
    store: Store
    mesh: Mesh | None
    how: ScoringSettings
    readings: tuple[str, ...]  # of the gradient's scores, beside the unit "example"

    def measure(
        self, model: Model, task: PreparedTask, mask_LH: Mask | Gates | None = None
    ) -> Evaluation:
        """The task's metrics on what is held out, with heads masked, or gated."""
        gate_LH = gate_of(model, mask_LH)
        metrics = [name for name in task.metrics if name not in (BLEU, CHRF2)]
        found = evaluate(
            _objective(model), model.params, task.held_out, metrics, classes=task.classes,
            names=task.task.labels, gate=gate_LH, mesh=self.mesh,
        )  # fmt: skip
        if task.references is None:
            return found
        texts, tokenizer = task.references
        return by_texts(
            found, translate(model, tokenizer, task.held_out, gate_LH, mesh=self.mesh), texts
        )

    def score(
        self,
        model: Model,
        task: PreparedTask,
        *,
        name: str | None = None,
        method: Method = gradient(),  # noqa: B008 (a record of functions, never changed)
        unit: str | None = None,
        normalize: str = "none",
        limit: int | None = None,
        mask_LH: Mask | None = None,
    ) -> Scores:
        """The model's scores on training examples, under `name` also on disk.

        With a name, the effects on every example are kept too, by position as well, so that each
        reading of the gradient follows from one pass; `unit` is "token" then.
        """
        source = task.scored.first(limit)
        score = functools.partial(
            score_heads,
            _objective(model), model.params,
            batches_of(source, task.lengths, self.how.batch_size, self.mesh),
            heads=model.config, method=method, unit="token" if name else unit, normalize=normalize,
            gate=mask_LH, mesh=self.mesh, examples=len(source.lengths),
            model=f"{self.model}-{task.name}", progress=False,
        )  # fmt: skip
        if not name:
            return score()
        kept = kept_name(name)
        with self.store.writing(kept, str(token_file(kept))) as (path, _):
            scores = score(keep=path)
            gather_kept(path)
        return scores

    def score_all(self, model: Model, task: PreparedTask, name: str) -> None:
        """Score by every method of a study; all scores go to disk under names that begin alike."""
        self.score(model, task, name=name)
        for reading in ("", *self.readings):
            self.save(scores_name(name, reading), self._read(name, reading))
        if model.config.shares_blocks:
            self.save(scores_name(name, TIED), self._read(name, "", model.config.block_by_layer))
        if self.how.ablated:
            ablated = self.score(model, task, method=ablation(), limit=self.how.ablated)
            self.save(scores_name(name, ABLATION), ablated)

    def _read(self, name: str, reading: str, blocks: Sequence[int] | None = None) -> Scores:
        """One reading of the effects that are kept on disk."""
        how, kept = READINGS.get(reading, PLAIN), kept_name(name)
        kept = str(token_file(kept)) if how["unit"] == "token" else kept
        matrix_NLH = self.store.read(kept, open_kept)
        score_LH = score_kept(matrix_NLH, ScoreReading(how["unit"], how["normalize"], blocks))
        return Scores(score_LH, OWN, how["unit"], len(matrix_NLH), self.model)

    def save(self, name: str, scores: Scores) -> None:
        """Write scores to where `saved` finds them."""
        self.store.write(f"{Room.SCORES}/{name}.npz", lambda path: save_scores(path, scores))

    def saved(self, name: str) -> Scores:
        """Scores that an earlier cell has written."""
        return self.store.read(f"{Room.SCORES}/{name}.npz", load_scores)


def kept_name(name: str) -> str:
    """Where the effects on every example are."""
    return f"{Room.SCORES}/kept/{name}.npy"


def scores_name(name: str, reading: str = "") -> str:
    """The file of one reading of a model's scores; the plain name is the unit "example"."""
    return f"{name}.{reading}" if reading else name


def _objective(model: Model) -> Objective:
    """The loss of a model's own task."""
    model = without_labels(model)
    return objective_for(model.config, model.readout)
