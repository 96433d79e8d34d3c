"""The cases of one task in its state, and how many of them are open. The keys are listed in `agents.case_keys`."""

from typing import Final

import msgspec

from agents import case_keys as keys
from agents.case_index import CaseIndex
from agents.case_kept import (
    NEVER,
    SEVERITIES,
    UNKNOWN,
    KeptAccount,
    KeptCase,
    KeptRecovery,
    Waiting,
    decode_account,
    decode_case,
    decode_waiting,
    encode_case,
)
from agents.case_states import OPEN
from agents.lately_erased import HASH_BYTES, mark_erased, mark_key, was_erased
from agents.stored import StateUnreadable, StoredCount, decoder
from streams.processor import Outbox, State

OPEN_GAUGE: Final = "cases_open"
OLDEST_GAUGE: Final = "cases_oldest_timestamp_seconds"

_OPEN_NAMES: Final = tuple(state.text for state in OPEN)
_PLACES: Final = {
    (severity, state): number
    for number, (severity, state) in enumerate((severity, state) for severity in SEVERITIES for state in _OPEN_NAMES)
}
"""Where the counts have the open cases of a severity in a state."""
NOWHERE: Final = -1


class Last(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A subject's last case: of a respondent, or of an anonymous response."""

    case_id: str
    number: StoredCount
    """How many cases there were, this one included."""


_decode_last = decoder(Last)
_decode_counts = decoder(list[StoredCount])


class CaseStore:
    """Reads and writes for one batch or tick."""

    __slots__ = ("_counts", "_state", "index")

    def __init__(self, state: State) -> None:
        self._state = state
        self.index = CaseIndex.of(state)
        value = state.get(keys.COUNTS)
        self._counts = [0] * len(_PLACES) if value is None else _decode_counts(value)
        if len(self._counts) != len(_PLACES):
            raise StateUnreadable("the counts of open cases in the state are of other severities or states")

    def case(self, account: bytes, case_id: str) -> KeptCase | None:
        """A case, if there is one of this id."""
        value = self._state.get(keys.case_key(account, case_id))
        return None if value is None else decode_case(value)

    def last(self, subject: bytes) -> Last | None:
        """The last case of a subject, if it has any."""
        value = self._state.get(subject)
        return None if value is None else _decode_last(value)

    def begin(self, case: KeptCase, number: int) -> None:
        """A case is its subject's last one from now on."""
        self._state.put(case.subject, encode_case(Last(case.case_id, number)))

    def save(self, case: KeptCase, alarm: int) -> None:
        """Write a case, with the time at which something is due for it."""
        account = case.account_id.encode()
        self.index.move(account, case.case_id, case.alarm, alarm)
        case.alarm = alarm
        self._count(case, _PLACES[case.severity, case.state] if case.is_open else NOWHERE, account)
        self._state.put(keys.case_key(account, case.case_id), encode_case(case))

    def forget(self, case: KeptCase) -> list[KeptCase]:
        """Let go of a case, and of all cases of its subject before it: they were closed before it was opened. Returns them."""
        gone, account = [], case.account_id.encode()
        last = self.last(case.subject)
        if last is not None and last.case_id == case.case_id:
            self._state.delete(case.subject)
        found: KeptCase | None = case
        while found is not None:
            gone.append(found)
            self.index.move(account, found.case_id, found.alarm, NEVER)
            self._count(found, NOWHERE, account)
            self._state.delete(keys.case_key(account, found.case_id))
            found = None if found.earlier is None else self.case(account, found.earlier)
        return gone

    def wait(self, account: bytes, subject: bytes, recovery: KeptRecovery, until: int) -> None:
        """A respondent's recovery waits for its case, in place of an earlier one."""
        self.wait_no_more(account, subject)
        self._state.put(keys.waiting(subject), encode_case(Waiting(recovery, until)))
        self.index.move(account, keys.waiting_name(subject), NEVER, until)

    def wait_no_more(self, account: bytes, subject: bytes) -> KeptRecovery | None:
        """Let go of a respondent's recovery that waits; what it was, if there was one."""
        value = self._state.get(keys.waiting(subject))
        if value is None:
            return None
        waiting = decode_waiting(value)
        self._state.delete(keys.waiting(subject))
        self.index.move(account, keys.waiting_name(subject), waiting.until, NEVER)
        return waiting.recovery

    def mark_erased(self, account: bytes, subject: bytes, at: int) -> None:
        """Remember that a respondent was erased, at `at` in ms."""
        respondent = _short(subject)
        before, end = mark_erased(self._state, account, respondent, at)
        self.index.move(account, keys.erased_name(respondent), before, end)

    def was_erased(self, account: bytes, subject: bytes) -> bool:
        """Whether a subject is a respondent who was erased not long ago."""
        return subject.startswith(keys.RESPONDENT) and was_erased(self._state, account, _short(subject))

    def unmark(self, account: bytes, name: str, due: int) -> None:
        """An erasure is remembered no longer, of somebody with this name in the index of what is due, at that time."""
        self._state.delete(mark_key(account, keys.erased_respondent(name)))
        self.index.move(account, name, due, NEVER)

    def account(self, account: bytes) -> KeptAccount:
        """What is known of an account."""
        value = self._state.get(keys.FACTS + account)
        return UNKNOWN if value is None else decode_account(value)

    def learn(self, account: bytes, facts: KeptAccount) -> bool:
        """Something is known of an account; whether that is something else than before."""
        if facts == self.account(account):
            return False
        if facts == UNKNOWN:
            self._state.delete(keys.FACTS + account)
        else:
            self._state.put(keys.FACTS + account, encode_case(facts))
        return True

    def show_gauges(self, outbox: Outbox, if_changed: bool = False) -> None:
        """Show how many cases are open, and since when the oldest is. Gauges are no state: ticks show them whether they have
        changed or not, or nobody would after a restart. Of a tick that changes nothing they are not reported, so what ticks
        have shown is not taken as shown."""
        oldest, cache = self.index.oldest(), self._state.cache
        shown = (*self._counts, oldest)
        if cache.get(OPEN_GAUGE) != shown:
            cache.pop(OPEN_GAUGE, None)
        elif if_changed:
            return
        if if_changed:
            cache[OPEN_GAUGE] = shown
        partition = str(self._state.partition)
        for (severity, state), place in _PLACES.items():
            outbox.gauge(OPEN_GAUGE, partition, severity, state, value=self._counts[place])
        outbox.gauge(OLDEST_GAUGE, partition, value=None if oldest is None else oldest / 1000)

    def _count(self, case: KeptCase, place: int, account: bytes) -> None:
        """Count a case there, and nowhere else."""
        before, case.counted = case.counted, place
        if before == place:
            return
        if before == NOWHERE:
            self.index.open(account, case.case_id, case.opened_at)
        else:
            self._counts[before] -= 1
        if place == NOWHERE:
            self.index.close(account, case.case_id, case.opened_at)
        else:
            self._counts[place] += 1
        self._state.put(keys.COUNTS, encode_case(self._counts))


def _short(subject: bytes) -> bytes:
    """A respondent's hash as it stands in marks (`agents.lately_erased`)."""
    return subject[len(keys.RESPONDENT) :][:HASH_BYTES]
