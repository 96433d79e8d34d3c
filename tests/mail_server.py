"""A mail server on loopback that keeps what it gets, and refuses on demand."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from threading import Event, Thread
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

TAKEN = "250 OK"
START_TIMEOUT_S = 10.0
"""It starts within milliseconds."""


class Mailbox:
    """What aiosmtpd calls a handler; and who may log in."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.secured: list[bool] = []
        """Of each mail, whether it came over TLS."""
        self.logins: list[str] = []
        """Of each mail, as whom; empty without."""
        self.answers: deque[str] = deque()
        """To the next mails."""
        self.refused: dict[str, str] = {}
        """Answers by recipient."""
        self.users: dict[str, str] = {}
        """Passwords by name."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return TAKEN

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        answer = self.answers.popleft() if self.answers else TAKEN
        if answer == TAKEN:
            self.mails.append(BytesParser(policy=default).parsebytes(envelope.original_content or b""))
            self.recipients.append(list(envelope.rcpt_tos))
            self.secured.append(server.transport.get_extra_info("ssl_object") is not None)
            self.logins.append(session.auth_data or "")
        return answer

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        name = given.login.decode()
        known = self.users.get(name) == given.password.decode()
        return AuthResult(success=known, handled=False, auth_data=name)


@asynccontextmanager
async def mail_server(mailbox: Mailbox, tls: ssl.SSLContext | None = None, at_once: bool = False) -> AsyncIterator[int]:
    """One on the running loop; its port. With `tls` it wants STARTTLS, or `at_once` TLS from the first byte."""
    loop = asyncio.get_running_loop()

    def connected() -> SMTP:
        return SMTP(
            mailbox,
            authenticator=mailbox.authenticate,
            auth_require_tls=False,
            tls_context=None if at_once else tls,
            require_starttls=tls is not None and not at_once,
            enable_SMTPUTF8=True,
            loop=loop,
        )

    server = await loop.create_server(connected, "127.0.0.1", 0, ssl=tls if at_once else None)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextmanager
def mail_server_for_processes(mailbox: Mailbox) -> Iterator[int]:
    """The same without TLS, in a thread of its own: for processes that send mail."""
    with asyncio.Runner() as runner:
        ready, done, ports = Event(), asyncio.Event(), []

        async def serve() -> None:
            async with mail_server(mailbox) as port:
                ports.append(port)
                ready.set()
                await done.wait()

        thread = Thread(target=runner.run, args=(serve(),))
        thread.start()
        try:
            assert ready.wait(START_TIMEOUT_S), "the mail server has not started"
            yield ports[0]
        finally:
            runner.get_loop().call_soon_threadsafe(done.set)
            thread.join()
