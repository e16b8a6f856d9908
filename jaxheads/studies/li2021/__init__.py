"""Li et al. 2021: differentiable subset pruning."""
