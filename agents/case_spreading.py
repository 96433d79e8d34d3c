"""Takes over what `nps.accounts` says of accounts, and brings it to their open cases: a few at once, the others with ticks.

The last record of an account counts, a tombstone is one that says nothing. A faulty one, and one at another partition than its
account's, changes nothing here: scoring makes a dead letter of it (`agents.learning`).
"""

from typing import Final

from agents.case_desk import Desk
from agents.case_kept import UNKNOWN, account_of
from schemas.accounts import read_facts
from schemas.dead_letters import Unusable
from schemas.events import MAX_ID_CHARS
from streams.processor import Record, State, partition_of

AT_ONCE: Final = 50
"""Cases to which facts come with their record: some 2 ms of work, and more than nearly any account has open."""
MOST_BYTES: Final = 4 * MAX_ID_CHARS
"""Of an account_id in UTF-8."""


def learn(record: Record, desk: Desk, state: State, now: int) -> None:
    """One record of nps.accounts, at `now` in ms."""
    account = record.key or b""
    if not 0 < len(account) <= MOST_BYTES or partition_of(account, state.partitions) != state.partition:
        return
    try:
        account.decode()
        facts = UNKNOWN if record.value is None else account_of(read_facts(record.value))
    except (Unusable, UnicodeDecodeError):
        return
    if desk.store.learn(account, facts):
        _spread(account, "", AT_ONCE, desk, now)


def spread_more(desk: Desk, now: int, most: int) -> int:
    """Bring facts to up to `most` cases that have waited for them; how many were looked at."""
    done = 0
    for account, after in desk.store.index.spreads():
        if done >= most:
            break
        done += max(1, _spread(account, after, most - done, desk, now))
    return done


def _spread(account: bytes, after: str, most: int, desk: Desk, now: int) -> int:
    """Bring an account's facts to up to `most` of its open cases, those after one of them; how many were looked at."""
    index = desk.store.index
    facts = desk.store.account(account)
    cases = index.open_of(account, after, most)
    for case_id in cases:
        case = desk.store.case(account, case_id)
        if case is not None and desk.follow(case, facts):
            desk.journal.tell(case, "changed", now)
            desk.put_back()
    if len(cases) < most:
        index.spread(account)
    else:
        index.spread_later(account, cases[-1])
    return len(cases)
