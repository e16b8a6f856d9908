"""How figures look, and the parts that all of them share."""
