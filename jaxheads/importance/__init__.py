"""Importance of heads: from an objective, parameters and data to `score_LH`; higher means keep.

The methods are constructors in `importance.methods`.
"""

from jaxheads.importance.score import score_heads
from jaxheads.importance.scores import Scores, load_scores, save_scores
from jaxheads.importance.units import UNITS

__all__ = ["UNITS", "Scores", "load_scores", "save_scores", "score_heads"]
