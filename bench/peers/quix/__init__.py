"""Quix Streams: at least once, its state in RocksDB and a changelog."""
