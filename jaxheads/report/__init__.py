"""Reports: figures from the records on disk alone; nothing here starts jax."""
