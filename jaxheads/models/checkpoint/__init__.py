"""Checkpoints in Hugging Face's layout: files in, files out; one file a family."""
