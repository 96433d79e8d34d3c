"""Kafka with a second listener, which asks for a log-in: the open one stays for the broker itself and who sets it up."""

from collections.abc import Mapping
from pathlib import Path

from npstream.broker import HOST, free_port
from tests.kafka.broker import KafkaBroker

LISTENER = "GUARDED"
"""Its name; the settings of the broker say which protocol it speaks."""


class GuardedKafka(KafkaBroker):
    """Kafka with one more listener, of which `settings` name the protocol and what it needs."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        super().__init__(settings)
        self.guarded = f"{HOST}:{free_port()}"
        """Where clients connect that have to log in."""

    def _write_properties(self, folder: Path) -> None:
        super()._write_properties(folder)
        properties = folder / "server.properties"
        lines = properties.read_text(encoding="utf-8").splitlines()
        listeners = ("listeners=", "advertised.listeners=")
        added = [f"{line},{LISTENER}://{self.guarded}" if line.startswith(listeners) else line for line in lines]
        properties.write_text("\n".join(added) + "\n", encoding="utf-8")
