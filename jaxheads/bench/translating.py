"""`jaxheads bench --data` of a translator: its search of 4 beams, beside transformers' `generate`.

Both sides have the same weights and sources, sorted by length, and search by the same rules
(`inference/decoding.py`). Of each side the tokens a second are told, and how many translations are
the same to the last token.
"""

from __future__ import annotations

import json

import numpy as np

from jaxheads.bench.main import machine_words
from jaxheads.bench.own_job import CLOCKS, NO_TORCH, OwnJob, rounds, timed
from jaxheads.bench.timing import torch_side
from jaxheads.data.packing import example_batches
from jaxheads.inference.translating import BEAMS, ROOM, search


def run(job: OwnJob, *, repeats: int, clock: str, as_json: bool) -> None:
    """Measure and print: paired rounds, the sides in turn, after one round that is not counted."""
    batches = lambda: example_batches(job.source, job.batch_size, "translation", None)  # noqa: E731
    found = {"jaxheads": search(job.model, batches())}
    sides = {"jaxheads": timed(lambda: search(job.model, batches()), CLOCKS[clock])}
    room_N = np.zeros(len(job.source.labels), np.int32)
    for batch in batches():
        room_N[batch.index_B] = ROOM * batch.tokens_BT.shape[-1]
    with torch_side(_torch_spec(job, room_N) | {"clock": clock}) as torch:
        if torch is not None:
            sides["torch"] = torch("translation")
        report = rounds(sides, repeats)
    if torch is not None:
        found["torch"] = np.load(job.folder / "translations.npy")
    ends = {name: tokens_NT != job.source.pad_id for name, tokens_NT in found.items()}
    seconds = report["seconds"]
    report["tokens"] = {name: int(real_NT.sum()) for name, real_NT in ends.items()}
    report["tokens_per_second"] = {name: report["tokens"][name] / seconds[name] for name in found}
    if torch is not None:
        width = min(tokens_NT.shape[1] for tokens_NT in found.values())
        one, two = (tokens_NT[:, :width] for tokens_NT in found.values())
        report["same_translations"] = float((one == two).all(1).mean())
    about = {"clock": clock, "rounds": repeats, "sentences": len(room_N), "beams": BEAMS}
    beside = {} if torch is not None else {"torch": NO_TORCH}
    report = {**machine_words(), **about, **beside, **report}
    words = (f"{name}: {value}" for name, value in report.items())
    print(json.dumps(report, indent=1) if as_json else "\n".join(words))


def _torch_spec(job: OwnJob, room_N: np.ndarray) -> dict:
    source = job.source
    sources = [
        source.tokens[source.starts[n] : source.starts[n + 1]]
        for n in range(0, len(source.starts) - 1, source.sentences)
    ]
    starts = np.cumsum([0, *map(len, sources)])
    encoded = job.folder / "encoded.npz"
    np.savez(encoded, tokens=np.concatenate(sources), starts=starts, room=room_N)
    config = job.model.config
    return {
        **{"own": str(job.folder / "model"), "encoded": str(encoded), "beams": BEAMS},
        **{"batch_size": job.batch_size, "dtype": job.dtype, "pad": config.pad_token_id},
        **{"end": config.eos_token_id, "out": str(job.folder / "translations.npy")},
    }
