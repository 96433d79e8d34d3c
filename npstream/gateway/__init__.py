"""The gateway: survey platforms' webhooks and responses of programs over HTTP, into Kafka.

Whatever was answered with 2xx is in Kafka, acknowledged by all replicas; whatever was not will be sent again by who sent it.
Bodies go on byte for byte: what they mean is intake's business. Nothing here logs a body, a path with a token, or a secret.
"""
