"""From a detractor's response to a delivered alert, on a real Kafka: how long it takes, and that each comes once."""
