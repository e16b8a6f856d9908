"""The names in a study's folder, each written here alone: of files, stages, metrics and ways.

rows.jsonl            all rows of a finished study; cells/NAME.jsonl those of one cell
run.json              the settings, and what the study ran on
times/NAME.json       the seconds of a cell; speeds/NAME.json what a cell timed
models/ logs/ pruners/ smaller/ checkpoints/   what was trained
scores/ answers/ sums/ maps/ attention/ trees/ arrays by head, by example, by sentence
views/ examples/      what heads look at in single sentences, for the page
other_studies/        maps that finished studies left of the same model
"""

from __future__ import annotations

from enum import StrEnum

ROWS, SETTINGS = "rows.jsonl", "run.json"

PRETRAINING, ALL_TASKS = "mlm", "all tasks"  # in the place of a task
TUNED, FROZEN = "fine-tuned", "linear probe"  # places where importance is measured

# Ways to choose heads.
OWN, RANDOM, REVERSED, TIED = "gradient", "random", "reversed", "tied"
SHUFFLED, MAGNITUDE, OUTPUT_NORM, UNTRAINED = NULLS = (
    "shuffled_labels", "magnitude", "output_norm", "untrained_readout",
)  # fmt: skip
OF_LAYER = "of layer"
BEST, WORST, LIKE_BEST, LIKE_WORST = "best", "worst", "like best", "like worst"
BY_METRIC, BEST_OF_ALL = "by the metric", "best of all"
DRAWN = {RANDOM, f"{RANDOM} {OF_LAYER}", f"{RANDOM}, per layer", LIKE_BEST, LIKE_WORST}

# What a map is repeated with.
OTHER_EXAMPLES, OTHER_SEED, OTHER_BOTH = (
    "other examples", "other seed", "other examples and seed",
)  # fmt: skip

# When heads are pruned, before and after fine-tuning.
PRUNE, EARLY, LATE, AGAIN, TWICE = REGIMES = (
    "prune", "prune, fine-tune", "fine-tune, prune", "fine-tune, prune, fine-tune",
    "prune, fine-tune, fine-tune",
)  # fmt: skip

# What `speeds/` has times and sizes of, and their units.
WHOLE, CUT, SPEED_UP, TRAINING = "whole", "cut", "speed-up", "fine-tuning"
SELECTION, ONE_PASS, PRUNER_TRAINING = (
    "selection", "one pass of the gradient", "training a pruner",
)  # fmt: skip
MILLISECONDS, SECONDS, BYTES, TIMES = "ms", "seconds", "bytes", "x"

# Kinds of maps of heads, and how trees are read from attention.
ARC_MAPS, SPAN_MAPS, HUMOR_MAPS, ATTENTION_MAPS, META = (
    "arcs", "spans", "humor", "attention", "meta",
)  # fmt: skip
SCORING = {
    META: "scoring by a pruner", OWN: "scoring by the gradient", MAGNITUDE: "scoring by magnitude",
}  # fmt: skip
MAX, MST, CHAIN = "max", "mst", "chain"

SPAN_COLUMNS = ("sentence F1", "corpus F1", "SBAR", "NP", "VP", "PP", "ADJP", "ADVP")
LOWER_LAYERS, UPPER_LAYERS, ALL_LAYERS = "lower layers", "upper layers", "all layers"
SIMILAR, ENTAILMENT = "similarity", "entailment"  # kinds of tasks

# Of headlines.
FUNNY, SERIOUS, ALL_TOKENS, FIRST_TOKEN = "funny", "serious", "all tokens", "first token"
UNTUNED, ITSELF, RANDOM_WORD = "untuned", "itself", "random word"
CHOSEN, OTHERS, EDITED, OTHER_WORD = "head", "others of its layer", "edited", "other"
COMMON_PLACE, POINTED_AT = "most edited place", "headlines"
SURELY_SERIOUS = "rated serious by all"
HEAD_WORDS = ("edited, funny", "other, funny", "edited, serious", "other, serious")
POSITIONS = ("all", "final", "not final", "answered right")

INVERTED, FROM_CHANCE = "inverted meta", "chance"
FIRST, LAST = "first", "last"  # lines of a log


class Room(StrEnum):
    """The folders in a study's folder."""

    CELLS = "cells"
    TIMES = "times"
    SPEEDS = "speeds"
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
    PROBE = FROZEN
    SHUFFLED = "labels shuffled"
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
    VALIDATION = "validation"
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
    KINDS = "heads kept by kind"  # of attention: encoder, decoder, cross
    AGAIN = "trained again"
    PRUNED_CONTRAST = "pruned, contrast"
    AGAIN_CONTRAST = "trained again, contrast"
    EQUAL_CONTRAST = "equal cost, contrast"
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


class Metric(StrEnum):
    """What a row's value is, beside the metrics of tasks."""

    BAG_OF_WORDS = "bag of words"
    K95 = "k95"
    K99 = "k99"
    AREA = "area"
    SPEARMAN = "spearman"
    KENDALL = "kendall"
    WITHIN_LAYERS = "spearman within layers"
    PEARSON = "pearson"
    LOWEST = "overlap of lowest 50%"
    HIGHEST = "overlap of highest 20%"
    JACCARD = "jaccard"
    LOSS_INCREASE = "loss increase"
    ACCURACY_DROP = "accuracy drop"
    HEADS_REMOVED = "heads removed"
    PARAMETERS = "parameters"
    WHOLE_PARAMETERS = "parameters of the whole"
    DISK_BYTES = "bytes on disk"
    IDEAL_SPEEDUP = "ideal speed-up"
    # of maps
    CEILING = "ceiling"
    HALVES = "halves"
    # of dependency arcs and constituents
    ACCURACY = "accuracy"
    UUAS = "UUAS"
    UUAS_MEAN = "UUAS, mean of sentences"
    UUAS_BEST = "UUAS, best of all"
    ALL_UUAS = "UUAS, punctuation too"
    ARCS = "arcs"
    GAIN = "gain"
    OFFSET = "offset"
    UNSIGNED = "unsigned"
    SIGNED = "signed"
    BEST_HEAD = "best head"
    MEAN_OF_HEADS = "mean of heads"
    UNIFORM = "uniform"
    F1 = "sentence F1"
    HEADS = "heads"
    HIGHER = "higher"
    LOWER = "lower"
    TIED_SPLITS = "tied splits"
    # of headlines
    PAIRS = "pairs"
    TOO_LONG = "left out as too long"
    SMALL_EDITS = "small edits"
    WITHOUT_PIECES = "left out for words without pieces"
    LONGER = "longer is funny"
    BAYES = "naive Bayes"
    FROM_UNTUNED = "from untuned"
    BETWEEN_SIDES = "funny to serious"
    CONTRAST = "contrast"
    ON_VALIDATION = "contrast on validation"
    P = "p"
    CORRECTED_P = "corrected p"
    CLEAR_HEADS = "heads with corrected p below 0.05"
    LAST_WORD_RANK = "rank by the last word"
    LAYER_SHARE = "share of its layer's distance"
    FLIPPED = "decisions flipped"
    LOSS_RANK = "rank of loss in its layer"
    PLACE = "place"
    QUESTIONS = "questions"
    # of ways to choose heads
    LIKENESS_LOSS = "likeness loss"
    STEPS = "steps"
    EXAMPLES = "examples"
    FINE_TUNINGS = "fine-tunings"
    PASSES = "passes made before"
    STEPS_AGAIN = "steps, trained again"
    EXAMPLES_AGAIN = "examples, trained again"
    KEPT_OF_THEM = "heads kept of them"
    OPEN = "heads open"
    LEARNING_RATE = "learning rate"
    TRIAL_STEPS = "steps of all trials"


def score_file(model: str, task: str, seed: int, place: str = TUNED) -> str:
    """The name of a task's scores; the pre-training task has one seed and one place."""
    middle = {TUNED: "", FROZEN: "-frozen"}.get(place, f"-{place}")
    return f"{model}-{task}-0" if task == PRETRAINING else f"{model}-{task}{middle}-{seed}"
