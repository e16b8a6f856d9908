"""A few sentences with what the best head makes of them, for the page.

trees/MODEL.json           gold brackets, and those of the head
views/MODEL-spans-0.json   what the head looks at
"""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxheads.analysis.distances import adjacent_distances, top_down
from jaxheads.analysis.spans import SpanCounts, choose_heads, gather, match_spans, sentence_f1
from jaxheads.analysis.trees import Reading
from jaxheads.records.folder import SPAN_MAPS, Metric, Room
from jaxheads.records.views import save_views, view
from jaxheads.studies.luo2021.treebank import TreebankSection, attention_of
from jaxheads.studies.workbench.model import StudyModel

SHORT, LONG = 6, 14  # words of the sentences that are drawn


def write_examples(
    model: StudyModel, test: TreebankSection, main: Reading, tune: SpanCounts
) -> None:
    """The first sentences of some length, whatever their scores, with the best head's trees."""
    layer, number = choose_heads(tune, tune)[Metric.F1].head
    wanted = [n for n, parse in enumerate(test.parses) if SHORT <= len(parse.words) <= LONG]
    wanted = wanted[: model.run.study.examples]
    examples: dict[int, dict[str, Any]] = {}
    views: dict[int, dict[str, Any]] = {}
    pieces = tuple(test.pieces[number] for number in wanted)
    for index_n, attention in attention_of(model, model.base, pieces) if pieces else ():
        for place, map_LHNN in zip(index_n.tolist(), attention, strict=True):
            parse, own_NN = test.parses[wanted[place]], map_LHNN[layer, number]
            distance = adjacent_distances(own_NN, main.measure)
            f1 = float(sentence_f1(gather([match_spans(distance, parse.spans)])))
            examples[place] = {
                "model": model.name,
                "words": parse.words,
                "gold": parse.spans,
                "found": np.stack(top_down(distance), -1).tolist(),
                "head": f"layer {layer} head {number}",
                "reading": main.name,
                "f1": f1,
            }
            views[place] = view(f"F1 {f1:.3f}", (layer, number), parse.words, own_NN)
    found = [examples[n] for n in sorted(examples)]
    model.store.write_json(f"{Room.TREES}/{model.name}.json", found)
    every = (views[n] for n in sorted(views))
    save_views(model.store, model.name, SPAN_MAPS, 0, every)
