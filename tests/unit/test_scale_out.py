"""The parts of `bench.scale_out` that need no broker: what is counted of processes, and how figures are shown."""

import os
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from bench.process_tree import Footprint, tree
from bench.scale_out import report
from bench.scale_out.account_units import EVERY, PROCESSORS, SOURCE, Counting, output, units
from bench.scale_out.at_rest import AtRest
from bench.scale_out.fusing import Fusing
from bench.scale_out.hand_over import HandOver
from bench.scale_out.report import Results
from bench.scale_out.throughput import Load, Throughput
from npstream.settings import AGENTS
from streams.test_driver import TestDriver

HELD = Footprint(sockets=18, open_files=30, rss_mb=90.0, peak_mb=144.0)
THROUGHPUT = Throughput(Load(("scoring",), 2, 16, 1_000), 0.5, 0.03, 0.01, 0.0, HELD, 1_200_000, 180_000)
JOINS = HandOver("joins", 4_000, 1_000, 5_000.0, 0.5, 0.25, 2.0, 4_000.0, 0.5)
REST = AtRest(1, 64, 8.7, HELD, 406, 1_703, 0.11, 0.236)
FUSED = Fusing(True, 64, 1_000, 2.0, 0.05, 0.02, 64.0, HELD, 140, 22_000, 0.02, 0.03)


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_a_tree_is_a_process_and_all_that_it_has_started() -> None:
    # The shell is told to do something afterwards, or it would become the program instead of starting it.
    with subprocess.Popen(["sh", "-c", "cat; true"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shell:
        assert shell.stdin is not None
        assert shell.stdout is not None
        shell.stdin.write(b"there\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == b"there\n"
        assert tree(shell.pid)[0] == shell.pid
        assert len(tree(shell.pid)) == 2
        assert set(tree(shell.pid)) < set(tree(os.getpid()))
        shell.stdin.close()
    assert tree(shell.pid) == [shell.pid]


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc")
def test_a_footprint_counts_sockets_among_open_files() -> None:
    before = Footprint.of([os.getpid()])
    one, other = socket.socketpair()
    with one, other, open(os.devnull, "rb"):
        after = Footprint.of([os.getpid()])
    assert (after.sockets - before.sockets, after.open_files - before.open_files) == (2, 3)
    assert after.rss_mb > 1.0
    assert Footprint.of([os.getpid(), os.getpid()]).sockets == 2 * before.sockets


def test_a_processor_sends_every_fifth_count_of_an_account() -> None:
    driver = TestDriver([Counting(name) for name in PROCESSORS], now=1_700_000_000_000, partitions=2)
    for _ in range(2 * EVERY + 1):
        driver.pipe(SOURCE, b"acme", b"{}")
    driver.run()
    for name in PROCESSORS:
        found = Counter((record.key, record.value) for record in driver.sent(output(name)))
        assert found == {(b"acme", b"5"): 1, (b"acme", b"10"): 1}


def test_the_same_processors_are_in_one_unit_or_each_in_its_own() -> None:
    apart, fused = units(fused=False), units(fused=True)
    assert [len(of) for of in apart.values()] == [1] * len(PROCESSORS)
    assert list(fused.values()) == [PROCESSORS]


def test_a_row_is_costs_of_each_response() -> None:
    (section,) = report.sections(Results({}, throughput=[THROUGHPUT]), cores=8)
    assert section.rows == [("scoring", "2", "16", "2,000", "30.0", "10.0", "18", "144", "180", "1200")]
    assert not [note for note in section.notes if "Cores" in note]


def test_what_disturbed_a_run_or_was_too_much_for_the_machine_is_said() -> None:
    disturbed = replace(THROUGHPUT, others_cpu_s=0.2)
    (section,) = report.sections(Results({}, throughput=[disturbed]), cores=2)
    assert section.rows[0][3] == "2,000*"
    assert [note.split(":")[0] for note in section.notes[1:]] == ["Cores", "\\*"]


def test_restore_is_told_of_a_million_respondents() -> None:
    (section,) = report.sections(Results({}, hand_overs=[JOINS, replace(JOINS, event="leaves")]), cores=2)
    # 4,000 records were restored for half of 1,000 respondents, 8,000 a second.
    assert "reads 8.0 records for each respondent, so one process restores 1,000,000 respondents in 1000 s" in section.notes[0]
    assert [row[-1] for row in section.rows] == ["8,000", ""]


def test_a_document_has_all_tables_and_the_machine() -> None:
    results = Results({"Commit": "abc"}, [THROUGHPUT], [JOINS], [REST], [replace(FUSED, fused=False), FUSED])
    text = report.markdown(results, cores=2)
    assert text.count("|---|") == 4
    assert REST.tasks == 64 * len(AGENTS)
    assert text.endswith("- Commit: abc")
    assert results.failures == []


def test_what_differs_from_the_recount_is_a_failure() -> None:
    wrong = replace(THROUGHPUT, failures=["nps.detractors: 3 of 4, 1 missing"])
    results = Results({}, throughput=[wrong], fusing=[replace(FUSED, failures=["plays: 1 events are missing, 0 too many"])])
    assert results.failures == [
        "scoring, 2 processes: nps.detractors: 3 of 4, 1 missing",
        "fused: plays: 1 events are missing, 0 too many",
    ]
