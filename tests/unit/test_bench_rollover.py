"""The benchmark of midnight: its accounts, and that their tables, rolled by the tasks of a worker, equal a recount."""

from pathlib import Path

import pytest

from bench.midnight import turn
from bench.population import account_id
from bench.restoring import keep
from bench.rolling_accounts import ANSWERING, RESPONSES, RollingAccounts
from bench.scoring_tasks import ScoringTasks
from bench.weighing import Weighed
from npstream import recount
from npstream.clock import now_ms
from npstream.settings import Settings
from schemas.times import DAY_MS

TASKS = 3
TODAY = 20_600


@pytest.mark.parametrize("accounts", [1, 49, 50, 120])
def test_who_answers_meanwhile_is_not_quiet(accounts: int) -> None:
    rolling = RollingAccounts(accounts, TODAY)
    answering = {rolling.meanwhile(number, 0).account_id for number in range(300)}
    assert {account_id(n) for n in range(accounts) if not rolling.is_quiet(n)} == answering
    assert len(answering) == max(1, accounts // ANSWERING)


def test_all_was_said_by_yesterday_and_by_each_respondent_in_order() -> None:
    rolling = RollingAccounts(30, TODAY)
    said = list(rolling.before(0, 30))
    assert len({one.response_id for one in said}) == 30 * RESPONSES
    assert max(one.responded_at for one in said) < rolling.arrived_ms < TODAY * DAY_MS
    for respondent in {one.respondent_id for one in said}:
        own = [one.responded_at for one in said if one.respondent_id == respondent]
        assert own == sorted(own)


async def test_tasks_that_are_opened_today_roll_what_is_of_yesterday(tmp_path: Path) -> None:
    rolling = RollingAccounts(40, now_ms() // DAY_MS)
    tasks = ScoringTasks(TASKS, Settings(partitions=TASKS))
    tasks.weigh(rolling.before(0, 40), Weighed(), arrived_ms=rolling.arrived_ms)
    files = [tmp_path / str(task) for task in range(TASKS)]
    records = [keep(tasks.changelog(task), file) for task, file in enumerate(files)]
    turned = await turn(rolling, files, records, per_second=200.0, after_s=0.1)
    quiet = {account_id(n).encode(): n for n in range(40) if rolling.is_quiet(n)}
    given = {key: value for key, value in turned.rollups.items() if key in quiet}
    assert given.keys() == quiet.keys()
    said = [one for number in quiet.values() for one in rolling.before_of(number)]
    (source,) = ScoringTasks(1, Settings(partitions=1)).records(said)
    assert recount.table_differences(recount.account_tables(source, rolling.today), given) == []
    assert turned.rolled >= len(quiet)
    assert turned.ordinary_ms, "and responses go on"
