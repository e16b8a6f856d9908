"""The table of heads that look at an odd word, made from the kept rows of the finished run."""

from __future__ import annotations

from collections.abc import Callable

from jaxheads.report.spread import number, percent, signed
from tests.support.published import Place, by_place, reader, study_of

TASKS: dict[str, Place] = {
    "single sentences": ("roberta", "humor_single"),
    "pairs": ("roberta", "humor_pair"),
}
ACCURACY, PROBE, SHUFFLED, LEAK = (
    "accuracy on headlines",
    "linear probe",
    "labels shuffled",
    "surface leak",
)  # fmt: skip
HEAD, CONTROL, POINTS, GATED, MASKED = (
    "head", "control", "localisation", "gated", "words masked",
)  # fmt: skip
CONTROLS = {
    "in the untuned model": "untuned",
    "under shuffled labels": "labels shuffled",
    "after fine-tuning on sentiment": "fine-tuned on grammar_sentiment",
    "with a random word in the place of the odd one": "random word",
}


def peyrard_grammar() -> str:
    """What the chosen head does, and what it is more than."""
    study, line = study_of("peyrard_grammar"), reader("peyrard_grammar")

    def by_seed(metric: str) -> Callable[[str, str], list[float]]:
        return lambda model, task: [
            row.value
            for row in study.at(HEAD, model=model, task=task, method="all tokens", metric=metric)
        ]

    def heads(model: str, task: str) -> str:
        layers, numbers = by_seed("layer")(model, task), by_seed("head")(model, task)
        return ", ".join(f"{a:.0f}-{b:.0f}" for a, b in zip(layers, numbers, strict=True))

    def largest_p(model: str, task: str) -> str:
        return number(max(by_seed("corrected p")(model, task)), 4)

    def flipped(side: str) -> Callable[[str, str], str]:
        return line(MASKED, "decisions flipped", method=f"edited - other, {side}", form=percent)

    points = {"form": percent, "metric": "all"}
    return by_place(
        TASKS,
        {
            "majority-class baseline": line("floor"),
            "bag-of-words baseline": line("floor", "bag of words"),
            "accuracy": line(ACCURACY, method="all"),
            "accuracy of a linear probe (encoder frozen)": line(PROBE),
            "accuracy after training on shuffled labels": line(SHUFFLED),
            "chosen head (layer-head), by seed": heads,
            "largest p of a seed, corrected for 16 heads": largest_p,
            "contrast": line(HEAD, "contrast", method="all tokens", form=signed),
            **{
                f"less that {name}": line(
                    CONTROL, "contrast", method=f"itself - {control}", form=signed
                )
                for name, control in CONTROLS.items()
            },
            "points at the odd word": line(POINTS, method="head", **points),
            "less pointing at the most edited place": line(
                POINTS, method="head - most edited place", **points
            ),
            "accuracy with the head gated to zero, change": line(GATED, method="head", form=signed),
            "less that of other heads of its layer": line(
                GATED, method="head - others of its layer", form=signed
            ),
            "odd word masked: decisions flipped, less another word": flipped("funny"),
        },
    )
