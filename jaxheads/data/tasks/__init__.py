"""Tasks: what is asked about a text, with which labels, and the examples of a data set."""
