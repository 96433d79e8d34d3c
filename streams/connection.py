"""How to reach the brokers: one value that every client is made from, so that none misses a security option."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


class ConnectionRefused(ValueError):
    """The options contradict each other or name a file that is not there; the message says what to change."""


@dataclass(frozen=True)
class Connection:
    """Brokers and credentials. `aiokafka` gives the keyword arguments for any aiokafka client."""

    bootstrap: str = "127.0.0.1:9092"
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    ssl_ca_file: str | None = None
    ssl_cert_file: str | None = None
    ssl_key_file: str | None = None

    @cached_property
    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context, or None without TLS. Raises ConnectionRefused if a certificate file cannot be read."""
        if "SSL" not in self.security_protocol:
            return None
        with self._reading_files():
            context = ssl.create_default_context(cafile=self.ssl_ca_file)
        self._load_own(context)
        return context

    def renew(self) -> None:
        """Read the certificates again, for all connections to come: they are replaced on the disk before they expire. Raises
        ConnectionRefused."""
        if self.ssl_context is None:
            return
        if self.ssl_ca_file:
            with self._reading_files():
                self.ssl_context.load_verify_locations(self.ssl_ca_file)
        self._load_own(self.ssl_context)

    def _load_own(self, context: ssl.SSLContext) -> None:
        if self.ssl_cert_file:
            with self._reading_files():
                context.load_cert_chain(self.ssl_cert_file, self.ssl_key_file)

    @contextmanager
    def _reading_files(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ssl.SSLError) as error:
            files = [f for f in (self.ssl_ca_file, self.ssl_cert_file, self.ssl_key_file) if f]
            raise ConnectionRefused(f"cannot load the TLS files {', '.join(files)}: {error}; check the paths") from error

    @property
    def aiokafka(self) -> dict[str, Any]:
        """Keyword arguments that every aiokafka client takes."""
        options: dict[str, Any] = {"bootstrap_servers": self.bootstrap, "security_protocol": self.security_protocol}
        if self.ssl_context is not None:
            options["ssl_context"] = self.ssl_context
        if self.sasl_mechanism is not None and self.security_protocol.startswith("SASL"):
            options["sasl_mechanism"] = self.sasl_mechanism
            options["sasl_plain_username"] = self.sasl_username
            options["sasl_plain_password"] = self.sasl_password
        return options
