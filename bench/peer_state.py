"""What a peer knows once it has ended, in one form, from wherever it keeps it: the state that it would be restored from."""

import pickle
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from bench.checking import Comparison, compare_values
from bench.engine.tally import CATEGORIES, Account
from bench.engine.worker import UNIT
from bench.peers.telling import Work
from bench.reading import Stored, group_offsets, last_values, read
from bench.truth import Truth
from schemas.codec import loads
from streams.changelog import Position, position_key, state_prefix
from streams.task_name import changelog_topic

DAYS_KEY, LAST_STEP, COUNTS_STEP = "days", ".last_category.", ".day_counts."
"""What Quix Streams' and Bytewax' programs call theirs (bench/peers)."""


class PeerState(NamedTuple):
    """The end of a run."""

    respondents: dict[str, tuple[str, int]]
    """Last category and score."""
    accounts: dict[str, dict[int, tuple[int, ...]]]
    """Promoters, passives and detractors by UTC day."""
    consumed: int
    """Up to where it would not read again: the sum over all partitions."""

    def comparisons(self, truth: Truth) -> Iterable[Comparison]:
        """With the recount."""
        yield compare_values(
            "respondents",
            {name: (last.category, last.answer.score) for name, last in truth.latest.items()},
            self.respondents,
        )
        yield compare_values(
            "accounts",
            {
                name: {day: tuple(reversed(counts)) for day, counts in tally.days.items()}
                for name, tally in truth.accounts.items()
            },
            self.accounts,
        )
        yield Comparison("consumed", len(truth.outcomes), found=self.consumed)


ReadState = Callable[[Work], PeerState]


def from_changelogs(work: Work) -> PeerState:
    """Of a peer with one changelog for respondents and one for accounts, in JSON: Kafka Streams, aiokafka, Faust."""
    respondents, accounts = (
        last_values(_read(work, f"{work.group}-{table}-changelog")) for table in ("respondents", "accounts")
    )
    return PeerState(
        {_name(key): _last(loads(value)) for key, value in respondents.items()},
        {_name(key): _days((days := loads(value)).get("days", days)) for key, value in accounts.items()},
        group_offsets(work.bootstrap, work.group, work.source),
    )


def from_quix(work: Work) -> PeerState:
    """Of Quix Streams: one changelog, the account before the key of its state."""
    respondents, accounts = {}, {}
    for key, value in last_values(_read(work, f"changelog__{work.group}--{work.source}--default")).items():
        account, _, name = key.partition(b"|")
        if _name(name) == DAYS_KEY:
            accounts[_name(account)] = _days(loads(value))
        else:
            respondents[_name(name)] = _last(loads(value))
    return PeerState(respondents, accounts, group_offsets(work.bootstrap, work.group, work.source))


def from_bytewax(work: Work) -> PeerState:
    """Of Bytewax: the newest snapshot of each key, in SQLite. What it has pickled are tuples, dictionaries and numbers."""
    respondents, accounts, consumed = {}, {}, 0
    for file in sorted(Path(work.folder).glob("part-*.sqlite3")):
        with sqlite3.connect(file) as database:
            newest = "SELECT step_id, state_key, ser_change, MAX(snap_epoch) FROM snaps GROUP BY step_id, state_key"
            for step, key, pickled, _ in database.execute(newest):
                value = pickle.loads(pickled)
                if LAST_STEP in step:
                    respondents[key] = _last(value)
                elif COUNTS_STEP in step:
                    accounts[key] = _days(value)
                else:
                    consumed += value
    return PeerState(respondents, accounts, consumed)


def from_engine(work: Work) -> PeerState:
    """Of the engine with the tally: one changelog, with packed values, and a position in each partition."""
    respondents, accounts, consumed = {}, {}, 0
    changelog = _read(work, changelog_topic(work.group, UNIT))
    last = {(record.partition, record.key or b""): record.value or b"" for record in changelog}
    prefix, position = state_prefix(UNIT), position_key(UNIT, work.source)
    for (_, key), value in last.items():
        kind, name, state = key[: len(prefix) + 1], key[len(prefix) + 1 :], value[1:]
        if kind == prefix + b"r":
            respondents[name.decode()] = CATEGORIES[state[0]], state[1]
        elif kind == prefix + b"a":
            accounts[name.decode()] = _days(Account(name, state).days)
        elif key == position:
            consumed += Position.decode(value).next
    return PeerState(respondents, accounts, consumed)


def _read(work: Work, topic: str) -> Iterable[Stored]:
    return read(work.bootstrap, topic)


def _name(key: bytes) -> str:
    """Some write keys as JSON."""
    return key.decode().strip('"')


def _last(value: Any) -> tuple[str, int]:
    category, score = value.values() if isinstance(value, dict) else value
    return category, score


def _days(days: Mapping[Any, Any]) -> dict[int, tuple[int, ...]]:
    return {int(day): tuple(counts) for day, counts in days.items()}
