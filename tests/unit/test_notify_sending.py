"""Sinks against servers on loopback: what is on the wire, and what comes of what they answer."""

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web

from npstream.care.sinks import EmailTable, SlackTable
from npstream.failures import CheckFailed, UserError
from npstream.notifying.answers import Away, Refused, Taken
from npstream.notifying.orders import Order, outreach
from npstream.notifying.sinks.http import HIDDEN, READ_BYTES
from npstream.notifying.sinks.mail import MailSink
from npstream.notifying.sinks.registry import sink_of
from npstream.notifying.trial import try_sink
from schemas.codec import dumps
from schemas.examples import EXAMPLES
from tests.mail_server import Mailbox, mail_server
from tests.notifying import NOW, Came, order

PLANTED = "planted-secret"


class Receiver:
    """Answers POSTs."""

    def __init__(self) -> None:
        self.answers: deque[web.Response] = deque()
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.url = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.got.append((request.path, dict(request.headers), await request.read()))
        return self.answers.popleft() if self.answers else web.Response(text="ok")


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    made = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/services/{PLANTED}"
    try:
        yield made
    finally:
        await runner.cleanup()


async def post(url: str) -> Taken:
    async with aiohttp.ClientSession() as session:
        return await sink_of("slack", SlackTable(url=url), session, Path()).deliver(order(), NOW)


async def test_a_delivery_is_one_post_of_json() -> None:
    async with receiver() as there:
        assert await post(there.url) == Taken(200)
        ((path, headers, body),) = there.got
        assert path == f"/services/{PLANTED}"
        assert headers["Content-Type"] == "application/json"
        assert b"Acme" in body


async def test_what_is_refused_says_why_and_no_secret() -> None:
    async with receiver() as there:
        there.answers.append(web.Response(status=400, text=f"no such hook: {there.url}\n" + "x" * 10_000))
        with pytest.raises(Refused, match="answers 400: no such hook") as raised:
            await post(there.url)
        assert PLANTED not in str(raised.value)
        assert HIDDEN in str(raised.value)
        assert len(str(raised.value)) < READ_BYTES


async def test_a_redirect_is_not_followed() -> None:
    async with receiver() as there:
        there.answers.append(web.Response(status=307, headers={"Location": there.url}))
        with pytest.raises(Refused, match="answers 307"):
            await post(there.url)
        assert len(there.got) == 1


async def test_a_sink_that_wants_to_be_left_alone_says_for_how_long() -> None:
    async with receiver() as there:
        there.answers.append(web.Response(status=429, headers={"Retry-After": "7"}))
        with pytest.raises(Away) as raised:
            await post(there.url)
        assert (raised.value.status, raised.value.pause_s, raised.value.of_sink) == (429, 7.0, True)


async def test_nobody_at_the_address_is_a_sink_that_is_away() -> None:
    with pytest.raises(Away, match="does not answer") as raised:
        await post(f"http://127.0.0.1:1/{PLANTED}")
    assert PLANTED not in str(raised.value)


async def test_a_test_delivery_says_what_the_sink_answered() -> None:
    async with receiver() as there:
        assert await try_sink("slack", SlackTable(url=there.url), Path()) == Taken(200)
        assert b"nothing is to be done" in there.got[0][2]
        there.answers.append(web.Response(status=404, text="no_service"))
        with pytest.raises(CheckFailed, match="sink slack: answers 404: no_service; check its table"):
            await try_sink("slack", SlackTable(url=there.url), Path())


# --- mail ---


def table(port: int, **fields: Any) -> EmailTable:
    given = {"host": "127.0.0.1", "port": port, "tls": "none", "sender": "npstream@vendor.example",
             "to": ["csm@vendor.example"], **fields}  # fmt: skip
    return EmailTable(**given)


async def send(port: int, made: Order | None = None, **fields: Any) -> Taken:
    return await MailSink("mail", table(port, **fields), Path()).deliver(made or order(), NOW)


async def test_a_mail_arrives_as_it_was_made() -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        assert await send(port, order(title="Acme: größer, und 日本語")) == Taken(250)
    (mail,) = mailbox.mails
    assert mail["Subject"] == "[critical] Acme: größer, und 日本語"
    assert mail["Message-ID"] == "<d-77aa01c3d5e8@vendor.example>"
    assert "NPS -12.5" in mail.get_content()
    assert mailbox.recipients == [["csm@vendor.example"]]


async def test_a_first_message_goes_to_the_respondent_and_its_answer_to_the_owner() -> None:
    mailbox = Mailbox()
    made = outreach(Came(dumps(EXAMPLES["Outreach"])))
    assert made is not None
    async with mail_server(mailbox) as port:
        await send(port, made)
    (mail,) = mailbox.mails
    assert (mail["To"], mail["Reply-To"], mail["Auto-Submitted"]) == (
        "u-17@acme.example",
        "csm@vendor.example",
        "auto-generated",
    )
    assert mailbox.recipients == [["u-17@acme.example"]]


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        ("421 closing", Away, 421),
        ("450 try later", Away, 450),
        ("451 local error", Away, 451),
        ("452 no room", Away, 452),
        ("550 no such user", Refused, 550),
        ("552 too large", Refused, 552),
        ("554 spam", Refused, 554),
    ],
)
async def test_a_server_says_not_now_or_never(answer: str, kind: type[Away | Refused], status: int) -> None:
    mailbox = Mailbox()
    mailbox.answers.append(answer)
    async with mail_server(mailbox) as port:
        with pytest.raises(kind, match=f"answers {status}: ") as raised:
            await send(port)
        assert raised.value.status == status
        mailbox.refused["csm@vendor.example"] = answer
        with pytest.raises(kind) as raised:
            await send(port)
        assert raised.value.status == status


async def test_one_refused_recipient_of_several_is_noted() -> None:
    mailbox = Mailbox()
    mailbox.refused["left@vendor.example"] = "550 no such user"
    async with mail_server(mailbox) as port:
        taken = await send(port, to=["csm@vendor.example", "left@vendor.example"])
    assert taken.note == "1 of 2 recipients refused"
    assert mailbox.recipients == [["csm@vendor.example"]]


async def test_what_is_recorded_and_logged_of_a_refusal_names_nobody() -> None:
    mailbox = Mailbox()
    mailbox.refused["csm@vendor.example"] = "550 <csm@vendor.example>: unknown"
    async with mail_server(mailbox) as port:
        with pytest.raises(Refused) as raised:
            await send(port)
    assert str(raised.value) == "refuses all recipients: 550 <***>: unknown"
    assert raised.value.brief == "refuses all recipients (550)"


async def test_a_server_that_is_not_there_is_away() -> None:
    with pytest.raises(Away, match="does not answer") as raised:
        await send(1)
    assert raised.value.of_sink


async def test_a_server_that_says_nothing_is_away() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        with pytest.raises(Away, match="does not answer"):
            await send(server.sockets[0].getsockname()[1], timeout_s=0.1)


class Authority:
    """Signs the server's certificate, and stands in a file."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert("127.0.0.1").configure_cert(self.server)
        self.file = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.file))


@pytest.mark.parametrize("tls", ["starttls", "tls"])
async def test_mail_is_encrypted_and_logged_in(tls: str, tmp_path: Path) -> None:
    authority, mailbox = Authority(tmp_path), Mailbox()
    mailbox.users["npstream"] = PLANTED
    async with mail_server(mailbox, authority.server, at_once=tls == "tls") as port:
        login = {"tls": tls, "ca_file": str(authority.file), "username": "npstream"}
        await send(port, password=PLANTED, **login)
        assert (mailbox.secured, mailbox.logins) == ([True], ["npstream"])
        with pytest.raises(Refused, match="answers 535") as raised:
            await send(port, password=f"{PLANTED}-too", **login)
        assert PLANTED not in str(raised.value)
        with pytest.raises(Away, match="does not answer"):
            await send(port, tls=tls)  # whose certificate nobody knows
    assert len(mailbox.mails) == 1


async def test_a_server_without_starttls_gets_no_mail() -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as port:
        with pytest.raises(Away, match="STARTTLS"):
            await send(port, tls="starttls")
    assert mailbox.mails == []


async def test_an_authority_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(UserError, match=r"sinks\.mail: cannot read the authorities in ca_file nowhere\.pem"):
            sink_of("mail", table(25, tls="tls", ca_file="nowhere.pem"), session, tmp_path)
