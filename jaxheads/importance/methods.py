"""The methods: constructors that take what one method alone needs and return a `Method`.

score_heads(objective, params, batches, heads=config, method=integrated(points=16))
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from jaxheads.config import EncoderConfig
from jaxheads.importance import attention, baselines
from jaxheads.importance.ablation import (
    ExampleMetric,
    Variants,
    alone_in_layer,
    chunks,
    costs,
    effects,
    without_each,
)
from jaxheads.importance.gradient import Effects, gate_gradients, integrated_gradients, quadrature
from jaxheads.importance.meta.pruner import Pruner
from jaxheads.importance.meta.scoring import channel_of, pruner_scores
from jaxheads.importance.units import Tie, already_tied, same_block, tie_mean, tie_sum
from jaxheads.inference.evaluate import AnswerRows
from jaxheads.objectives import Objective, ObservedPass, watch_for

BY_GRADIENT = ("example", "token", "batch", "signed", "fisher")
BY_ABLATION = ("signed", "example", "batch", "fisher")
BY_ATTENTION = ("mean",)
NO_UNIT = ("none",)  # of methods that read no examples

T = TypeVar("T")


class Request(NamedTuple):
    """What is to be scored, checked and complete; `score_heads` explains the parts."""

    heads: tuple[int, int]
    config: EncoderConfig | None
    objective: Objective | None
    params: Any
    gate_LH: Float[np.ndarray, "L H"]
    blocks: tuple[int, ...] | None  # of each layer, where heads are tied
    by_position: bool  # effects at every position are wanted too
    mesh: Mesh | None
    answers: Callable[[AnswerRows], None] | None = None  # to tell what the model answers


class Pass(NamedTuple):
    """What runs over the examples, batch by batch.

    `step` makes device arrays whose first axis is the batch from a batch; `read` names those of
    one process, as numpy arrays `[b, L, H]`.
    """

    step: Callable[[Any], Any]
    read: Callable[[Any], dict[str, np.ndarray]]


class Method(NamedTuple):
    """One way to score heads, as a record of functions.

    `start` returns the pass over the examples, or the scores `[L, H]` where none are read; it
    raises ValueError for what the request lacks. `tie` brings together the uses of a shared head in
    what the pass reads: None where a method is about single layers and nothing can be tied.
    """

    name: str  # in `Scores`, messages and on the command line
    units: tuple[str, ...]  # those that make sense (see `UNITS`), the default first
    tie: Tie | None
    needs_loss: bool  # and so, as a rule, labels
    start: Callable[[Request], Pass | np.ndarray]
    answers: bool = False  # whether its pass can also tell what the model answers

    @property
    def reads_examples(self) -> bool:
        """Whether there is anything to run over examples."""
        return self.units != NO_UNIT


def gradient() -> Method:
    """Score by the gradient of the loss with respect to each head's gate.

    The proxy of Michel et al. 2019 (section 4.1), `E |dloss/dgate|` with the unit "example"; the
    effects are those of `gate_gradients`.
    """

    def start(r: Request) -> Pass:
        objective, shared = _needed(r.objective, "an objective", "gradient"), _shared(r)

        def step(batch):
            how = {**shared, "answered": r.answers is not None}
            return gate_gradients(objective, r.params, batch, r.gate_LH, **how)

        def read(rows):
            if r.answers is not None:
                r.answers(rows.answers)
            return _named_effects(rows)

        return Pass(step, read)

    return Method("gradient", BY_GRADIENT, tie_sum, needs_loss=True, start=start, answers=True)


def integrated(points: int = 8, rule: str = "gauss") -> Method:
    """Score by gradients integrated along the path from no heads to all (Sundararajan et al. 2017).

    Args:
      points: of the rule; so many backward passes are needed.
      rule: one of `gradient.RULES`: gauss, trapezoid or left.

    Raises:
      ValueError: for an unknown rule or no points.
    """
    nodes_and_weights = quadrature(rule, points)

    def start(r: Request) -> Pass:
        objective, shared = _needed(r.objective, "an objective", "integrated"), _shared(r)

        def step(batch):
            return integrated_gradients(
                objective, r.params, batch, r.gate_LH, nodes_and_weights, **shared
            )

        return Pass(step, _named_effects)

    return Method("integrated", BY_GRADIENT, tie_sum, needs_loss=True, start=start)


def ablation(measure: ExampleMetric | None = None, rows: int = 128) -> Method:
    """Score by what the removal of one head at a time adds to the loss; tied, of all its uses.

    Args:
      measure: of which more is better, instead of minus the loss.
      rows: examples times variants of the gate that are computed at a time on each device.
    """

    def start(r: Request) -> Pass:
        return _ablated("ablation", r, without_each(r.gate_LH, r.blocks), measure, rows)

    return Method("ablation", BY_ABLATION, already_tied, needs_loss=True, start=start)


def alone(measure: ExampleMetric | None = None, rows: int = 128) -> Method:
    """Score by what a head does as the only one of its layer (Michel et al. 2019, section 3.3).

    Args:
      measure: of which more is better, instead of minus the loss.
      rows: examples times variants of the gate that are computed at a time on each device.
    """

    def start(r: Request) -> Pass:
        return _ablated("alone", r, alone_in_layer(r.gate_LH), measure, rows)

    return Method("alone", ("signed",), None, needs_loss=True, start=start)


def confidence(skipped: tuple[int, ...] = (), watch: ObservedPass | None = None) -> Method:
    """Score by the greatest attention weight of a query (Voita et al. 2019), in [0, 1].

    Args:
      skipped: ids of tokens that count neither as queries nor as keys: theirs is the end of the
        sentence.
      watch: what shows the attention of a model of your own; None: the config's.
    """
    return _attention("confidence", attention.confidence, skipped, watch)


def entropy(skipped: tuple[int, ...] = (), watch: ObservedPass | None = None) -> Method:
    """Score by minus the entropy of a query's attention, in nats: a focused head is kept.

    Args:
      skipped: ids of tokens that do not count as queries.
      watch: what shows the attention of a model of your own; None: the config's.
    """
    return _attention("entropy", attention.focus, skipped, watch)


def output_norm(skipped: tuple[int, ...] = (), watch: ObservedPass | None = None) -> Method:
    """Score by the length of what a head adds to the residual stream at a query.

    Args:
      skipped: ids of tokens that do not count as queries.
      watch: what shows the attention of a model of your own; None: the config's.
    """
    return _attention("output_norm", attention.output_norm, skipped, watch)


def meta(pruner: Pruner, pair: bool = False, watch: ObservedPass | None = None) -> Method:
    """Score attention maps by a pruner that learned on other tasks (Zhang et al. 2020).

    Args:
      pruner: what `load_pruner` reads.
      pair: whether the examples are pairs of sentences, for which a pruner has another output.
      watch: what shows the attention of a model of your own; None: the config's.
    """
    channel = channel_of(pair)

    def start(r: Request) -> Pass:
        if r.config is not None and r.config.decoder_layers:
            raise ValueError("score: expected an encoder alone for meta, got an encoder-decoder")
        shown = _watch(r, watch, "meta")

        def step(batch):
            return pruner_scores(
                shown, pruner.config, channel, pruner.params, r.params, batch, r.gate_LH,
                mesh=r.mesh,
            )  # fmt: skip

        return Pass(step, _named_value)

    return Method("meta", BY_ATTENTION, tie_mean, needs_loss=False, start=start)


def magnitude() -> Method:
    """Score by the norm of a head's parameters, without data or forward pass."""

    def start(r: Request) -> np.ndarray:
        config = _needed(r.config, "a config as heads", "magnitude")
        return baselines.magnitude(config, r.params)

    return Method("magnitude", NO_UNIT, already_tied, needs_loss=False, start=start)


def random(seed: int = 0) -> Method:
    """Score at random: the baseline that any other method has to beat."""

    def start(r: Request) -> np.ndarray:
        return baselines.chance(r.heads, seed, r.blocks)

    return Method("random", NO_UNIT, already_tied, needs_loss=False, start=start)


def _needed(value: T | None, what: str, name: str) -> T:
    if value is None:
        raise ValueError(f"score: expected {what} for {name}, got none")
    return value


def _watch(r: Request, own: ObservedPass | None, name: str) -> ObservedPass:
    known = watch_for(r.config) if own is None and r.config is not None else own
    return _needed(known, "a config as heads, or a watch,", name)


def _shared(r: Request) -> dict[str, Any]:
    """The arguments that gradient steps have in common."""
    same = None if r.blocks is None else same_block(r.blocks).astype(np.float32)
    return {"same_LL": same, "token": r.by_position, "mesh": r.mesh}


def _named_effects(rows: Effects) -> dict[str, np.ndarray]:
    named = {"effect": rows.effect_BLH, "token": rows.token_BLH}
    return {name: np.asarray(array) for name, array in named.items() if array is not None}


def _named_value(value: np.ndarray) -> dict[str, np.ndarray]:
    return {"value": value}


def _ablated(
    name: str, r: Request, variants: Variants, measure: ExampleMetric | None, rows: int
) -> Pass:
    objective = _needed(r.objective, "an objective", name)
    everywhere = rows * (1 if r.mesh is None else r.mesh.shape["data"])

    def step(batch):
        return [
            costs(objective, r.params, batch, gates_cLH, measure=measure, mesh=r.mesh)
            for gates_cLH in chunks(variants, max(1, everywhere // len(batch.weight_B)))
        ]

    def read(costs_of):
        return {"effect": effects(variants, np.concatenate(costs_of, axis=1))}

    return Pass(step, read)


def _attention(
    name: str, statistic: attention.Statistic, skipped: tuple[int, ...], watch: ObservedPass | None
) -> Method:
    def start(r: Request) -> Pass:
        shown = _watch(r, watch, name)

        def step(batch):
            return attention.attention_statistic(
                shown, statistic, r.params, batch, r.gate_LH, skipped=skipped, mesh=r.mesh
            )

        return Pass(step, _named_value)

    return Method(name, BY_ATTENTION, tie_mean, needs_loss=False, start=start)
