"""What happens: one agent a file, its rules beside it. Pure: no Kafka, no clock, no I/O."""
