"""A loop written by hand on aiokafka: at least once, its state in changelogs of its own."""
