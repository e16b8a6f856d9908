"""Bytes, here or at a URL."""
