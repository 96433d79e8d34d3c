"""Hold what stands in the output topics against a recount of the source topic, account by account.

The source is read to its end, and the outputs to theirs; in between lies the cut: a source offset per partition that every
processor has passed before the outputs were read. What comes of records before the cut must be there. What comes of later ones
may be there already: an event then has its cause, a table equals a recount up to one of the account's own later records. So a
system can be verified while it runs.

Which segments a response has from its account is a decision of the moment it was counted at, so its scored event is believed,
within the bounds of `recount.facts`. Where retention has removed that event, a segment's row that differs is not proved.

Respondents who were erased are left out from the position that their entry in the list says, or counted without a name.

What cannot be proved is said, and not compared: what retention has removed from a topic, and accounts whose records ask what
the contract does not answer (two versions of equal age, for one).
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cache, partial
from itertools import chain, product
from math import prod
from typing import Any, Final

from npstream import recount
from npstream.recount.expected import Cause, SentRecord, sequence_differences
from npstream.recount.reading import DAY_MS, EPOCH, Arrival, Refused, SourceRecord, format_time, read
from npstream.recount.tables import Tables
from schemas import topics
from streams.processor import Record

EVENTS: Final = (topics.SCORED, topics.CHANGES, topics.DETRACTORS, topics.PROMOTERS)
TABLES: Final = (topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS)
OUTPUTS: Final = (*EVENTS, topics.DEAD_LETTERS, *TABLES)
LETTER_SOURCE: Final = tuple(f"__connect.errors.{name}" for name in ("topic", "partition", "offset"))
"""Headers that say which record became a dead letter."""
MOST_MOMENTS: Final = 500
"""A table that may have been read at more moments than these, since much arrives for it just now, is not compared."""
MOVING: Final = "too much arrived while it was read: verify again when less does"
ERASED_MEANWHILE: Final = "a respondent was erased while it was read: verify again"
UNTOLD: Final = "responses may count in it for what nps.accounts said once, and retention has removed the events that tell"
ROLLING_MS: Final = 10 * 60_000
"""For so long after midnight a table may still be as of yesterday: quiet ones are rolled over in turn, 500 a second."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it must be."""

    where: str
    """An account, a segment, or the place of a record that belongs to none."""
    topic: str
    text: str


@dataclass(slots=True)
class Seen:
    """All that was read, each topic partition by partition in order."""

    source: Sequence[SourceRecord]
    outputs: Mapping[str, Sequence[Record]]
    cut: Mapping[int, int]
    """Per source partition: what is before this offset was processed before the outputs were read."""
    starts: Mapping[tuple[str, int], int]
    """The first offset of each partition of all topics: above 0, retention has removed something."""
    read_at: int
    """When the reading ended, in ms, UTC."""
    exactly_once: bool = True
    """False: events may come again, as consumers know by their `ce_id`."""
    erasures: recount.Erasures = field(default_factory=dict)
    """The list of the erased, as it stood before the outputs were read."""
    erased_meanwhile: frozenset[str] = frozenset()
    """The accounts of which somebody was erased while they were read."""
    accounts: Sequence[SourceRecord] = ()
    """What nps.accounts holds, as read after the outputs."""


@dataclass(slots=True)
class Verdict:
    """What was compared, and what came of it."""

    differences: list[Difference] = field(default_factory=list)
    compared: Counter[str] = field(default_factory=Counter)
    """Records by event topic, rows by table."""
    unproved: dict[str, str] = field(default_factory=dict)
    """What was not compared, and why: accounts and segments by name, topics by theirs."""


def verify(
    seen: Seen, windows: Sequence[int], headline: int, grace: int, alert_max_age: int | None = recount.ALERT_MAX_AGE
) -> Verdict:
    """Compare everything; lengths in days."""
    return _Verification(seen, windows, headline, grace, alert_max_age).verdict()


class _Verification:
    def __init__(self, seen: Seen, windows: Sequence[int], headline: int, grace: int, alert_max_age: int | None) -> None:
        self.seen = seen
        self.windows = windows
        self.history_days = 2 * max(windows) + grace
        self.found = Verdict()
        self.partitions = len(seen.cut)
        self.outputs = {topic: self._ours(topic, records) for topic, records in seen.outputs.items()}
        """What is in the output topics, without what has no shape of ours."""
        starts = {partition: seen.starts.get((topics.ACCOUNTS, partition), 0) for partition in seen.cut}
        self.facts = recount.Facts(seen.accounts, self.partitions, starts)
        self.told = recount.told_by(self.outputs[topics.SCORED])
        self.expected = recount.events(
            seen.source,
            windows,
            headline,
            grace,
            partitions=self.partitions,
            wall=lambda record: seen.read_at,
            as_of=_days_of_scoring(self.outputs[topics.SCORED]),
            erasures=seen.erasures,
            told=self.told,
            facts=self.facts,
            alert_max_age=alert_max_age,
        )
        self.unprovable = {
            account: f"it asks what the contract leaves open: {reason}" for account, reason in self.expected.doubtful.items()
        } | dict.fromkeys(seen.erased_meanwhile, ERASED_MEANWHILE)
        """Accounts, and why nothing is proved of them."""
        self.untold: frozenset[str] | None = frozenset()
        """Segments that responses may have from their accounts without anybody telling; None: any."""
        self.blind_before: dict[int, int] = {}
        """Source partitions of which retention has removed what may still count: the timestamp in ms of the first record."""
        self._of_all: dict[str, Callable[[int], Tables]] = {}

    def verdict(self) -> Verdict:
        self._look_for_lost_history()
        if self.blind_before:
            for topic in EVENTS:
                self.found.unproved[topic] = "events depend on the history, whose beginning is gone"
        else:
            for topic in EVENTS:
                self._events(topic)
        self._dead_letters()
        self._strays()
        self._accounts()
        self._segments()
        return self.found

    def _differs(self, where: str, topic: str, text: str) -> None:
        reason = self.unprovable.get(where)
        if topic == topics.SEGMENT_ROLLUPS and (self.untold is None or where in self.untold):
            reason = UNTOLD
        if reason is None:
            self.found.differences.append(Difference(where, topic, text))
        else:
            self.found.unproved[where] = reason

    def _ours(self, topic: str, records: Sequence[Record]) -> list[Record]:
        """The records that have the shape of their topic: each other one is a difference, and then left out."""
        ours = []
        for record in records:
            if _has_shape(record):
                ours.append(record)
            else:
                place = f"{topic} {record.partition}:{record.offset}"
                self.found.differences.append(Difference(place, topic, "npstream did not write this record"))
        return ours

    # What can be proved at all.

    def _look_for_lost_history(self) -> None:
        """Records older than the history count nowhere, so it does not matter if retention has removed them."""
        reach = self.seen.read_at - (self.history_days + 1) * DAY_MS
        first: dict[int, int] = {}
        for record in self.seen.source:
            first.setdefault(record.partition, record.timestamp)
        for partition in self.seen.cut:
            begins = first.get(partition, self.seen.read_at)
            if self.seen.starts.get((topics.RESPONSES, partition), 0) > 0 and begins > reach:
                self.blind_before[partition] = begins
        if self.blind_before:
            oldest = format_time(max(self.blind_before.values()))
            self.found.unproved[topics.RESPONSES] = (
                f"retention has removed its beginning; windows that reach before {oldest} cannot be proved"
            )

    def _provable_days(self, as_of: int) -> list[int]:
        """The windows that lie, with the one before, after what is gone from the source."""
        if not self.blind_before:
            return list(self.windows)
        whole_from = max(self.blind_before.values()) // DAY_MS + 2  # a response is at most a day younger than its record
        return [days for days in self.windows if as_of - 2 * days + 1 >= whole_from]

    # Events.

    def _events(self, topic: str) -> None:
        sent = self._without_repeats(self.outputs[topic])
        for partition, causes in self._causes(topic).items():
            begun = self._begun(topic, partition, causes, sent)
            by_account = _by_account(causes[begun:])
            records: dict[str, list[SentRecord]] = defaultdict(list)
            for record in sent.get(partition, ()):
                records[(record.key or b"").decode(errors="replace")].append(record)
                self.found.compared[topic] += 1
            for account in sorted(by_account.keys() | records.keys()):
                lines = sequence_differences(
                    f"partition {partition}", by_account.get(account, []), records.get(account, []), self.seen.cut[partition]
                )
                for line in lines:
                    self._differs(account, topic, line)

    def _causes(self, topic: str) -> Mapping[int, Sequence[Cause]]:
        found = self.expected
        causes = dict(zip(EVENTS, (found.scored, found.changes, found.detractors, found.promoters), strict=True))[topic]
        return {partition: causes.get(partition, []) for partition in range(self.partitions)}

    def _without_repeats(self, records: Sequence[Record]) -> Mapping[int, Sequence[Record]]:
        """By partition; each id once, unless it must not come again anyway."""
        kept: dict[int, list[Record]] = defaultdict(list)
        ids: set[bytes] = set()
        for record in records:
            if not self.seen.exactly_once:
                event_id = _header(record, "ce_id")
                if event_id in ids:
                    continue
                ids.add(event_id)
            kept[record.partition].append(record)
        return kept

    def _begun(self, topic: str, partition: int, causes: Sequence[Cause], sent: Mapping[int, Sequence[SentRecord]]) -> int:
        """The index of the cause of the first event that retention has left."""
        records = sent.get(partition, ())
        if self.seen.starts.get((topic, partition), 0) == 0:
            return 0
        self.found.unproved.setdefault(topic, _since(records))
        if not records:
            return next((i for i, cause in enumerate(causes) if cause.offset >= self.seen.cut[partition]), len(causes))
        return next((i for i, cause in enumerate(causes) if any(event.fits(records[0]) for event in cause.events)), 0)

    # Records that belong to no account for sure.

    def _dead_letters(self) -> None:
        topic = topics.DEAD_LETTERS
        wanted = {(letter.partition, letter.offset): letter for letter in self.expected.dead_letters}
        first_left: dict[int, int] = {}
        seen: set[tuple[int, int]] = set()
        for letter in self.outputs[topic]:
            source, number, offset = (_header(letter, name).decode() for name in LETTER_SOURCE)
            if source != topics.RESPONSES:
                continue
            where = (int(number), int(offset))
            first_left.setdefault(where[0], where[1])
            self.found.compared[topic] += 1
            expected = wanted.get(where)
            place = f"{topics.RESPONSES} {where[0]}:{where[1]}"
            if expected is None:
                self._differs(place, topic, "a dead letter that is not expected")
            elif where in seen and self.seen.exactly_once:
                self._differs(place, topic, "a second dead letter")
            elif (letter.key, letter.value) != (expected.key, expected.value):
                self._differs(place, topic, "the dead letter is not as the record came")
            elif _header(letter, "nps-reason").decode() not in expected.reasons:
                self._differs(place, topic, f"its reason is {_header(letter, 'nps-reason')!r}, not one of {expected.reasons}")
            seen.add(where)
        for one in (wanted[where] for where in sorted(wanted.keys() - seen)):
            trimmed = self.seen.starts.get((topic, one.partition), 0) > 0
            gone = trimmed and one.offset < first_left.get(one.partition, one.offset + 1)
            if one.offset < self.seen.cut[one.partition] and not gone:
                place = f"{topics.RESPONSES} {one.partition}:{one.offset}"
                self._differs(place, topic, f"no dead letter of {one.value!r}")

    def _strays(self) -> None:
        home = Counter((r.partition, r.timestamp, r.value) for r in self.seen.source if recount.is_marked(r))
        for stray in self.expected.strays:
            if home[stray.home, stray.timestamp, stray.value] > 0:
                home[stray.home, stray.timestamp, stray.value] -= 1
            elif stray.offset < self.seen.cut[stray.partition]:
                self._differs(f"{topics.RESPONSES} {stray.partition}:{stray.offset}", topics.RESPONSES, "was not sent home")

    # Tables.

    def _accounts(self) -> None:
        own: dict[str, list[SourceRecord]] = defaultdict(list)
        for record, arrival in self._at_home():
            own[arrival.account_id].append(record)
        rows = _last_values(self.outputs[topics.ACCOUNT_ROLLUPS])
        self.found.compared[topics.ACCOUNT_ROLLUPS] += len(rows)
        for account in sorted(own.keys() | {key.decode(errors="replace") for key in rows}):
            key, records = account.encode(), own.get(account, [])
            counts = _moments(records, self.seen.cut)
            moments = (records[:count] for count in counts[:MOST_MOMENTS])
            self._row(topics.ACCOUNT_ROLLUPS, key, rows.get(key), moments, complete=len(counts) <= MOST_MOMENTS)

    def _segments(self) -> None:
        own: dict[str, dict[int, list[SourceRecord]]] = defaultdict(lambda: defaultdict(list))
        named: dict[tuple[str, str], set[str]] = defaultdict(set)
        untold = set()
        for record, arrival in self._at_home():
            told = self.told(record, arrival)
            if told is None and self.seen.starts.get((topics.SCORED, record.partition), 0) > 0:
                untold.add(arrival.account_id)
            pairs = {**arrival.segments, **(told or {})}
            named[arrival.account_id, arrival.response_id] |= {f"{d}={v}" for d, v in pairs.items()}
        self.untold = self._segments_of_facts(untold)
        by_account: dict[str, set[str]] = defaultdict(set)
        for (account, _), segments in named.items():
            by_account[account] |= segments
        for record, arrival in self._at_home():
            for segment in by_account[arrival.account_id]:
                own[segment][record.partition].append(record)
        rows = _last_values(self.outputs[topics.SEGMENT_ROLLUPS])
        self.found.compared[topics.SEGMENT_ROLLUPS] += len(rows)
        unprovable = {segment for account in self.unprovable for segment in by_account[account]}
        for segment in sorted(own.keys() | {key.decode(errors="replace") for key in rows}):
            parts = list(own.get(segment, {}).values())
            choices = [_moments(records, self.seen.cut) for records in parts]
            if segment in unprovable:
                self.found.unproved[segment] = "an account in it is not proved"
            elif prod(map(len, choices)) > MOST_MOMENTS:
                self.found.unproved[segment] = MOVING
            else:
                moments = (
                    [record for records, count in zip(parts, counts, strict=True) for record in records[:count]]
                    for counts in product(*choices)
                )
                self._row(topics.SEGMENT_ROLLUPS, segment.encode(), rows.get(segment.encode()), moments)

    def _segments_of_facts(self, accounts: Iterable[str]) -> frozenset[str] | None:
        """The segments that accounts have ever had; None if some of that may be gone."""
        found: set[str] = set()
        for account in accounts:
            facts = self.facts.of(account)
            if facts is None:
                return None
            found |= {f"{d}={v}" for fact in facts for d, v in fact.segments.items()}
        return frozenset(found)

    def _row(
        self,
        topic: str,
        key: bytes,
        value: bytes | None,
        moments: Iterable[Sequence[SourceRecord]],
        complete: bool = True,
    ) -> None:
        """A row must be that of all records, or of one of the moments before; unless these are not all there are."""
        name = key.decode(errors="replace")
        today = self.seen.read_at // DAY_MS
        row = None if value is None else json.loads(value)
        # A record with a timestamp ahead of the wall clock takes its partition's clock along, for a day at most.
        days = range(today - (self.seen.read_at % DAY_MS < ROLLING_MS), today + 2)
        as_of = [day for day in days if row is None or row["as_of"] == recount.format_day(day)]
        if not as_of:
            self._differs(name, topic, f"it is as of {(row or {})['as_of']}, today is {recount.format_day(today)}")
            return
        nearest = None
        for tables in chain((self._now(topic),), map(partial(self._tables, topic), moments)):
            for day in as_of:
                lines = self._row_differences(key, row, tables(day), self._provable_days(day))
                if not lines:
                    return
                nearest = nearest or lines
        if not complete:
            self.found.unproved[name] = MOVING
            return
        for line in nearest or []:
            self._differs(name, topic, line)

    def _now(self, topic: str) -> Callable[[int], Tables]:
        """The tables of all records, counted once for each day that is asked for."""
        if topic not in self._of_all:
            self._of_all[topic] = self._tables(topic, self.seen.source)
        return self._of_all[topic]

    def _tables(self, topic: str, records: Sequence[SourceRecord]) -> Callable[[int], Tables]:
        @cache
        def of_day(day: int) -> Tables:
            of = (records, day, self._provable_days(day), self.partitions, self.seen.erasures)
            return recount.account_tables(*of) if topic == topics.ACCOUNT_ROLLUPS else recount.segment_tables(*of, self.told)

        return of_day

    @staticmethod
    def _row_differences(key: bytes, row: dict[str, Any] | None, tables: Tables, windows: Sequence[int]) -> list[str]:
        wanted = {key: tables[key]} if key in tables else {}
        given = {} if row is None else {key: json.dumps(_only(row, windows)).encode()}
        if not windows:
            return []
        return recount.table_differences(wanted, given)

    def _at_home(self) -> Iterator[tuple[SourceRecord, Arrival]]:
        for record in self.seen.source:
            arrival = read(record)
            if not isinstance(arrival, Refused) and recount.home_of(arrival.account_id, self.partitions) == record.partition:
                yield record, arrival


def _has_shape(record: Record) -> bool:
    """Whether a record can be read as one of its topic: anybody who may write there can write anything."""
    try:
        if record.topic == topics.DEAD_LETTERS:
            return all(int(_header(record, name)) >= 0 for name in LETTER_SOURCE[1:])
        if record.value is None:
            return record.topic in TABLES
        value = json.loads(record.value)
        if record.topic in (topics.SCORED, *TABLES):
            date.fromisoformat(value["as_of"])
        if record.topic in TABLES:
            return isinstance(value["windows"], dict)
        return isinstance(value["account_id"], str) and isinstance(value["response_id"], str)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False


def _days_of_scoring(scored: Iterable[Record]) -> Callable[[SourceRecord, Arrival], int | None]:
    """On which day a response was scored is a decision of the clock then, and nowhere else on record."""
    days: dict[tuple[int, str, str], int] = {}
    for record in scored:
        event = json.loads(record.value or b"{}")
        day = (date.fromisoformat(event["as_of"]) - EPOCH.date()).days
        days.setdefault((record.timestamp, event["account_id"], event["response_id"]), day)
    return lambda record, arrival: days.get((record.timestamp, arrival.account_id, arrival.response_id))


def _only(row: dict[str, Any], windows: Sequence[int]) -> dict[str, Any]:
    names = {f"{days}d" for days in windows}
    return row | {"windows": {name: stats for name, stats in row["windows"].items() if name in names}}


def _moments(records: Sequence[SourceRecord], cut: Mapping[int, int]) -> list[int]:
    """After how many of its records a table may have been read: those before the cut, and any number of the later ones. The
    ends come first: as a rule nothing has come meanwhile, or all of it since."""
    sure = sum(record.offset < cut[record.partition] for record in records)
    return sorted(range(sure, len(records) + 1), key=lambda count: (sure < count < len(records), -count))


def _by_account(causes: Sequence[Cause]) -> dict[str, list[Cause]]:
    found: dict[str, list[Cause]] = defaultdict(list)
    for cause in causes:
        found[cause.events[0].key.decode()].append(cause)
    return found


def _last_values(records: Iterable[Record]) -> dict[bytes, bytes]:
    last = {record.key or b"": record.value for record in records}
    return {key: value for key, value in last.items() if value is not None}


def _header(record: Record, name: str) -> bytes:
    """The last one of a name: those that a dead letter brought along come before ours."""
    return next((value for key, value in reversed(record.headers) if key == name), None) or b""


def _since(records: Sequence[SentRecord]) -> str:
    if not records:
        return "retention has removed all of it, in a partition at least"
    return f"retention has removed its beginning: proved from {format_time(records[0].timestamp)} on"
