"""Bytewax: its state in snapshots on the disk, from which it repeats what came after."""
