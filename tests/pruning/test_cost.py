"""Parameters and multiply-adds against published figures and against the models themselves."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

from jaxheads.config import ReadoutConfig
from jaxheads.models.checkpoint.families import encoder_config
from jaxheads.models.model import abstract_params, encode
from jaxheads.pruning.cost import count_parameters, ideal_speedup, multiply_adds
from jaxheads.pruning.mask import kept_heads

BASE = encoder_config("bert", 30522, 768, 12, 12, 3072, 512, type_vocab_size=2)
HALF = np.arange(144).reshape(12, 12) % 2 == 0


def test_the_costs_of_bert_base_are_the_published_ones():
    """head_importance.md 2.3: 27.26 M a head, attention 35.1%, half the heads 17.6% and 1.213x."""
    full, none = multiply_adds(BASE, 128), multiply_adds(BASE, 128, np.zeros((12, 12), bool))
    assert (full - none) / 144 == 27_262_976
    assert round(1 - none / full, 3) == 0.351
    assert round(1 - multiply_adds(BASE, 128, HALF) / full, 3) == 0.176
    assert round(ideal_speedup(BASE, 128, HALF), 3) == 1.213
    assert round(ideal_speedup(BASE, 512, HALF), 2) == 1.25


def test_bert_base_has_the_published_number_of_parameters():
    """BERT-base without its pooler: 109,482,240 - 590,592; pruning_methods.md B.8 with readouts."""
    assert count_parameters(BASE) == 108_891_648
    one_less = dataclasses.replace(BASE, kept=(tuple(range(11)),) + (tuple(range(12)),) * 11)
    assert count_parameters(BASE) - count_parameters(one_less) == 196_800
    three_way = ReadoutConfig("classification", ("a", "b", "c"))
    assert count_parameters(abstract_params(BASE, three_way)) == 109_484_547


def test_a_config_counts_what_its_encoder_holds(family):
    kept = tuple(tuple(range(i % 5)) for i in range(family.config.num_layers))
    for config in (family.config, dataclasses.replace(family.config, kept=kept)):
        params = abstract_params(config, ReadoutConfig())
        assert count_parameters(config) == count_parameters(params["encoder"])
    assert count_parameters(family.params) > count_parameters(family.config)


def test_albert_base_has_the_published_number_of_parameters():
    """ALBERT-base v2: 11,683,584 with its pooler of 590,592."""
    sizes = {"type_vocab_size": 2, "embedding_size": 128, "hidden_groups": 1}
    config = encoder_config("albert", 30000, 768, 12, 12, 3072, 512, **sizes)
    assert count_parameters(config) == 11_683_584 - 590_592
    assert multiply_adds(config, 128) == multiply_adds(BASE, 128) + 128 * 128 * 768


def _matrix_products(jaxpr) -> int:
    """Multiply-adds of every dot in a jaxpr, loops included."""
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            sizes = [equation.invars[0].aval.shape[axis] for axis in contracted]
            total += equation.outvars[0].aval.size * math.prod(sizes)
        inner = sum(map(_matrix_products, jaxprs_in_params(equation.params)))
        total += inner * equation.params.get("length", 1)
    return total


@pytest.mark.parametrize("seed", [0, 1])
def test_the_formula_counts_the_matrix_products_that_the_encoder_does(family, seed):
    shape, length = (family.config.num_layers, family.config.num_heads), 6
    mask_LH = np.random.default_rng(seed).random(shape) < 0.5
    config = dataclasses.replace(family.config, kept=kept_heads(family.config, mask_LH))
    tokens, real = jnp.ones((1, length), int), jnp.ones((1, length), bool)
    params = abstract_params(config, ReadoutConfig())
    jaxpr = jax.make_jaxpr(lambda p: encode(config, p, tokens, real).hidden_BPD)(params)
    assert _matrix_products(jaxpr.jaxpr) == multiply_adds(config, length)
    assert multiply_adds(config, length) == multiply_adds(family.config, length, mask_LH)


def test_a_mask_that_keeps_absent_heads_has_no_cost():
    config = dataclasses.replace(BASE, kept=((),) + (tuple(range(12)),) * 11)
    with pytest.raises(ValueError, match="no longer has layer 0 head 0"):
        multiply_adds(config, 128, HALF)
