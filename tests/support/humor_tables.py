"""The table of heads that look at an odd word, made from the kept rows of the finished run."""

from __future__ import annotations

from jaxheads.records.folder import (
    ALL_TOKENS,
    CHOSEN,
    COMMON_PLACE,
    EDITED,
    FUNNY,
    ITSELF,
    OTHER_WORD,
    OTHERS,
    RANDOM_WORD,
    TUNED,
    UNTUNED,
    Metric,
    Stage,
)
from jaxheads.records.rows import Row
from jaxheads.report.spread import number, percent, signed
from tests.support.published import Place, by_place, reader, study_of

TASKS: dict[str, Place] = {
    "single sentences": ("roberta", "humor_single"),
    "pairs": ("roberta", "humor_pair"),
}
CONTROLS = {
    "in the untuned model": (UNTUNED, ""),
    "under shuffled labels": (Stage.SHUFFLED, ""),
    "after fine-tuning on sentiment": (TUNED, "grammar_sentiment"),
    "with a random word in the place of the odd one": (RANDOM_WORD, ""),
}


def peyrard_grammar() -> str:
    """What the chosen head does, and what it is more than."""
    study, line = study_of("peyrard_grammar"), reader("peyrard_grammar")

    def chosen(model: str, task: str) -> list[Row]:
        where = {"model": model, "task": task, "metric": Metric.CORRECTED_P}
        return study.at(Stage.HEAD, **where, method=ALL_TOKENS)

    def heads(model: str, task: str) -> str:
        return ", ".join(f"{row.layer}-{row.head}" for row in chosen(model, task))

    def largest(model: str, task: str) -> str:
        return number(max(row.value for row in chosen(model, task)), 4)

    points = {"form": percent, "metric": "all", "method": CHOSEN}
    contrast = {"form": signed, "metric": Metric.CONTRAST}
    return by_place(
        TASKS,
        {
            "majority-class baseline": line(Stage.FLOOR),
            "bag-of-words baseline": line(Stage.FLOOR, Metric.BAG_OF_WORDS),
            "accuracy": line(Stage.HEADLINES, method="all"),
            "accuracy of a linear probe (encoder frozen)": line(Stage.PROBE),
            "accuracy after training on shuffled labels": line(Stage.SHUFFLED),
            "chosen head (layer-head), by seed": heads,
            "largest p of a seed, corrected for 16 heads": largest,
            "contrast": line(Stage.HEAD, method=ALL_TOKENS, **contrast),
            **{
                f"less that {name}": line(
                    Stage.CONTROL, method=ITSELF, other_method=way, other_task=of, **contrast
                )
                for name, (way, of) in CONTROLS.items()
            },
            "points at the odd word": line(Stage.LOCALISATION, **points),
            "less pointing at the most edited place": line(
                Stage.LOCALISATION, other_method=COMMON_PLACE, **points
            ),
            "accuracy with the head gated to zero, change": line(
                Stage.GATED, method=CHOSEN, form=signed
            ),
            "less that of other heads of its layer": line(
                Stage.GATED, method=CHOSEN, other_method=OTHERS, form=signed
            ),
            "odd word masked: decisions flipped, less another word": line(
                Stage.WORDS_MASKED, Metric.FLIPPED, method=EDITED, other_method=OTHER_WORD,
                place=FUNNY, form=percent,
            ),
        },
    )  # fmt: skip
