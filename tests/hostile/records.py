"""A seeded source of hostile records: of each topic that an agent reads, of the changelog, of what commands show, of files.

What is made is near enough to the real thing that much of it is accepted: ids are few, so that duplicates, corrections and
retractions meet each other.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Final, NamedTuple

import orjson

from agents.case_keys import subject
from agents.case_responses import case_id as made_case_id
from schemas import topics
from schemas.dead_letters import ERROR_PREFIX, REASON_HEADER
from schemas.erasures import entry_key, respondent_hash
from schemas.examples import EXAMPLES
from schemas.topics import BY_NAME
from streams.changelog import META_KEY, Meta, Owner, Position, position_key, state_prefix
from streams.partitioner import partition_of
from streams.processor import DAY_MS
from tests.hostile import bytes_mutations, json_mutations, packed_mutations
from tests.hostile.stored import real_values
from tests.payloads import NAMES, raw

NOW: Final = 1_772_357_400_000
"""2026-03-01T09:30:00Z: the wall clock, ms UTC."""

Headers = list[tuple[str, Any]]
"""Kafka allows headers without a value, which the type of ours does not say."""


def first_case_id(account: str, who: str, response: str) -> str:
    """The id of a respondent's first case."""
    return made_case_id(subject(account, who, response), response, 1)


class Hostile(NamedTuple):
    """One record on its way in."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp: int
    partition: int


TIMESTAMPS: Final = (
    *(0, -1, 1, NOW - 1, NOW - 40 * DAY_MS, NOW - 3_000 * DAY_MS, NOW + 2 * DAY_MS, NOW + 3_000 * DAY_MS),
    *(7_258_118_400_000, -(2**40), 253_402_300_799_999),
)
UNSAYABLE: Final = (253_402_300_800_000, 2**62, 2**63 - 1, -(2**63), -62_135_596_800_001)
"""Timestamps beyond the years 1 to 9999, which no date can say."""
KEYS: Final = (None, b"", b"acme", b"globex", b"\xff\xfe", b"\0", b"k" * 5_000)
HEADER_VALUES: Final = (
    None,
    b"",
    b" ",
    b"acme",
    b"canonical",
    b" Delighted ",
    b"typeform",
    b"nobody",
    b"\xff",
    b"\0",
    b"h" * 3_000,
)
HEADER_NAMES: Final = (
    *("nps-source", "nps-source", "nps-account", "nps-account", "traceparent", "", "x", "é☃", "nps-stray", "nps-replayed"),
    *(REASON_HEADER, ERROR_PREFIX + "topic", ERROR_PREFIX + "offset", ERROR_PREFIX + "stage"),
)
FACTS: Final = {
    "name": "Acme",
    "owner": "csm-1",
    "tier": "gold",
    "value": 1200,
    "segments": {"plan": "pro", "region": "emea"},
    "renewal_date": "2026-09-30",
    "time_zone": "Europe/Vienna",
    "contacts": ["u-1", "u-2"],
    "domains": ["acme.example"],
}
ACCOUNTS: Final = ("acme", "globex", "ünïcode ☃", "\0", "a|b=c", "x" * 500)
WINDOWS: Final = ("7d", "30d", "90d", "365d")
DAYS: Final = (
    "2026-03-01",
    "2026-02-28",
    "2025-03-01",
    "1970-01-01",
    "1969-12-31",
    "0001-01-01",
    "2199-12-31",
    "2200-01-01",
    "x",
)
CSV: Final = (
    b"response_id,account_id,score,responded_at,segments.plan\n"
    b'r-1,acme,9,2026-03-01T09:30:00Z,smb\nr-2,"ac,me",3,1772357400000,"a ""b"""\n'
)
TOML: Final = (
    b'app_id = "npstream"\npartitions = 12\nwindows_days = [7, 30, 90, 365]\nretry_max_s = 10.5\naccept_gaps = false\n'
)
SETTING_NAMES: Final = ("bootstrap", "windows_days", "agents", "retry_max_s", "partitions", "accept_gaps", "source_zone", "no")
CARE_TOPICS: Final = (
    *(topics.SCORED, topics.CHANGES, topics.DETRACTORS, topics.DETRACTORS, topics.CASE_COMMANDS, topics.CASE_COMMANDS),
    *(topics.ACCOUNT_ROLLUPS, topics.ACCOUNTS, topics.ERASURES, topics.CASE_EVENTS, topics.CASE_EVENTS),
    *(topics.ACCOUNT_ALERTS, topics.PREFERENCES, topics.THEMES_CELLS),
)
CATEGORY_NAMES: Final = ("promoter", "passive", "detractor")
CASE_STATES: Final = ("new", "acknowledged", "contacted", "resolved", "reopened", "expired", "withdrawn")
COMMANDS: Final = ("acknowledge", "assign", "contact", "resolve", "reopen", "snooze")
CASE_IDS: Final = {
    (account, who): [first_case_id(account, who, f"r-{number}") for number in range(4)]
    for account in ACCOUNTS
    for who in ("u-1", "u-2", "\0")
}
"""Of the cases that there will be."""
LARGE_COUNT: Final = 2**64 - 1
RARELY: Final = 400
"""One in so many records has a count or a timestamp that is beyond all bounds."""


class Records:
    """Hostile records of every kind; the same seed makes the same ones."""

    def __init__(self, seed: int) -> None:
        self._rng = Random(seed)
        self.kinds: dict[str, Callable[[], Hostile]] = {
            "raw": self.raw,
            "response": self.response,
            "cell": self.cell,
            "erasure": self.erasure,
            "facts": self.facts,
            "care": self.care,
            "changelog": self.changelog,
            "committed": self.committed,
            "file": self.file,
            "state": self.state,
            "settings": self.settings,
        }

    def raw(self) -> Hostile:
        """What a survey platform, or somebody in its place, sends."""
        rng = self._rng
        name = rng.choice(NAMES)
        document = orjson.loads(raw(name))
        self._vary(document[0] if isinstance(document, list) else document)
        return self._record(topics.RAW, self._value(document), source=name.partition("_")[0])

    def response(self) -> Hostile:
        """What anybody may write beside the intake."""
        rng = self._rng
        document: dict[str, Any] = {
            "response_id": f"r-{rng.randrange(60)}",
            "account_id": rng.choice(ACCOUNTS),
            "score": rng.randrange(11),
            "responded_at": rng.choice((NOW, NOW - DAY_MS, "2026-02-28T09:30:00.000Z", "2025-09-01T00:00:00Z")),
            "respondent_id": rng.choice(("u-1", "u-2", "\0")),
            "segments": {"plan": rng.choice(("smb", "enterprise", "a=b|c")), "region": "emea"},
            "updated_at": NOW - rng.randrange(50) * 1_000_000,
            "comment": rng.choice((None, "", "Slow.", "é\0")),
        }
        for name in ("respondent_id", "segments", "updated_at", "comment"):
            if rng.randrange(2):
                del document[name]
        if not rng.randrange(8):
            document["kind"] = "retraction"
        return self._record(topics.RESPONSES, self._value(document))

    def cell(self) -> Hostile:
        """What stands for another partition's counts."""
        rng = self._rng
        three = [rng.randrange(5) for _ in range(3)]
        if not rng.randrange(RARELY):
            three[0] = LARGE_COUNT
        day = rng.choice(DAYS if rng.randrange(2) else DAYS[:3])
        document: Any = {"responses": three}
        if rng.randrange(2):
            sums = {window: [three, three] for window in WINDOWS}
            document = {"respondents": {"as_of": day, "now": sums, "eve": sums}}
        segment = rng.choice(("plan=smb", "plan=a=b|c", "plan=", "=", "plan", "Plan=\0", "region=" + "x" * 600))
        last = day if "responses" in document else "respondents"
        key = f"{rng.choice((0, 1, 7, 65_535, 65_536, -1))}|{rng.choice('ab')}|{segment}|{last}".encode()
        if not rng.randrange(3):
            key = bytes_mutations.mutate(rng, key, b"|=respondents")
        # Most values are as they should be: here the harm is in what they mean.
        value = self._value(document) if rng.randrange(2) else orjson.dumps(document)
        return self._record(topics.CELLS, value)._replace(key=key if rng.randrange(20) else rng.choice(KEYS))

    def erasure(self) -> Hostile:
        """What asks for an erasure, or pretends to be one."""
        rng = self._rng
        account, respondent = rng.choice(ACCOUNTS), rng.choice(("u-1", "u-2", "\0"))
        hashed = respondent_hash(account, respondent)
        document: dict[str, Any] = {"account_id": account, "counts": rng.choice(("keep", "remove"))}
        if rng.randrange(3):
            document["respondent_id"] = respondent
        else:
            document |= {"respondent_hash": hashed, "erased_at": "2026-03-01T09:30:00.000Z", "position": rng.randrange(9)}
        key = entry_key(account, hashed) if rng.randrange(3) else rng.choice(KEYS)
        if not rng.randrange(8):
            key = bytes_mutations.mutate(rng, key or b"", b"|" + hashed.encode())
        return self._record(topics.ERASURES, self._value(document))._replace(key=key)

    def facts(self) -> Hostile:
        """What a CRM, or somebody in its place, says of an account."""
        rng = self._rng
        facts = orjson.loads(orjson.dumps(FACTS))  # a mutation changes what is in it
        document: dict[str, Any] = {name: value for name, value in facts.items() if rng.randrange(3)}
        if not rng.randrange(6):
            document["segments"] = {f"d{number}": "x" for number in range(rng.choice((19, 20, 21, 300)))}
        if not rng.randrange(6):
            document["value"] = rng.choice((0, -0.0, 1e308, 2**63, -1, True, "1"))
        key = rng.choice(ACCOUNTS).encode() if rng.randrange(4) else rng.choice(KEYS)
        return self._record(topics.ACCOUNTS, self._value(document))._replace(key=key)

    def care(self) -> Hostile:
        """What anybody may write to the sources of cases, alerts, first messages, comments and themes."""
        rng = self._rng
        topic = rng.choice(CARE_TOPICS)
        if topic in (topics.ACCOUNTS, topics.ERASURES):
            made = self.facts() if topic == topics.ACCOUNTS else self.erasure()
            return self._at_home(made, (made.key or b"").partition(b"|")[0])
        document = orjson.loads(orjson.dumps(EXAMPLES[BY_NAME[topic].schema or ""]))
        account, who, response = rng.choice(ACCOUNTS[:4]), rng.choice(("u-1", "u-2", "\0")), f"r-{rng.randrange(4)}"
        case = document.get("case", {})
        for name, value in (("account_id", account), ("respondent_id", who), ("response_id", response)):
            for body in (document, case):
                if name in body:
                    body[name] = value
        if "score" in document:
            document["score"] = rng.randrange(7) if topic == topics.DETRACTORS else rng.randrange(11)
        if topic == topics.CHANGES:
            document |= {"from": rng.choice(CATEGORY_NAMES), "to": rng.choice(CATEGORY_NAMES)}
        if "revision" in document:
            document["revision"] = rng.randrange(5)
        if "case_id" in document:
            document["case_id"] = rng.choice((*CASE_IDS[account, who], "c-1", "c-2"))
        if case:
            case |= {"case_id": document["case_id"], "revision": rng.randrange(9), "state": rng.choice(CASE_STATES)}
            document["event"] = rng.choice(("opened", "joined", "reopened", "resolved", "escalated", "recovered"))
        if topic == topics.CASE_COMMANDS:
            document |= {"command_id": f"k-{rng.randrange(30)}", "command": rng.choice(COMMANDS), "owner": "csm-1"}
            document["until"] = "2026-03-05T09:30:00Z"
        if topic == topics.ACCOUNT_ALERTS:
            document["kind"] = rng.choice(("downgrade", "nps_fell", "nps_below", "no_promoters", "silence"))
        key = account.encode()
        if topic == topics.PREFERENCES:
            key = f"{account}|{who}".encode()
        elif topic == topics.THEMES_CELLS:
            source = rng.choice((0, 1, 65_535, 65_536, -1))
            key = f"{source}|{rng.choice('ab')}|plan={rng.choice('xy')}|{rng.choice(DAYS)}".encode()
        if not rng.randrange(12):
            key = rng.choice(KEYS) or b""
        return self._at_home(self._record(topic, self._value(document))._replace(key=key), account.encode())

    def _at_home(self, record: Hostile, account: bytes) -> Hostile:
        """As a rule at the account's partition."""
        return record._replace(partition=partition_of(account, 2)) if self._rng.randrange(8) else record

    def changelog(self) -> Hostile:
        """What does not belong into a changelog."""
        rng = self._rng
        meta = Meta(12, "0001700000000-ab", Owner("nps-scoring", "host-1", 7)).encode()
        key, value = rng.choice(
            (
                (META_KEY, meta),
                (META_KEY, json_mutations.mutate(rng, orjson.loads(meta))),
                (b"c", b"1772357400000"),
                (position_key("scoring", topics.RESPONSES), Position(42, 41, 4_000_000_000).encode()),
                (state_prefix("scoring") + b"Aacme", b"\x01\x95\x00\x00\xc2\x90\x90"),
            )
        )
        if rng.randrange(2):
            key = bytes_mutations.mutate(rng, key, meta)
        else:
            value = bytes_mutations.mutate(rng, value, meta)
        return self._record("changelog", value)._replace(key=key)

    def state(self) -> Hostile:
        """What a damaged disk, or another version, has left in a changelog."""
        rng, values = self._rng, real_values(NOW)
        key, value = rng.choice(values)
        if rng.randrange(4):
            value = packed_mutations.mutate(rng, value, rng.choice(values)[1])
        return self._record("state", value)._replace(key=key)

    def settings(self) -> Hostile:
        """What somebody has in mind who edits a settings file."""
        rng = self._rng
        if rng.randrange(2):
            return self._record("settings", bytes_mutations.mutate(rng, TOML, raw(rng.choice(NAMES))))
        name, value = rng.choice(SETTING_NAMES), json_mutations.value(rng)
        return self._record("settings", b"%b = %b\n" % (name.encode(), value))

    def committed(self) -> Hostile:
        """What commands may find in the topics that they show: anybody can write there."""
        rng = self._rng
        document = orjson.loads(orjson.dumps(EXAMPLES[rng.choice(list(EXAMPLES))]))
        topic = rng.choice((topics.SCORED, topics.CHANGES, topics.DETRACTORS, topics.PROMOTERS, topics.DEAD_LETTERS))
        return self._record(topic, self._value(document))

    def file(self) -> Hostile:
        """What `npstream produce` is given."""
        rng = self._rng
        if rng.randrange(2):
            return self._record("file", bytes_mutations.mutate(rng, CSV, raw(rng.choice(NAMES))))
        documents = [orjson.loads(raw(rng.choice(NAMES))) for _ in range(3)]
        if rng.randrange(2):
            return self._record("file", self._value(documents))
        return self._record("file", b"\n".join(self._value(document) or b"" for document in documents))

    def _value(self, document: Any) -> bytes | None:
        """The document as it is, or what becomes of it."""
        rng = self._rng
        how = rng.randrange(100)
        if how < 30:
            return orjson.dumps(document)
        if how < 80:
            return json_mutations.mutate(rng, document)
        if how < 98:
            return bytes_mutations.mutate(rng, orjson.dumps(document), raw(rng.choice(NAMES)))
        return rng.choice((None, b"", b"[]", b"{}", b"null", b"[" * 3_000, b" " * 3_000))

    def _record(self, topic: str, value: bytes | None, source: str = "") -> Hostile:
        rng = self._rng
        headers: Headers = []
        if rng.randrange(4) == 0:
            headers = [(rng.choice(HEADER_NAMES), rng.choice(HEADER_VALUES)) for _ in range(rng.choice((1, 1, 2, 5)))]
        elif rng.randrange(2):
            headers = [("nps-account", b"acme"), *([("nps-source", source.encode())] if source and rng.randrange(2) else [])]
        timestamp = NOW + rng.randrange(1_000)
        if not rng.randrange(12):
            timestamp = rng.choice(TIMESTAMPS)
        if not rng.randrange(RARELY):
            timestamp = rng.choice(UNSAYABLE)
        return Hostile(topic, rng.choice(KEYS), value, headers, timestamp, rng.randrange(2))

    def _vary(self, document: Any) -> None:
        """Another response of the same kind, so that not all are duplicates."""
        rng = self._rng
        body = document.get("event_data") or document.get("form_response") or document
        for name in ("response_id", "id", "token"):
            if name in body:
                body[name] = f"r-{rng.randrange(60)}"
        if "score" in body:
            body["score"] = rng.randrange(11)
        if "account_id" in body:
            body["account_id"] = rng.choice(ACCOUNTS)
