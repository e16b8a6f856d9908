"""Which attention heads an encoder transformer needs, in JAX.

A **head** is an attention head, never an output layer, which is a **readout**. A **gate** is a
real multiplier on a head's output, inside the forward pass. A **score** is the importance of a
head; higher means keep. A **mask** is a decision, boolean `[L, H]`, made once from a score. The
**budget** is the number of heads kept. To **cut** is to remove heads physically. The **unit**
says where the absolute value falls in a gradient score: token, example or batch. A **study**
reproduces one paper's claim.

Shapes are in names: `B` batch, `T` query position, `S` key position, `L` layer, `H` head, `K` width
of a head, `D` model width, `F` feed-forward width, `V` vocabulary, `C` classes, `P` positions
predicted, `N` examples.

The public interface is the names below; each is a plain function or tuple, loaded when first used.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jaxheads.analysis.similarity import compare_heads
    from jaxheads.config import EncoderConfig, ReadoutConfig, TrainingConfig
    from jaxheads.data.batch import Batch
    from jaxheads.data.encode import encode_task
    from jaxheads.data.lines import Reading
    from jaxheads.data.loader import batches, training_batches
    from jaxheads.data.tasks.examples import read_examples
    from jaxheads.data.tasks.labels import class_numbers
    from jaxheads.data.tasks.task import Task
    from jaxheads.data.tokens import load_tokenizer
    from jaxheads.importance import Scores, load_scores, save_scores, score_heads
    from jaxheads.importance.meta.files import load_pruner
    from jaxheads.importance.methods import (
        ablation,
        alone,
        confidence,
        entropy,
        gradient,
        integrated,
        magnitude,
        meta,
        output_norm,
        random,
    )
    from jaxheads.inference.constituents import constituency_maps
    from jaxheads.inference.decoding import decode
    from jaxheads.inference.dependencies import dependency_maps
    from jaxheads.inference.evaluate import evaluate
    from jaxheads.inference.text_maps import attention_maps
    from jaxheads.models import nn
    from jaxheads.models.checkpoint.convert import load_model, save_model
    from jaxheads.models.checkpoint.families import encoder_config
    from jaxheads.models.layout import HeadKinds, by_kind
    from jaxheads.models.model import Model, encode, init_model, logits
    from jaxheads.objectives import Outcome, objective_for
    from jaxheads.parallel.mesh import make_mesh
    from jaxheads.parallel.processes import start_distributed
    from jaxheads.pruning.cut import cut, zero
    from jaxheads.pruning.mask import mask_from_scores
    from jaxheads.report.figures.attention_page import view_attention
    from jaxheads.report.figures.heads import plot_heads
    from jaxheads.training.fine_tune import fine_tune
    from jaxheads.training.fit import fit

_ROOMS = {
    "config": ("EncoderConfig", "ReadoutConfig", "TrainingConfig"),
    "data.batch": ("Batch",),
    "data.encode": ("encode_task",),
    "data.tasks.examples": ("read_examples",),
    "data.tasks.task": ("Task",),
    "data.lines": ("Reading",),
    "data.loader": ("batches", "training_batches"),
    "data.tokens": ("load_tokenizer",),
    "importance": ("Scores", "load_scores", "save_scores", "score_heads"),
    "importance.meta.files": ("load_pruner",),
    "importance.methods": (
        "ablation",
        "alone",
        "confidence",
        "entropy",
        "gradient",
        "integrated",
        "magnitude",
        "meta",
        "output_norm",
        "random",
    ),
    "parallel.processes": ("start_distributed",),
    "parallel.mesh": ("make_mesh",),
    "models.checkpoint.convert": ("load_model", "save_model"),
    "models.checkpoint.families": ("encoder_config",),
    "models.layout": ("HeadKinds", "by_kind"),
    "models.model": ("Model", "encode", "init_model", "logits"),
    "objectives": ("Outcome", "objective_for"),
    "pruning.cut": ("cut", "zero"),
    "pruning.mask": ("mask_from_scores",),
    "inference.decoding": ("decode",),
    "data.tasks.labels": ("class_numbers",),
    "inference.evaluate": ("evaluate",),
    "analysis.similarity": ("compare_heads",),
    "inference.constituents": ("constituency_maps",),
    "inference.text_maps": ("attention_maps",),
    "report.figures.attention_page": ("view_attention",),
    "inference.dependencies": ("dependency_maps",),
    "training.fit": ("fit",),
    "training.fine_tune": ("fine_tune",),
    "report.figures.heads": ("plot_heads",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "Batch",
    "EncoderConfig",
    "HeadKinds",
    "Model",
    "Outcome",
    "Reading",
    "ReadoutConfig",
    "Scores",
    "Task",
    "TrainingConfig",
    "ablation",
    "alone",
    "attention_maps",
    "batches",
    "by_kind",
    "class_numbers",
    "compare_heads",
    "confidence",
    "constituency_maps",
    "cut",
    "decode",
    "dependency_maps",
    "encode",
    "encode_task",
    "encoder_config",
    "entropy",
    "evaluate",
    "fine_tune",
    "fit",
    "gradient",
    "init_model",
    "integrated",
    "load_model",
    "load_pruner",
    "load_scores",
    "load_tokenizer",
    "logits",
    "magnitude",
    "make_mesh",
    "mask_from_scores",
    "meta",
    "nn",
    "objective_for",
    "output_norm",
    "plot_heads",
    "random",
    "read_examples",
    "save_model",
    "save_scores",
    "score_heads",
    "start_distributed",
    "training_batches",
    "view_attention",
    "zero",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.metadata.version("jaxheads")
    if name == "nn":
        return importlib.import_module("jaxheads.models.nn")
    if name not in _ROOM_OF:
        raise AttributeError(f"module 'jaxheads' has no attribute {name!r}")
    return getattr(importlib.import_module(f"jaxheads.{_ROOM_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
