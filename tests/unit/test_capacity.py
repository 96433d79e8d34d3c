"""How much a load needs: the arithmetic by hand, and the document that is made from it."""

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from bench import capacity
from bench.capacity import MEASURED, STEPS, Costs, Load, Plan, broken
from bench.document import write_into, written_in

PAGE = Path(__file__).parents[2] / "docs" / "capacity.md"

COSTS = Costs(
    worker_us=50.0,
    scoring_us=30.0,
    broker_us=20.0,
    source_bytes=200.0,
    event_bytes=1_000.0,
    changelog_bytes=100.0,
    respondent_bytes=1_024.0,
    respondent_records=5.0,
    restore_rate=100_000.0,
    transaction_s=0.02,
    task_sockets=2.0,
)


def test_a_hundred_thousand_a_second_by_hand() -> None:
    plan = Plan(Load(100_000, 10 * 2**20), COSTS)
    assert plan.cores == 5.0
    assert plan.processes == 10  # half busy
    assert plan.partitions == 24  # two for each, doubled from 12
    assert plan.producers == 120  # five units
    assert plan.process_gb == pytest.approx(350 / 1024 + 1.0)
    assert plan.brokers_by["cores"] == pytest.approx(100_000 * 20 * 3 / 1e6 / 0.5 / 16)
    assert plan.brokers_by["disk writes"] == pytest.approx(100_000 * 1_500 * 3 / 2**20 / 250)
    assert plan.brokers_by["partition copies"] == 32 * 24 * 3 / 4_000
    assert (plan.brokers, plan.scarcest) == (3, "copies")
    assert plan.sockets == 120 * 4
    assert plan.transactions == 3 * 24 / 0.02
    assert plan.cold_start_s == pytest.approx(2**20 * 5 / 100_000)
    assert plan.lost_process_s == pytest.approx(plan.cold_start_s / 2)  # its two partitions go to two others


def test_what_is_stored_follows_from_respondents_and_not_from_the_peak() -> None:
    slow, fast = (Plan(Load(rate, 1e9), COSTS) for rate in (1e3, 1e6))
    assert slow.stored_tb == fast.stored_tb
    assert slow.stored_tb == pytest.approx(1e9 * 4 / 365 * 3 * (200 * 814 + 1_000 * 30) / 2**40)


def test_the_least_is_two_processes_twelve_partitions_and_three_brokers() -> None:
    plan = Plan(Load(1, 1), COSTS)
    assert (plan.processes, plan.partitions, plan.brokers) == (2, 12, 3)
    assert plan.transactions == 3, "no more transactions than records"
    assert broken(plan) == []


def test_one_partition_must_not_need_more_than_its_share_of_a_core() -> None:
    """A task is serial: scoring alone may need more partitions than there are processes for all agents."""
    plan = Plan(Load(1_000_000, 1), replace(COSTS, worker_us=1.0, scoring_us=50.0))
    assert plan.processes == 2
    assert plan.partitions == 192
    assert 1_000_000 / plan.partitions * 50.0 / 1e6 <= 0.5


def test_memory_may_need_more_processes_than_the_rate() -> None:
    plan = Plan(Load(1_000, 100 * 2**20), COSTS)  # 100 GB of respondents
    assert plan.cores == 0.05
    assert plan.processes == 14
    assert plan.process_gb <= 8.0


def test_the_worst_gives_way_first() -> None:
    found = broken(Plan(Load(1_000, 1e9), COSTS))
    assert [times for _, times in found] == sorted((times for _, times in found), reverse=True)
    names = [limit.what for limit, _ in found]
    assert {"s until a lost process is restored", "GB of memory in all", "processes, of a core each"} <= set(names)
    text = capacity.markdown(COSTS, [Load(1_000, 1e9)])
    row = next(line for line in text.splitlines() if line.startswith("| GB of memory in all"))
    assert row.split(" | ")[2] == "**996** (3.9x)"
    assert f"respondents: {names[0]}." in text


def test_the_scarcest_decides_the_brokers() -> None:
    plan = Plan(Load(1_000_000, 1), COSTS)
    assert plan.scarcest == "disk writes"
    assert plan.brokers == 18  # 1,500 bytes, three copies, 250 MB/s each


def test_the_document_is_what_the_program_makes_of_the_newest_figures() -> None:
    assert written_in(PAGE.read_text(encoding="utf-8"), capacity.MARKER) == capacity.markdown(MEASURED), (
        "run: python -m bench.capacity --markdown docs/capacity.md"
    )


def test_a_restore_within_the_session_time_out_is_the_rate_times_that() -> None:
    assert capacity.unfelt_respondents(COSTS) == 10 * 100_000 / 5


def test_figures_can_be_given_instead(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Before\n\nAfter\n", encoding="utf-8")
    ran = CliRunner().invoke(capacity.main, ["--worker-us", "12.5", "--markdown", str(page)])
    assert ran.exit_code == 0, ran.output
    written = written_in(page.read_text(encoding="utf-8"), capacity.MARKER)
    assert written == capacity.markdown(replace(MEASURED, worker_us=12.5))
    assert len(STEPS) == 4


def test_a_document_keeps_what_stands_around_the_markers(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Head\n\n<!-- one: begin -->\nold\n<!-- one: end -->\n\nTail\n", encoding="utf-8")
    write_into(page, "one", "new")
    write_into(page, "two", "more")
    text = page.read_text(encoding="utf-8")
    assert text == (
        "# Head\n\n<!-- one: begin -->\nnew\n<!-- one: end -->\n\nTail\n\n<!-- two: begin -->\nmore\n<!-- two: end -->\n"
    )
    assert written_in(text, "three") is None
