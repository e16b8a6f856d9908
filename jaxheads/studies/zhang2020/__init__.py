"""Zhang et al. 2020: single-shot meta-pruning."""
