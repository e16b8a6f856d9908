"""`jaxheads dependencies` and `constituents`: the syntax studies of one encoder, without a config.

DIR/maps.npz   an array [L, H] for each method, relation or label, beside rows and page
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import numpy as np

from jaxheads.cli.options.syntax import ConstituentsOptions, DependenciesOptions, SyntaxOptions
from jaxheads.data.treebanks.constituency import iter_parses
from jaxheads.data.treebanks.dependency import read_conllu
from jaxheads.inference.constituents import named_scores
from jaxheads.inference.dependencies import named_shares
from jaxheads.storage.remote import named
from jaxheads.storage.store import Store
from jaxheads.studies import registry
from jaxheads.studies.htut2019 import study as htut2019
from jaxheads.studies.luo2021 import constituents
from jaxheads.studies.settings import Htut2019, Luo2021, ModelSettings, Run
from jaxheads.studies.workbench.model import StudyModel, study_models

MAPS = "maps.npz"


def run_dependencies(options: DependenciesOptions) -> None:
    """Read a treebank with all heads, and keep the shares of arcs that they find.

    Raises:
      ValueError: for a treebank or a model that cannot be read.
    """
    read_conllu(options.treebank)  # before the model
    settings = Htut2019(
        treebank=options.treebank, sentences=options.sentences, controls=options.controls
    )
    _keep(options, named_shares(htut2019.pretrained_hits(_ran(options, settings))))


def run_constituents(options: ConstituentsOptions) -> None:
    """Read two sections of a treebank with all heads, and keep their scores on the second.

    Raises:
      ValueError: for sections or a model that cannot be read.
    """
    for path in (options.tune, options.test):
        for _ in iter_parses(path):
            pass
    settings = Luo2021(
        tune=options.tune, test=options.test, tune_sentences=options.sentences,
        test_sentences=options.sentences, controls=options.controls,
    )  # fmt: skip
    model = _ran(options, settings)
    main = constituents.readings_of(model)[0]
    _keep(options, named_scores(constituents.load_counts(model.store, model.name, main.name)))


def _ran(options: SyntaxOptions, study: Htut2019 | Luo2021) -> StudyModel:
    """The model of a study of it alone, without a text and tasks, that has been run."""
    name = name_of(named(options.model))
    run = Run(study=study, name=name, models=(ModelSettings(name, source=options.model),))
    registry.run(run, options.out)
    (model,) = study_models(run, Store(options.out))
    return model


def _keep(options: SyntaxOptions, maps: Mapping[str, np.ndarray]) -> None:
    Store(options.out).write_arrays(MAPS, maps)
    print(f"maps    {named(options.out)}/{MAPS}: {', '.join(maps)}")


def name_of(model: str) -> str:
    """The last part of a model's path, as records can have it."""
    last = PurePosixPath(model.rstrip("/")).name or Path(model).resolve().name
    return re.sub("[^a-z0-9_.]", "_", last.lower()).lstrip("_.") or "model"
