"""The body of `jaxheads bench`: what is measured here, or compiled for other devices."""

from __future__ import annotations

from jaxheads.bench import compiled, main, scaling
from jaxheads.bench.programs import parse_layout
from jaxheads.cli.options.other import BenchOptions


def run(options: BenchOptions) -> int | None:
    """Print the sections asked for; None where a figure is to follow."""
    if options.scaling:
        scaling.run(options.folder, tiny=options.tiny, length=options.length, as_json=options.json)
        return 0 if options.json else None
    if options.compile is not None:
        compiled.run(
            options.compile,
            only=options.only,
            models=options.shape,
            layouts=[parse_layout(text) for text in options.layout],
            dtypes=(options.dtype,) if options.dtype else (),
            examples=options.batch_size,
            length=options.length,
            tiny=options.tiny,
            as_json=options.json,
        )
        return 0
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
