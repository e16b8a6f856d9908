"""Scores from a network that learned on other tasks (Zhang et al. 2020)."""
