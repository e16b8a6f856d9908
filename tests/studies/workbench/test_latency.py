"""What a cut model gains: times of both, and the memory that both need."""

from __future__ import annotations

import jax
import numpy as np

from jaxheads.bench.compiled import memory
from jaxheads.bench.programs import Case, Layout, fine_tuning
from jaxheads.bench.shapes import BINARY, TINY
from jaxheads.models.model import init_model
from jaxheads.pruning.cost import count_parameters
from jaxheads.pruning.cut import cut
from jaxheads.studies.workbench.latency import measure_speed


def test_a_cut_model_needs_less_memory_in_passes_and_in_training():
    whole = init_model(TINY, BINARY, jax.random.key(0))
    mask_LH = np.arange(TINY.num_heads)[None] < [[1], [2], [1]]
    params, config = cut(whole.params, whole.config, mask_LH)
    smaller = whole._replace(params=params, config=config)
    measured = measure_speed(whole, smaller, (2,), length=8, repeats=1, training_batch=4)
    found = {(each.what, each.unit): each.value for each in measured}
    assert all(found[name, "ms"] > 0 for name in ("whole", "cut"))
    for training in ("", ", fine-tuning"):
        assert found[f"cut{training}", "bytes"] < found[f"whole{training}", "bytes"]
    bytes_of = {
        name: 4 * count_parameters(m.params) for name, m in (("whole", whole), ("cut", smaller))
    }
    for name, size in bytes_of.items():
        assert found[name, "bytes"] > size
        assert found[f"{name}, fine-tuning", "bytes"] > 4 * size  # two moments, a gradient
    assert {each.batch for each in measured if each.what.endswith("fine-tuning")} == {4}


def test_a_step_holds_parameters_and_moments_before_it_runs():
    case = Case(TINY, BINARY, Layout(), jax.devices()[:1], "float32", 4, 8)
    held, peak = memory(fine_tuning(case).compile())
    whole = init_model(TINY, BINARY, jax.random.key(0))
    state = 3 * 4 * count_parameters(whole.params)
    assert state < held < 1.1 * state < peak
