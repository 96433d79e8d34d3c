"""CRM facts among responses against the recount: whatever the interleaving, tables hold the sum over responses of the segments
that scored events say they were counted in, and these are within what nps.accounts has said."""

from hypothesis import assume, given, note
from hypothesis import strategies as st

from agents.rollups import Rollups, RollupSettings
from agents.scoring import Scoring, ScoringSettings
from npstream.recount import WINDOWS
from schemas import topics
from streams.processor import Processor
from tests.strategies import SMALL_GRACE, SMALL_HEADLINE, SMALL_JUMPS, SMALL_WINDOWS, Round, rounds, small_days
from tests.verification import Played


def processors() -> list[Processor]:
    return [Scoring(), Rollups()]


def small_processors() -> list[Processor]:
    lengths = (SMALL_WINDOWS, SMALL_HEADLINE, SMALL_GRACE)
    return [Scoring(ScoringSettings(*lengths)), Rollups(RollupSettings(*lengths))]


def check(played: Played, windows: tuple[int, ...] = WINDOWS, headline: int = 90, grace: int = 7) -> None:
    for record in (*played.records, *played.driver.sent(topics.ACCOUNTS), *played.driver.sent(topics.ERASURES)):
        note(f"{record.topic} {record.partition}:{record.offset} at {record.timestamp} {record.key!r} {record.value!r}")
    expected = played.recounted(windows, headline, grace)
    assume(not expected.open_questions)
    assert played.event_differences(expected) == []
    played.settle()
    assert played.table_differences(windows) == []


@given(rounds(facts=True))
def test_what_counts_with_facts_is_as_told(arrivals: list[Round]) -> None:
    check(Played(processors(), arrivals))


@given(st.integers(2, 3).flatmap(lambda n: st.tuples(st.just(n), rounds(partitions=n, strays=True, erasures=True, facts=True))))
def test_so_it_is_across_partitions_with_strays_and_erasures(case: tuple[int, list[Round]]) -> None:
    partitions, arrivals = case
    check(Played(processors(), arrivals, partitions))


@given(rounds(facts=True, erasures=True, days=small_days, jumps=SMALL_JUMPS))
def test_so_it_is_when_responses_leave_the_history(arrivals: list[Round]) -> None:
    check(Played(small_processors(), arrivals), SMALL_WINDOWS, SMALL_HEADLINE, SMALL_GRACE)


@given(rounds(facts=True, erasures=True, days=small_days, jumps=SMALL_JUMPS, crashes=False))
def test_it_is_the_same_in_any_batches(arrivals: list[Round]) -> None:
    """Crashes are left out: where two sources meet, an opening may decide otherwise than the batch that was lost."""
    one_by_one = Played(small_processors(), arrivals, batch=1)
    for batch in (7, 500):
        played = Played(small_processors(), arrivals, batch=batch)
        assert played.event_stream() == one_by_one.event_stream()
        assert played.driver.facts == one_by_one.driver.facts
