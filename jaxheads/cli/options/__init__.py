"""What each verb of the command line can be told: frozen dataclasses. Leaves that never start jax.

A field is an option: `batch_size` is `--batch-size`, its type parses the text, and without a
default it must be given. `cli.main` builds the parsers from these; what a verb runs takes one.
Names that another room owns (tasks, methods, units) are plain text here and checked by that room.
"""
