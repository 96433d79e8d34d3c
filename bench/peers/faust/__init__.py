"""A plain Faust agent: at least once, its state in Faust's tables."""
