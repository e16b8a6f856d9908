"""The table of methods: what each one runs on a batch, and which units of score it allows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from jaxheads.config import EncoderConfig
from jaxheads.importance import ablation, attention, gradient
from jaxheads.importance.chance import chance
from jaxheads.importance.magnitude import magnitude
from jaxheads.importance.meta.pruner import Pruner
from jaxheads.importance.meta.scoring import channel_of, pruner_scores
from jaxheads.importance.units import same_block
from jaxheads.objectives import Objective, Watch, watch_for


@dataclasses.dataclass(frozen=True)
class Settings:
    """Knobs of single methods and units; the others take no notice of them."""

    group: int = 32  # the unit "batch": consecutive examples whose effects are summed
    points: int = 8  # integrated: points of the rule
    rule: str = "gauss"  # integrated: one of gradient.RULES
    rows: int = 128  # ablation, alone: examples x variants of the gate at a time, on each device
    measure: ablation.Measure | None = None  # ablation, alone: more is better; None: minus the loss
    skipped: tuple[int, ...] = ()  # confidence, entropy, output_norm: ids of tokens left out
    watch: Watch | None = None  # ... : what shows the attention of a model of your own
    seed: int = 0  # random
    pruner: Pruner | None = None  # meta
    pair: bool = False  # meta: the examples are pairs of sentences


class Request(NamedTuple):
    """What a method may need, checked and complete; `score_heads` explains the parts."""

    method: str
    unit: str
    heads: tuple[int, int]
    config: EncoderConfig | None
    objective: Objective | None
    params: Any
    gate_LH: Float[np.ndarray, "L H"]
    blocks: tuple[int, ...] | None
    mesh: Mesh | None
    settings: Settings

    @property
    def watch(self) -> Watch | None:
        """What shows attention maps."""
        own = self.settings.watch
        return watch_for(self.config) if own is None and self.config is not None else own

    @property
    def pruner(self) -> Pruner | None:
        """What scores attention maps, if there are any to be seen."""
        return self.settings.pruner if self.watch is not None else None

    @property
    def shared(self) -> dict[str, Any]:
        """The arguments that gradient steps have in common."""
        same = None if self.blocks is None else same_block(self.blocks).astype(np.float32)
        return {"same_LL": same, "token": self.unit == "token", "mesh": self.mesh}


Step = Callable[[Any], Any]  # a batch -> device arrays whose first axis is the batch
Read = Callable[[Any], dict[str, np.ndarray]]  # those of one process, as numpy -> named [b, L, H]


class Method(NamedTuple):
    """One way to score heads.

    `units` lists those that make sense, the default first. `tie` says how the uses of a shared head
    come together: "sum" or "mean" of what `Read` returns, "step" (the step does it) or None (not
    at all). A method has either `prepare`, for every batch, or `direct`, which reads no data.
    """

    units: tuple[str, ...]
    tie: str | None
    needs: str | None  # the part of `Request` without which it cannot be had
    prepare: Callable[[Request], tuple[Step, Read]] | None = None
    direct: Callable[[Request], Float[np.ndarray, "L H"]] | None = None


def _gradient(r: Request) -> tuple[Step, Read]:
    def step(batch):
        return gradient.gate_gradients(r.objective, r.params, batch, r.gate_LH, **r.shared)

    return step, _name_effects


def _integrated(r: Request) -> tuple[Step, Read]:
    rule = gradient.quadrature(r.settings.rule, r.settings.points)

    def step(batch):
        return gradient.integrated_gradients(
            r.objective, r.params, batch, r.gate_LH, rule, **r.shared
        )

    return step, _name_effects


def _name_effects(rows: gradient.Effects) -> dict[str, np.ndarray]:
    named = {"effect": rows.effect_BLH, "token": rows.token_BLH}
    return {name: array for name, array in named.items() if array is not None}


def _without_each(r: Request) -> tuple[Step, Read]:
    return _ablation(r, ablation.without_each(r.gate_LH, r.blocks))


def _alone(r: Request) -> tuple[Step, Read]:
    return _ablation(r, ablation.alone_in_layer(r.gate_LH))


def _ablation(r: Request, variants: ablation.Variants) -> tuple[Step, Read]:
    rows = r.settings.rows * (1 if r.mesh is None else r.mesh.shape["data"])

    def step(batch):
        return [
            ablation.costs(
                r.objective, r.params, batch, gates_cLH, measure=r.settings.measure, mesh=r.mesh
            )
            for gates_cLH in ablation.chunks(variants, max(1, rows // len(batch.weight_B)))
        ]

    def read(costs):
        return {"effect": ablation.effects(variants, np.concatenate(costs, axis=1))}

    return step, read


def _attention(r: Request) -> tuple[Step, Read]:
    statistic = attention.STATISTICS[r.method]

    def step(batch):
        return attention.attention_statistic(
            r.watch, statistic, r.params, batch, r.gate_LH,
            skipped=r.settings.skipped, mesh=r.mesh,
        )  # fmt: skip

    return step, lambda value: {"value": value}


def _meta(r: Request) -> tuple[Step, Read]:
    pruner = r.pruner
    assert pruner is not None  # as the table says
    channel = channel_of(r.settings.pair)

    def step(batch):
        return pruner_scores(
            r.watch, pruner.config, channel, pruner.params, r.params, batch, r.gate_LH, mesh=r.mesh
        )

    return step, lambda value: {"value": value}


def _magnitude(r: Request) -> Float[np.ndarray, "L H"]:
    assert r.config is not None  # as the table says
    return magnitude(r.config, r.params)


def _chance(r: Request) -> Float[np.ndarray, "L H"]:
    return chance(r.heads, r.settings.seed, r.blocks)


_BY_GRADIENT = ("example", "token", "batch", "signed", "fisher")
_BY_ABLATION = ("signed", "example", "batch", "fisher")

METHODS: dict[str, Method] = {
    "gradient": Method(_BY_GRADIENT, "sum", "objective", _gradient),
    "integrated": Method(_BY_GRADIENT, "sum", "objective", _integrated),
    "ablation": Method(_BY_ABLATION, "step", "objective", _without_each),
    "alone": Method(("signed",), None, "objective", _alone),
    "confidence": Method(("mean",), "mean", "watch", _attention),
    "entropy": Method(("mean",), "mean", "watch", _attention),
    "output_norm": Method(("mean",), "mean", "watch", _attention),
    "meta": Method(("mean",), "mean", "pruner", _meta),
    "magnitude": Method(("none",), "step", "config", direct=_magnitude),
    "random": Method(("none",), "step", None, direct=_chance),
}
