"""`python -m tests.kafka`: one Kafka node until Ctrl-C or SIGTERM; prints where it listens."""

import contextlib
import signal

from tests.kafka.broker import KafkaBroker

signal.signal(signal.SIGTERM, signal.default_int_handler)
with contextlib.suppress(KeyboardInterrupt), KafkaBroker() as kafka:
    print(kafka.bootstrap, flush=True)
    signal.pause()
