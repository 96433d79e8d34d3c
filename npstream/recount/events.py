"""The events of nps.responses, from processing its records one by one in partition order.

Choices where the contract leaves one; each shows as an optional event, as `AnyOf`, or as a line of `open_questions`:
- which events a correction or retraction brings for a response that is not its respondent's present before and after, or
  that became the present only because another one went, and whether that counts as appearing;
- what `revision` counts beside the corrections that brought an event; `changed_at`; `as_of` in a scored event;
- what is remembered of responses beyond the history, and where its edge lies to the day;
- a response after its retraction ("new" or "correction"), and scored events of retractions that take nothing back;
- how long a response of an erased respondent is remembered as such, when it or that is beyond the history;
- a tie of versions, and a response that comes again with another respondent_id and nothing else new.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from npstream.recount import wanted
from npstream.recount.erasures import Erasure, Erasures, hash_of
from npstream.recount.expected import ABSENT, AnyOf, Cause, Expected, any_of
from npstream.recount.facts import Fact, Facts, Told, together
from npstream.recount.reading import DAY_MS, MOST_SEGMENTS, Arrival, Refused, SourceRecord, home_of, read
from npstream.recount.standing import Standing
from npstream.recount.tables import NO_ERASURES, WINDOWS
from npstream.recount.versions import add, is_doubtful, is_tie, what_holds

ALERT_MAX_AGE = 14
"""Days after which a response alerts nobody, unless set otherwise."""


@dataclass(frozen=True)
class DeadLetter:
    """A record that could not be used, as it came. Any of the reasons will do."""

    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    reasons: frozenset[str]


@dataclass(frozen=True)
class Stray:
    """A record that is sent to its home partition, once."""

    home: int
    timestamp: int
    value: bytes | None
    partition: int
    """With the offset: where it was."""
    offset: int


@dataclass
class Events:
    """What comes of the records: by source partition, which is also the partition it is sent to."""

    scored: dict[int, list[Cause]] = field(default_factory=dict)
    changes: dict[int, list[Cause]] = field(default_factory=dict)
    detractors: dict[int, list[Cause]] = field(default_factory=dict)
    promoters: dict[int, list[Cause]] = field(default_factory=dict)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    strays: list[Stray] = field(default_factory=list)
    open_questions: list[str] = field(default_factory=list)
    """What these records ask that the contract does not answer: comparisons from there on prove nothing."""
    doubtful: dict[str, str] = field(default_factory=dict)
    """The accounts that ask it, with the first question of each."""


def events(
    records: Iterable[SourceRecord],
    windows: Sequence[int] = WINDOWS,
    headline: int = 90,
    grace: int = 7,
    partitions: int | None = None,
    wall: Callable[[SourceRecord], int] | None = None,
    marked: Callable[[SourceRecord], bool] | None = None,
    as_of: Callable[[SourceRecord, Arrival], int | None] | None = None,
    erasures: Erasures = NO_ERASURES,
    told: Told | None = None,
    facts: Facts | None = None,
    alert_max_age: int | None = ALERT_MAX_AGE,
) -> Events:
    """Recount the events of all records of nps.responses (of one partition or all, each partition in order).

    `windows`, `headline`, `grace` and `alert_max_age` are in days: of an older response comes no category change, promoter or
    new detractor, but at 0 or None. Without `partitions` every record is at home. `wall` is the wall clock in ms
    when a record was processed, or later, by default its timestamp; `marked` tells strays that were sent home once already, by
    default by a header whose name says so. `as_of` gives the day (since 1970-01-01) on which a response was scored, where that
    is known from elsewhere: otherwise it is known as well as the wall clock and the records' timestamps tell. `told` gives the
    segments that a response was counted in, and is believed as far as `facts` allow; without it there are no CRM facts.
    """
    found = Events()
    recounts: dict[int, _Partition] = {}
    for record in records:
        number = record.partition
        if number not in recounts:
            coming = [one for own in erasures.values() for one in own if partitions is None or _home(one, partitions) == number]
            days = (2 * max(windows) + grace, headline, alert_max_age or 0)
            recounts[number] = _Partition(found, number, *days, coming, told, facts)
        recounts[number].take(record, partitions, (wall or _timestamp)(record), (marked or is_marked)(record), as_of)
    return found


def _timestamp(record: SourceRecord) -> int:
    return record.timestamp


def is_marked(record: SourceRecord) -> bool:
    return any("stray" in name or "home" in name for name, _ in record.headers)


def _home(erasure: Erasure, partitions: int) -> int:
    return home_of(erasure.account_id, partitions)


@dataclass
class _Known:
    """All that came of one response."""

    arrivals: list[Arrival] = field(default_factory=list)
    announced: bool = False
    """Whether it surely appeared as a present response, or was corrected into one; of an old one nothing may have been sent."""
    stands: bool = False
    """Whether a detractor event of it stands, as far as `announced` tells."""
    last_ms: int = 0
    """The clock when something last came."""
    possible: Sequence[Fact] | None = None
    """The facts of which it may have segments, since it was counted; None: nobody can tell."""


@dataclass(frozen=True)
class _Gone:
    """A response of an erased respondent, of which nothing is left but that there was one."""

    since: int
    """The earliest that the clock may have shown then."""
    sure: bool
    """Whether it was surely known then, or surely not."""


class _Partition:
    """One partition's records, one by one."""

    def __init__(
        self,
        found: Events,
        number: int,
        history_days: int,
        headline_days: int,
        alert_days: int,
        erasures: Sequence[Erasure] = (),
        told: Told | None = None,
        facts: Facts | None = None,
    ) -> None:
        self.found = found
        self.number = number
        self.standing = Standing(history_days, headline_days, alert_days, self.ask)
        self.known: dict[str, dict[str, _Known]] = {}
        """By account and response_id."""
        self.coming = sorted(erasures, key=lambda one: one.position)
        self.erased: dict[str, set[str]] = {}
        """By account the hashes of those who are erased by now."""
        self.gone: dict[tuple[str, str], _Gone] = {}
        self.promoted: dict[tuple[str, str], set[str]] = {}
        """Response ids of each respondent that were a promoter at any time."""
        self.told = told
        self.facts = facts
        self.untold = False
        """Whether no scored event tells in which segments the record's response was counted."""
        self.record: SourceRecord
        self.account_id: str
        for topic in (found.scored, found.changes, found.detractors, found.promoters):
            topic[number] = []

    def take(
        self,
        record: SourceRecord,
        partitions: int | None,
        wall: int,
        marked: bool,
        as_of: Callable[[SourceRecord, Arrival], int | None] | None = None,
    ) -> None:
        self.record = record
        while self.coming and self.coming[0].position <= record.offset:
            self.erase(self.coming.pop(0))
        self.standing.move_clock(record, wall)
        arrival = read(record)
        if isinstance(arrival, Refused):
            self.dead_letter(arrival.reasons)
            return
        home = self.number if partitions is None else home_of(arrival.account_id, partitions)
        if home == self.number:
            day = as_of(record, arrival) if as_of is not None else None
            if day is not None:
                self.standing.set_day(day)
            self.accept(arrival)
        elif marked:
            self.dead_letter(frozenset({"stray"}))
        else:
            self.found.strays.append(Stray(home, record.timestamp, record.value, record.partition, record.offset))

    def dead_letter(self, reasons: frozenset[str]) -> None:
        r = self.record
        self.found.dead_letters.append(DeadLetter(r.partition, r.offset, r.timestamp, r.key, r.value, reasons))

    def accept(self, arrival: Arrival) -> None:
        """Add what came to what is known, and see what holds now that did not before."""
        self.account_id = arrival.account_id
        if self.is_of_the_erased(arrival):
            return
        known = self.known.setdefault(arrival.account_id, {}).setdefault(arrival.response_id, _Known())
        if is_tie(known.arrivals, arrival):
            self.ask("a tie of versions")
        before = what_holds(known.arrivals) if known.arrivals else None
        forgotten = before is not None and self.is_forgotten(known, before)
        self.hear(known, before, arrival)
        known.last_ms = self.standing.late
        now = what_holds(known.arrivals)
        if is_doubtful(known.arrivals):
            self.ask("segments from before a retraction")
        if forgotten and now.segments and not arrival.segments:
            self.ask("segments of a response that may be forgotten")
        if before is not None and forgotten and arrival.version < before.version:
            self.lower_than_forgotten(arrival)
        elif arrival.retraction:
            self.retraction(known, None if forgotten else before, now)
        elif before is None or forgotten:
            self.first(known, now, before)
        elif before.retraction:
            self.after_retraction(known, arrival, now)
        elif arrival.version < before.version:
            self.lower_version(before, now)
        elif now.content == before.content:
            self.duplicate(before, now)
        else:
            self.correction(known, before, now)

    def hear(self, known: _Known, before: Arrival | None, arrival: Arrival) -> None:
        """Add what came, with the segments that it is told to count in, or with those of possible facts if these cannot be."""
        told = None if self.told is None else self.told(self.record, arrival)
        self.untold = self.told is not None and told is None
        add(known.arrivals, arrival, told)
        if told is None:
            return
        if before is None or before.retraction or not self.standing.in_history(before):
            known.possible = None if self.facts is None else self.facts.of(arrival.account_id)
        own = what_holds(known.arrivals).segments
        if known.possible is None:
            if len(told) > MOST_SEGMENTS:
                known.arrivals[-1] = replace(arrival, told={})
            return
        fitting = [fact for fact in known.possible if together(own, fact.segments) == {**told, **own}]
        if fitting:
            known.possible = fitting
        else:
            known.arrivals.pop()
            add(known.arrivals, arrival, together(own, known.possible[-1].segments))

    def erase(self, erasure: Erasure) -> None:
        """Whatever is the respondent's now is gone; with `keep` it stays counted."""
        self.account_id = erasure.account_id
        self.erased.setdefault(erasure.account_id, set()).add(erasure.respondent_hash)
        for response_id, known in self.known.get(erasure.account_id, {}).items():
            held = what_holds(known.arrivals)
            response = (erasure.account_id, response_id)
            if response in self.gone or hash_of(held) != erasure.respondent_hash:
                continue
            self.gone[response] = _Gone(self.standing.early, self.standing.in_history(held) is True)
            self.standing.put(held, None)
            if erasure.counts == "keep":
                self.standing.put(None, replace(held, respondent_id=None))
        self.standing.allow_for(erasure.erased_at)

    def is_of_the_erased(self, arrival: Arrival) -> bool:
        """Whether a record brings nothing because of an erasure before it."""
        response = (arrival.account_id, arrival.response_id)
        gone = self.gone.get(response)
        if gone is not None:
            if not gone.sure or self.standing.late - gone.since > self.standing.history_days * DAY_MS:
                self.ask("a response of an erased respondent that may be forgotten")
            return True
        erased = self.erased.get(arrival.account_id)
        if erased is None or hash_of(arrival) not in erased:
            return False
        known = self.known.get(arrival.account_id, {}).get(arrival.response_id)
        if known is None or self.is_forgotten(known, what_holds(known.arrivals)):
            self.gone[response] = _Gone(self.standing.early, known is None)
        return True

    def is_forgotten(self, known: _Known, before: Arrival) -> bool:
        """Whether what is known of a response may be gone, and need not be."""
        if before.retraction:
            return self.standing.late - known.last_ms > self.standing.history_days * DAY_MS
        return self.standing.in_history(before) is False

    def first(self, known: _Known, now: Arrival, forgotten: Arrival | None) -> None:
        """A response that is not known, or not any more."""
        inside = self.standing.in_history(now)
        if not inside:
            if inside is None:
                self.ask("a response at the edge of the history")
            self.standing.put(forgotten, now)
            self.send(self.found.scored, wanted.scored(self.record, now, forgotten is not None, change="expired"))
            return
        history = self.standing.history_of(now)
        present = history[-1] if history else None
        self.standing.put(forgotten, now)
        if present is not None and now.place < present.place:
            change = any_of("late", "correction") if forgotten else "late"
            self.send(self.found.scored, wanted.scored(self.record, now, change=change))
        elif forgotten is not None:
            self.send(self.found.scored, wanted.scored(self.record, now, change=any_of("new", "correction")))
            self.appeared(known, now, history, any_of("response", "correction"))
        else:
            was: dict[str, Any] = {
                "previous_category": ABSENT if present is None else present.category,
                "previous_score": ABSENT if present is None else present.score,
            }
            self.send(self.found.scored, wanted.scored(self.record, now, change="new", **was))
            self.appeared(known, now, history, "response")

    def after_retraction(self, known: _Known, arrival: Arrival, now: Arrival) -> None:
        """A response that was taken back, perhaps before it came."""
        if now.retraction:
            self.send(self.found.scored, wanted.scored_loosely(self.record, arrival, optional=True))
            return
        if not self.standing.in_history(now):
            self.ask("an expired response after its retraction")
            return
        history = self.standing.history_of(now)
        self.standing.put(None, now)
        change = any_of("new", "correction", "late")
        self.send(self.found.scored, wanted.scored(self.record, now, change=change))
        if not history or history[-1].place < now.place:
            self.appeared(known, now, history, any_of("response", "correction"), again=True)

    def appeared(self, known: _Known, now: Arrival, history: Sequence[Arrival], cause: Any, again: bool = False) -> None:
        """A new present response, after all of the respondent's history."""
        old = self.standing.is_old(now)
        known.announced = old is not None
        known.stands = old is False and now.category == "detractor"
        if now.category == "promoter" and now.respondent_id is not None and old is not False:
            self.promoted_ids(now).add(now.response_id)
        if old:
            return
        perhaps = old is None
        if history and history[-1].category != now.category:
            self.send(self.found.changes, wanted.change(self.record, now, history[-1], now, cause, perhaps))
        more: dict[str, Any] = {}
        if now.category == "detractor":
            if now.respondent_id is not None:
                streak = 1
                while streak <= len(history) and history[-streak].category == "detractor":
                    streak += 1
                more["consecutive"] = streak
            if not again and cause == "response":
                more["revision"] = 0
            self.send(self.found.detractors, wanted.announcement(self.record, self.standing, now, perhaps, **more))
        elif now.category == "promoter":
            if now.respondent_id is not None:
                once = self.promoted_ids(now)
                if any(earlier.category == "promoter" for earlier in history):
                    more["first"] = any_of(False, ABSENT)
                else:
                    more["first"] = any_of(True, False, ABSENT) if once or again else True
                once.add(now.response_id)
            self.send(self.found.promoters, wanted.announcement(self.record, self.standing, now, perhaps, **more))

    def lower_version(self, before: Arrival, now: Arrival) -> None:
        """Nothing, unless the version that holds came without segments and gets these."""
        if now != before:
            self.standing.put(before, now)
            self.send(self.found.scored, wanted.scored_loosely(self.record, now, optional=True))

    def lower_than_forgotten(self, arrival: Arrival) -> None:
        """Nothing; or, if the version that holds is not forgotten and came without segments, that one with these."""
        if not arrival.retraction and self.standing.in_history(arrival) is False:
            self.send(self.found.scored, wanted.scored_loosely(self.record, arrival, optional=True, change="expired"))
        else:
            self.ask("a lower version than one that may be forgotten")

    def duplicate(self, before: Arrival, now: Arrival) -> None:
        if now.respondent_id != before.respondent_id:
            self.ask("another respondent and nothing else new")
        self.standing.put(before, now)
        if self.standing.in_history(now) is not True:
            self.send(self.found.scored, wanted.scored_loosely(self.record, now, optional=True))

    def correction(self, known: _Known, before: Arrival, now: Arrival) -> None:
        """Other content for a response that is known."""
        inside = self.standing.in_history(now)
        if inside is None or self.standing.in_history(before) is None:
            self.ask("a correction at the edge of the history")
        presents = self.presents_around(before, now)
        change = "correction" if inside else any_of("expired", "correction")
        self.send(self.found.scored, wanted.scored(self.record, now, change=change))
        self.present_changes(now, presents, "correction", self.standing.is_old(before), self.standing.is_old(now), not inside)
        steady = before.respondent_id == now.respondent_id and (before.respondent_id is None or presents == [(before, now)])
        if inside and steady and known.announced and (known.stands or None not in map(self.standing.is_old, (before, now))):
            self.steady_correction(known, before, now)
        else:
            known.announced = False
            anything = wanted.anything(self.record, now.account_id)
            self.send(self.found.detractors, anything, anything, anything)
            self.send(self.found.promoters, anything, anything)
        if now.category == "promoter":
            self.promoted_ids(now).add(now.response_id)

    def steady_correction(self, known: _Known, before: Arrival, now: Arrival) -> None:
        """Of a response that is, before and after, its respondent's present (or anonymous)."""
        if now.category == "detractor":
            into = before.category != "detractor"
            severe = wanted.severity(before.score) != wanted.severity(now.score)
            says_more = now.comment is not None and now.comment != before.comment
            says_less = now.comment is None and before.comment is not None
            anew = not known.stands and bool(self.standing.is_old(before))
            differs = into or severe or says_more or says_less or anew
            if differs and (known.stands or not self.standing.is_old(now)):
                optional = not (into or severe or says_more or anew)
                revision = AnyOf(range(1 if known.stands else 0, len(known.arrivals)))
                announced = wanted.announcement(self.record, self.standing, now, optional, revision=revision)
                self.send(self.found.detractors, announced)
                known.announced, known.stands = known.stands or not optional, True
        elif known.stands:
            self.send(self.found.detractors, wanted.withdrawal(self.record, self.standing, now))
            known.stands = False
        if now.category == "promoter" and before.category != "promoter":
            self.send(self.found.promoters, wanted.announcement(self.record, self.standing, now, optional=True))

    def retraction(self, known: _Known, before: Arrival | None, now: Arrival) -> None:
        """A response is taken back, or would be if it was there."""
        if before is None or before.retraction or not now.retraction:
            self.send(self.found.scored, wanted.scored_loosely(self.record, now, optional=True))
            return
        if self.standing.in_history(before) is None:
            self.ask("a retraction at the edge of the history")
        presents = self.presents_around(before, None)
        self.send(self.found.scored, wanted.scored_loosely(self.record, before, change="retraction"))
        old = self.standing.is_old(before)
        self.present_changes(now, presents, "retraction", old, old)
        was, becomes = presents[0]
        if before.category == "detractor" and (known.stands or not (known.announced and old)):
            optional = not known.announced or (before.respondent_id is not None and was != before)
            self.send(self.found.detractors, wanted.withdrawal(self.record, self.standing, before, optional))
        known.stands = False
        if becomes is not None:
            topic = {"detractor": self.found.detractors, "promoter": self.found.promoters}.get(becomes.category)
            if topic is not None:
                self.send(topic, wanted.anything(self.record, now.account_id))

    def presents_around(self, before: Arrival, now: Arrival | None) -> list[tuple[Arrival | None, Arrival | None]]:
        """Put what holds in place of what held; of each respondent concerned (old one first) the present before and after."""
        moved = now is not None and now.respondent_id != before.respondent_id
        concerned = [before, now] if moved and now is not None else [before]
        were = [self.standing.present(one) for one in concerned]
        self.standing.put(before, now)
        return list(zip(were, [self.standing.present(one) for one in concerned], strict=True))

    def present_changes(
        self,
        now: Arrival,
        presents: Sequence[tuple[Arrival | None, Arrival | None]],
        cause: str,
        was_old: bool | None,
        is_old: bool | None,
        optional: bool = False,
    ) -> None:
        if was_old and is_old:
            return
        optional = optional or (was_old is not False and is_old is not False)
        expected = []
        for was, becomes in presents:
            if was is None and becomes is not None:
                expected.append(wanted.anything(self.record, now.account_id))
            elif was is not None and (becomes is None or becomes.category != was.category):
                expected.append(wanted.change(self.record, now, was, becomes, cause, optional))
        self.send(self.found.changes, *expected)

    def promoted_ids(self, response: Arrival) -> set[str]:
        return self.promoted.setdefault((response.account_id, response.respondent_id or ""), set())

    def ask(self, question: str) -> None:
        self.found.open_questions.append(f"partition {self.number}, offset {self.record.offset}: {question}")
        self.found.doubtful.setdefault(self.account_id, question)

    def send(self, topic: dict[int, list[Cause]], *expected: Expected) -> None:
        if not expected:
            return
        if topic is not self.found.scored:
            expected = tuple(map(self.of_the_account, expected))
        causes = topic[self.number]
        if causes and causes[-1].offset == self.record.offset:
            expected = (*causes.pop().events, *expected)
        causes.append(Cause(self.record.offset, expected))

    def of_the_account(self, event: Expected) -> Expected:
        """An event with what it may tell of the account; and if its segments are not told elsewhere, with those it may have."""
        facts = None if self.facts is None else self.facts.of(self.account_id)
        fields = dict(event.fields)
        if facts is not None:
            fields["account"] = any_of(*(fact.brief or ABSENT for fact in facts))
        if self.untold and "segments" in fields:
            named = fields.pop("segments")
            own = {} if named is ABSENT else named
            if facts is not None:
                fields["segments"] = any_of(*(together(own, fact.segments) or ABSENT for fact in facts))
        return replace(event, fields=fields)
