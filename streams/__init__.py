"""How it flows: the engine. It knows partitions, positions, state and transactions, and nothing of what the records mean."""
