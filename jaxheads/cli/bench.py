"""The body of `jaxheads bench`: what is measured here, or compiled for simulated devices."""

from __future__ import annotations

from jaxheads.bench import main, simulated
from jaxheads.cli.options.other import BenchOptions


def run(options: BenchOptions) -> int | None:
    """Print the sections asked for; None where a figure is to follow."""
    if options.scaling or options.sizes:
        simulated.run(
            scaling_folder=options.folder if options.scaling else None,
            with_sizes=options.sizes,
            tiny=options.tiny,
            length=options.length,
            training_batch=options.training_batch,
            as_json=options.json,
        )
        return None if options.scaling and not options.json else 0
    main.run(
        options.only,
        batch_size=options.batch_size,
        training_batch=options.training_batch,
        length=options.length,
        repeats=options.repeats,
        dtype=options.dtype,
        treebank=options.treebank,
        sentences=options.sentences,
        tiny=options.tiny,
        as_json=options.json,
    )
    return 0
