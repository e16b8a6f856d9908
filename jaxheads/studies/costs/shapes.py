"""Shapes of models that are not there: what a study of them costs is known without them."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from jaxheads.bench.shapes import BASE
from jaxheads.config import EncoderConfig, ReadoutConfig
from jaxheads.models.checkpoint.convert import read_layout
from jaxheads.models.checkpoint.families import encoder_config, table_of
from jaxheads.models.checkpoint.hf_config import write_config
from jaxheads.studies.workbench.settings import ModelSettings, Run

BERT = encoder_config(
    family="bert", vocab_size=30_522, hidden_size=768, num_layers=12, num_heads=12,
    intermediate_size=3_072, max_positions=512, type_vocab_size=2,
)  # fmt: skip
KNOWN = {
    "google-bert/bert-base-uncased": BERT,
    "google-bert/bert-base-cased": dataclasses.replace(BERT, vocab_size=28_996),
    "FacebookAI/roberta-base": BASE,
    "albert/albert-base-v2": encoder_config(
        family="albert", vocab_size=30_000, hidden_size=768, num_layers=12, num_heads=12,
        intermediate_size=3_072, max_positions=512, type_vocab_size=2, embedding_size=128,
        hidden_groups=1,
    ),
    "distilbert/distilbert-base-uncased": encoder_config(
        family="distilbert", vocab_size=30_522, hidden_size=768, num_layers=6, num_heads=12,
        intermediate_size=3_072, max_positions=512, type_vocab_size=0,
    ),
    "sentence-transformers/all-MiniLM-L6-v2": dataclasses.replace(
        BERT, num_layers=6, hidden_size=384, intermediate_size=1_536
    ),
}  # fmt: skip


@contextlib.contextmanager
def sketched(
    run: Run, made: Mapping[str, EncoderConfig] | None = None
) -> Iterator[tuple[Run, list[str]]]:
    """The run with shapes in the place of models that are not there, and what is not there.

    Args:
      run: its models may be elsewhere.
      made: shapes of models that other studies make, by where they leave them.
    """
    shapes, lacking = {**KNOWN, **(made or {})}, []
    with tempfile.TemporaryDirectory() as folder:

        def drawn(model: ModelSettings) -> ModelSettings:
            try:
                if model.source is not None:
                    read_layout(model.source)
                return model
            except ValueError as error:
                if model.source not in shapes:
                    raise
                lacking.append(str(error))
                place = Path(folder, model.name)
                place.mkdir()
                config = shapes[model.source]
                readout = ReadoutConfig("masked_lm")
                raw = write_config(table_of(config.family), config, readout, {})
                (place / "config.json").write_text(json.dumps(raw))
                return dataclasses.replace(model, source=str(place))

        yield dataclasses.replace(run, models=tuple(map(drawn, run.models))), lacking


def with_text(run: Run) -> Run:
    """The run with names in the place of files of text that it does not have."""
    if run.text is None:
        return run
    train, held_out = run.text.train or Path("?"), run.text.held_out or Path("?")
    return dataclasses.replace(
        run, text=dataclasses.replace(run.text, train=train, held_out=held_out)
    )
