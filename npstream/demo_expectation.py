"""What the demo must come to: a recount of its raw records that shares no code with the agents.

It is plain on purpose: for every record it looks at all responses of the respondent again. It knows the payloads that the demo
sends, and no others.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import orjson

from npstream.raw_record import RawRecord

DAY_MS: Final = 86_400_000
WINDOWS_DAYS: Final = (7, 30, 90, 365)
"""The windows that are counted unless others are given."""


class Counts(NamedTuple):
    """How many answers of each category."""

    promoters: int
    passives: int
    detractors: int


Table = dict[str, dict[str, Counts]]
"""Window such as "90d" to "responses" and "respondents", as in a rollup."""


_Tally = dict[tuple[str, str], list[int]]
"""By window and way: promoters, passives, detractors."""


@dataclass(slots=True)
class Expectation:
    """What must stand in the topics once everything is processed."""

    accounts: dict[str, Table] = field(default_factory=dict)
    """By account_id; those without any response in any window are left out."""
    segments: dict[str, Table] = field(default_factory=dict)
    """By dimension=value."""
    accepted: int = 0
    """Records that are a response or a retraction, repeats included."""
    detractor_events: int = 0
    dead_letters: int = 0


class _Given(NamedTuple):
    """One response as it stands. Times in ms, UTC; ordered by what makes a respondent's latest."""

    responded_at: int
    response_id: str
    respondent_id: str | None
    score: int
    comment: str | None
    segments: tuple[tuple[str, str], ...]


class _Version(NamedTuple):
    """The latest version of a response, in ms; without a response it was taken back."""

    version: int
    response: _Given | None


class _History:
    """All that one account has said."""

    def __init__(self) -> None:
        self.versions: dict[str, _Version] = {}
        """By response_id."""
        self.of_respondent: dict[str, set[str]] = defaultdict(set)
        """Which response_ids a respondent has used."""

    def keep(self, read: "_Read", version: int) -> None:
        self.versions[read.response_id] = _Version(version, read.response)
        if read.response is not None and read.response.respondent_id is not None:
            self.of_respondent[read.response.respondent_id].add(read.response_id)

    def is_present(self, given: _Given) -> bool:
        """Whether it is its respondent's latest response; an anonymous one always is."""
        if given.respondent_id is None:
            return True
        known = [self.versions[response_id].response for response_id in self.of_respondent[given.respondent_id]]
        return given == max(response for response in known if response is not None)


class _Read(NamedTuple):
    """One raw record that makes sense; without a response it is a retraction."""

    account_id: str
    response_id: str
    updated_at: int | None
    response: _Given | None


def expected(records: Iterable[RawRecord], today: int, windows_days: Sequence[int] = WINDOWS_DAYS) -> Expectation:
    """Recount raw records in the order of their arrival; `today` is the day that the windows end with, since 1970-01-01 UTC."""
    result = Expectation()
    accounts: dict[str, _History] = defaultdict(_History)
    for record in records:
        read = _read(record)
        if read is None:
            result.dead_letters += 1
            continue
        result.accepted += 1
        version = read.updated_at if read.updated_at is not None else record.timestamp or 0
        result.detractor_events += _accept(accounts[read.account_id], read, version)

    tallies: dict[tuple[str, str], _Tally] = defaultdict(lambda: defaultdict(lambda: [0, 0, 0]))
    for account_id, history in accounts.items():
        standing = [version.response for version in history.versions.values() if version.response is not None]
        for days in windows_days:
            inside = [given for given in standing if today - days < given.responded_at // DAY_MS <= today]
            for way, counted in (("responses", inside), ("respondents", _latest_of_each(inside))):
                for given in counted:
                    column = 0 if given.score >= 9 else 1 if given.score >= 7 else 2
                    for table in (("account", account_id), *(("segment", "=".join(pair)) for pair in given.segments)):
                        tallies[table][f"{days}d", way][column] += 1
    for (kind, name), tally in tallies.items():
        tables = result.accounts if kind == "account" else result.segments
        tables[name] = {
            f"{days}d": {way: Counts(*tally[f"{days}d", way]) for way in ("responses", "respondents")} for days in windows_days
        }
    return result


def differences(
    expectation: Expectation,
    accounts: Mapping[str, Mapping[str, Any]],
    segments: Mapping[str, Mapping[str, Any]],
    detractor_events: int,
    dead_letters: int,
) -> list[str]:
    """What is not as expected, a line each: the rollups by key as they stand in their topics, and how many records there are in
    nps.detractors and nps.responses.dlq."""
    found = []
    for kind, tables, rollups in (("account", expectation.accounts, accounts), ("segment", expectation.segments, segments)):
        found += [f"{kind} {name}: a rollup that nothing was sent for" for name in sorted(rollups.keys() - tables.keys())]
        for name, table in sorted(tables.items()):
            windows = rollups.get(name, {}).get("windows", {})
            for window, ways in table.items():
                for way, counts in ways.items():
                    stats = windows.get(window, {}).get(way, {})
                    actual = Counts(*(stats.get(category, 0) for category in Counts._fields))
                    if actual != counts:
                        found.append(f"{kind} {name}, {way} in {window}: {_shown(actual)}, expected {_shown(counts)}")
    if detractor_events != expectation.detractor_events:
        found.append(f"{detractor_events:,} detractor events, expected {expectation.detractor_events:,}")
    if dead_letters != expectation.dead_letters:
        found.append(f"{dead_letters:,} dead letters, expected {expectation.dead_letters:,}")
    return found


def _shown(counts: Counts) -> str:
    return f"{counts.promoters} promoters, {counts.passives} passives, {counts.detractors} detractors"


def _accept(history: _History, read: _Read, version: int) -> int:
    """Take one record into its account's history; how many detractor events that makes."""
    old = history.versions.get(read.response_id, _Version(-1, None))
    if old.version >= version or (old.response is not None and old.response == read.response):
        return 0
    before, now = old.response, read.response
    was_detractor = before is not None and before.score <= 6 and history.is_present(before)
    history.keep(read, version)
    if now is None or now.score > 6:
        return int(was_detractor)  # withdrawn
    if not history.is_present(now):
        return 0
    if before is None or not was_detractor:
        return 1
    return int(_severity(now.score) != _severity(before.score) or now.comment != before.comment)


def _latest_of_each(inside: Iterable[_Given]) -> list[_Given]:
    latest: dict[str, _Given] = {}
    for given in sorted(inside, key=lambda g: (g.responded_at, g.response_id)):
        if given.respondent_id is not None:
            latest[given.respondent_id] = given
    return list(latest.values())


def _severity(score: int) -> int:
    return 0 if score <= 2 else 1 if score <= 4 else 2


def _read(record: RawRecord) -> _Read | None:
    """What a record says, or None if it can only be a dead letter."""
    try:
        document = orjson.loads(record.value or b"")
        source = dict(record.headers)["nps-source"]
        response = {b"canonical": _canonical, b"delighted": _delighted, b"typeform": _typeform}[source](document)
    except (ValueError, KeyError, TypeError):
        return None
    given = response.response
    if given is not None and not (type(given.score) is int and 0 <= given.score <= 10):
        return None
    if given is not None and given.responded_at > (record.timestamp or 0) + DAY_MS:
        return None
    return response


def _canonical(document: Mapping[str, Any]) -> _Read:
    account_id, response_id = document["account_id"], document["response_id"]
    updated_at = _milliseconds(document["updated_at"])
    if document.get("kind") == "retraction":
        return _Read(account_id, response_id, updated_at, None)
    given = _Given(
        _milliseconds(document["responded_at"]),
        response_id,
        document.get("respondent_id"),
        document["score"],
        document.get("comment"),
        tuple(sorted(document["segments"].items())),
    )
    return _Read(account_id, response_id, updated_at, given)


def _delighted(document: Mapping[str, Any]) -> _Read:
    data = document["event_data"]
    properties = data["person_properties"]
    person = data["person"]
    given = _Given(
        data["created_at"] * 1000,
        data["id"],
        person and person["email"],
        data["score"],
        data["comment"],
        _segments(properties),
    )
    return _Read(properties["Account ID"], data["id"], data["updated_at"] * 1000, given)


def _typeform(document: Mapping[str, Any]) -> _Read:
    form = document["form_response"]
    hidden = form["hidden"]
    given = _Given(
        _milliseconds(form["submitted_at"]),
        form["token"],
        hidden.get("respondent_id"),
        next(answer["number"] for answer in form["answers"] if "number" in answer),
        next((answer["text"] for answer in form["answers"] if "text" in answer), None),
        _segments(hidden),
    )
    return _Read(hidden["account_id"], form["token"], None, given)


def _segments(properties: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((name, properties[name]) for name in ("plan", "region", "segment"))


def _milliseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
