"""The published tables of figures, made from the rows of finished runs in `configs/results`.

`python -m tests.support.tables` writes every table anew between its markers in the documents, and
`tests/test_tables.py` compares. Numbers and intervals are those of the rows, read as reports do.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from jaxheads.report.chiang2021.nulls import beyond
from jaxheads.report.spread import Spread, cell, number, percent, short, signed, spread_of
from tests.support.comparisons import compared, li_grammar_prices
from tests.support.humor_tables import peyrard_grammar
from tests.support.paths import ROOT
from tests.support.published import Lines, Place, by_place, reader, study_of
from tests.support.syntax_tables import (
    htut_grammar_relations,
    htut_grammar_trees,
    luo_grammar_changes,
    luo_grammar_heads,
)

DOCUMENTS = (ROOT / "README.md", ROOT / "configs" / "README.md")
BLOCK = re.compile(r"<!-- ([a-z0-9_-]+) -->\n(.*?)<!-- end -->", re.DOTALL)

# Stages and ways of the rows, here alone.
BASELINE, WHOLE, MASKED, REMOVABLE = "floor", "whole", "masked", "prunability"
CONTRAST, AGAINST_NULLS, AGREEMENT, CEILING = (
    "contrast",
    "contrast with nulls",
    "coherence",
    "ceiling",
)
NULL, RELIABILITY, LOST, ACCEPTABLE = "null", "reliability", "deduction", "acceptable deduction"
REGIMES, REGIMES_CONTRAST, ABOVE = (
    "before and after",
    "before and after, contrast",
    "above the baseline",
)
PROBE, TUNED, SHUFFLED = "linear probe", "fine-tuned", "labels shuffled"
LM, BY_LM = "mlm", "gradient of mlm"
SENTIMENT, INCONGRUITY = "grammar_sentiment", "grammar_incongruity"
FINE_TUNED, MASKS, LIKENESS = "masked, fine-tuned", "contrast of masks", "likeness lost"

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
        "majority-class baseline": line(BASELINE),
        "bag-of-words baseline": line(BASELINE, "bag of words"),
        "all 16 heads": line(WHOLE),
    }


def kept(line) -> Lines:
    """Accuracy with half of the heads, by order."""
    return {
        "8 heads, chosen by the gradient score": line(MASKED, method="gradient", budget=8),
        "8 heads, chosen at random": line(MASKED, method="random", budget=8),
    }


def quickstart() -> str:
    """The README's table."""
    study, line = study_of("quickstart"), reader("quickstart")
    null = {"form": signed, "budget": 8, "method": "gradient - order of magnitude"}
    agreement = line(AGREEMENT, "spearman", pair=f"{LM}~{{}}", method=TUNED)

    def magnitude(model: str, task: str) -> str:
        where = {"task": f"{LM}~{LM}", "method": "magnitude", "metric": "spearman"}
        return cell(spread_of(study.at(NULL, model=model, **where)))

    def clear(model: str, task: str) -> str:
        found = beyond(study, model, f"{LM}~{task}", TUNED)
        names = [each.null.replace("magnitude", "weight magnitude") for each in found if each.clear]
        return f"{len(names)} of {len(found)}" + f" ({', '.join(names)})" * bool(names)

    return by_place(
        QUICK,
        {
            **baselines(line),
            **kept(line),
            "gradient less random": line(
                CONTRAST, method="gradient - random", form=signed, budget=8
            ),
            "gradient less weight magnitude": line(AGAINST_NULLS, **null),
            "importance, masked LM and task: Spearman": agreement,
            "its ceiling": line(CEILING, "spearman", pair=f"{LM}~{{}}", method=TUNED),
            "importance, masked LM, and weight magnitude: Spearman": magnitude,
            "nulls that the agreement is more than": clear,
        },
    )


def quickstart_agreement() -> str:
    """Agreement of masked LM with each task, against everything that knows no labels."""
    study, line = study_of("quickstart"), reader("quickstart")
    both = {"pair": f"{LM}~{{}}", "method": TUNED}

    def against(which: int) -> Callable[[str, str], str]:
        return lambda model, task: beyond(study, model, f"{LM}~{task}", TUNED)[which].cell

    def largest_p(model: str, task: str) -> str:
        rows = study.at(AGREEMENT, model=model, task=f"{LM}~{task}", metric="p of spearman")
        return number(max(row.value for row in rows if row.method == TUNED))

    return by_place(
        QUICK,
        {
            "Spearman, fine-tuned": line(AGREEMENT, "spearman", **both),
            "largest permutation p of a seed": largest_p,
            "ceiling": line(CEILING, "spearman", **both),
            "with weight magnitude held constant": against(0),
            "with output norm held constant": against(1),
            "less that of shuffled labels": against(2),
            "less that of an untrained readout": against(3),
            "Spearman, linear probe (encoder frozen)": line(
                AGREEMENT, "spearman", pair=f"{LM}~{{}}", method=PROBE
            ),
            "accuracy of the linear probe": line(PROBE),
            "accuracy after fine-tuning on shuffled labels": line(SHUFFLED, method=TUNED),
            "reliability of the task's map, other examples and seed": line(
                RELIABILITY, "spearman", method="other examples and seed"
            ),
        },
    )


def quickstart_orders() -> str:
    """The gradient's order against others at half of the heads."""
    line = reader("quickstart")
    nulls = {
        "weight magnitude": "magnitude",
        "output norm": "output_norm",
        "scores on shuffled labels": "shuffled_labels",
        "scores of an untrained readout": "untrained_readout",
    }
    at = {"form": signed, "budget": 8}
    return by_place(
        QUICK,
        {
            "8 heads, most important removed first": line(MASKED, method="reversed", budget=8),
            "heads removed with 95% of accuracy kept": line(
                REMOVABLE, "k95", method="gradient", form=short
            ),
            "the same at random": line(REMOVABLE, "k95", method="random", form=short),
            "gradient less random": line(CONTRAST, method="gradient - random", **at),
            "random less reversed": line(CONTRAST, method="random - reversed", **at),
            **{
                f"gradient less {name}": line(
                    AGAINST_NULLS, method=f"gradient - order of {null}", **at
                )
                for name, null in nulls.items()
            },
            "8 heads removed from all layers at once": line(
                MASKED, method="gradient tied", budget=8
            ),
        },
    )


def quickstart_regimes() -> str:
    """Pruning before and after fine-tuning, and what masked LM may lose."""
    line = reader("quickstart")
    ways = {
        "prune (linear probe on the pruned encoder)": "prune",
        "prune, fine-tune": "prune, fine-tune",
        "prune, fine-tune, fine-tune": "prune, fine-tune, fine-tune",
        "prune at random, fine-tune": "prune, fine-tune, random",
        "fine-tune, prune": "fine-tune, prune",
        "fine-tune, prune at random": "fine-tune, prune, random",
        "fine-tune, prune, fine-tune": "fine-tune, prune, fine-tune",
    }
    first, second = "prune, fine-tune, fine-tune", "fine-tune, prune, fine-tune"
    lost = {"method": BY_LM, "form": percent}

    def acceptable(metric: str) -> Callable[[str, str], str]:
        def read(model: str, task: str) -> str:
            (row,) = study_of("quickstart").at(ACCEPTABLE, model=model, task=task, metric=metric)
            return f"{row.value:.0f} [{row.low:.0f} to {row.high:.0f}]"

        return read

    return by_place(
        QUICK,
        {
            **{name: line(REGIMES, method=way, budget=8) for name, way in ways.items()},
            f"“{first}” less “{second}”": line(
                REGIMES_CONTRAST, method=f"{first} - {second}", budget=8, form=signed
            ),
            "“prune, fine-tune” less the same at random": line(
                REGIMES_CONTRAST,
                method="prune, fine-tune - prune, fine-tune, random",
                budget=8,
                form=signed,
            ),
            "rise of masked-LM loss without 8 heads": lambda model, _: line(
                LOST, "loss increase", budget=8, **lost
            )(model, LM),
            "heads that may go before, 95% kept after": acceptable("heads removed at 5%"),
            "heads that may go before, 99% kept after": acceptable("heads removed at 1%"),
        },
    )


def grammar_michel() -> str:
    """One head at a time."""
    study, line = study_of("grammar_michel"), reader("grammar_michel")
    summary = functools.partial(line, "one head removed, summary", form=short)

    def largest(model: str, task: str) -> str:
        rows = study.at("one head removed", model=model, task=task, metric="accuracy")
        names = dict.fromkeys(row.method for row in rows)
        found: list[tuple[Spread, str]] = [
            (spread, name)
            for name in names
            if (spread := spread_of([row for row in rows if row.method == name]))
        ]
        spread, name = min(found)
        return f"{cell(spread, signed)}, {name}"

    def one_kept(layer: int) -> Callable[[str, str], str]:
        def read(model: str, task: str) -> str:
            where = {"model": model, "task": task, "method": f"layer {layer}"}
            return cell(spread_of(study.at("one head kept", **where)), signed)

        return read

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
            "effects of heads on both data sets: Pearson": line(
                "agreement of data sets", "pearson"
            ),
            "gradient and removal: Spearman": line("gradient and ablation", "spearman"),
            "heads removed with 95% of accuracy kept": line(
                REMOVABLE, "k95", method="gradient", form=short
            ),
            "8 heads, gradient less random": line(
                CONTRAST, method="gradient - random", budget=8, form=signed
            ),
            "8 heads, random less reversed": line(
                CONTRAST, method="random - reversed", budget=8, form=signed
            ),
        },
    )


def zhang_grammar() -> str:
    """Half of each layer's heads by a pruner that never saw the task."""
    line = reader("zhang_grammar")
    names = {
        "the pruner": "meta",
        "the pruner's reversed scores": "inverted meta",
        "random": "random",
        "gradient of masked LM": "gradient",
        "weight magnitude": "magnitude",
    }
    less = {name: names[name] for name in list(names)[1:]}
    order = {"the pruner's reversed scores": "its reversed scores"}
    return by_place(
        {"sentiment": ("roberta", SENTIMENT), "incongruity": ("roberta", INCONGRUITY)},
        {
            **baselines(line),
            **{f"8 heads: {name}": line(FINE_TUNED, method=way) for name, way in names.items()},
            **{
                f"the pruner less {order.get(name, name)}": line(
                    MASKS, method=f"meta - {way}", form=signed
                )
                for name, way in less.items()
            },
            "the pruner less all 16 heads": line(MASKS, method="meta - whole", form=signed),
            **{
                f"likeness lost: {name}": line(LIKENESS, "likeness loss", method=way)
                for name, way in names.items()
            },
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
    "compare_grammar_budgets": functools.partial(compared, "compare_grammar_budgets"),
    "zhang_grammar": zhang_grammar,
    "htut_grammar-trees": htut_grammar_trees,
    "htut_grammar-relations": htut_grammar_relations,
    "luo_grammar-heads": luo_grammar_heads,
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
