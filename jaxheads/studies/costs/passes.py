"""What studies do again and again: trainings, measures and scores, by settings and shapes alone.

Examples are counted as cells pass them: forward alone, or forward and backward. Each order of
pruning counts at every budget, also where two orders keep the same heads. Not counted are readouts,
which are small beside an encoder, repeated timings, and statistics of answers.
"""

from __future__ import annotations

from jaxheads.config import EncoderConfig, TrainingConfig
from jaxheads.inference.translating import BEAMS, ROOM
from jaxheads.pruning.cost import count_parameters, multiply_adds
from jaxheads.records.folder import OUTPUT_NORM, PRETRAINING
from jaxheads.studies.costs.lengths import examples_of, mean_padded
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
    length = how.get("length") or _padded(model, task, how["size"])
    flops = 2.0 * times * count * (multiply_adds(config, length) + _words_chosen(config, length))
    calls = -(-count // how["size"])
    kept = _activations(config, _length(model, task), min(how["size"], max(count, 1)), back)
    memory = 4 * count_parameters(config) * how.get("copies", 1) + kept
    sides = (0, count) if back else (count, 0)
    return Work(*sides, flops, calls, int(count > 0), memory=memory)


def _padded(
    model: StudyModel, task: str | TaskSettings, size: int, window: int | None = None
) -> int:
    """The length of a task's batches; `window` of those that a model is trained on."""
    found = task_of(model, task) if isinstance(task, str) else task
    how = None if found is None else _finetune_or_none(model, found.name)
    if found is None or how is None or not how.window:
        return _length(model, task)  # all have one length
    return mean_padded(found, size, window or 0, trained=window is not None)


def _words_chosen(config: EncoderConfig, length: int) -> int:
    """Multiply-adds of the logits of a decoder, which has some for every token."""
    return bool(config.decoder_layers) * length * config.hidden_size * config.vocab_size


def _decoded(model: StudyModel, task: str, count: int, size: int) -> Work:
    """Beams of translations, one token after the other, as long as their padded sources."""
    config, length = model.layout, _padded(model, task, size)
    width, layers = config.hidden_size, config.decoder_layers
    attended = (ROOM + 1) * length  # places in the caches: of its own words, and of the source
    layer = 6 * width + 2 * config.intermediate_size + 2 * attended
    token = width * (layers * layer + config.vocab_size)
    beams = count * BEAMS
    return Work(flops=2.0 * beams * length * token, steps=-(-count // size) * length, programs=1)


def _activations(config: EncoderConfig, length: int, size: int, backward: bool) -> int:
    """Bytes of float32 that a pass holds: of every layer for the way back, else of one."""
    token = 8 * config.hidden_size + 2 * config.intermediate_size
    layer = length * token + 2 * config.num_heads * length * length
    return 4 * size * layer * (config.num_layers if backward else 1)


def train(model: StudyModel, task: str, how: TrainingConfig, *, gates: bool = False) -> Work:
    """A training: all parameters, or gates alone, with Adam's two moments."""
    count, size = how.steps * how.batch_size, max(how.batch_size // how.accumulate, 1)
    times, copies = (2, 1) if gates else (3, 4)
    length = _padded(model, task, how.batch_size, how.window)
    own = passed(
        model, task, count, times=times, size=size, copies=copies, backward=True, length=length
    )
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
    work = passed(model, task, each * times, size=size)._replace(steps=times * -(-each // size))
    return work | _decoded(model, task, each * times, size) if model.layout.decoder_layers else work


def score(model: StudyModel, task: str | TaskSettings, times: int = 1, **how) -> Work:
    """The gradient with respect to the gates, or passes forward alone."""
    count = scored(model, task, how.pop("limit", None)) * times
    how = {"backward": True, "times": 2, **how}
    return passed(model, task, count, size=model.run.scoring.batch_size, **how)


def score_all(model: StudyModel, task: str) -> Work:
    """By every method of a study, with what is kept of every example."""
    how, total = model.run.scoring, heads(model)
    count = scored(model, task)
    kept = 4 * count * total * (1 + _length(model, task))
    work = score(model, task) | Work(disk=kept)
    if how.ablated:
        most = min(how.ablated, count) * (total + 1)
        work |= passed(model, task, most, size=how.batch_size)
    return work


def score_weights(model: StudyModel, task: str) -> Work:
    """The output norm; magnitude passes no example."""
    asked = OUTPUT_NORM in model.run.scoring.nulls
    return score(model, task, backward=False, times=1) if asked else Work()


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


def _finetune_or_none(model: StudyModel, task: str) -> TrainingConfig | None:
    found, study = task_of(model, task), model.run.study
    own = model.settings.finetune or (found and found.finetune) or getattr(study, "finetune", None)
    return own or model.run.finetune


def _finetune(model: StudyModel, task: str) -> TrainingConfig:
    how = _finetune_or_none(model, task)
    assert how is not None, "a run with tasks says how"
    return how


def held_out(model: StudyModel, task: str | TaskSettings) -> int:
    found = task_of(model, task) if isinstance(task, str) else task
    if found is not None:
        there = examples_of(found) or HELD_OUT.get(found.name, ASSUMED)
        return min(found.held_out_examples or there, there)
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
