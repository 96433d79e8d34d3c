"""The cases that `nps.cases` holds: which there are, which one somebody means, and how urgent each is. No I/O here."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec
from msgspec import UNSET

from npstream.failures import UserError
from npstream.lines import printable
from schemas.cases import Case, Due
from schemas.codec import loads
from schemas.dead_letters import Unusable
from schemas.events import Severity
from schemas.times import format_time, parse_time
from streams.processor import Record

CLOSED: Final = frozenset({"resolved", "expired", "withdrawn"})
"""States in which nothing is due any more."""
SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "elevated")
"""The worst first."""
SHORT: Final = 8
"""Least characters of a short id: enough for thousands of cases, and no more than can be typed."""
CANDIDATES: Final = 5
"""Cases that are named when an id is not one's alone."""


class NextDue(NamedTuple):
    """What a case waits for."""

    what: Due | None
    """None: it is snoozed."""
    at: int
    """In ms, UTC."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which cases somebody wants to see; what is empty does not matter."""

    accounts: Sequence[str] = ()
    """Ids or names."""
    owners: Sequence[str] = ()
    severities: Sequence[str] = ()
    states: Sequence[str] = ()
    closed: bool = False
    """Also those that are closed."""
    overdue: bool = False
    """Those alone of which something is overdue."""

    def fits(self, case: Case, now: int) -> bool:
        """Whether a case is wanted, at `now` in ms."""
        name = UNSET if case.account is UNSET else case.account.name
        return (
            (self.closed or case.state in self.states or case.state not in CLOSED)
            and (not self.states or case.state in self.states)
            and (not self.severities or case.severity in self.severities)
            and _among((case.account_id, name), self.accounts)
            and _among((case.owner,), self.owners)
            and (not self.overdue or overdue(case, now))
        )


@dataclass
class CaseBook:
    """Takes records of nps.cases, in order within a partition, and keeps what they say."""

    left_out: int = 0
    """Records that are none of ours: anybody who may write to the topic can write anything."""
    _cases: dict[bytes, Case] = field(default_factory=dict)

    def take(self, records: Iterable[Record]) -> None:
        """Take records in. What does not fit the published type, or its key, is counted and left out."""
        for record in records:
            key = record.key or b""
            if record.value is None:
                self._cases.pop(key, None)
                continue
            case = read_as(Case, record.value)
            if case is None or key != f"{case.account_id}|{case.case_id}".encode() or not sound(case):
                self.left_out += 1
            else:
                self._cases[key] = case

    @property
    def cases(self) -> list[Case]:
        """All of them."""
        return list(self._cases.values())

    @property
    def open(self) -> list[Case]:
        """Those of which something is to be done."""
        return [case for case in self._cases.values() if case.state not in CLOSED]

    def wanted(self, wanted: Wanted, now: int) -> list[Case]:
        """Those that are wanted, the most urgent first: what is open by its next due time, then what is closed, the latest
        first."""
        return sorted((case for case in self.cases if wanted.fits(case, now)), key=lambda case: _urgency(case, now))

    def find(self, prefix: str) -> Case:
        """The case whose id is or begins so. Raises UserError if there is none, or several."""
        found = [case for case in self.cases if case.case_id.startswith(prefix)] if prefix else []
        exact = [case for case in found if case.case_id == prefix]
        if len(exact or found) == 1:
            return (exact or found)[0]
        if not found:
            raise UserError(f"there is no case {printable(prefix)}: npstream cases --all lists those that there are")
        found.sort(key=lambda case: case.case_id)
        named = ", ".join(f"{case.case_id} of {called(case)}" for case in found[:CANDIDATES])
        more = f" and {len(found) - CANDIDATES:,} more" if len(found) > CANDIDATES else ""
        raise UserError(f"{printable(prefix)} is the beginning of several cases: {printable(named)}{more}; give more of the id")

    def short_length(self) -> int:
        """Characters of an id that tell all cases apart."""
        ids = sorted({case.case_id for case in self.cases})
        return max([SHORT, *(_common(one, other) + 1 for one, other in pairwise(ids))])


def read_as(kind: type[Any], value: bytes | None) -> Any:
    """A value as one of the published types; None if it is no such value."""
    try:
        return msgspec.convert(loads(value or b""), kind)
    except (Unusable, msgspec.ValidationError):
        return None


def sound(case: Case) -> bool:
    """What the type does not say: that its times are some."""
    times: list[Any] = [case.opened_at, case.updated_at, *(response.responded_at for response in case.responses)]
    times += [case.first_response_due, case.resolution_due, case.acknowledged_at, case.first_response_at]
    times += [case.snoozed_until, case.closed_at, UNSET if case.recovered is UNSET else case.recovered.at]
    try:
        for time in times:
            moment(time)
    except ValueError:
        return False
    return True


def called(case: Case) -> str:
    """What people call the account: its name, else its id."""
    return case.account_id if case.account is UNSET or case.account.name is UNSET else case.account.name


def moment(time: Any) -> int | None:
    """A time of a case in ms; None if it has none."""
    return None if time is UNSET else parse_time(time)


def next_due(case: Case, now: int) -> NextDue | None:
    """What is due next; None for a case of which nothing is. What is late comes first; a snoozed case waits for its end."""
    if case.state in CLOSED:
        return None
    snoozed = moment(case.snoozed_until)
    if snoozed is not None and snoozed > now:
        return NextDue(None, snoozed)
    dues = (
        ("first_response", moment(case.first_response_due) if case.first_response_at is UNSET else None),
        ("resolution", moment(case.resolution_due)),
    )
    pending = [NextDue(what, at) for what, at in dues if at is not None]  # type: ignore[arg-type]
    return min(pending, key=lambda due: due.at, default=None)


def overdue(case: Case, now: int) -> bool:
    """Whether something has been due for some time."""
    due = next_due(case, now)
    return due is not None and due.at < now


def document(case: Case, now: int) -> dict[str, Any]:
    """A case as JSON: as it stands in its topic, and what is due next."""
    due = next_due(case, now)
    found: dict[str, Any] = msgspec.to_builtins(case)
    if due is not None:
        found["next_due"] = {"what": due.what or "snoozed", "at": format_time(due.at), "overdue": due.at < now}
    return found


@dataclass(frozen=True, slots=True)
class Totals:
    """What a list comes to."""

    open: int
    by_severity: dict[str, int]
    """Of the open ones, the worst severity first."""
    overdue: int
    oldest: int | None
    """When the oldest open one was opened, in ms UTC."""


def totals(cases: Iterable[Case], now: int) -> Totals:
    """What these cases come to, at `now` in ms."""
    listed = [case for case in cases if case.state not in CLOSED]
    counts = Counter(case.severity for case in listed)
    return Totals(
        len(listed),
        {severity: counts[severity] for severity in SEVERITIES if counts[severity]},
        sum(overdue(case, now) for case in listed),
        min((parse_time(case.opened_at) for case in listed), default=None),
    )


def _urgency(case: Case, now: int) -> tuple[bool, bool, int, int, str]:
    due = next_due(case, now)
    shut = case.state in CLOSED
    at = due.at if due is not None else -parse_time(case.updated_at) if shut else 0
    return shut, due is None, at, SEVERITIES.index(case.severity), case.case_id


def _among(values: Iterable[Any], wanted: Sequence[str]) -> bool:
    """Whether one of the values is wanted, in capitals or not."""
    lowered = {one.casefold() for one in wanted}
    return not wanted or any(value is not UNSET and value.casefold() in lowered for value in values)


def _common(one: str, other: str) -> int:
    """Characters that two ids begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
