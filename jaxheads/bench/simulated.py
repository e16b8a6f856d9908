"""What a slice would send and hold, from programs compiled for simulated devices.

`jaxheads bench --scaling`: bytes that a device takes part in moving, by the number of devices.
`jaxheads bench --sizes`: memory of a device, by the shape of the model and its layout.
Nothing is run and nothing allocated, so the figures are the compiler's, not a measurement; it is
the CPU's compiler, which fuses and schedules in another way than a TPU's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax

from jaxheads.bench.programs import (
    MOST,
    Layout,
    example_batch,
    memory,
    scoring,
    simulate_devices,
    training,
)
from jaxheads.bench.shapes import BASE, BINARY, SHAPES, TINY
from jaxheads.bench.traffic import bytes_moved
from jaxheads.config import EncoderConfig
from jaxheads.models.model import abstract_params
from jaxheads.pruning.cost import count_parameters
from jaxheads.storage.files import write_atomically

SCALING = "scaling.json"
ROWS = 4  # examples on each device, for --scaling
LAYOUTS = (
    Layout(),
    Layout(remat=True, dtype="bfloat16"),
    Layout(data=8),
    Layout(data=8, shard_opt_state=True, remat=True, dtype="bfloat16"),
    Layout(data=2, model=4, shard_opt_state=True, remat=True, dtype="bfloat16"),
)


FEW = (Layout(), Layout(data=4, model=2, shard_opt_state=True, remat=True))  # with --tiny


def run(
    *,
    scaling_folder: Path | None,
    with_sizes: bool,
    tiny: bool,
    length: int,
    training_batch: int,
    as_json: bool,
) -> None:
    """Print the tables asked for; that of scaling goes to `scaling_folder` too, if it has one.

    Args:
        scaling_folder: where the figure of bytes moved will be drawn; None: no such table.
        with_sizes: whether to print the memory of a device by model and layout.
        tiny: compile for a tiny model.
        length: tokens in an example.
        training_batch: examples of a fine-tuning step over all devices.
        as_json: print one JSON object.
    """
    simulate_devices(MOST)
    report: dict[str, Any] = {}
    if scaling_folder is not None:
        report["scaling"] = scaling(TINY if tiny else BASE, length)
        with write_atomically(scaling_folder / SCALING) as draft:
            draft.write_text(json.dumps(report["scaling"], indent=1) + "\n")
    if with_sizes:
        report["sizes"] = sizes(training_batch, length, tiny=tiny)
    if as_json:
        print(json.dumps(report, indent=1))
        return
    for section, rows in report.items():
        print(f"{section}:", *_table(rows), sep="\n")


# -- bytes moved


def scaling(config: EncoderConfig, length: int) -> list[dict[str, int]]:
    """A row for each number of devices along `data`, with as many examples on each.

    What moves once a pass moves between processes, of which each device stands for one: all of
    them gather each other's float64 sums and two counts (`importance.units.Mean`).
    """
    heads = config.num_layers * config.num_heads
    rows = []
    for devices in _powers_of_two(min(MOST, jax.device_count())):
        layout, batch = Layout(data=devices), example_batch(ROWS * devices, length)
        score = bytes_moved(scoring(config, BINARY, layout, batch).as_text())
        train = bytes_moved(training(config, BINARY, layout, batch).as_text())
        rows.append(
            {
                "devices": devices,
                "scoring, a step": sum(score.values()),
                "scoring, once a pass": 8 * (heads + 2) * devices * (devices > 1),
                "fine-tuning, a step": sum(train.values()),
                "gradient": 4 * count_parameters(abstract_params(config, BINARY)),
            }
        )
    return rows


def _powers_of_two(most: int) -> Iterator[int]:
    count = 1
    while count <= most:
        yield count
        count *= 2


# -- memory


def sizes(batch_size: int, length: int, *, tiny: bool) -> list[dict[str, Any]]:
    """Mebibytes of a device, by shape and layout: what lies there, and the most while a step runs.

    Fine-tuning with AdamW, `batch_size` examples of `length` tokens over all devices.
    """
    shapes = {"tiny": TINY} if tiny else SHAPES
    rows = []
    for name, config in shapes.items():
        for layout in FEW if tiny else LAYOUTS:
            batch = example_batch(batch_size, length)
            begin = time.perf_counter()
            found = memory(training(config, BINARY, layout, batch))
            took = time.perf_counter() - begin
            rows.append(
                {
                    "model": name,
                    "parameters, M": round(count_parameters(abstract_params(config, BINARY)) / 1e6),
                    "data": layout.data,
                    "model axis": layout.model,
                    "type": layout.dtype,
                    "shard_opt_state": layout.shard_opt_state,
                    "remat": layout.remat,
                    "state, MiB": round(found.state / 2**20, 1),
                    "peak, MiB": round(found.peak / 2**20, 1),
                    "compiling, s": round(took),
                }
            )
    return rows


def _table(rows: Sequence[dict[str, Any]]) -> Iterator[str]:
    names = list(rows[0])
    cells = [names, *([_shown(row[name]) for name in names] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(names))]
    for line in cells:
        yield "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
