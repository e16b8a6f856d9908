"""The tasks that have a name, with the columns and labels of the Hugging Face Hub."""

from __future__ import annotations

from jaxheads.data.headlines.humor import PAIRED, SINGLE
from jaxheads.data.tasks.task import Hub, Task

ENTAILMENT = ("entailment", "not_entailment")
THREE_WAY = ("entailment", "neutral", "contradiction")
PAIR = ("sentence1", "sentence2")
FUNNIER = ("second", "first")  # which of two sentences is the funny, or the incongruous one
ACCURACY = ("accuracy",)
ALL_SPLITS = ("train", "validation", "test")


def _glue(name: str, text, labels, metrics, **more) -> Task:
    """A task of GLUE; `renamed` are the columns of GLUE's own TSV files."""
    splits = more.pop("splits", ("train", "validation"))
    kind = "regress" if "span" in more else "classify"
    hub = Hub("nyu-mll/glue", name, splits=splits)
    return Task(kind, text, labels=labels, name=name, metrics=metrics, hub=hub, **more)


def _generated(name: str, text, labels=(), metrics=ACCURACY, **more) -> Task:
    """A task of the built-in language."""
    kind = "classify" if labels else "mlm"
    return Task(kind, text, labels=labels, name=name, metrics=metrics, generated=True, **more)


TASKS: dict[str, Task] = {
    task.name: task
    for task in (
        _glue(
            "cola", "sentence", ("unacceptable", "acceptable"), ("matthews",),
            headless=("source", "label", "mark", "sentence"),
        ),
        _glue("sst2", "sentence", ("negative", "positive"), ACCURACY),
        _glue("rte", PAIR, ENTAILMENT, ACCURACY),
        _glue(
            "mrpc", PAIR, ("not_equivalent", "equivalent"), ("f1", "accuracy"),
            renamed=(
                ("#1 String", "sentence1"), ("#2 String", "sentence2"), ("Quality", "label"),
            ),
        ),
        _glue(
            "stsb", PAIR, ("similarity",), ("pearson", "spearman"), span=(0.0, 5.0),
            renamed=(("score", "label"),),
        ),
        _glue(
            "mnli", ("premise", "hypothesis"), THREE_WAY, ACCURACY,
            splits=("train", "validation_matched", "validation_mismatched"),
            renamed=(
                ("sentence1", "premise"), ("sentence2", "hypothesis"), ("gold_label", "label"),
            ),
        ),
        _glue(
            "qqp", ("question1", "question2"), ("not_duplicate", "duplicate"), ("f1", "accuracy"),
            renamed=(("is_duplicate", "label"),),
        ),
        _glue("qnli", ("question", "sentence"), ENTAILMENT, ACCURACY),
        _glue("wnli", PAIR, ("not_entailment", "entailment"), ACCURACY),
        Task(
            "classify", ("premise", "hypothesis"), labels=THREE_WAY, name="sick", metrics=ACCURACY,
            hub=Hub("RobZamp/sick", revision="refs/convert/parquet", splits=ALL_SPLITS),
            renamed=(("sentence_A", "premise"), ("sentence_B", "hypothesis")),
        ),
        Task(
            "classify", "sentence", labels=("serious", "funny"), name=SINGLE, metrics=ACCURACY,
            aligned=True,
        ),
        Task(
            "classify", PAIR, labels=FUNNIER, name=PAIRED, metrics=ACCURACY, aligned=True,
            siamese=True,
        ),
        Task("mlm", name="mlm"),
        _generated("grammar_mlm", "text", metrics=("loss", "accuracy")),
        _generated("grammar_acceptability", "sentence", ("unacceptable", "acceptable")),
        _generated("grammar_sentiment", "sentence", ("negative", "positive")),
        _generated("grammar_entailment", ("premise", "hypothesis"), THREE_WAY),
        _generated("grammar_paraphrase", PAIR, ("not_equivalent", "equivalent")),
        _generated("grammar_incongruity", "sentence", ("incongruous", "congruous")),
        _generated("grammar_incongruity_pair", PAIR, FUNNIER, siamese=True),
    )
}  # fmt: skip


def task_named(task: str | Task) -> Task:
    """Look a task up by its name; a Task is returned as it is.

    Raises:
      ValueError: for an unknown name.
    """
    if isinstance(task, Task):
        return task
    if task not in TASKS:
        own = "or classify, regress, multilabel, tag for one of your own"
        raise ValueError(f"task: expected one of {', '.join(TASKS)}, {own}, got {task!r}")
    return TASKS[task]
