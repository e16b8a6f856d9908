"""What a study of one pre-training task and one downstream task reads and trains."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from jaxheads.config import DataConfig, ReadoutConfig, Run, TrainingConfig
from jaxheads.data.batch import Batch
from jaxheads.data.encode import EncodedSource
from jaxheads.data.glue import Task, task_named
from jaxheads.data.loader import Source, batches
from jaxheads.data.mlm import MaskedSource, mask_blocks
from jaxheads.data.tokens import Tokenizer, check_fits, load_tokenizer
from jaxheads.data.vocabulary import train_tokenizer
from jaxheads.mesh import data_share, place_batch
from jaxheads.models.convert import load_model, save_model
from jaxheads.models.model import Model, init_model
from jaxheads.options import MeshShape
from jaxheads.pruning.cut import cut
from jaxheads.studies import prepare
from jaxheads.training.fit import fit

FILES = ("text", "text_held_out", "train", "held_out")


class Material(NamedTuple):
    """Everything a study reads, encoded. What is held out is used by nothing but evaluation."""

    tokenizer: Tokenizer
    task: Task
    readout: ReadoutConfig  # of the task
    blocks: EncodedSource  # of training text
    scored_blocks: MaskedSource
    held_out_blocks: list[Batch]
    train: EncodedSource
    scored: EncodedSource
    held_out: list[Batch]
    mesh: Mesh | None


def check_files(data: DataConfig) -> None:
    """ValueError that names each missing file and the setting that holds its place."""
    missing = [name for name in FILES if not Path(getattr(data, name)).is_file()]
    if missing:
        named = "; ".join(f"{getattr(data, name)} (--set data.{name}=FILE)" for name in missing)
        raise ValueError(f"expected the study's data, there is no {named}")


def gather(run: Run, tokenizer_dir: Path) -> Material:
    """Read and encode all data of a run, with the tokenizer saved in the folder or a new one."""
    data, tokenizer = run.data, _tokenizer(run, tokenizer_dir)
    task, mesh = task_named(data.task), prepare.open_mesh(MeshShape(run.devices))
    readout = ReadoutConfig("classification", task.labels)
    asked = max(run.pretrain.steps * run.pretrain.batch_size, run.scoring.examples)
    blocks = _blocks(run, tokenizer, data.text, asked)
    train = _examples(run, tokenizer, task, data.train, readout)
    held_out = _examples(run, tokenizer, task, data.held_out, readout)
    held_out_blocks = _blocks(run, tokenizer, data.text_held_out, run.curve.blocks)
    return Material(
        tokenizer=tokenizer,
        task=task,
        readout=readout,
        blocks=blocks,
        scored_blocks=masked(run, tokenizer, prepare.first(blocks, run.scoring.examples)),
        held_out_blocks=_placed(run, masked(run, tokenizer, held_out_blocks), mesh),
        train=train,
        scored=prepare.first(train, run.scoring.examples),
        held_out=_placed(run, held_out, mesh),
        mesh=mesh,
    )


def _tokenizer(run: Run, folder: Path) -> Tokenizer:
    if (folder / "tokenizer.json").is_file():
        return load_tokenizer(folder)
    texts = prepare.read_texts(run.data.text, run.data.limit)
    return train_tokenizer(texts, vocab_size=run.encoder.vocab_size, kind="bpe")


def _blocks(run: Run, tokenizer: Tokenizer, path: Path, count: int) -> EncodedSource:
    texts = run.data.limit
    return prepare.read_blocks(tokenizer, path, run.data.length, limit=count, texts=texts)


def _examples(
    run: Run, tokenizer: Tokenizer, task: Task, path: Path, readout: ReadoutConfig
) -> EncodedSource:
    length, limit = run.data.length, run.data.limit
    return prepare.read_task(tokenizer, task, path, readout, length, limit=limit, long="truncate")


def masked(
    run: Run, tokenizer: Tokenizer, blocks: EncodedSource, *, fixed: bool = True
) -> MaskedSource:
    """Blocks of which some tokens are predicted; not `fixed`: other ones in every epoch."""
    return mask_blocks(
        blocks, tokenizer, length=run.data.length, seed=run.pretrain.seed, fixed=fixed
    )


def _placed(run: Run, source: Source, mesh: Mesh | None) -> list[Batch]:
    """All batches of a source, on the devices for the rest of the study."""
    return [
        jax.tree.map(jax.numpy.asarray, place_batch(mesh, batch))
        for batch in batches(
            source,
            run.curve.batch_size,
            share=data_share(mesh),
            lengths=prepare.bucket_lengths(int(source.lengths.max())),
        )
    ]


# -- models


def saved(folder: Path, make: Callable[[], Model], tokenizer: Tokenizer) -> Model:
    """The model saved in a folder, or the one that `make` returns, now saved there."""
    if folder.is_dir():
        model = load_model(folder)
        check_fits(tokenizer, model.config)
        print(f"{folder}: taken as it was saved", flush=True)
        return model
    model = make()
    save_model(model, folder, tokenizer=tokenizer)
    return model


def pretrain(run: Run, material: Material, log: Path) -> Model:
    """A new masked LM, trained on the text."""
    encoder = dataclasses.replace(
        run.encoder,
        vocab_size=material.tokenizer.vocab_size,
        pad_token_id=material.tokenizer.pad_id,
    )
    model = init_model(encoder, ReadoutConfig("masked_lm"), jax.random.key(run.pretrain.seed))
    source = masked(run, material.tokenizer, material.blocks, fixed=False)
    return train(model, source, run.pretrain, material, log, "pre-training")


def finetune(
    run: Run,
    base: Model,
    material: Material,
    seed: int,
    log: Path,
    *,
    mask_LH: np.ndarray,
    physical: bool,
) -> Model:
    """The base with a new readout, trained on the task with heads masked, or cut before."""
    fresh = init_model(base.config, material.readout, jax.random.key(seed))
    config, params = base.config, {**fresh.params, "encoder": base.params["encoder"]}
    if physical:
        params, config = cut(params, config, mask_LH)
    model = Model(config, material.readout, params)
    training = dataclasses.replace(run.finetune, seed=seed)
    gate = np.ones_like(mask_LH, np.float32) if physical else mask_LH.astype(np.float32)
    name = f"fine-tuning {seed}"
    return train(model, material.train, training, material, log, name, gate=gate)


def train(
    model: Model,
    source: Source,
    config: TrainingConfig,
    material: Material,
    log: Path,
    name: str,
    gate: np.ndarray | None = None,
) -> Model:
    """The model with its parameters fitted to a source."""
    fitted = fit(
        prepare.training_objective(model, config),
        model.params,
        source,
        config,
        head_mask=gate,
        mesh=material.mesh,
        lengths=prepare.bucket_lengths(int(source.lengths.max())),
        log=log,
        name=name,
    )
    return model._replace(params=fitted.params)
