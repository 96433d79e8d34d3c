"""How the cells of source partitions become tables of segments; each behaviour with batches of 1, 7 and 500."""

import json
from typing import Any

import pytest

from agents.cells import (
    CellKey,
    Respondents,
    read_key,
    read_respondents,
    read_responses,
    write_key,
    write_respondents,
    write_responses,
)
from agents.rollups import Rollups, RollupSettings
from agents.scoring import Scoring
from agents.windows import Spans
from schemas import topics
from schemas.dead_letters import Unusable
from schemas.times import format_time, parse_time
from streams.partitioner import partition_of
from streams.processor import DAY_MS
from streams.test_driver import TestDriver

NOW = parse_time("2026-03-01T12:00:00Z")
TODAY = NOW // DAY_MS
OLD, NEW = "1772366400000-aaaaaaaa", "1772366400001-00000000"
SETTINGS = RollupSettings(windows_days=(2, 4), headline_days=2, grace_days=1)
SPANS = Spans(SETTINGS.windows_days, SETTINGS.grace_days)

batches = pytest.mark.parametrize("batch", [1, 7, 500])


class Cells:
    """A rollups task that is sent cells."""

    def __init__(self, batch: int, settings: RollupSettings = SETTINGS) -> None:
        self.batch = batch
        self.driver = TestDriver([Rollups(settings)], now=NOW)

    def day(
        self, source: int, counts: list[int], day: int = TODAY, incarnation: str = OLD, segment: str = "plan=pro"
    ) -> "Cells":
        return self._send(write_key(source, incarnation, segment, day), write_responses(counts))

    def respondents(
        self, source: int, now: list[int], eve: list[int] | None = None, as_of: int = TODAY, incarnation: str = OLD
    ) -> "Cells":
        """Counts of the shortest window; the others do not matter here."""
        sums, before = ([*counts, *[0] * (SPANS.kind - 3)] for counts in (now, eve or [0, 0, 0]))
        value = write_respondents(SPANS, Respondents(as_of, sums, before))
        return self._send(write_key(source, incarnation, "plan=pro", None), value)

    def gone(self, source: int, incarnation: str = OLD) -> "Cells":
        return self._send(write_key(source, incarnation, "plan=pro", None), None)

    def _send(self, key: bytes, value: bytes | None) -> "Cells":
        self.driver.pipe(topics.CELLS, key, value)
        return self

    def table(self, segment: str = "plan=pro") -> dict[str, Any] | None:
        self.driver.run(self.batch)
        value = self.driver.table(topics.SEGMENT_ROLLUPS).get(segment.encode())
        return None if value is None else json.loads(value)

    def counts(self, window: str = "2d", kind: str = "responses", segment: str = "plan=pro") -> list[int] | None:
        rollup = self.table(segment)
        if rollup is None:
            return None
        stats = rollup["windows"][window][kind]
        return [stats[name] for name in ("promoters", "passives", "detractors")]


@batches
def test_cells_of_source_partitions_are_added_up(batch: int) -> None:
    cells = Cells(batch).day(0, [1, 0, 0]).day(1, [0, 2, 1]).day(1, [0, 0, 4], TODAY - 3)
    cells.respondents(0, [1, 0, 0]).respondents(1, [0, 1, 1])
    assert (cells.counts("2d"), cells.counts("4d")) == ([1, 2, 1], [1, 2, 5])
    assert cells.counts("2d", "respondents") == [1, 1, 1]
    rollup = cells.table()
    assert rollup is not None
    assert (rollup["dimension"], rollup["value"], rollup["as_of"]) == ("plan", "pro", "2026-03-01")
    assert rollup["windows"]["2d"]["responses"]["previous_nps"] == -100.0


@batches
def test_a_cell_says_how_the_counts_stand_so_a_repeat_changes_nothing(batch: int) -> None:
    cells = Cells(batch).day(0, [1, 0, 0]).day(0, [3, 0, 0]).day(0, [3, 0, 0]).day(0, [2, 0, 0])
    cells.respondents(0, [1, 0, 0]).respondents(0, [2, 0, 0]).respondents(0, [2, 0, 0])
    assert cells.counts() == cells.counts(kind="respondents") == [2, 0, 0]


@batches
def test_a_newer_incarnation_replaces_all_that_the_older_one_said(batch: int) -> None:
    cells = Cells(batch).day(0, [5, 0, 0]).day(0, [5, 0, 0], TODAY - 1).respondents(0, [5, 0, 0]).day(1, [0, 1, 0])
    cells.day(0, [1, 0, 0], incarnation=NEW)
    assert cells.counts() == [1, 1, 0]
    assert cells.counts(kind="respondents") == [0, 0, 0]
    cells.day(0, [9, 9, 9]).respondents(0, [9, 9, 9]).gone(0)
    assert cells.counts() == [1, 1, 0]


@batches
def test_segments_that_a_newer_incarnation_does_not_name_lose_what_the_older_one_said(batch: int) -> None:
    cells = Cells(batch).day(0, [5, 0, 0]).day(0, [5, 0, 0], segment="plan=free").day(1, [0, 1, 0], segment="plan=free")
    cells.day(0, [1, 0, 0], incarnation=NEW)
    cells.table()
    cells.driver.advance(1)
    assert cells.counts(segment="plan=free") == [0, 1, 0]
    cells.day(1, [0, 0, 1], incarnation=NEW)
    cells.table()
    cells.driver.advance(1)
    assert cells.table("plan=free") is None
    assert cells.counts() == [1, 0, 1]


@batches
def test_while_midnight_passes_respondents_are_those_of_the_day_that_all_have_reached(batch: int) -> None:
    cells = Cells(batch).day(0, [1, 0, 0]).day(1, [0, 1, 0]).respondents(0, [1, 0, 0]).respondents(1, [0, 1, 0])
    assert cells.counts(kind="respondents") == [1, 1, 0]
    cells.respondents(0, [7, 0, 0], eve=[1, 0, 0], as_of=TODAY + 1)
    assert cells.counts(kind="respondents") == [1, 1, 0]
    cells.respondents(1, [0, 8, 0], eve=[0, 1, 0], as_of=TODAY + 1)
    assert cells.counts(kind="respondents") == [7, 8, 0]


@batches
def test_respondents_of_a_source_partition_that_nobody_works_on_are_left_out_until_it_is_back(batch: int) -> None:
    cells = Cells(batch).day(0, [1, 0, 0]).day(1, [0, 1, 0]).respondents(0, [1, 0, 0]).respondents(1, [0, 1, 0])
    cells.respondents(0, [1, 0, 0], eve=[1, 0, 0], as_of=TODAY + 2)
    assert cells.counts(kind="respondents") == [1, 0, 0]
    cells.respondents(1, [0, 1, 0], eve=[0, 1, 0], as_of=TODAY + 2)
    assert cells.counts(kind="respondents") == [1, 1, 0]


@batches
def test_a_segment_without_responses_is_a_tombstone(batch: int) -> None:
    cells = Cells(batch).day(0, [1, 0, 0]).respondents(0, [1, 0, 0])
    assert cells.table() is not None
    cells.day(0, [0, 0, 0]).gone(0)
    assert cells.table() is None
    assert cells.driver.sent(topics.SEGMENT_ROLLUPS)[-1].value is None
    assert {key[:1] for key in cells.driver.state("rollups")} == {b"G", b"I", b"W"}


@batches
def test_quiet_segments_roll_in_bounded_shares_and_end(batch: int) -> None:
    cells = Cells(batch, RollupSettings((2, 4), 2, 1, roll_segments=3))
    for number in range(10):
        cells.day(0, [1, 0, 0], segment=f"plan=p-{number}")
    assert cells.counts(segment="plan=p-9") == [1, 0, 0]
    cells.driver.advance(2 * DAY_MS)
    assert [cells.counts(window, segment=f"plan=p-{n}") for n in range(10) for window in ("2d", "4d")] == [
        [0] * 3,
        [1, 0, 0],
    ] * 10
    cells.driver.advance(6 * DAY_MS)
    assert cells.driver.table(topics.SEGMENT_ROLLUPS) == {}
    assert {key[:1] for key in cells.driver.state("rollups")} == {b"G", b"I", b"T", b"W"}


@batches
def test_gauges_show_the_headline_of_a_bounded_number_of_segments(batch: int) -> None:
    cells = Cells(batch, RollupSettings((2, 4), 2, 1, gauged_segments=2))
    for name, counts in (("a", [1, 0, 0]), ("b", [1, 0, 1]), ("c", [0, 0, 1])):
        cells.day(0, counts, segment=f"plan={name}")
    cells.table()
    assert cells.driver.gauges == {("segment_nps", "plan", "a"): 100.0, ("segment_nps", "plan", "b"): 0.0}
    cells.day(0, [0, 0, 0], segment="plan=a").table()
    assert cells.driver.gauges == {("segment_nps", "plan", "b"): 0.0}
    cells.day(0, [0, 1, 2], segment="plan=c").table()
    assert cells.driver.gauges == {("segment_nps", "plan", "b"): 0.0, ("segment_nps", "plan", "c"): -66.7}
    cells.driver.advance(2 * DAY_MS)
    assert cells.driver.gauges == {}, "no responses in the headline window"


@batches
def test_gauges_are_shown_again_after_a_restart(batch: int) -> None:
    cells = Cells(batch).day(0, [1, 0, 0])
    cells.table()
    cells.driver.advance(1)
    cells.driver.gauges.clear()
    cells.driver.advance(1)
    assert cells.driver.gauges == {}
    cells.driver.restart()
    cells.driver.advance(1)
    assert cells.driver.gauges == {("segment_nps", "plan", "pro"): 100.0}


@batches
@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (None, b"{}", b"bad id"),
        (b"0|i|plan|2026-03-01", b'{"responses":[1,0,0]}', b"bad id"),
        (b"-1|i|plan=pro|2026-03-01", b'{"responses":[1,0,0]}', b"bad id"),
        (b"0|i|plan=pro|tomorrow", b'{"responses":[1,0,0]}', b"bad id"),
        (b"0|i|plan=pro|9999-01-01", b'{"responses":[1,0,0]}', b"bad id"),
        (b"0|i|plan=pro|2026-03-01", b"{", b"not json"),
        (b"0|i|plan=pro|2026-03-01", b"[]", b"missing field"),
        (b"0|i|plan=pro|2026-03-01", b'{"responses":[1,0]}', b"wrong type"),
        (b"0|i|plan=pro|2026-03-01", b'{"responses":[1,0,-1]}', b"wrong type"),
        (b"0|i|plan=pro|respondents", b'{"respondents":{"as_of":"2026-03-01","now":{},"eve":{}}}', b"missing field"),
        (b"0|i|plan=pro|respondents", b'{"respondents":{"as_of":7}}', b"bad time"),
    ],
)
def test_what_is_no_cell_is_a_dead_letter(batch: int, key: bytes | None, value: bytes, reason: bytes) -> None:
    cells = Cells(batch)
    cells.driver.pipe(topics.CELLS, key, value)
    cells.day(0, [1, 0, 0])
    assert cells.counts() == [1, 0, 0]
    (letter,) = cells.driver.sent(topics.DEAD_LETTERS)
    assert (letter.key, letter.value, dict(letter.headers)["nps-reason"]) == (key, value, reason)


@pytest.mark.parametrize("segment", ["plan=pro", "plan=a|b", "plan=a=b|respondents", "plan=|", "plan==", "plan=ä☃"])
@pytest.mark.parametrize("day", [TODAY, None])
def test_keys_read_as_they_were_written(segment: str, day: int | None) -> None:
    assert read_key(write_key(11, NEW, segment, day)) == CellKey(11, NEW, segment, day)


def test_values_read_as_they_were_written() -> None:
    respondents = Respondents(TODAY, list(range(SPANS.kind)), list(range(SPANS.kind, 0, -1)))
    assert read_respondents(SPANS, write_respondents(SPANS, respondents)) == respondents
    assert read_responses(write_responses([1, 2, 3])) == [1, 2, 3]
    with pytest.raises(Unusable, match="7d: missing"):
        read_respondents(Spans((7,), 0), write_respondents(SPANS, respondents))


@batches
def test_segments_meet_from_all_partitions_at_their_own_one(batch: int) -> None:
    driver = TestDriver([Scoring(), Rollups()], now=NOW, partitions=3)
    for number in range(30):
        body = {
            "response_id": "r-1",
            "account_id": f"a-{number}",
            "respondent_id": "u-1",
            "score": (9, 7, 3)[number % 3],
            "responded_at": format_time(NOW),
            "segments": {"plan": "pro"},
        }
        driver.pipe(topics.RESPONSES, f"a-{number}".encode(), json.dumps(body).encode())
    driver.run(batch)
    for days in (0, 1):
        driver.advance(days * DAY_MS)
        (rollup,) = driver.table(topics.SEGMENT_ROLLUPS).values()
        for kind in ("responses", "respondents"):
            assert json.loads(rollup)["windows"]["7d"][kind]["total"] == 30
    assert {sent.partition for sent in driver.sent(topics.CELLS)} == {partition_of(b"plan=pro", 3)}
    assert {(sent.key or b"").split(b"|")[0] for sent in driver.sent(topics.CELLS)} == {b"0", b"1", b"2"}


@batches
def test_a_partition_whose_last_respondent_left_the_segment_today_does_not_hold_the_others_back_tomorrow(batch: int) -> None:
    """Its table has nothing to show but the eve, and must still say so when the day ends."""
    accounts = {partition_of(f"a-{number}".encode(), 2): f"a-{number}" for number in range(9)}
    driver = TestDriver([Scoring(), Rollups()], now=NOW, partitions=2)

    def say(account: str, plan: str, respondent: str = "u-1") -> None:
        body = {
            "response_id": f"r-{respondent}",
            "account_id": account,
            "respondent_id": respondent,
            "score": 3,
            "responded_at": format_time(NOW),
            "updated_at": format_time(driver.now),
            "segments": {"plan": plan},
        }
        driver.pipe(topics.RESPONSES, account.encode(), json.dumps(body).encode(), driver.now)
        driver.run(batch)

    say(accounts[0], "pro")
    say(accounts[1], "pro")
    driver.advance(DAY_MS)
    say(accounts[0], "smb")
    driver.advance(DAY_MS)
    say(accounts[1], "pro", "u-2")
    rollup = json.loads(driver.table(topics.SEGMENT_ROLLUPS)[b"plan=pro"])
    assert rollup["windows"]["7d"]["respondents"]["total"] == 2


@pytest.mark.parametrize(
    "settings", [{"headline_days": 60}, {"windows_days": (7, 7)}, {"gauged_segments": -1}, {"roll_segments": 0}]
)
def test_contradicting_settings_are_refused_by_name(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        RollupSettings(**settings)
