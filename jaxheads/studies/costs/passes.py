"""What studies do again and again: trainings, measures and scores, by settings and shapes alone.

Examples are counted as cells pass them: forward alone, or forward and backward. Each order of
pruning counts at every budget, also where two orders keep the same heads. Not counted are readouts,
which are small beside an encoder, repeated timings, and statistics of answers.
"""

from __future__ import annotations

from jaxheads.config import EncoderConfig, TrainingConfig
from jaxheads.pruning.cost import count_parameters, multiply_adds
from jaxheads.records.folder import OUTPUT_NORM, PRETRAINING
from jaxheads.studies.costs.work import Work
from jaxheads.studies.peyrard2021.headlines import GENERATED, TASKS, TEST, TRAIN
from jaxheads.studies.workbench.model import StudyModel
from jaxheads.studies.workbench.settings import TaskSettings

ASSUMED = 1_000  # examples that are measured, where neither settings nor a known size says it
HELD_OUT = {  # of GLUE's validation sets
    "cola": 1_043, "sst2": 872, "mrpc": 408, "stsb": 1_500, "qqp": 40_430, "mnli": 9_815,
    "qnli": 5_463, "rte": 277, "wnli": 71,
}  # fmt: skip


def passed(model: StudyModel, task: str | TaskSettings, count: int, **how) -> Work:
    """Passes over examples of a task: `times` of a forward pass each, in batches of `size`."""
    config, times, back = model.layout, how.get("times", 1), how.get("backward", False)
    length = _length(model, task)
    flops = 2.0 * times * count * multiply_adds(config, length)
    calls = -(-count // how["size"])
    kept = _activations(config, length, min(how["size"], max(count, 1)), back)
    memory = 4 * count_parameters(config) * how.get("copies", 1) + kept
    sides = (0, count) if back else (count, 0)
    return Work(*sides, flops, calls, int(count > 0), memory=memory)


def _activations(config: EncoderConfig, length: int, size: int, backward: bool) -> int:
    """Bytes of float32 that a pass holds: of every layer for the way back, else of one."""
    token = 8 * config.hidden_size + 2 * config.intermediate_size
    layer = length * token + 2 * config.num_heads * length * length
    return 4 * size * layer * (config.num_layers if backward else 1)


def train(model: StudyModel, task: str, how: TrainingConfig, *, gates: bool = False) -> Work:
    """A training: all parameters, or gates alone, with Adam's two moments."""
    count, size = how.steps * how.batch_size, max(how.batch_size // how.accumulate, 1)
    times, copies = (2, 1) if gates else (3, 4)
    own = passed(model, task, count, times=times, size=size, copies=copies, backward=True)
    return own._replace(steps=how.steps * how.accumulate)


def tune(model: StudyModel, task: str, **how) -> Work:
    return train(model, task, _finetune(model, task), **how)


def probe(model: StudyModel, task: str) -> Work:
    """A readout alone: the encoder is passed forward."""
    how = model.run.probe
    assert how is not None, "a run with tasks says how"
    count = how.steps * how.batch_size
    work = passed(model, task, count, size=how.batch_size)
    return work._replace(forward=0, backward=count, steps=how.steps)


def measure(model: StudyModel, task: str, times: int = 1, count: int | None = None) -> Work:
    size = model.run.curve.batch_size
    each = held_out(model, task) if count is None else count
    work = passed(model, task, each * times, size=size)
    return work._replace(steps=times * -(-each // size))


def score(model: StudyModel, task: str | TaskSettings, times: int = 1, **how) -> Work:
    """The gradient with respect to the gates, or passes forward alone."""
    count = scored(model, task, how.pop("limit", None)) * times
    how = {"backward": True, "times": 2, **how}
    return passed(model, task, count, size=model.run.scoring.batch_size, **how)


def score_all(model: StudyModel, task: str) -> Work:
    """By every method of a study, with what is kept of every example, and the output norm."""
    how, total = model.run.scoring, heads(model)
    count = scored(model, task)
    kept = 4 * count * total * (1 + _length(model, task))
    work = score(model, task) | Work(disk=kept)
    if how.ablated:
        most = min(how.ablated, count) * (total + 1)
        work |= passed(model, task, most, size=how.batch_size)
    if OUTPUT_NORM in how.nulls:
        work |= score(model, task, backward=False, times=1)
    return work


def along(model: StudyModel, task: str, orders: int, rescored: int = 0) -> Work:
    """A task's metric along orders that share their ends, some of them scored anew on the way."""
    points = min(model.run.curve.points, heads(model))
    work = measure(model, task, orders * (points - 1) + 2)
    if rescored:
        work |= score(model, task, rescored * points, limit=model.run.scoring.rescored)
    return work


def orders(model: StudyModel, more: int = 0) -> tuple[int, int]:
    """How many orders a curve has, and how many of them are scored anew."""
    run, tied = model.run, model.layout.shares_blocks
    rescored = (1 + len(run.curve.rescored)) * bool(run.scoring.rescored)
    orders = 2 + run.curve.draws + len(run.curve.readings) + bool(run.scoring.ablated)
    return orders + rescored + more + tied * (2 + run.curve.draws), rescored


def saved(model: StudyModel, count: int = 1) -> Work:
    return Work(disk=4 * count * count_parameters(model.layout))


def heads(model: StudyModel) -> int:
    return model.layout.num_layers * model.layout.num_heads


def task_of(model: StudyModel, name: str) -> TaskSettings | None:
    return next((task for task in model.run.tasks if task.name == name), None)


def _length(model: StudyModel, task: str | TaskSettings) -> int:
    found = task_of(model, task) if isinstance(task, str) else task
    if found is not None:
        return found.length
    if model.run.text is not None:
        return model.run.text.length
    return getattr(model.run.study, "length", 64)


def _finetune(model: StudyModel, task: str) -> TrainingConfig:
    found, study = task_of(model, task), model.run.study
    own = model.settings.finetune or (found and found.finetune) or getattr(study, "finetune", None)
    how = own or model.run.finetune
    assert how is not None, "a run with tasks says how"
    return how


def held_out(model: StudyModel, task: str | TaskSettings) -> int:
    found = task_of(model, task) if isinstance(task, str) else task
    if found is not None:
        return found.held_out_examples or HELD_OUT.get(found.name, ASSUMED)
    if task == PRETRAINING and model.run.text is not None:
        return model.run.text.held_out_blocks
    return (1 if task == TASKS[1] else 2) * pairs(model, TEST)


def pairs(model: StudyModel, split: str) -> int:
    how = model.run.study
    limit = how.pairs if split == TRAIN else how.held_out_pairs
    return limit or (GENERATED[split] if how.train is None else ASSUMED)


def scored(model: StudyModel, task: str | TaskSettings, limit: int | None = None) -> int:
    found = task_of(model, task) if isinstance(task, str) else task
    there = [model.run.scoring.examples, found and found.examples, limit]
    return min(each for each in there if each)
