"""Peyrard et al. 2021: the laughing head."""
