"""Every way to choose the heads that a model keeps for a task, by name, at a budget.

A method takes a `Choice` and gives a `Chosen`: a mask, the model that it is of, and what it cost
beyond the fine-tuned model. Another method is one line in `METHODS`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from jaxheads.config import TrainingConfig
from jaxheads.importance.gates.gate import Gate
from jaxheads.importance.gates.hard_concrete import lagrangian
from jaxheads.importance.gates.subset import PAPER, PAPER_TRANSLATION, subset
from jaxheads.importance.kept import open_kept
from jaxheads.importance.methods import magnitude
from jaxheads.models.model import Model
from jaxheads.pruning.cut import fold
from jaxheads.pruning.mask import mask_from_scores, present_heads, random_mask
from jaxheads.pruning.refine import interaction, refined_mask, rescaling
from jaxheads.pruning.schedule import prune_iteratively
from jaxheads.records.folder import MAGNITUDE, META, OWN, RANDOM, score_file
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.pruners import score_by_pruner
from jaxheads.studies.workbench.scorer import kept_name
from jaxheads.studies.workbench.tasks import PreparedTask
from jaxheads.studies.workbench.trainer import Mask, TrainingJob
from jaxheads.training.optimizer import GATES


class Choice(NamedTuple):
    """What is asked of a method."""

    study_model: StudyModel
    task: PreparedTask
    seed: int
    budgets: tuple[int, ...]  # decreasing, the last being the one that is asked for
    learning_rate: float  # of gates
    draw: int = 0  # which random mask

    @property
    def budget(self) -> int:
        """Heads to keep."""
        return self.budgets[-1]

    @property
    def heads(self) -> tuple[int, int]:
        """Layers, and heads of each."""
        return self.study_model.layout.num_layers, self.study_model.layout.num_heads

    @property
    def tuned(self) -> Model:
        """The model fine-tuned with all its heads."""
        return self.study_model.trained(self.task, self.seed)


class Selection(NamedTuple):
    """The heads to keep, of which model, and what it took beside fine-tuning with all heads.

    `steps` are optimizer steps, `examples` passes forward and backward over single examples.
    Jointly trained models need no fine-tuned one before them: they are charged their own training,
    and `base` is 0. `passes` are those of the gradient over the scored examples that were made
    before, whose time is not that of the choice. `seen_LH`, where a gate was trained, are the
    heads whose gate was above one half in the last step's sample, however many.
    """

    mask_LH: Mask
    model: Model
    steps: int = 0
    examples: int = 0
    base: int = 1  # whether the fine-tuned model is needed
    passes: int = 0
    seen_LH: Mask | None = None


def _gradient(choice: Choice) -> Selection:
    scores = choice.study_model.scorer.saved(
        score_file(choice.study_model.name, choice.task.name, choice.seed)
    )
    mask_LH = mask_from_scores(scores.score_LH, choice.budget)
    return Selection(mask_LH, choice.tuned, examples=scores.examples, passes=1)


def _iterative(choice: Choice, **reading: str) -> Selection:
    """Scored anew at every budget of the comparison; see `StudyModel.score` for `reading`."""
    limit = choice.study_model.run.scoring.rescored or choice.study_model.run.scoring.examples

    def rescore(mask_LH: Mask):
        how = {"limit": limit, "mask_LH": mask_LH, **reading}
        return choice.study_model.scorer.score(choice.tuned, choice.task, **how).score_LH

    *_, mask_LH = prune_iteratively(
        rescore, choice.budgets, present_heads(choice.study_model.layout)
    )
    return Selection(mask_LH, choice.tuned, examples=limit * len(choice.budgets))


def _random(choice: Choice, *, per_layer: bool) -> Selection:
    mask_LH = random_mask(*choice.heads, choice.budget, choice.draw, per_layer=per_layer)
    return Selection(mask_LH, choice.tuned)


def _magnitude(choice: Choice) -> Selection:
    scores = choice.study_model.scorer.score(choice.tuned, choice.task, method=magnitude(), limit=1)
    return Selection(mask_from_scores(scores.score_LH, choice.budget), choice.tuned)


def _refined(choice: Choice, *, rescaled: bool) -> Selection:
    """From the effects that the gradient's pass has kept."""
    name = score_file(choice.study_model.name, choice.task.name, choice.seed)
    effect_NLH = choice.study_model.store.read(kept_name(name), open_kept)
    mask_LH, model = refined_mask(effect_NLH, choice.budget), choice.tuned
    if rescaled:
        gate_LH = np.where(mask_LH, rescaling(interaction(effect_NLH), mask_LH), 1.0)
        model = model._replace(params=fold(model.params, model.config, gate_LH))
    return Selection(mask_LH, model, examples=len(effect_NLH), passes=1)


def _meta(choice: Choice) -> Selection:
    """One shot on the pre-trained model, by a pruner that learned on other tasks; by layers.

    The training of the pruner, which serves all tasks that it has not seen, is not charged: the
    study has trained it in a cell of its own.
    """
    model, name, seed = choice.study_model, choice.task.name, choice.seed
    settings = next(task for task in model.tasks if task.name == name)
    source = model.reader.taught(settings)
    scores = score_by_pruner(model, settings, source, seed)
    mask_LH = mask_from_scores(scores.score_LH, choice.budget, per_layer=True)
    return Selection(mask_LH, choice.tuned, examples=scores.examples)


def training_of(study_model: StudyModel, task: PreparedTask, *, joint: bool) -> TrainingConfig:
    """How gates are trained: with the model as it is, alone as the study says."""
    training = None if joint else study_model.run.study.pipelined
    training = training or task.training
    assert training is not None, "a task says how it is trained"
    return training


def _learned(choice: Choice, make: Callable[[Choice, int], Gate], *, joint: bool) -> Selection:
    """A gate that is trained with the model, or alone on the fine-tuned one."""
    study_model, task = choice.study_model, choice.task
    training = dataclasses.replace(training_of(study_model, task, joint=joint), seed=choice.seed)
    model = study_model.fresh(task, choice.seed) if joint else choice.tuned
    gate = make(choice, training.steps)
    name = f"{study_model.name}-{task.name}-{choice.seed}-{gate.sample.func.__name__.strip('_')}"  # pyright: ignore[reportFunctionMemberAccess]
    name = f"{name}-{'joint' if joint else 'alone'}-{choice.budget}-{choice.learning_rate:g}"
    gates = dataclasses.replace(GATES, learning_rate=choice.learning_rate)
    only = None if joint else "gates"
    found = study_model.trainer.learned(TrainingJob(name, model, task, training, gate, gates, only))
    mask_LH = mask_from_scores(found.score_LH, choice.budget)
    return Selection(
        mask_LH,
        found.model,
        training.steps,
        training.steps * training.batch_size,
        base=0 if joint else 1,
        seen_LH=found.sample_LH > 0.5,
    )


def _subset(relaxation: str) -> Callable[[Choice, int], Gate]:
    return lambda choice, steps: subset(
        choice.heads, choice.budget, steps=steps, relaxation=relaxation
    )


def _subset_of_the_paper(choice: Choice, steps: int) -> Gate:
    annealing = PAPER_TRANSLATION if choice.study_model.layout.decoder_layers else PAPER
    return subset(
        choice.heads, choice.budget, steps=steps, annealing=annealing, relaxation="chained"
    )


def _l0(choice: Choice, _steps: int) -> Gate:
    return lagrangian(choice.heads, choice.budget)


STRAIGHT = "straight-through"
SUBSETS = ("subset", "subset of the paper", STRAIGHT)
GATED: dict[str, Callable[[Choice, int], Gate]] = {
    **dict(
        zip(
            SUBSETS,
            (_subset("bounded"), _subset_of_the_paper, _subset("straight_through")),
            strict=True,
        )
    ),
    "L0": _l0,
}


class Method(NamedTuple):
    """A way to choose heads, and what it needs beside a fine-tuned model."""

    choose: Callable[[Choice], Selection]
    random: bool = False  # draws its mask, so that it has to be drawn several times
    gate: str = ""  # of `GATED`, trained at a learning rate that has to be chosen
    joint: bool = False  # the gate is trained with the model, not alone on the fine-tuned one
    iterative: bool = False  # heads are scored anew at every budget on the way

    @property
    def learns_subset(self) -> bool:
        """Whether a gate keeps exactly so many heads."""
        return self.gate in SUBSETS

    @property
    def pipelined(self) -> bool:
        """Whether a gate is trained alone, on the fine-tuned model."""
        return bool(self.gate) and not self.joint

    @property
    def starts_scaled(self) -> bool:
        """Whether the model is trained with soft gates that begin at K / N."""
        return self.joint and self.learns_subset and self.gate != STRAIGHT


METHODS: dict[str, Method] = {
    OWN: Method(_gradient),
    f"{OWN}, iterative": Method(_iterative, iterative=True),
    # the baseline in the code of Li et al. 2021: groups of 32 examples, layers normalised
    f"{OWN} of the paper, iterative": Method(
        functools.partial(_iterative, unit="batch", normalize="l2"), iterative=True
    ),
    RANDOM: Method(functools.partial(_random, per_layer=False), random=True),
    f"{RANDOM}, per layer": Method(functools.partial(_random, per_layer=True), random=True),
    MAGNITUDE: Method(_magnitude),
    META: Method(_meta),
    "refined": Method(functools.partial(_refined, rescaled=False)),
    "refined, rescaled": Method(functools.partial(_refined, rescaled=True)),
    **{
        f"{name}, {'joint' if joint else 'pipelined'}": Method(
            functools.partial(_learned, make=make, joint=joint), gate=name, joint=joint
        )
        for name, make in GATED.items()
        for joint in (True, False)
    },
}


# -- of a run


def check_methods(methods: Sequence[str]) -> None:
    """Check that all of these are names of `METHODS`.

    Raises:
      ValueError: names those that are unknown.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise ValueError(
            f"study.methods: expected any of {', '.join(METHODS)}, got {', '.join(unknown)}"
        )


def budgets(model: StudyModel) -> tuple[int, ...]:
    """The numbers of heads that the shares are, decreasing, at least one head."""
    total = model.layout.num_layers * model.layout.num_heads
    counts = (max(round(share * total), 1) for share in model.run.study.shares)
    return tuple(dict.fromkeys(count for count in counts if count < total))


def plain(method: str) -> str:
    """The method's name in file names."""
    return method.replace(",", "").replace(" ", "-")


def choice_of(
    model: StudyModel,
    task: PreparedTask,
    seed: int,
    budget: int,
    learning_rate: float,
    draw: int = 0,
) -> Choice:
    """What is asked of a method, with the budgets before and random masks of the seed's own."""
    before = tuple(each for each in budgets(model) if each >= budget)
    first = model.run.seeds.index(seed) * model.run.study.draws
    return Choice(model, task, seed, before, learning_rate, first + draw)
