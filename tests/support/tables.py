"""The published tables of figures, made from the rows of finished runs in `configs/results`.

`python -m tests.support.tables` writes every table anew between its markers in the documents, and
`tests/test_tables.py` compares. Numbers and intervals are those of the rows, read as reports do.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from jaxheads.records.folder import (
    AGAIN,
    EARLY,
    FROZEN,
    INVERTED,
    LATE,
    MAGNITUDE,
    META,
    OTHER_BOTH,
    OUTPUT_NORM,
    OWN,
    PRETRAINING,
    PRUNE,
    RANDOM,
    REVERSED,
    SHUFFLED,
    TIED,
    TUNED,
    TWICE,
    UNTRAINED,
    WHOLE,
    Metric,
    Stage,
)
from jaxheads.report.chiang2021.nulls import beyond
from jaxheads.report.chiang2021.places import Place as Compared
from jaxheads.report.names import head_of
from jaxheads.report.spread import cell, largest_p, number, percent, short, signed, spreads
from tests.support.comparisons import compared, kinds, li_grammar_prices
from tests.support.humor_tables import peyrard_grammar
from tests.support.paths import ROOT
from tests.support.published import Lines, Place, by_place, reader, study_of
from tests.support.syntax_tables import (
    BUILT_IN,
    MINILM,
    constituency_heads,
    dependency_relations,
    dependency_trees,
    luo_grammar_changes,
)

DOCUMENTS = (ROOT / "README.md", ROOT / "configs" / "README.md")
BLOCK = re.compile(r"<!-- ([a-z0-9_-]+) -->\n(.*?)<!-- end -->", re.DOTALL)

SENTIMENT, INCONGRUITY = "grammar_sentiment", "grammar_incongruity"
LM = PRETRAINING
HALF = {"budget": 8, "form": signed}

QUICK: dict[str, Place] = {
    "RoBERTa, sentiment": ("roberta", SENTIMENT),
    "RoBERTa, incongruity": ("roberta", INCONGRUITY),
    "ALBERT, sentiment": ("albert", SENTIMENT),
}
BOTH: dict[str, Place] = {
    "RoBERTa": ("roberta", SENTIMENT),
    "ALBERT": ("albert", SENTIMENT),
}


def baselines(line) -> Lines:
    """What is reached without heads, and with all."""
    return {
        "majority-class baseline": line(Stage.FLOOR),
        "bag-of-words baseline": line(Stage.FLOOR, Metric.BAG_OF_WORDS),
        "all 16 heads": line(Stage.WHOLE),
    }


def kept(line) -> Lines:
    """Accuracy with half of the heads, by order."""
    return {
        "8 heads, chosen by the gradient score": line(Stage.MASKED, method="gradient", budget=8),
        "8 heads, chosen at random": line(Stage.MASKED, method="random", budget=8),
    }


def quickstart() -> str:
    """The README's table."""
    study, line = study_of("quickstart"), reader("quickstart")
    both = {"first": LM, "place": TUNED}

    def magnitude(model: str, task: str) -> str:
        where = {"task": LM, "other_task": LM, "method": MAGNITUDE, "metric": Metric.SPEARMAN}
        return cell(study.spread(Stage.NULL, model=model, **where))

    def clear(model: str, task: str) -> str:
        found = beyond(study, Compared(model, LM, task, TUNED))
        names = [each.null.replace("magnitude", "weight magnitude") for each in found if each.clear]
        return f"{len(names)} of {len(found)}" + f" ({', '.join(names)})" * bool(names)

    return by_place(
        QUICK,
        {
            **baselines(line),
            **kept(line),
            "gradient less random": line(Stage.CONTRAST, method=OWN, other_method=RANDOM, **HALF),
            "gradient less weight magnitude": line(
                Stage.NULL_CONTRAST, method=OWN, other_method=MAGNITUDE, **HALF
            ),
            "importance, masked LM and task: Spearman": line(
                Stage.COHERENCE, Metric.SPEARMAN, **both
            ),
            "its ceiling": line(Stage.CEILING, Metric.SPEARMAN, **both),
            "importance, masked LM, and weight magnitude: Spearman": magnitude,
            "nulls that the agreement is more than": clear,
        },
    )


def quickstart_agreement() -> str:
    """Agreement of masked LM with each task, against everything that knows no labels."""
    study, line = study_of("quickstart"), reader("quickstart")
    both = {"first": LM, "place": TUNED}

    def against(which: int) -> Callable[[str, str], str]:
        return lambda model, task: beyond(study, Compared(model, LM, task, TUNED))[which].cell

    def largest(model: str, task: str) -> str:
        where = {"task": LM, "other_task": task, "place": TUNED, "metric": Metric.SPEARMAN}
        return number(largest_p(study.at(Stage.COHERENCE, model=model, **where)) or 0.0)

    return by_place(
        QUICK,
        {
            "Spearman, fine-tuned": line(Stage.COHERENCE, Metric.SPEARMAN, **both),
            "largest permutation p of a seed": largest,
            "ceiling": line(Stage.CEILING, Metric.SPEARMAN, **both),
            "with weight magnitude held constant": against(0),
            "with output norm held constant": against(1),
            "less that of shuffled labels": against(2),
            "less that of an untrained readout": against(3),
            "Spearman, linear probe (encoder frozen)": line(
                Stage.COHERENCE, Metric.SPEARMAN, first=LM, place=FROZEN
            ),
            "accuracy of the linear probe": line(Stage.PROBE),
            "accuracy after fine-tuning on shuffled labels": line(Stage.SHUFFLED, place=TUNED),
            "reliability of the task's map, other examples and seed": line(
                Stage.RELIABILITY, Metric.SPEARMAN, method=OTHER_BOTH, place=TUNED
            ),
        },
    )


def quickstart_orders() -> str:
    """The gradient's order against others at half of the heads."""
    line = reader("quickstart")
    nulls = {
        "weight magnitude": MAGNITUDE,
        "output norm": OUTPUT_NORM,
        "scores on shuffled labels": SHUFFLED,
        "scores of an untrained readout": UNTRAINED,
    }
    k95 = {"metric": Metric.K95, "form": short}
    return by_place(
        QUICK,
        {
            "8 heads, most important removed first": line(Stage.MASKED, method=REVERSED, budget=8),
            "heads removed with 95% of accuracy kept": line(Stage.PRUNABILITY, method=OWN, **k95),
            "the same at random": line(Stage.PRUNABILITY, method=RANDOM, **k95),
            "gradient less random": line(Stage.CONTRAST, method=OWN, other_method=RANDOM, **HALF),
            "random less reversed": line(
                Stage.CONTRAST, method=RANDOM, other_method=REVERSED, **HALF
            ),
            **{
                f"gradient less {name}": line(
                    Stage.NULL_CONTRAST, method=OWN, other_method=null, **HALF
                )
                for name, null in nulls.items()
            },
            "8 heads removed from all layers at once": line(
                Stage.MASKED, method=OWN, reading=TIED, budget=8
            ),
        },
    )


def quickstart_regimes() -> str:
    """Pruning before and after fine-tuning, and what masked LM may lose."""
    study, line = study_of("quickstart"), reader("quickstart")
    ways = {
        "prune (linear probe on the pruned encoder)": (PRUNE, ""),
        "prune, fine-tune": (EARLY, ""),
        "prune, fine-tune, fine-tune": (TWICE, ""),
        "prune at random, fine-tune": (EARLY, RANDOM),
        "fine-tune, prune": (LATE, ""),
        "fine-tune, prune at random": (LATE, RANDOM),
        "fine-tune, prune, fine-tune": (AGAIN, ""),
    }
    lost = line(
        Stage.DEDUCTION, Metric.LOSS_INCREASE, method=OWN, other_task=LM, budget=8, form=percent
    )

    def acceptable(tolerance: float) -> Callable[[str, str], str]:
        def read(model: str, task: str) -> str:
            where = {"metric": Metric.HEADS_REMOVED, "setting": tolerance}
            (row,) = study.at(Stage.ACCEPTABLE, model=model, task=task, **where)
            return f"{row.value:.0f} [{row.low:.0f} to {row.high:.0f}]"

        return read

    return by_place(
        QUICK,
        {
            **{
                name: line(Stage.REGIMES, method=method, reading=reading, budget=8)
                for name, (method, reading) in ways.items()
            },
            f"“{TWICE}” less “{AGAIN}”": line(
                Stage.REGIME_CONTRAST, method=TWICE, other_method=AGAIN, **HALF
            ),
            "“prune, fine-tune” less the same at random": line(
                Stage.REGIME_CONTRAST, method=EARLY, other_method=EARLY, other_reading=RANDOM,
                **HALF,
            ),
            "rise of masked-LM loss without 8 heads": lambda model, _: lost(model, LM),
            "heads that may go before, 95% kept after": acceptable(0.05),
            "heads that may go before, 99% kept after": acceptable(0.01),
        },
    )  # fmt: skip


def grammar_michel() -> str:
    """One head at a time."""
    study, line = study_of("grammar_michel"), reader("grammar_michel")
    summary = functools.partial(line, Stage.REMOVED_SUMMARY, form=short)
    contrast = functools.partial(line, Stage.CONTRAST, **HALF)

    def largest(model: str, task: str) -> str:
        rows = study.at(Stage.REMOVED, model=model, task=task, metric="accuracy")
        name, spread = min(spreads(rows, head_of).items(), key=lambda each: each[1])
        return f"{cell(spread, signed)}, {name}"

    def one_kept(layer: int) -> Callable[[str, str], str]:
        return lambda model, task: cell(
            study.spread(Stage.ALONE, model=model, task=task, layer=layer, method=""), signed
        )

    return by_place(
        BOTH,
        {
            **baselines(line),
            "heads whose removal alone changes accuracy (p < 0.01)": summary("significant at 1%"),
            "of these, better without": summary("of these better without"),
            "the largest change": largest,
            **{
                f"all heads of layer {layer} removed but its best": one_kept(layer)
                for layer in range(4)
            },
            "effects of heads on both data sets: Pearson": line(Stage.OTHER_DATA, Metric.PEARSON),
            "gradient and removal: Spearman": line(Stage.ABLATION, Metric.SPEARMAN),
            "heads removed with 95% of accuracy kept": line(
                Stage.PRUNABILITY, Metric.K95, method=OWN, form=short
            ),
            "8 heads, gradient less random": contrast(method=OWN, other_method=RANDOM),
            "8 heads, random less reversed": contrast(method=RANDOM, other_method=REVERSED),
        },
    )


def zhang_grammar() -> str:
    """Half of each layer's heads by a pruner that never saw the task."""
    line = reader("zhang_grammar")
    names = {
        "the pruner": META,
        "the pruner's reversed scores": INVERTED,
        "random": RANDOM,
        "gradient of masked LM": OWN,
        "weight magnitude": MAGNITUDE,
    }
    less = {name: names[name] for name in list(names)[1:]}
    order = {"the pruner's reversed scores": "its reversed scores"}
    contrast = functools.partial(line, Stage.MASK_CONTRAST, method=META, form=signed)
    lost = functools.partial(line, Stage.LIKENESS_LOST, Metric.LIKENESS_LOSS)
    return by_place(
        {"sentiment": ("roberta", SENTIMENT), "incongruity": ("roberta", INCONGRUITY)},
        {
            **baselines(line),
            **{
                f"8 heads: {name}": line(Stage.MASK_TUNED, method=way)
                for name, way in names.items()
            },
            **{
                f"the pruner less {order.get(name, name)}": contrast(other_method=way)
                for name, way in less.items()
            },
            "the pruner less all 16 heads": contrast(other_method=WHOLE),
            **{f"likeness lost: {name}": lost(method=way) for name, way in names.items()},
        },
    )


TABLES: dict[str, Callable[[], str]] = {
    "quickstart": quickstart,
    "quickstart-agreement": quickstart_agreement,
    "quickstart-orders": quickstart_orders,
    "quickstart-regimes": quickstart_regimes,
    "grammar_michel": grammar_michel,
    "li_grammar-prices": li_grammar_prices,
    "li_grammar-budgets": functools.partial(compared, "li_grammar", bounds=(11, 8, 5, 3)),
    "li_multi30k_pipelined": functools.partial(
        compared, "li_multi30k_pipelined", bounds=(36, 24, 12)
    ),
    "li_multi30k_pipelined-kinds": functools.partial(kinds, "li_multi30k_pipelined"),
    "compare_grammar": functools.partial(compared, "compare_grammar", bounds=(8, 3), again=(3,)),
    "compare_grammar_budgets": functools.partial(compared, "compare_grammar_budgets"),
    "compare_grammar_entailment": functools.partial(
        compared, "compare_grammar_entailment", bounds=(11, 5)
    ),
    "zhang_grammar": zhang_grammar,
    "htut_grammar-trees": functools.partial(
        dependency_trees, "htut_grammar", BUILT_IN, 2, SENTIMENT
    ),
    "htut_grammar-relations": functools.partial(dependency_relations, "htut_grammar", BUILT_IN, 80),
    "minilm_htut-trees": functools.partial(dependency_trees, "minilm_htut", MINILM, 3),
    "minilm_htut-relations": functools.partial(dependency_relations, "minilm_htut", MINILM, 100),
    "luo_grammar-heads": functools.partial(constituency_heads, "luo_grammar"),
    "minilm_luo": functools.partial(constituency_heads, "minilm_luo"),
    "luo_grammar-changes": luo_grammar_changes,
    "peyrard_grammar": peyrard_grammar,
}


def renewed(text: str) -> str:
    """A document with its tables made anew."""
    return BLOCK.sub(lambda found: f"<!-- {found[1]} -->\n{TABLES[found[1]]()}<!-- end -->", text)


def main() -> None:
    """Write the tables into the documents."""
    for path in DOCUMENTS:
        path.write_text(renewed(path.read_text()))


if __name__ == "__main__":
    main()
