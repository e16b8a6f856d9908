"""`jaxheads bench --data` of a translator: its search of 4 beams, beside transformers' `generate`.

Both sides have the same weights and sources, sorted by length, and search by the same rules
(`inference/decoding.py`). Of each side the tokens a second are told, and how many translations are
the same to the last token.
"""

from __future__ import annotations

import json

import numpy as np

from jaxheads.bench.main import machine_words
from jaxheads.bench.own_job import CLOCKS, NO_TORCH, OwnJob, rounds, timed, torch_spec
from jaxheads.bench.timing import torch_side
from jaxheads.data.packing import example_batches
from jaxheads.inference.translating import BEAMS, ROOM, search


def run(job: OwnJob, *, repeats: int, clock: str, as_json: bool) -> None:
    """Measure and print: paired rounds, the sides in turn, after one round that is not counted."""
    batches = lambda: example_batches(job.source, job.batch_size, "translation", None)  # noqa: E731
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        found["jaxheads"] = search(job.model, batches())

    sides, beside = {"jaxheads": timed(ours, CLOCKS[clock])}, {"torch": NO_TORCH}
    room_N, theirs = np.zeros(len(job.source.labels), np.int32), job.folder / "translations.npy"
    for batch in batches():
        room_N[batch.index_B] = ROOM * batch.tokens_BT.shape[-1]
    np.save(job.folder / "room.npy", room_N)
    spec = {"beams": BEAMS, "room": str(job.folder / "room.npy"), "out": str(theirs)}
    with torch_side({**torch_spec(job), **spec, "clock": clock}) as torch:
        if torch is not None:
            sides["torch"] = torch("translation")
        report = rounds(sides, repeats)
    if torch is not None:
        found["torch"] = np.load(theirs)
        width = min(tokens_NT.shape[1] for tokens_NT in found.values())
        one, two = (tokens_NT[:, :width] for tokens_NT in found.values())
        beside = {"same_translations": float((one == two).all(1).mean())}
    tokens = {name: int((rows != job.source.pad_id).sum()) for name, rows in found.items()}
    rates = {name: count / report["seconds"][name] for name, count in tokens.items()}
    about = {"clock": clock, "rounds": repeats, "sentences": len(room_N), "beams": BEAMS}
    counted = {"tokens": tokens, "tokens_per_second": rates}
    report = {**machine_words(), **about, **report, **counted, **beside}
    words = (f"{name}: {value}" for name, value in report.items())
    print(json.dumps(report, indent=1) if as_json else "\n".join(words))
