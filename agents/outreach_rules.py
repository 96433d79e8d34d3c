"""Whether a detractor is sent a first message: what must be so, in which order it is asked, and how the answer is put.

| asked in this order | else |
|---|---|
| nobody has spoken to the customer since the response | answered |
| the case is open | closed |
| the respondent has not asked for peace | opted out |
| the respondent_id is an e-mail address | no address |
| there was no message within the cool-down | cool-down |
| it is not too long after it was due | too late |
| the account has had fewer than its share today | account cap |
| all accounts have | daily cap |

What is known of the person comes first, so that a reason stays the same however many others are written to; caps come last,
so that nobody takes a place who gets no message.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from msgspec import UNSET

from agents.outreach_hours import MessageHours
from schemas.cases import Case, CaseState
from schemas.outreach import Suppression
from streams.processor import DAY_MS

HOUR_MS: Final = 3_600_000
MINUTE_MS: Final = 60_000
CLOSED: Final[frozenset[CaseState]] = frozenset({"resolved", "expired", "withdrawn"})
LONGEST_ADDRESS: Final = 254
"""Characters of an address that can be in an envelope (RFC 5321 with its erratum 1690)."""
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z][A-Za-z0-9-]*[A-Za-z0-9]"
)
"""What the HTML standard takes for an e-mail address, with a dot in its domain: no blanks, line ends, quotes or commas."""


class Message(NamedTuple):
    """What is written to somebody."""

    subject: str
    """One line."""
    text: str
    template: str
    locale: str
    failed: str = ""
    """The template that should have been used and could not be; empty if all went well."""


Render = Callable[[Case, int], Message]
"""Of a case, in its locale, at a time in ms UTC: what it says of times is so then. Pure, and raises nothing."""


def is_address(text: object) -> bool:
    """Whether it is an e-mail address that any mail system takes: what is no ASCII is left to other ways."""
    return isinstance(text, str) and len(text) <= LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def reply_address(case: Case, otherwise: str) -> str:
    """Where an answer to a message about a case goes: to its owner, if that is an address."""
    return case.owner if case.owner is not UNSET and is_address(case.owner) else otherwise


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstTouchSettings:
    """Under which rules messages are sent. Raises ValueError for values out of range."""

    render: Render
    delay_minutes: int = 5
    """Between the response and the message: so that a person may be faster."""
    cooldown_days: int = 30
    """Between two messages to one respondent: what comes more often is taken for what it is, a machine."""
    account_cap: int = 20
    """Messages to an account on a UTC day: when more of its people are unhappy at once, the account needs a person."""
    daily_cap: int = 2_000
    """Messages on a UTC day, of all accounts: what a mail system and those who get the answers can bear."""
    latest_h: int = 12
    """Hours after which a message is no reply any more, from when it was first due."""
    reply_to: str = ""
    """Where replies go if the case's owner is no e-mail address."""
    hours: MessageHours = field(default_factory=MessageHours)

    def __post_init__(self) -> None:
        for name, least in {"delay_minutes": 0, "cooldown_days": 0, "account_cap": 1, "daily_cap": 1, "latest_h": 1}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}")
        if self.reply_to and not is_address(self.reply_to):
            raise ValueError(f"reply_to is {self.reply_to!r}: it must be an e-mail address")

    @property
    def delay_ms(self) -> int:
        """The delay in ms."""
        return self.delay_minutes * MINUTE_MS

    @property
    def cooldown_ms(self) -> int:
        """The cool-down in ms."""
        return self.cooldown_days * DAY_MS

    def expires(self, due: int) -> int:
        """From when on a message that was first due at a time must not be sent any more; all in ms UTC."""
        return due + self.latest_h * HOUR_MS

    def share(self, partitions: int) -> int:
        """What one partition may send on a day. Partitions know nothing of each other (a task shares no state), so each has the
        same part of the cap; at least one, or with few messages and many partitions there would be none at all."""
        return max(1, self.daily_cap // partitions)


class Circumstances(NamedTuple):
    """What is known when a message is due. Times in ms, UTC."""

    answered: bool
    """Whether a person spoke to the customer after the response."""
    case_state: CaseState
    opted_out: bool
    address: str
    last_sent_at: int | None
    """When the respondent was last sent a message; None if that is forgotten, or never was."""
    expires_at: int
    sent_to_account: int
    """Messages of this UTC day."""
    sent_by_partition: int
    partitions: int


def suppression(facts: Circumstances, settings: FirstTouchSettings, now: int) -> Suppression | None:
    """Why no message is sent now, in ms UTC; None: it is sent."""
    if facts.answered:
        return "answered"
    if facts.case_state in CLOSED:
        return "closed"
    if facts.opted_out:
        return "opted out"
    if not is_address(facts.address):
        return "no address"
    if facts.last_sent_at is not None and now - facts.last_sent_at < settings.cooldown_ms:
        return "cool-down"
    if now >= facts.expires_at:
        return "too late"
    if facts.sent_to_account >= settings.account_cap:
        return "account cap"
    if facts.sent_by_partition >= settings.share(facts.partitions):
        return "daily cap"
    return None
