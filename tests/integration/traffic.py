"""What survey platforms send in a day, at the scale of a test: responses with duplicates, corrections, retractions, late,
expired and future ones, strays and records that cannot be used, some of it raw and some of it canonical.

Every record has a timestamp of its own, a millisecond after the one before, so it can be told apart in every topic that it
reaches, and no two versions of a response are the same. Left out is what the contract leaves open: responses at the edge of the
history, other respondents for a known response.
"""

import json
import random
from collections.abc import Mapping, Sequence
from typing import Any

from npstream import recount
from npstream.recount.reading import DAY_MS, format_time
from schemas import topics
from tests.integration.world import Sending

RAW_SHARE = 0.6
"""Of all records; the others are produced to nps.responses as a program of one's own would."""
RESPONSES_PER_ACCOUNT = 400
RESPONDENTS_PER_ACCOUNT = 60
PLANS, REGIONS = ("free", "team", "enterprise"), ("emea", "amer", "apac")
HISTORY_DAYS = (0, 0, 0, 1, 1, 2, 3, 5, 6, 7, 13, 14, 29, 30, 59, 60, 89, 90, 179, 180, 364, 365, 700)
"""How many days before its arrival somebody responded: around the edges of the windows, most of them recent."""
EXPIRED_DAYS = (760, 1500)

BAD_RAW: Sequence[tuple[bytes, str, tuple[tuple[str, bytes], ...]]] = (
    (b"no json", "not json", ()),
    (b'{"response_id": "r"', "not json", ()),
    (b"\xff\xfe\x00", "not json", ()),
    (b"", "empty", ()),
    (b"[]", "empty", ()),
    (b"[" * 2000, "too deep", ()),
    (b'{"a": 1}', "unknown shape", ()),
    (b'"text"', "unknown shape", ()),
    (b'{"response_id": "r", "account_id": "a", "score": 1}', "unknown vendor", (("nps-source", b"carrier-pigeon"),)),
    (b'{"response_id": "r", "account_id": "a", "score": 11, "responded_at": 1771063200}', "bad score", ()),
    (b'{"response_id": "r", "account_id": "a", "score": 9.5, "responded_at": 1771063200}', "bad score", ()),
    (b'{"response_id": "r", "account_id": "a", "responded_at": 1771063200}', "missing field", ()),
    (b'{"response_id": "r", "account_id": "a", "score": 1, "responded_at": "2026-03-01T09:30:00"}', "bad time", ()),
    (b'{"response_id": "r", "score": 1, "responded_at": 1771063200}', "no account", (("traceparent", b"00-1-2-01"),)),
    (b'{"response_id": ["r"], "account_id": "a", "score": 1, "responded_at": 1771063200}', "wrong type", ()),
)
"""Raw records that cannot be used, the reason of each, and its headers."""

BAD_RESPONSES = (
    b"no json",
    b"null",
    b"[" * 2000,
    b'{"response_id": "r", "account_id": "a", "responded_at": "2026-03-01T09:30:00.000Z"}',
    b'{"response_id": "r", "account_id": "a", "score": "9", "responded_at": "2026-03-01T09:30:00.000Z"}',
    b'{"response_id": "r", "account_id": "a", "score": 9, "responded_at": "2026-03-01T09:30:00"}',
    b'{"response_id": "r", "account_id": "a", "score": 9, "responded_at": 1771063200, "segments": {"Plan": "x"}}',
    b'{"kind": "retraction", "response_id": "r"}',
)
"""What a program of one's own may get wrong."""


class Traffic:
    """Makes records and remembers what intake must make of them. The same seed and start give the same records."""

    def __init__(self, seed: int, start_ms: int, partitions: int, records: int) -> None:
        self.expected: dict[int, dict[str, Any]] = {}
        """By the timestamp of a raw record, the canonical response that it holds."""
        self.refused: dict[int, str] = {}
        """By the timestamp of a raw record that cannot be used, the reason."""
        self._random = random.Random(seed)
        self._now = start_ms
        self._partitions = partitions
        self._accounts = max(4, records // RESPONSES_PER_ACCOUNT)
        self._made = 0
        self._known: list[dict[str, Any]] = []

    def take(self, count: int) -> list[Sending]:
        """The next records."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Sending:
        self._now += 1
        kind = self._random.random()
        if kind < 0.01:
            return self._bad()
        if kind < 0.06 and self._known:
            return self._send(self._random.choice(self._known))  # a duplicate
        if kind < 0.12 and self._known:
            return self._send(self._corrected())
        if kind < 0.14 and self._known:
            return self._send(self._retraction())
        return self._send(self._response())

    def _response(self) -> dict[str, Any]:
        chance = self._random
        self._made += 1
        account = f"account-{int(self._accounts * chance.random() ** 2)}"
        days = chance.choice(EXPIRED_DAYS) if chance.random() < 0.01 else chance.choice(HISTORY_DAYS)
        ago = days * DAY_MS + chance.randrange(3_600_000)
        if chance.random() < 0.005:
            ago = -3 * DAY_MS  # later than a clock may be wrong
        body: dict[str, Any] = {
            "response_id": f"r-{self._made}",
            "account_id": account,
            "score": chance.choice((chance.randrange(11), 9, 10, 3)),
            "responded_at": format_time(self._now - ago),
        }
        if chance.random() < 0.9:
            body["respondent_id"] = f"u-{chance.randrange(RESPONDENTS_PER_ACCOUNT)}@{account}.example"
        if chance.random() < 0.3:
            body["comment"] = f"It is what it is, said {self._made}: ☃"
        body["segments"] = {"plan": chance.choice(PLANS), "region": chance.choice(REGIONS)}
        body["source"] = chance.choice(("canonical", "typeform", "in-house"))
        if 0 <= days < min(EXPIRED_DAYS) and ago >= 0:
            self._known.append(body)
        return body

    def _corrected(self) -> dict[str, Any]:
        """Another score or comment for a response that came before; it comes again as that from then on."""
        place = self._random.randrange(len(self._known))
        body = dict(self._known[place])
        if self._random.random() < 0.7:
            body["score"] = self._random.randrange(11)
        if self._random.random() < 0.5:
            body["comment"] = f"On second thoughts {self._now}"
        self._known[place] = body
        return body

    def _retraction(self) -> dict[str, Any]:
        """Takes a response back for good: it is not spoken of again."""
        place = self._random.randrange(len(self._known))
        self._known[place], self._known[-1] = self._known[-1], self._known[place]
        body = self._known.pop()
        return {name: body[name] for name in ("response_id", "account_id", "source")} | {"kind": "retraction"}

    def _send(self, body: Mapping[str, Any]) -> Sending:
        value = json.dumps(body, ensure_ascii=False).encode()
        account: str = body["account_id"]
        if self._random.random() < RAW_SHARE:
            self.expected[self._now] = dict(body)
            # Platforms key by anything: what belongs together must keep its order all the same, so by the account here.
            return Sending(topics.RAW, value, f"key of {account}".encode(), self._now)
        partition = recount.home_of(account, self._partitions)
        if self._random.random() < 0.02:
            partition = (partition + 1) % self._partitions
        return Sending(topics.RESPONSES, value, account.encode(), self._now, partition)

    def _bad(self) -> Sending:
        partition = self._random.randrange(self._partitions)
        if self._random.random() < RAW_SHARE:
            value, reason, headers = self._random.choice(BAD_RAW)
            self.refused[self._now] = reason
            return Sending(topics.RAW, value, self._random.choice((None, b"any")), self._now, partition, headers)
        value = self._random.choice(BAD_RESPONSES)
        return Sending(topics.RESPONSES, value, b"any", self._now, partition, (("mine", b"\x00\xff"),))
