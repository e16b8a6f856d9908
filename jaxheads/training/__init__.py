"""Training and evaluation: one loop for any objective."""
