"""Options of every verb that reads a model and the examples of a task."""

from __future__ import annotations

import csv
import dataclasses
import typing
from collections.abc import Iterator
from typing import Literal

from jaxheads.cli.options.fields import MeshShape, option, parse_mesh, process_problems
from jaxheads.data.lines import Reading
from jaxheads.data.tasks.task import KINDS, Kind, Task
from jaxheads.errors import too_low

NAMED = (
    "your own: classify, regress, multilabel, tag (a label for each word), translate; or "
    "cola, sst2, rte, mrpc, stsb, mnli, qqp, qnli, wnli, sick, humor_pair, humor_single, mlm; "
    "or of the built-in language: grammar_mlm, grammar_acceptability, grammar_sentiment, "
    "grammar_entailment, grammar_paraphrase, grammar_incongruity, grammar_incongruity_pair"
)
DELIMITERS = {"tab": "\t", "space": " ", "comma": ","}


@dataclasses.dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """A model, a task and its data, and how they are computed with."""

    model: str = option(
        "model directory, or a name on the Hugging Face Hub", metavar="DIR_OR_HUB", role="in"
    )
    task: str = option(NAMED)
    data: str | None = option(
        "JSONL, CSV, TSV, CoNLL, Parquet, Arrow, for mlm also plain text; a directory of "
        "save_to_disk; of translate also two files of lines, A,B; or a data set on the Hub, "
        "OWNER/NAME. Without it a named task's own on the Hub is used, or the built-in language "
        "generated",
        None,
        metavar="FILE_OR_HUB",
        role="in",
    )
    text: str | None = option(
        "columns of the text, of a pair two: review, premise,hypothesis or en,de (text)", None,
        metavar="A[,B]",
    )  # fmt: skip
    label: str | None = option(
        "column of the label; multilabel: of lists, or several of 0 and 1 (label)", None,
        metavar="NAME",
    )  # fmt: skip
    labels: str | None = option(
        "names of the classes, in the order of the model's; without it those of the model, or for "
        "a new classifier those of the data",
        None,
        metavar="A,B,...",
    )
    separator: str | None = option("multilabel: what stands between labels in a text", None)
    subset: str | None = option("of a data set on the Hub, also called its config", None)
    columns: str | None = option(
        "names of the columns, instead of a header's", None, metavar="A,B,..."
    )
    delimiter: str | None = option("between columns: one character, tab or space", None)
    no_header: bool = option("the first line of a table is an example", False)
    skip: tuple[str, ...] = option(
        "leave out rows that are unlabelled, or broken, and count them; may be repeated", (),
        metavar="{unlabelled,broken}",
    )  # fmt: skip
    limit: int | None = option(
        "score, measure or train on the first N examples only", None, metavar="N"
    )
    max_length: int = option("longest example in pieces", 128, metavar="T")
    long: Literal["error", "truncate"] = option("what to do with a longer one", "error")
    batch_size: int = option("examples per step, over all devices", 32, metavar="B")
    dtype: Literal["float32", "bfloat16"] = option("what the forward pass computes in", "float32")
    mesh: MeshShape = option(
        "devices per axis; without it all devices share the batch",
        MeshShape(),
        metavar="data=N,model=M",
        parse=parse_mesh,
    )
    coordinator: str | None = option("first process, for several hosts", None, metavar="HOST:PORT")
    num_processes: int | None = option("how many processes there are", None, metavar="N")
    process_id: int | None = option("which one this is, from 0", None, metavar="I")

    @property
    def own_task(self) -> Task | None:
        """The task that the options describe; None for a named one.

        Raises:
          ValueError: for columns or labels that the kind cannot have.
        """
        if self.task not in KINDS or self.task == "mlm":
            return None
        return Task(
            typing.cast("Kind", self.task),
            text=names_in(self.text or "text"),
            label=names_in(self.label or "label"),
            labels=self.label_names,
            separator=self.separator,
        )

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of the classes that were given."""
        return names_in(self.labels or "")

    @property
    def reading(self) -> Reading:
        """How the data are read.

        Raises:
          ValueError: for what cannot be.
        """
        return Reading(
            subset=self.subset,
            columns=names_in(self.columns or ""),
            delimiter=DELIMITERS.get(self.delimiter or "", self.delimiter),
            header=not self.no_header,
            skip=self.skip,
        )


def task_problems(o: TaskOptions) -> Iterator[str]:
    """What is wrong with the options that all these verbs have."""
    for part in ("own_task", "reading"):
        try:
            getattr(o, part)
        except ValueError as error:
            yield str(error)
    read = {getattr(o, name, None) for name in ("data", "held_out")} - {None}
    written = {"--out": "out", "--log": "log_file", "--keep-gradients": "keep_gradients"}
    for flag, name in written.items():
        if str(path := getattr(o, name, None)) in read:
            yield f"{flag}: expected another place than the data, got {path}"
    least = {"limit": 1, "batch_size": 1, "max_length": 3}  # two special tokens and a word
    yield from too_low(
        ("--" + name.replace("_", "-"), getattr(o, name), low) for name, low in least.items()
    )
    yield from process_problems(o.coordinator, o.num_processes, o.process_id)


def names_in(text: str) -> tuple[str, ...]:
    """The names in a text, between commas; one with a comma itself stands in double quotes."""
    return tuple(name.strip() for name in next(csv.reader([text], skipinitialspace=True), []))
