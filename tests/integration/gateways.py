"""A gateway as it runs in production: a process of its own, told what to do by its environment alone.

with Gateway(bootstrap, folder, gateway_secrets="typeform=s") as gateway:
    status, headers, body = gateway.post("/webhooks/typeform", b"{}", {...})
"""

import http.client
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from npstream.broker import HOST
from npstream.child import Child
from tests.integration.workers import SURPRISES, environment, until

READY_TIMEOUT_S = 60.0
"""It is ready within 2 s on a quiet machine."""
ANSWER_TIMEOUT_S = 30.0
"""Bound of one request; the gateway's own bound is shorter."""
END_TIMEOUT_S = 30.0
"""It ends within a second or two."""
LOG_LINES = 60
"""How much of the log is shown at the end of a test."""


class Answer(NamedTuple):
    """What came back; status 0 if nobody answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Gateway:
    """One `npstream gateway`."""

    def __init__(self, bootstrap: str, folder: Path, **settings: object) -> None:
        log = folder / "gateway.log"
        log.touch()
        settings = {"gateway_port": 0, **settings}
        self._child = Child([sys.executable, "-m", "npstream", "gateway"], log, environment(bootstrap, "unused", settings))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    @property
    def log(self) -> str:
        """All that it wrote."""
        return self._child.log.read_text(encoding="utf-8", errors="replace")

    @property
    def port(self) -> int:
        """Where it listens; 0 until it does."""
        found = re.search(rf"webhooks on http://{re.escape(HOST)}:(\d+)", self.log)
        return int(found[1]) if found else 0

    def get(self, path: str) -> Answer:
        """Ask for something."""
        return self._request("GET", path, None, {})

    def post(
        self, path: str, body: bytes | Iterable[bytes], headers: Mapping[str, str] | None = None, chunked: bool = False
    ) -> Answer:
        """Post a body on a connection of its own."""
        return self._request("POST", path, body, dict(headers or {}), chunked)

    def _request(
        self, method: str, path: str, body: bytes | Iterable[bytes] | None, headers: dict[str, str], chunked: bool = False
    ) -> Answer:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=ANSWER_TIMEOUT_S)
        try:
            connection.request(method, path, body, headers, encode_chunked=chunked)
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        except OSError as error:
            return Answer(0, {}, str(error).encode())
        finally:
            connection.close()

    def wait(self, path: str, status: int) -> Self:
        """Return once it answers so. Raises AssertionError if it does not, or ends."""

        def answers() -> bool:
            if not self._child.alive:
                raise AssertionError(f"the gateway ended:\n{self._child.tail()}")
            return self.port != 0 and self.get(path).status == status

        until(answers, f"the gateway answers {path} with {status}", READY_TIMEOUT_S)
        return self

    def ready(self) -> Self:
        """Return once Kafka can be reached."""
        return self.wait("/health/ready", 200)

    def ask_to_end(self) -> None:
        """SIGTERM."""
        self._child.signal(signal.SIGTERM)

    def ended(self) -> int:
        """Wait for its end; the exit code. Raises AssertionError if it goes on."""
        try:
            return self._child.process.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the gateway has not ended after {END_TIMEOUT_S:g} s") from None

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.ask_to_end()
        return self.ended()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._child.kill()
        print("--- the end of the log of the gateway")
        print("\n".join(self.log.splitlines()[-LOG_LINES:]))
        if error is None:
            assert not [sign for sign in SURPRISES if sign in self.log], "the gateway logged a traceback"
