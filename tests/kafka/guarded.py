"""Kafka with a second listener, which asks for a log-in: the open one stays for the broker itself and who sets it up."""

from collections.abc import Mapping

from npstream.broker import HOST, free_port
from tests.kafka.broker import KafkaBroker, Listener

LISTENER = "GUARDED"
"""Its name; the settings of the broker say which protocol it speaks."""


class GuardedKafka(KafkaBroker):
    """Kafka with one more listener, of which `settings` name the protocol and what it needs."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self.guarded = f"{HOST}:{free_port()}"
        """Where clients connect that have to log in."""
        super().__init__(settings, listeners=[Listener(LISTENER, self.guarded, self.guarded)])
