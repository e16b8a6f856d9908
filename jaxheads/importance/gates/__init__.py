"""Gates as values, and gates that are learned."""
