"""The built-in language: an English-like grammar and tasks whose answers are known."""
