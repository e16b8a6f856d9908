"""Every knob: frozen dataclasses that validate themselves. Never starts jax."""

from jaxheads.config.model import LABELLED, EncoderConfig, ReadoutConfig, ReadoutKind
from jaxheads.config.training import Compute, OptimizerConfig, PrunerConfig, TrainingConfig

__all__ = [
    "LABELLED",
    "Compute",
    "EncoderConfig",
    "OptimizerConfig",
    "PrunerConfig",
    "ReadoutConfig",
    "ReadoutKind",
    "TrainingConfig",
]
