"""Studies: one file per paper's claim, and what the verbs of the command line run."""
