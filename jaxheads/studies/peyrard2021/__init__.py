"""Peyrard et al. 2021: the head that attends to the funny word."""
