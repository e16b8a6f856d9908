"""`jaxheads bench --scaling`: bytes that a device takes part in moving, by the number of devices.

From programs compiled for simulated devices. Nothing is run and nothing allocated, so the figures
are the compiler's, not a measurement; it is the CPU's compiler.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax

from jaxheads.bench.chips import SIMULATED
from jaxheads.bench.compiled import compiled
from jaxheads.bench.counted import count
from jaxheads.bench.programs import PROGRAMS, Case, Layout
from jaxheads.bench.shapes import BASE, BINARY, TINY
from jaxheads.config import EncoderConfig
from jaxheads.models.model import abstract_params
from jaxheads.pruning.cost import count_parameters
from jaxheads.storage.files import write_atomically

SCALING = "scaling.json"
ROWS = 4  # examples on each device


def run(folder: Path, *, tiny: bool, length: int, as_json: bool) -> None:
    """Print the table of bytes moved, and write it where its figure will be drawn.

    Args:
        folder: where the figure will be.
        tiny: compile for a tiny model.
        length: tokens in an example.
        as_json: print one JSON object.
    """
    with contextlib.suppress(RuntimeError):  # jax has started: the devices that there are must do
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_num_cpu_devices", SIMULATED)
    rows = scaling(TINY if tiny else BASE, length)
    with write_atomically(folder / SCALING) as draft:
        draft.write_text(json.dumps(rows, indent=1) + "\n")
    print(json.dumps({"scaling": rows}, indent=1) if as_json else "\n".join(_table(rows)))


def scaling(config: EncoderConfig, length: int) -> list[dict[str, int]]:
    """A row for each number of devices along `data`, with as many examples on each.

    What moves once a pass moves between processes, of which each device stands for one: all of
    them gather each other's float64 sums and two counts (`importance.units.Mean`).
    """
    heads = config.num_layers * config.num_heads
    rows = []
    for devices in _powers_of_two(min(SIMULATED, jax.device_count())):
        case = Case(
            config, BINARY, Layout(data=devices), jax.devices(), "float32", ROWS * devices, length
        )
        score, train = (_moved(case, name) for name in ("gate gradients", "fine-tuning"))
        rows.append(
            {
                "devices": devices,
                "scoring, a step": score,
                "scoring, once a pass": 8 * (heads + 2) * devices * (devices > 1),
                "fine-tuning, a step": train,
                "gradient": 4 * count_parameters(abstract_params(config, BINARY)),
            }
        )
    return rows


def _moved(case: Case, program: str) -> int:
    found = count(compiled(PROGRAMS[program], case, "cpu").as_text()).collectives
    return sum(part.bytes for part in found.values())


def _powers_of_two(most: int) -> Iterator[int]:
    count = 1
    while count <= most:
        yield count
        count *= 2


def _table(rows: Sequence[dict[str, int]]) -> Iterator[str]:
    names = list(rows[0])
    cells = [names, *([f"{row[name]:,}" for name in names] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(names))]
    yield "scaling:"
    for line in cells:
        yield "  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True))
