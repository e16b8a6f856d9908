"""Models: one encoder for four families, its readouts, and their exchange with Hugging Face checkpoints."""
