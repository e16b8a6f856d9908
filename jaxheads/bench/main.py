"""The body of `jaxheads bench`: speed on this machine, side by side with PyTorch where installed.

All workloads of a comparison take turns within one run, so that a noisy machine is noisy for all;
figures are medians, and ratios are medians of the ratios of each turn. Nothing is asserted.
"""

from __future__ import annotations

import dataclasses
import json
import resource
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxheads.bench.shapes import BASE, BINARY, TINY
from jaxheads.bench.timing import Turns, compile_seconds, matmul_rate, torch_side
from jaxheads.bench.training import gate_overhead, training_speed
from jaxheads.bench.trees import random_trees, sample, tree_speed
from jaxheads.data.batch import Batch
from jaxheads.data.treebanks.dependency import read_conllu
from jaxheads.importance import score_heads
from jaxheads.importance.gradient import gate_gradients
from jaxheads.models.model import Model, init_model
from jaxheads.objectives import Objective, objective_for
from jaxheads.pruning.cost import classifier_multiply_adds, ideal_speedup
from jaxheads.pruning.cut import cut

CUT_BATCH = 16
TREES = 100  # random sentences whose trees are made
COUNTS = (256, 4096)  # batches scored one after the other to see whether memory grows


def run(
    only: Sequence[str] = (),
    *,
    batch_size: int | None = None,
    training_batch: int = 32,
    length: int = 128,
    repeats: int = 5,
    dtype: str | None = None,
    treebank: Path | None = None,
    sentences: int | None = None,
    tiny: bool = False,
    as_json: bool = False,
) -> None:
    """Measure sections on this machine and print them.

    Args:
        only: names of `SECTIONS`; all of them where there are none.
        batch_size: examples of the gate-gradient pass; None: 8, on a GPU 256.
        training_batch: examples of the fine-tuning step.
        length: tokens in an example.
        repeats: turns that each workload takes.
        dtype: of the computation; None: float32, on a GPU bfloat16.
        treebank: of the trees, a CoNLL-U file; None: random sentences.
        sentences: of the trees; None: 100, of a treebank all.
        tiny: measure a tiny model.
        as_json: print one JSON object at the end.

    Raises:
        ValueError: a section has no such name.
    """
    on_gpu = jax.default_backend() == "gpu"
    dtype = dtype or ("bfloat16" if on_gpu else "float32")
    size = batch_size or (256 if on_gpu else 8)
    model = init_model(TINY if tiny else BASE, BINARY, jax.random.key(0))
    setting = Setting(model, dtype, size, length, repeats, training_batch, treebank, sentences)
    sections = tuple(only) or tuple(SECTIONS)
    unknown = [name for name in sections if name not in SECTIONS]
    if unknown:
        raise ValueError(f"--only: expected one of {', '.join(SECTIONS)}, got {', '.join(unknown)}")
    report = {"machine": machine(setting)}
    _show(report["machine"], "machine", as_json)
    for name in sections:
        report[name] = SECTIONS[name](setting)
        _show(report[name], name, as_json)
    if as_json:
        print(json.dumps(report, indent=1))


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all sections measure on."""

    model: Model
    dtype: str
    batch_size: int
    length: int
    repeats: int
    training_batch: int
    treebank: Path | None
    sentences: int | None

    @property
    def objective(self) -> Objective:
        """The classification loss in the type of the run."""
        return objective_for(self.model.config, self.model.readout, compute_dtype=self.dtype)

    def batch(self, size: int, first: int = 0) -> Batch:
        """Random full-length examples."""
        config, random = self.model.config, np.random.default_rng(first)
        shape = (size, self.length)
        return Batch(
            tokens_BT=random.integers(5, config.vocab_size, shape, dtype=np.int32),
            real_BT=np.ones(shape, bool),
            types_BT=np.zeros(shape, np.int32),
            labels=np.zeros(size, np.int32),
            weight_B=np.ones(size, np.float32),
            index_B=np.arange(first, first + size, dtype=np.int32),
        )


def machine_words() -> dict:
    """What the process computes on."""
    return {
        "device": jax.devices()[0].device_kind,
        "devices": jax.device_count(),
        "jax": jax.__version__,
    }


def machine(s: Setting) -> dict:
    """What the figures were taken on."""
    return {
        **machine_words(),
        "dtype": s.dtype,
        "layers": s.model.config.num_layers,
        "width": s.model.config.hidden_size,
        "length": s.length,
        "batch_size": s.batch_size,
        "repeats": s.repeats,
    }


def gate_gradient(s: Setting) -> dict:
    """Examples/s of the gate-gradient pass, against PyTorch's and the customary script's."""
    params, batch = s.model.params, s.batch(s.batch_size)
    gate_LH = np.ones((s.model.config.num_layers, s.model.config.num_heads), np.float32)
    ours = lambda: np.asarray(  # noqa: E731
        gate_gradients(s.objective, params, batch, gate_LH).effect_BLH
    )
    turns = Turns({"jaxheads": (ours, s.batch_size)})
    with torch_side(_torch_spec(s)) as torch:
        if torch is not None:
            turns.add("torch gate gradients", torch("gate"), s.batch_size)
            turns.add("torch script, batch 1", torch("script"), 1)
        rates = turns.measure(s.repeats)
    per_second = rates["examples_per_second"]["jaxheads"]
    flops = 4 * classifier_multiply_adds(
        s.model.config, s.length
    )  # forward, backward; 2 flops each
    rate = matmul_rate(s.dtype)
    return {
        **rates,
        "matmul_gflops": rate / 1e9,
        "share_of_matmul_rate": per_second * flops / rate,
    }


def compile_time(s: Setting) -> dict:
    """Seconds to trace, lower and compile the gate-gradient pass, with no cache."""
    gate_LH = np.ones((s.model.config.num_layers, s.model.config.num_heads), np.float32)
    batch = s.batch(s.batch_size + 1)  # a shape that no other section compiles
    lower = lambda: gate_gradients.lower(  # noqa: E731
        s.objective, s.model.params, batch, gate_LH
    )
    return {"seconds": compile_seconds(lower)}


def memory(s: Setting) -> dict:
    """Growth of the process's peak memory when 16 times the examples are scored."""
    config = dataclasses.replace(TINY, num_layers=4)
    model = init_model(config, BINARY, jax.random.key(0))
    small = dataclasses.replace(s, model=model, dtype="float32")
    peaks = []
    for count in COUNTS:
        score_heads(
            small.objective, model.params, _stream(small, count), heads=config, progress=False
        )
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    names = [f"peak_mib_after_{COUNTS[0]}_batches", f"growth_mib_after_{COUNTS[1]}"]
    return dict(zip(names, (peaks[0], peaks[1] - peaks[0]), strict=True))


def _stream(s: Setting, count: int) -> Iterator[Batch]:
    return (s.batch(8, 8 * number) for number in range(count))


def cut_speed(s: Setting) -> dict:
    """Forward speed of a model cut to half of its heads, against the ideal ratio of multiply-adds.

    Half of each layer's heads, and half of all heads at random (ragged layers).
    """
    batch, config = s.batch(CUT_BATCH), s.model.config
    half = np.zeros((config.num_layers, config.num_heads), bool)
    half[:, ::2] = True
    ragged = np.random.default_rng(0).permuted(half.ravel()).reshape(half.shape)
    turns = Turns({"full": (_forward(s, s.model, batch, None), CUT_BATCH)})
    turns.add("masked only", _forward(s, s.model, batch, jnp.asarray(half, jnp.float32)), CUT_BATCH)
    for name, mask in (("cut, half of each layer", half), ("cut, ragged", ragged)):
        params, smaller = cut(s.model.params, config, mask)
        model = Model(smaller, s.model.readout, params)
        turns.add(name, _forward(s, model, batch, None), CUT_BATCH)
    measured = turns.measure(s.repeats, against="full")
    return {**measured, "ideal_ratio": ideal_speedup(config, s.length, half)}


def _forward(s: Setting, model: Model, batch: Batch, gate):
    objective = objective_for(model.config, model.readout, compute_dtype=s.dtype)
    step = jax.jit(lambda params, gate: objective(params, gate, batch, None).logits)
    return lambda: np.asarray(step(model.params, gate))


def fine_tune(s: Setting) -> dict:
    """Steps/s of fine-tuning, against PyTorch's, and what cutting half of the heads gains."""
    spec = {**_torch_spec(s), "batch_size": s.training_batch}
    return training_speed(s.model, s.batch(s.training_batch), s.dtype, s.repeats, spec)


def gate(s: Setting) -> dict:
    """What a learned gate adds to a step of fine-tuning."""
    return gate_overhead(s.model, s.batch(s.training_batch), s.dtype, s.repeats)


def trees(s: Setting) -> dict:
    """Time of trees of all heads over that of the forward passes alone; batches are of words."""
    found = random_trees(s.sentences or TREES) if s.treebank is None else read_conllu(s.treebank)
    return tree_speed(s.model, s.dtype, s.repeats, sample(found, s.sentences))


SECTIONS = {
    "gate_gradient": gate_gradient,
    "compile": compile_time,
    "memory": memory,
    "cut": cut_speed,
    "fine_tune": fine_tune,
    "gate": gate,
    "trees": trees,
}


def _torch_spec(s: Setting) -> dict:
    sizes = dataclasses.asdict(s.model.config)
    return {**sizes, "batch_size": s.batch_size, "length": s.length, "dtype": s.dtype}


def _show(section: dict, name: str, quiet: bool) -> None:
    """One readable block on standard output, unless JSON was asked for; progress on stderr."""
    if quiet:
        print(f"{name} done", file=sys.stderr)
        return
    print(f"{name}:")
    for key, value in section.items():
        if isinstance(value, dict):
            print(f"  {key}:")
            for inner, figure in value.items():
                print(f"    {inner:<28} {_figure(figure)}")
        else:
            print(f"  {key:<30} {_figure(value)}")


def _figure(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
