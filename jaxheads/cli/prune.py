"""`jaxheads prune`: a model and its scores -> a smaller model beside its tokenizer."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from jaxheads.cli.options.other import PruneOptions
from jaxheads.data.pipelines import TOKENIZER_FILES
from jaxheads.importance.scores import Scores, load_scores
from jaxheads.models.checkpoint.convert import load_model, save_model
from jaxheads.models.model import Model
from jaxheads.pruning.cost import count_parameters, multiply_adds
from jaxheads.pruning.cut import cut, zero
from jaxheads.pruning.mask import mask_from_scores, present_heads
from jaxheads.storage.hub import fetch_model_dir
from jaxheads.storage.remote import named

LENGTH = 128  # at which multiply-adds are reported


def run(options: PruneOptions) -> None:
    """Keep the best `budget` heads of a model; print what that saves.

    Raises:
      ValueError: for scores or a budget that do not fit the model, and a budget of no head.
    """
    scores = load_scores(options.scores)
    model = load_model(options.model)
    mask_LH = choose_heads(
        options.scores, model, options.budget, per_layer=options.per_layer, floor=options.floor,
        tied=options.tied,
    )  # fmt: skip
    if not mask_LH.any() and not options.allow_empty:
        kept = f"--budget {options.budget}: keeps no head of {present_heads(model.config).sum()}"
        raise ValueError(f"{kept}; expected at least 1, or --allow-empty")
    smaller = without_heads(model, mask_LH, zeroed=options.zeroed)
    save_model(smaller, options.out, tokenizer=TokenizerFiles(options.model), source=options.model)
    print(_account(options, scores, model, smaller, mask_LH))


def choose_heads(
    file: Path,
    model: Model,
    budget: int | float,
    *,
    per_layer: bool = False,
    floor: int = 0,
    tied: bool = False,
) -> Bool[np.ndarray, "L H"]:
    """The mask of the `budget` heads of a model that the scores of a file prefer.

    Raises:
      ValueError: for scores of another model, or a budget that it cannot have.
    """
    score_LH = load_scores(file).score_LH
    expected = (model.config.num_layers, model.config.num_heads)
    if score_LH.shape != expected:
        raise ValueError(
            f"{file}: expected scores [layers, heads] {list(expected)} as the model has them, got "
            f"{list(score_LH.shape)}"
        )
    return mask_from_scores(
        score_LH,
        budget,
        per_layer=per_layer,
        floor=floor,
        present=present_heads(model.config),
        tied_rows=model.config.block_by_layer if tied else None,
    )


def without_heads(model: Model, mask_LH: Bool[np.ndarray, "L H"], *, zeroed: bool) -> Model:
    """The model cut to the mask, or in its whole layout with zeros for what the mask drops."""
    if zeroed:
        params = zero(model.params, model.config, mask_LH)
        return model._replace(params=params, config=dataclasses.replace(model.config, kept=None))
    params, config = cut(model.params, model.config, mask_LH)
    return model._replace(params=params, config=config)


class TokenizerFiles:
    """The tokenizer files of a checkpoint, to be copied as they are."""

    def __init__(self, source: str) -> None:
        self.source = source

    def save(self, directory: Path) -> None:
        """Copy those that there are into `directory`."""
        found = fetch_model_dir(self.source, TOKENIZER_FILES)
        for name in TOKENIZER_FILES:
            if name != "config.json" and (found / name).is_file():
                shutil.copyfile(found / name, directory / name)


def _account(
    options: PruneOptions,
    scores: Scores,
    before: Model,
    after: Model,
    mask_LH: Bool[np.ndarray, "L H"],
) -> str:
    """What was done, on a few lines."""
    present_LH = present_heads(before.config)
    macs = [multiply_adds(before.config, LENGTH, mask) for mask in (present_LH, mask_LH)]
    sizes = [count_parameters(model.params) for model in (before, after)]
    caveat = "; zeros save nothing, a cut would" if options.zeroed else ""
    lines = [
        f"{named(options.model)} -> {named(options.out)}",
        f"scores       {scores.method}, unit {scores.unit}, {scores.examples} examples",
        f"heads        {present_LH.sum()} -> {mask_LH.sum()}",
        f"in layers    {' '.join(map(str, mask_LH.sum(1)))}",
        f"parameters   {sizes[0]:,} -> {sizes[1]:,}",
        f"ideal speed  {macs[0] / macs[1]:.2f}x, by multiply-adds at {LENGTH} tokens{caveat}",
        f"opens in     {_readers(options, mask_LH)}",
    ]
    return "\n".join(lines)


def _readers(options: PruneOptions, mask_LH: Bool[np.ndarray, "L H"]) -> str:
    """What can read the written model: transformers has no name for heads that are missing."""
    if options.zeroed or mask_LH.all():
        return f'jaxheads, and transformers: AutoModel.from_pretrained("{named(options.out)}")'
    return "jaxheads alone; transformers 5 has no config for missing heads, --zeroed writes zeros"
