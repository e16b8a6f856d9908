"""Sections of the page on Peyrard et al. 2021: the laughing head."""
