"""What more processes, more partitions and fewer units bring and cost, and how long a hand-over takes: see `__main__`."""
