"""Does one head find what makes a headline funny? Classifiers, the head, and what controls say.

After Peyrard, Borges, Gligoric and West 2021, "Laughing Heads" (arXiv 2105.09142): their two tasks
(1S and PS), their four maps and localisation, accuracy by opposition (their Table 2, where pairs
say what they oppose), masking of each word (Table 3), distances and attention by place (Figs. 2 and
3), on any pairs of headlines.

Changed: where the paper chooses the head by eye on the test set, it is chosen here on validation
pairs and tested on others; intervals are 95% (theirs 99%), over originals; pairs are split by
original; a word has all of its pieces. Not built: GPT-2, the LSTM and the other baselines of Table
1, the rules that need a tagger or a language model.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from jaxheads.analysis.contrast import PLACES, accuracy_by_size
from jaxheads.analysis.sums import grouped
from jaxheads.data.baselines import bag_of_words_accuracy
from jaxheads.data.headlines.encoded import analysable
from jaxheads.data.headlines.humor import PAIRED, QUESTIONS, longer_is_funny, naive_bayes_accuracies
from jaxheads.data.headlines.pairs import Pair
from jaxheads.data.tasks.task import Example
from jaxheads.inference.evaluate import Answers
from jaxheads.records.folder import HUMOR_MAPS, SURELY_SERIOUS, UNTUNED, Metric, Stage
from jaxheads.records.head_maps import save_maps
from jaxheads.records.rows import Row
from jaxheads.storage.store import Store
from jaxheads.studies.peyrard2021.attention import (
    half_maps,
    measure_attention,
    named_maps,
    save_seen,
)
from jaxheads.studies.peyrard2021.head import head
from jaxheads.studies.peyrard2021.head_ablation import gated, views
from jaxheads.studies.peyrard2021.headlines import (
    TASKS,
    TEST,
    TRAIN,
    humor_task,
    model_of,
    other_tasks,
    read_headlines,
    validated,
    variant_file,
    variants,
)
from jaxheads.studies.peyrard2021.masking import masked
from jaxheads.studies.runner.cells import Cell, cell, name_of
from jaxheads.studies.workbench.agreement import map_agreement
from jaxheads.studies.workbench.answers import save_answers
from jaxheads.studies.workbench.model import StudyModel, study_models
from jaxheads.studies.workbench.other_studies import copy_maps
from jaxheads.studies.workbench.pretrain import made_cells
from jaxheads.studies.workbench.seeds import Sampled, together_cell
from jaxheads.studies.workbench.settings import Run
from jaxheads.studies.workbench.steps import finetuned
from jaxheads.training.identity import encoder_bits

RATED = 1.0  # the mean rating of a serious side that all its raters took for serious


def cells(run: Run, store: Store) -> Iterator[Cell]:
    """For each model: the pairs, the classifiers, what their heads see, and the head."""
    for model in study_models(run, store):
        yield from (base := made_cells(model))
        yield (others := cell(copy_maps, model, after=base))
        yield (read := cell(pairs_of, model, after=base))
        tuned: dict[tuple[str, int], Cell] = {}
        looked = {(UNTUNED, 0): cell(attention, model, UNTUNED, 0, after=[read])}
        yield looked[UNTUNED, 0]
        for each in itertools.product(variants(model), run.seeds):
            compute = finetuned if each[0] in other_tasks(model) else classified
            yield (own := cell(compute, model, *each, after=[read]))
            yield (seen := cell(attention, model, *each, after=[own]))
            tuned[each], looked[each] = own, seen
        yield from _heads(model, tuned, looked)
        runs = list(itertools.product(TASKS, run.seeds))
        seen = [made[each] for each in runs for made in (tuned, looked)]
        yield cell(map_agreement, model, after=[others, looked[UNTUNED, 0], *seen])


def _heads(model: StudyModel, tuned, looked) -> Iterator[Cell]:
    """The head of each classifier, and what it is worth."""
    sampled: dict[str, list[Sequence[Cell]]] = {task: [] for task in TASKS}
    for task, seed in itertools.product(TASKS, model.run.seeds):
        what, made, seen = (model, task, seed), tuned[task, seed], looked[task, seed]
        beside = [looked[UNTUNED, 0], *(looked[each, seed] for each in variants(model))]
        yield (found := cell(head, *what, after=[*beside, made]))
        yield (without := cell(gated, *what, after=[seen]))
        yield (hidden := cell(masked, *what, after=[made]))
        yield cell(views, *what, after=[seen])
        sampled[task].append((made, found, without, hidden))
    for task in TASKS:
        yield from together_cell(model, task, sampled[task])


# -- the pairs, and what can be had without a model


def pairs_of(model: StudyModel) -> list[Row]:
    """How many pairs there are and pass the filter, and what surface leaks reach on test.

    Raises:
      ValueError: for too few permutations to test so many heads, or a split without pairs that pass
        the filter.
    """
    headlines, settings = read_headlines(model), model.run.study
    layout = model.base.config
    if settings.permutations + 1 < 20 * layout.num_layers * layout.num_heads:
        least = 20 * layout.num_layers * layout.num_heads - 1
        raise ValueError(
            f"humor.permutations: expected at least {least} to test the heads of {model.name} at "
            f"0.05, got {settings.permutations}"
        )
    rows = []
    for split, pairs in headlines.splits.items():
        found = analysable(pairs)
        if not found.pairs and split != TRAIN:
            raise ValueError(
                f"{split}: expected pairs that differ in one or two words of three or more, got "
                f"none among {len(pairs)}"
            )
        values = {
            Metric.PAIRS: float(len(pairs)),
            Metric.TOO_LONG: float(headlines.too_long[split]),
            Metric.SMALL_EDITS: float(len(found.pairs)),
            Metric.WITHOUT_PIECES: float(found.dropped),
        }
        rows += model.make_rows("", values, stage=Stage.PAIRS, method=split)
    train, test = ([each.pair for each in headlines.splits[s]] for s in (TRAIN, TEST))
    return rows + _leaks(model, train, test)


def _leaks(model: StudyModel, train: Sequence[Pair], test: Sequence[Pair]) -> list[Row]:
    bayes = naive_bayes_accuracies(train, test)
    rows: list[Row] = []
    for task in TASKS:
        bag = bag_of_words_accuracy(_examples(task, train), _examples(task, test))
        rows += model.make_rows(task, {Metric.BAG_OF_WORDS: bag}, stage=Stage.FLOOR)
        values = {Metric.BAYES: bayes[task]}
        if task == PAIRED:
            values[Metric.LONGER] = longer_is_funny(test)
        rows += model.make_rows(task, values, stage=Stage.LEAK)
    return rows


def _examples(task: str, pairs: Sequence[Pair]) -> list[Example]:
    return [
        Example(each.texts[0], each.texts[1] if len(each.texts) > 1 else None, each.label, "")
        for each in QUESTIONS[task](pairs)
    ]


# -- classifiers


def classified(study_model: StudyModel, variant: str, seed: int) -> list[Row]:
    """Fine-tune on headlines and measure on test; with true labels, score the heads too."""
    task = next(task for task in TASKS if variant.startswith(task))
    prepared, model = humor_task(study_model, task, seed), model_of(study_model, variant, seed)
    found = study_model.scorer.measure(model, prepared)
    if variant != task:
        accuracy = {Metric.ACCURACY: found.metrics[Metric.ACCURACY]}
        return study_model.make_rows(task, accuracy, stage=Stage.SHUFFLED, seed=seed)
    name = variant_file(study_model, task, seed)
    save_answers(study_model.store, name, found)
    study_model.scorer.score_all(model, prepared, name)
    rows = study_model.make_rows(task, found.metrics, stage=Stage.WHOLE, seed=seed)
    if seed == study_model.run.seeds[0]:
        rows += study_model.make_rows(task, found.floors, stage=Stage.FLOOR)
    chosen = study_model.scorer.measure(model, validated(study_model, prepared, seed)).metrics[
        "accuracy"
    ]
    rows += study_model.make_rows(
        task, {Metric.ACCURACY: chosen}, stage=Stage.VALIDATION, seed=seed
    )
    if study_model.run.probe is not None:
        frozen = study_model.scorer.measure(
            study_model.trainer.fitted(study_model.probing(prepared, seed, f"{name}-frozen")),
            prepared,
        )
        rows += study_model.make_rows(task, frozen.metrics, stage=Stage.PROBE, seed=seed)
    return rows + _accuracies(study_model, task, seed, found.answers)


def _accuracies(model: StudyModel, task: str, seed: int, answers: Answers) -> list[Row]:
    """Accuracy with intervals over originals: all, those of sure raters, by opposition; by size."""
    pairs = [each.pair for each in read_headlines(model).splits[TEST]]
    asked = [pairs[question.pair] for question in QUESTIONS[task](pairs, seed)]
    correct_N = answers.guess_M == answers.label_M
    rated_N = np.array([pair.seriousness == RATED for pair in asked])
    parts = {(Stage.HEADLINES, "all"): np.ones(len(asked), bool)}
    parts[Stage.HEADLINES, SURELY_SERIOUS] = rated_N
    for name in sorted({name for pair in asked for name in pair.oppositions}):
        own_N = np.array([name in pair.oppositions for pair in asked])
        parts[Stage.BY_OPPOSITION, name] = own_N
    rows, found = [], Sampled(model, task, seed)
    groups = [pair.group for pair in asked]
    for (stage, method), own_N in parts.items():
        if own_N.any():
            what = {"stage": stage, "method": method}
            rows += found.rows(Metric.ACCURACY, grouped(correct_N, groups, own_N), **what)
            rows += found.plain_rows({Metric.QUESTIONS: float(own_N.sum())}, **what)
    found.save(name_of(classified, model, task, seed))
    size_N, sizes = np.array([pair.size for pair in asked]), model.run.study.sizes
    for size, (small, large) in zip(
        sizes, accuracy_by_size(correct_N, size_N, sizes).T, strict=True
    ):
        for side, value in (("at most", small), ("above", large)):
            what = {"stage": Stage.BY_SIZE, "method": side, "setting": size}
            rows += found.plain_rows({Metric.ACCURACY: float(value)}, **what)
    return rows


# -- attention


def attention(study_model: StudyModel, variant: str, seed: int) -> list[Row]:
    """Look at all headlines, keep what is seen; tell distances by layer, attention by place."""
    model = model_of(study_model, variant, seed)
    seen = measure_attention(study_model, model, None if variant == UNTUNED else study_model.base)
    save_seen(study_model, variant_file(study_model, variant, seed), seen)
    if variant in (UNTUNED, *TASKS):
        save_maps(
            study_model.store, study_model.name, HUMOR_MAPS, seed, named_maps(seen),
            half_maps(seen), task="" if variant == UNTUNED else variant,
            weights=encoder_bits(model),
        )  # fmt: skip
    rows: list[Row] = []
    what = {"method": variant, "seed": seed}
    for name, value_LH in seen.mean.items():
        if name in PLACES:
            value = {name: float(value_LH.mean())}
            rows += study_model.make_rows("", value, stage=Stage.BY_PLACE, **what)
            continue
        for layer, value in enumerate(value_LH.mean(1)):
            own = {"stage": Stage.DISTANCE, "layer": layer}
            rows += study_model.make_rows("", {name: float(value)}, **own, **what)
    return rows
