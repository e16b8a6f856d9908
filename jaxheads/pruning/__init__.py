"""Pruning: from an array of scores to a mask, and from a mask to a smaller model."""
