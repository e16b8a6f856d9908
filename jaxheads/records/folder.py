"""The names in a study's folder, each written here alone: of files, stages, metrics and ways.

rows.jsonl            all rows of a finished study; cells/NAME.jsonl those of one cell
run.json              the settings, and what the study ran on
times/NAME.json       the seconds of a cell; speed.jsonl what was timed, which no run repeats
models/ logs/ pruners/ smaller/ checkpoints/   what was trained
scores/ answers/ sums/ maps/ attention/ trees/ arrays by head, by example, by sentence
views/ examples/      what heads look at in single sentences, for the page
other_studies/        maps that finished studies left of the same model
"""

from __future__ import annotations

from enum import StrEnum

ROWS, SETTINGS, SPEEDS = "rows.jsonl", "run.json", "speed.jsonl"


class Room(StrEnum):
    """The folders in a study's folder."""

    CELLS = "cells"
    TIMES = "times"
    MODELS = "models"
    SMALLER = "smaller"
    PRUNERS = "pruners"
    CHECKPOINTS = "checkpoints"
    LOGS = "logs"
    SCORES = "scores"
    ANSWERS = "answers"
    SUMS = "sums"
    MAPS = "maps"
    ATTENTION = "attention"
    TREES = "trees"
    VIEWS = "views"
    EXAMPLES = "examples"
    OTHER_STUDIES = "other_studies"


class Stage(StrEnum):
    """Where in a study a row was measured."""

    # whole models
    FLOOR = "floor"
    WHOLE = "whole"
    PROBE = "linear probe"
    SHUFFLED = "labels shuffled"
    VALIDATION = "validation"
    HALF_PRECISION = "stored as float16"
    # orders of pruning
    MASKED = "masked"
    PRUNABILITY = "prunability"
    CONTRAST = "contrast"
    # maps of heads
    MAP_AGREEMENT = "map agreement"
    BETWEEN_MAPS = "agreement of kinds of maps"
    MAP_RELIABILITY = "map reliability"
    # Chiang & Chen 2021
    COHERENCE = "coherence"
    GIVEN_NULL = "coherence given a null"
    CEILING = "ceiling"
    RELIABILITY = "reliability"
    NULL = "null"
    BEYOND_NULL = "more than nulls"
    NULL_CONTRAST = "contrast with nulls"
    FUNCTIONAL = "functional coherence"
    DEDUCTION = "deduction"
    ACCEPTABLE = "acceptable deduction"
    PRUNED_FIRST = "pruned, then fine-tuned"
    CUT = "cut"
    REGIMES = "before and after"
    REGIME_CONTRAST = "before and after, contrast"
    DRIFT = "drift"
    ABOVE_BASELINE = "above the baseline"
    # Michel et al. 2019
    REMOVED = "one head removed"
    REMOVED_SUMMARY = "one head removed, summary"
    ALONE = "one head kept"
    OTHER_DATA = "agreement of data sets"
    ABLATION = "gradient and ablation"
    HALF_CUT = "half cut"
    # Htut et al. 2019 and Luo 2021
    BEST_HEAD = "best head"
    RANDOM_BEST_HEAD = "best head, random weights"
    LAYER_BEST = "best head of a layer"
    RANDOM_LAYER_BEST = "best head of a layer, random weights"
    RELATION = "relation"
    RANDOM_RELATION = "relation, random weights"
    BASELINE = "baseline"
    TUNED_CHANGE = "change by fine-tuning"
    SENTENCES = "sentences"
    MASS = "attention mass"
    RELATION_MASS = "attention mass by relation"
    TREEBANK = "treebank"
    TREE_BASELINES = "tree baselines"
    BEST_ON_TUNE = "best head, tune"
    MARGIN = "best head less baseline"
    TIED_SPLITS = "tied splits"
    LAYER_MEAN = "mean of layer"
    LAYER_TREES = "averaged layer"
    ENSEMBLES = "ensembles"
    RANKINGS = "rankings"
    RANDOM_WEIGHTS = "random weights"
    CHANGE = "change"
    CHANGED_HEADS = "changed heads"
    CHANGE_BY_KIND = "change by kind"
    ABILITY_MASKED = "masked by ability"
    ABILITY_AREA = "area by ability"
    ABILITY_CONTRAST = "contrast by ability"
    LAYER_MASKED = "layer masked"
    # Peyrard et al. 2021
    PAIRS = "pairs of headlines"
    LEAK = "surface leak"
    HEADLINES = "accuracy on headlines"
    BY_SIZE = "accuracy by size of edit"
    BY_OPPOSITION = "accuracy by opposition"
    DISTANCE = "attention distance"
    BY_PLACE = "attention by place"
    HEAD = "head"
    LOCALISATION = "localisation"
    CONTROL = "control"
    BEST_ELSEWHERE = "control, best head"
    GATED = "gated"
    WORDS_MASKED = "words masked"
    # Li et al. 2021
    PRUNED = "pruned"
    AGAIN = "trained again"
    EQUAL_COST = "equal cost"
    SAMPLE = "heads of the last sample"
    COST = "cost"
    CUT_COMPARED = "cut, compared"
    SCALED = "all heads, scaled"
    SWEEP = "sweep of strengths"
    LEARNING_RATE = "choice of learning rate"
    # Zhang et al. 2020
    MASK_TUNED = "masked, fine-tuned"
    LIKENESS_LOST = "likeness lost"
    SIMILARITY = "similarity"
    OVERLAP = "overlap of masks"
    MASK_CONTRAST = "contrast of masks"
    PRUNER_TRAINING = "pruner training"
