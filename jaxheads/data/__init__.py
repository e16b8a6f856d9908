"""Data: text files to batches of arrays. Knows nothing of models."""
