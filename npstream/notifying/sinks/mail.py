"""Mail by SMTP submission: alerts to those who look after customers, and first messages to respondents.

The Message-ID follows from the delivery's id, so that a mailbox that knows repeats shows one. A server's 4xx is asked again,
its 5xx is for good (RFC 5321, 4.2.1). Auto-Submitted keeps automatic replies away (RFC 3834).
"""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Final

import aiosmtplib
from aiosmtplib import (
    SMTPException,
    SMTPNotSupported,
    SMTPRecipientsRefused,
    SMTPResponseException,
)
from msgspec import UNSET

from npstream.care.sinks import ADDRESS, EmailTable
from npstream.notifying.answers import Away, Refused, Taken, shortened
from npstream.notifying.orders import Order
from npstream.notifying.sinks.http import HIDDEN
from npstream.notifying.sinks.telling import account_line, cut, item_lines, minute, more_line, one_line, over, plain_id
from schemas.alerts import Alert
from schemas.outreach import Outreach

ACCEPTED: Final = 250
CLOSING: Final = 421
"""The server is going, whatever it is sent."""
SUBJECT_CHARS: Final = 200
_LANGUAGE: Final = re.compile(r"[A-Za-z0-9-]{1,35}")


class MailSink:
    """Hands mail to one server, a connection for each."""

    def __init__(self, name: str, table: EmailTable, folder: Path) -> None:
        """`folder`: where its ca_file is looked for. Raises OSError, ssl.SSLError for one that cannot be read."""
        self.name = name
        self._table = table
        self._context = None
        if table.tls != "none":
            ca_file = str(folder / table.ca_file) if table.ca_file else None
            self._context = ssl.create_default_context(cafile=ca_file)

    async def deliver(self, order: Order, now_ms: int) -> Taken:
        """See `npstream.notifying.delivering.Sink`."""
        table = self._table
        try:
            message = mail(order, table)
            refused, _ = await aiosmtplib.send(
                message,
                sender=table.sender,
                hostname=table.host,
                port=table.port,
                username=table.username or None,
                password=str(table.password) or None,
                timeout=table.timeout_s,
                use_tls=table.tls == "tls",
                start_tls=table.tls == "starttls",
                tls_context=self._context,
            )
        except (SMTPException, OSError, ValueError) as error:
            raise judged(error) from error
        note = f"{len(refused)} of {len(message['To'].addresses)} recipients refused" if refused else ""
        return Taken(ACCEPTED, note)


def judged(error: Exception) -> Away | Refused:
    """What an error of the mail library means."""
    match error:
        case SMTPRecipientsRefused(recipients=recipients):
            codes = [one.code for one in recipients]
            passing = [code for code in codes if code < 500]
            # Without addresses: what is recorded is kept longer than a respondent may want.
            said = ", ".join(f"{one.code} {one.message.replace(one.recipient, HIDDEN)}" for one in recipients)
            said, brief = f"refuses all recipients: {shortened(said)}", f"refuses all recipients ({codes[0]})"
            return Away(said, passing[0], brief=brief) if passing else Refused(said, codes[0], brief)
        case SMTPResponseException(code=code, message=message):
            brief = f"answers {code}"
            said = f"{brief}: {shortened(message)}"
            if 400 <= code < 500:
                return Away(said, code, of_sink=code == CLOSING, brief=brief)
            return Refused(said, code, brief) if code >= 500 else Away(said, None, of_sink=True, brief=brief)
        case SMTPNotSupported():
            return Refused(f"cannot do what is asked for: {shortened(str(error))}", None, "cannot do what is asked for")
        case OSError():
            return Away(f"does not answer ({type(error).__name__})", of_sink=True)
        case ValueError():
            return Refused(f"this is no mail: {shortened(str(error))}", None, "this is no mail")
        case _:
            return Away(f"cannot be used: {shortened(str(error))}", of_sink=True)


def mail(order: Order, table: EmailTable) -> EmailMessage:
    """The message. Raises Refused where there is nobody to send it to."""
    message = EmailMessage(policy=SMTP)
    message["From"] = table.sender
    domain = table.sender.rpartition("@")[2]
    content = order.content
    if isinstance(content, Outreach):
        text = _first_touch(message, content)
    else:
        recipients = list(_recipients(content, table))
        if not recipients:
            raise Refused("there is nobody to send it to: the sink has no to, and no owner is an address")
        message["To"] = ", ".join(recipients)
        state = "resolved" if content.status == "resolved" else content.severity
        message["Subject"] = cut(f"[{state}] {one_line(content.title)}", SUBJECT_CHARS)
        thread = f"<{plain_id(content.dedup_key)}@{domain}>"
        message["References"] = thread  # nobody has sent it; but mail programs put together what refers to the same
        text = _told(content)
    message["Message-ID"] = f"<{plain_id(order.delivery_id)}@{domain}>"
    message["Date"] = format_datetime(datetime.fromtimestamp(order.created_ms // 1000, UTC))
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    return message


def _first_touch(message: EmailMessage, outreach: Outreach) -> str:
    if outreach.to is UNSET or not ADDRESS.fullmatch(outreach.to):
        raise Refused("there is nobody to send it to: `to` is no address")
    if outreach.text is UNSET or outreach.subject is UNSET:
        raise Refused("there is nothing to send: it has no subject, or no text")
    message["To"] = outreach.to
    if outreach.reply_to is not UNSET and ADDRESS.fullmatch(outreach.reply_to):
        message["Reply-To"] = outreach.reply_to
    if outreach.locale is not UNSET and _LANGUAGE.fullmatch(outreach.locale):
        message["Content-Language"] = outreach.locale
    message["Subject"] = cut(one_line(outreach.subject), SUBJECT_CHARS)
    return outreach.text


def _recipients(alert: Alert, table: EmailTable) -> Iterator[str]:
    """Each once, in order."""
    seen: set[str] = set()
    owners = [item.owner for item in alert.items if item.owner is not UNSET]
    if not owners and alert.account is not UNSET and alert.account.owner is not UNSET:
        owners = [alert.account.owner]
    for address in [*table.to, *(owners if table.to_owner else [])]:
        if ADDRESS.fullmatch(address) and address.lower() not in seen:
            seen.add(address.lower())
            yield address


def _told(alert: Alert) -> str:
    lines = [one_line(alert.title), ""]
    for item in alert.items:
        state = "over" if over(alert, item) else item.severity
        lines.append(f"{minute(item.starts_at)}  {state}  {one_line(item.headline)}")
        lines += [f"    {line}" for line in item_lines(alert, item)]
    lines += [more_line(alert)] if alert.more else []
    lines += ["", f"Account: {account_line(alert)}", f"Route {alert.route}, delivery {alert.delivery_id}"]
    return "\n".join(lines) + "\n"
