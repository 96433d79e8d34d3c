"""Silence: who used to answer and does not any more.

Of each respondent the state has one value: when the last responses were given, each with a hash of its response_id, since a
correction may move one and a retraction takes one away, and with its score; and nothing else of them. That is enough for the
rhythm, and bounded (`agents.risk_rules.MOST_ANSWERS`).

When somebody is to be looked at stands in an index that sorts by days: an entry for a respondent at most, at the first UTC day
that begins after the silence has. Each response moves that day, nearly always away, so the entry stays where it is until its
day has come, and is written anew then: one write for each response, not three. Where the day comes nearer it moves at once.

A silence is noticed by the first pass over the index on or after its day, and not again: `noticed` is the time of the last
response before it, so that only a later response begins anew.

    R<length: 2 bytes><account><respondent's hash>                  a rhythm
    D<day: 4 bytes><length: 2 bytes><account><respondent's hash>    that it is looked at on that day
"""

import hashlib
from bisect import insort
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import UNSET, Meta

from agents import keys
from agents.lately_erased import HASH_BYTES, short_hash, was_erased
from agents.risk_rules import MOST_ANSWERS, RiskSettings, day_after, silent_from, usual_interval
from agents.risk_sources import Scored
from agents.stored import decoder
from schemas.events import Score
from schemas.times import LATEST_MS
from streams.processor import DAY_MS, State

RHYTHM: Final = b"R"
DUE: Final = b"D"
DAY_BYTES: Final = 4
DUE_BYTES: Final = len(DUE) + DAY_BYTES
THERE: Final = b"1"
"""The value of an entry of the index: its key says all."""
NAME_BYTES: Final = 8
"""Of a response_id's hash: it need not be like any other one of the same respondent's last twelve."""
LEAVES: Final = ("retraction", "expired")
"""Changes by which a response counts no longer, if it did."""
FORGOTTEN_DAYS: Final = 800
"""A rhythm is let go of so long after its last response: scoring has forgotten these responses by then, and corrects none."""


class Answer(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """One response of a respondent."""

    at: Annotated[int, Meta(ge=0, lt=LATEST_MS)]
    """responded_at in ms."""
    name: bytes
    """A hash of the response_id."""
    score: Score


class Rhythm(msgspec.Struct, array_like=True, gc=False):
    """How somebody answers."""

    respondent_id: str
    answers: Annotated[list[Answer], Meta(min_length=1)]
    """The last ones, oldest first; never empty in the state."""
    looked_at: Annotated[int, Meta(ge=0, lt=1 << 8 * DAY_BYTES)] = 0
    """The day of its entry in the index; 0: there is none."""
    noticed: int = -1
    """The time in ms of the last response before the silence that was noticed last."""

    @property
    def silent(self) -> bool:
        """Whether the present silence was noticed already."""
        return self.answers[-1].at <= self.noticed


class Silence(NamedTuple):
    """A silence that was noticed."""

    account: bytes
    respondent: bytes
    """The hash of the respondent_id."""
    respondent_id: str
    last: Answer
    usual: float
    """The median interval in ms."""
    day: int
    """The UTC day on which it began to be one."""


_encode = msgspec.msgpack.Encoder().encode
_decode = decoder(Rhythm)


class Silences:
    """The rhythms of one task's respondents."""

    __slots__ = ("_settings", "_state")

    def __init__(self, settings: RiskSettings, state: State) -> None:
        self._settings = settings
        self._state = state

    def take(self, scored: Scored, respondent_id: str, at: int) -> None:
        """A scored response of a respondent, given at `at` in ms."""
        state = self._state
        account = scored.account_id.encode()
        respondent = short_hash(scored.account_id, respondent_id)
        key = keys.within(RHYTHM, account) + respondent
        score = UNSET if scored.change in LEAVES else scored.score
        value = state.get(key)
        if value is None:
            if score is UNSET or was_erased(state, account, respondent):
                return
            rhythm, was_silent = Rhythm(respondent_id, []), False
        else:
            rhythm = _decode(value)
            was_silent = rhythm.silent
        name = hashlib.blake2b(scored.response_id.encode(), digest_size=NAME_BYTES).digest()
        rhythm.answers = answers = [answer for answer in rhythm.answers if answer.name != name]
        if score is not UNSET:
            insort(answers, Answer(at, name, score))
            del answers[:-MOST_ANSWERS]
        elif not answers:
            self._drop(key, rhythm)
            return
        if was_silent and scored.change == "correction":
            rhythm.noticed = max(rhythm.noticed, answers[-1].at)  # nobody has said anything since
        self._see_to(key, rhythm)
        state.put(key, _encode(rhythm))

    def look(self, entry: bytes, today: int) -> Silence | None:
        """Whoever an entry of the index means, whose day is `today` or past: the silence, if it is one and was not noticed
        before. The entry is gone afterwards, and perhaps there is another."""
        self._state.delete(entry)
        key = RHYTHM + entry[DUE_BYTES:]
        value = self._state.get(key)
        if value is None:
            return None
        found: Silence | None = None
        rhythm = _decode(value)
        rhythm.looked_at = 0
        if self._has_rhythm(rhythm):
            times = [answer.at for answer in rhythm.answers]
            began = silent_from(times, self._settings)
            if day_after(began) <= today:
                last = rhythm.answers[-1]
                rhythm.noticed = last.at
                who = keys.account_of(key), key[-HASH_BYTES:], rhythm.respondent_id
                found = Silence(*who, last, usual_interval(times), int(began // DAY_MS))
            else:
                self._see_to(key, rhythm)
        self._state.put(key, _encode(rhythm))
        return found

    def forget(self, account: bytes, respondent: bytes) -> None:
        """Let go of a respondent, by the hash."""
        key = keys.within(RHYTHM, account) + respondent
        value = self._state.get(key)
        if value is not None:
            self._drop(key, _decode(value))

    def sweep(self, key: bytes, now: int) -> None:
        """Let go of a rhythm if nobody will ask for it any more, at `now` in ms."""
        value = self._state.get(key)
        if value is not None:
            rhythm = _decode(value)
            if rhythm.answers[-1].at < now - FORGOTTEN_DAYS * DAY_MS:
                self._drop(key, rhythm)

    def _has_rhythm(self, rhythm: Rhythm) -> bool:
        """Whether there is a silence to wait for."""
        return len(rhythm.answers) >= self._settings.silence_responses and not rhythm.silent

    def _see_to(self, key: bytes, rhythm: Rhythm) -> None:
        """Have somebody looked at in time: on the day after the silence begins. Each pass begins with the first day that there
        is, so the next one comes to a day that is past."""
        if not self._has_rhythm(rhythm):
            return
        soonest = day_after(rhythm.answers[-1].at + self._settings.silence_min_days * DAY_MS)
        if 0 < rhythm.looked_at <= soonest:
            return  # the usual case, and no median is needed to know it
        day = day_after(silent_from([answer.at for answer in rhythm.answers], self._settings))
        if rhythm.looked_at:
            if rhythm.looked_at <= day:
                return
            self._state.delete(_due_key(rhythm.looked_at, key))
        rhythm.looked_at = day
        self._state.put(_due_key(day, key), THERE)

    def _drop(self, key: bytes, rhythm: Rhythm) -> None:
        self._state.delete(key)
        if rhythm.looked_at:
            self._state.delete(_due_key(rhythm.looked_at, key))


def due_day(entry: bytes) -> int:
    """The day of an entry of the index."""
    return int.from_bytes(entry[len(DUE) : DUE_BYTES], "big")


def _due_key(day: int, key: bytes) -> bytes:
    return DUE + day.to_bytes(DAY_BYTES, "big") + key[len(RHYTHM) :]
