"""The benchmark of a large state: what its people answer, what a record weighs, and that a restore gives back what was kept."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder

from agents.scoring import Scoring
from bench import busy_accounts, state_report
from bench.population import FIRST_DAY, YEAR_DAYS, Population, account_id
from bench.restoring import Shelf, chunks, fingerprint, keep, opened
from bench.scoring_tasks import ScoringTasks, names
from bench.state_measures import Plan, build, restore_from_memory, settings_of
from bench.state_report import Size
from bench.weighing import BATCH_BYTES, MARKER_BYTES, PROGRESS, Weighed, kind_of
from schemas.times import DAY_MS
from streams.changelog import CLOCK_KEY, position_key, state_prefix
from streams.record_batches import RECORD_BATCH_BYTES

PEOPLE = Population(1_000)
TASKS = 3


def test_everybody_answers_once_a_quarter_in_the_order_of_time() -> None:
    year = list(PEOPLE.year())
    assert len(year) == len({one.response_id for one in year}) == PEOPLE.responses == 4_000
    assert Counter(one.respondent_id for one in year) == dict.fromkeys((f"{n:09d}@acme.example" for n in range(1_000)), 4)
    assert [one.responded_at for one in year] == sorted(one.responded_at for one in year)
    assert {one.responded_at // DAY_MS for one in year} == set(range(FIRST_DAY, FIRST_DAY + YEAR_DAYS))


@pytest.mark.parametrize("account", [0, 4, 9])
def test_the_year_of_an_account_is_its_part_of_the_year(account: int) -> None:
    wanted = [one for one in PEOPLE.year() if one.account_id == account_id(account)]
    assert sorted(PEOPLE.year_of(account)) == sorted(wanted)
    assert len(wanted) == 400


def test_ids_are_as_long_as_they_are_said_to_be() -> None:
    found = {(len(one.account_id), len(one.respondent_id), len(one.response_id)) for one in PEOPLE.year()}
    assert found == {(18, 22, 32)}


def test_later_loads_are_of_the_day_after_the_year_and_of_the_accounts_asked_for() -> None:
    later = list(PEOPLE.later(10, 500, (2, 7)))
    assert {one.account_id for one in later} == {account_id(2), account_id(7)}
    assert {one.responded_at // DAY_MS for one in later} == {FIRST_DAY + YEAR_DAYS}
    assert not {one.response_id for one in later} & {one.response_id for one in PEOPLE.year()}


@pytest.mark.parametrize("respondents", [0, 99, 150])
def test_a_population_is_whole_accounts(respondents: int) -> None:
    with pytest.raises(ValueError, match="multiple of 100"):
        Population(respondents)


def test_a_change_weighs_what_a_record_batch_takes_of_it() -> None:
    changes = [(state_prefix("scoring") + b"R" + bytes(n), bytes(7 * n) if n % 5 else None) for n in range(200)]
    batch, draft = BatchBuilder(RECORD_BATCH_BYTES, 0, is_transactional=1), Weighed()
    for number, (key, value) in enumerate(changes):
        batch._builder.append(number, 0, key, value, [])
        draft.change(key, value)
    draft.end()
    assert draft.bytes.total() == batch._builder.size() - BATCH_BYTES
    assert draft.framing == BATCH_BYTES + MARKER_BYTES
    assert draft.records == {"response": 200}


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (state_prefix("scoring") + b"A0015g", "account"),
        (state_prefix("scoring") + b"p\x00\x01x", "respondent part"),
        (position_key("scoring", "nps.responses"), PROGRESS),
        (CLOCK_KEY, PROGRESS),
    ],
)
def test_a_changelog_record_is_told_by_its_key(key: bytes, kind: str) -> None:
    assert kind_of(key) == kind


async def test_a_restore_from_what_was_kept_gives_the_same_state(tmp_path: Path) -> None:
    tasks = ScoringTasks(TASKS, settings_of(TASKS))
    tasks.weigh(PEOPLE.year(), Weighed())
    for name in names(TASKS):
        file = tmp_path / str(name)
        records = keep(tasks.changelog(name.partition), file)
        execution, restored = await opened(Shelf(name.changelog, TASKS, file, records), name, tasks.settings)
        before, after = (one.stores[Scoring.name].entries for one in (tasks.executions[name.partition], execution))
        assert restored == records == len(after) + 2, "all of the state, the clock and the meta record"
        assert after == before
        assert execution.clock == tasks.executions[name.partition].clock


def test_a_fingerprint_is_of_the_entries_and_not_of_their_order(tmp_path: Path) -> None:
    entries = [(b"a", b"1"), (b"b", b"2"), (b"ab", b"")]
    assert fingerprint(entries) == fingerprint(reversed(entries))
    assert fingerprint(entries) != fingerprint([(b"a", b"1"), (b"b", b"2"), (b"a", b"b")])
    assert fingerprint(entries) != fingerprint([(b"a", b"2"), (b"b", b"1"), (b"ab", b"")])
    assert keep(entries, tmp_path / "kept") == 3
    assert [entry for chunk in chunks(tmp_path / "kept") for entry in chunk] == entries


def test_a_size_is_measured_and_its_tables_equal_the_recount(tmp_path: Path) -> None:
    plan = Plan(PEOPLE.respondents, TASKS, 500, tmp_path)
    built = build(plan)
    assert built.differences == []
    assert built.kinds["respondent"].keys == PEOPLE.respondents
    assert built.stored == sum(kind.bytes for kind in built.kinds.values())
    assert sum(built.records) == sum(kind.keys for kind in built.kinds.values()) + 2 * TASKS
    assert {load.responses for load in built.loads.values()} == {500}
    restored = restore_from_memory(plan, built.records)
    size = Size(plan.respondents, plan.tasks, built, restored, None)
    assert size.failures == []
    for table in state_report.tables([size], busy_accounts.measure(3, 100)):
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.heads)}
    lost = replace(size, from_memory=replace(restored, fingerprint=0))
    assert lost.failures == ["1,000 respondents, tasks: 3: the state restored from memory is not the one that was kept"]


def test_a_wrong_table_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Population.year_of
    monkeypatch.setattr(Population, "year_of", lambda self, account: right(self, account)[1:])
    assert build(Plan(200, 1, 50, tmp_path)).differences
