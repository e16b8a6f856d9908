"""Models: one encoder for four families, readouts, exchange with Hugging Face checkpoints."""
