"""Sentences with gold structure: constituents and dependencies."""
