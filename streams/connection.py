"""How to reach the brokers: one value that every client is made from, so that none misses a security option."""

import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any


class ConnectionRefused(ValueError):
    """The options contradict each other or name a file that is not there; the message says what to change."""


class FreshContext(ssl.SSLContext):
    """A TLS context that reads its files again for each connection: they are replaced on the disk before they expire, and a
    worker lives longer than they do."""

    def __new__(cls, read: Callable[[], ssl.SSLContext]) -> "FreshContext":
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, read: Callable[[], ssl.SSLContext]) -> None:
        """`read` makes a context of what the files hold. Raises ConnectionRefused if one cannot be read."""
        self._read = read
        self._last = read()

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """See `ssl.SSLContext`: this is how event loops use it. Files that cannot be read are being replaced just now: then
        what they held before."""
        with suppress(ConnectionRefused):
            self._last = self._read()
        return self._last.wrap_bio(*arguments, **named)


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
    ssl_key_password: str | None = field(default=None, repr=False)

    @cached_property
    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS context, or None without TLS. Raises ConnectionRefused if a certificate file cannot be read."""
        return FreshContext(self._read_files) if "SSL" in self.security_protocol else None

    def _read_files(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ssl_ca_file)
            if self.ssl_cert_file:
                # Not None: OpenSSL would ask at the terminal for the password of a key that has one.
                context.load_cert_chain(self.ssl_cert_file, self.ssl_key_file, self.ssl_key_password or "")
        except (OSError, ssl.SSLError) as error:
            files = [f for f in (self.ssl_ca_file, self.ssl_cert_file, self.ssl_key_file) if f]
            raise ConnectionRefused(
                f"cannot load the TLS files {', '.join(files)}: {error}; check the paths and ssl_key_password"
            ) from error
        return context

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
