"""Erasures among responses against the recount: for any of them, anywhere, in any batches, with crashes and re-starts."""

import msgspec
from hypothesis import assume, given, note
from hypothesis import strategies as st

from agents import keys
from agents.rollups import Rollups, RollupSettings
from agents.scoring import Scoring, ScoringSettings
from npstream.recount import WINDOWS, account_tables, table_differences
from schemas import topics
from schemas.erasures import respondent_hash
from streams.processor import DAY_MS, Processor
from tests.strategies import (
    RESPONDENTS,
    SMALL_GRACE,
    SMALL_HEADLINE,
    SMALL_JUMPS,
    SMALL_WINDOWS,
    Round,
    rounds,
    small_days,
)
from tests.verification import Played


def processors() -> list[Processor]:
    return [Scoring(), Rollups()]


def small_processors() -> list[Processor]:
    lengths = (SMALL_WINDOWS, SMALL_HEADLINE, SMALL_GRACE)
    return [Scoring(ScoringSettings(*lengths)), Rollups(RollupSettings(*lengths))]


def told(played: Played) -> None:
    """What arrived, for whoever reads a failure."""
    for record in (*played.records, *played.driver.sent(topics.ERASURES)):
        note(f"{record.topic} {record.partition}:{record.offset} at {record.timestamp} {record.key!r} {record.value!r}")


def remembered(played: Played, partition: int) -> list[bytes]:
    """The keys of one partition's state that name somebody who is on the list, or whose values do."""
    state = played.driver.state("scoring", partition)
    found = []
    for erasure in (one for own in played.erasures.values() for one in own):
        for name in {one for one in RESPONDENTS if one is not None}:
            if respondent_hash(erasure.account_id, name) == erasure.respondent_hash:
                account = erasure.account_id.encode()
                own = [key for key in state if key[:1] in b"PpR" and keys.account_of(key) == account]
                found += [key for key in own if key.startswith(keys.within(b"P", account) + name.encode())]
                found += [key for key in own if key.startswith(keys.within(b"p", account) + name.encode())]
                found += [key for key in own if msgspec.msgpack.encode(name) in state[key]]
    return found


def known(played: Played) -> dict[bytes, bytes]:
    """What the state knows of responses, respondents and the erased; how it writes counts depends on the batches."""
    return {key: value for key, value in played.driver.state("scoring").items() if key[:1] in b"RPpeE"}


def check(played: Played, windows: tuple[int, ...] = WINDOWS, headline: int = 90, grace: int = 7) -> None:
    told(played)
    for partition in range(played.driver.partitions):
        assert remembered(played, partition) == []
    expected = played.recounted(windows, headline, grace)
    assume(not expected.open_questions)
    assert played.event_differences(expected) == []
    played.settle()
    assert played.table_differences(windows) == []


@given(rounds(erasures=True))
def test_what_is_erased_counts_and_tells_as_recounted(arrivals: list[Round]) -> None:
    check(Played(processors(), arrivals))


@given(st.integers(2, 3).flatmap(lambda n: st.tuples(st.just(n), rounds(partitions=n, strays=True, erasures=True))))
def test_so_it_does_across_partitions_with_strays(case: tuple[int, list[Round]]) -> None:
    partitions, arrivals = case
    check(Played(processors(), arrivals, partitions))


@given(rounds(erasures=True, days=small_days, jumps=SMALL_JUMPS))
def test_so_it_does_when_responses_leave_the_history(arrivals: list[Round]) -> None:
    check(Played(small_processors(), arrivals), SMALL_WINDOWS, SMALL_HEADLINE, SMALL_GRACE)


@given(rounds(erasures=True, days=small_days, jumps=SMALL_JUMPS, crashes=False))
def test_it_is_the_same_in_any_batches(arrivals: list[Round]) -> None:
    """Crashes are left out: where two sources meet, an opening may decide otherwise than the batch that was lost."""
    one_by_one = Played(small_processors(), arrivals, batch=1)
    told(one_by_one)
    for batch in (7, 500):
        played = Played(small_processors(), arrivals, batch=batch)
        assert played.event_stream() == one_by_one.event_stream()
        assert played.driver.sent(topics.ERASURES) == one_by_one.driver.sent(topics.ERASURES)
        assert played.driver.facts == one_by_one.driver.facts
        assert known(played) == known(one_by_one)


@given(rounds(partitions=2, strays=True, crashes=False, jumps=(0, 60_000, DAY_MS), erasures=True))
def test_a_state_made_anew_has_nobody_who_was_erased(arrivals: list[Round]) -> None:
    played = Played(processors(), arrivals, partitions=2)
    listed = played.erasures
    played.driver.start_anew()
    played.run(7)
    told(played)
    for partition in range(2):
        assert remembered(played, partition) == []
    assume(not played.recounted().open_questions)
    played.settle()
    rows = account_tables(played.records, played.driver.now // DAY_MS, WINDOWS, 2, played.erasures)
    assert table_differences(rows, played.driver.table(topics.ACCOUNT_ROLLUPS)) == []
    assert {account: len(own) for account, own in played.erasures.items()} == {a: len(own) for a, own in listed.items()}
    assert all(erasure.position == 0 for own in played.erasures.values() for erasure in own)
