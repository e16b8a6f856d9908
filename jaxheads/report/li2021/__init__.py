"""Sections of the page on Li et al. 2021: differentiable subset pruning."""
