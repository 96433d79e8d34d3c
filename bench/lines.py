"""All lines that can be measured, by name, in the order in which to show them."""

import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.checking import Comparison, compare_values
from bench.engine.worker import UNIT
from bench.machine import ROOT
from bench.measurement import Line, RunFailed, as_variables
from bench.npstream_line import COMPILED, compiled_line, scoring_line, whole_line
from bench.peer_line import Check, PeerLine
from bench.peer_state import ReadState, from_bytewax, from_changelogs, from_engine, from_quix
from bench.peers.telling import Work
from bench.results import FAUST, KSTREAMS
from bench.truth import Truth
from streams.task_name import changelog_topic

PEERS = ROOT / ".peers"
"""Where `make peers` puts what runs the peers."""
JAVA = ("-Xms512m", "-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp")
"""What the JVM is given, before the class path."""
FAUST_ARGUMENTS = ("-m", "faust", "-A", "bench.peers.faust.app", "-L", "uvloop", "worker", "--without-web", "-l", "info")
"""With -l warn a spinner on the terminal costs it 15 %."""
TABLES = ("-respondents-changelog", "-accounts-changelog")
ENGINE = "engine"
DEFAULT = (
    ENGINE,
    "scoring",
    "scoring-2",
    "scoring-compiled",
    "scoring-compiled-2",
    KSTREAMS,
    "aiokafka",
    "limit",
    "whole",
    "whole-2",
    "quix",
    "bytewax",
    FAUST,
)
"""Those that `make bench` measures. The others are for whoever asks."""


def lines(responses: int, slow_responses: int, tuning: Mapping[str, str]) -> dict[str, Line]:
    """`responses` for the lines that are compared with Kafka Streams, which needs so many to be warm; `slow_responses` for the
    others, whose rate does not depend on it. `tuning`: settings for npstream's workers other than the defaults."""
    python = sys.executable
    known: list[Line] = [
        PeerLine(
            ENGINE, "npstream, engine", responses, (python, "-m", "bench.engine.worker"), _state(from_engine),
            changelogs=(changelog_topic("", UNIT),), environment=as_variables(tuning),
        ),
        scoring_line(responses, tuning),
        scoring_line(responses, tuning, processes=2),
        compiled_line(responses, tuning),
        compiled_line(responses, tuning, processes=2),
        PeerLine(KSTREAMS, "Kafka Streams 4.1", responses, _java(), _state(from_changelogs)),
        PeerLine(
            f"{KSTREAMS}-rocksdb", "Kafka Streams 4.1, RocksDB", responses, _java(), _state(from_changelogs),
            environment={"PEER_STORE": "rocksdb"},
        ),
        PeerLine(
            "aiokafka", "aiokafka by hand", responses, (python, "-m", "bench.peers.aiokafka.app"), _state(from_changelogs),
            changelogs=TABLES,
        ),
        PeerLine("limit", "reading and decoding alone", responses, (python, "-m", "bench.limit"), _sum, events=False),
        whole_line(slow_responses, tuning),
        whole_line(slow_responses, tuning, processes=2),
        PeerLine("quix", "Quix Streams 3.28", slow_responses, _python("quix"), _state(from_quix)),
        PeerLine("bytewax", "Bytewax 0.21", slow_responses, _python("bytewax"), _state(from_bytewax)),
        PeerLine(FAUST, "plain Faust 0.15", slow_responses, (python, *FAUST_ARGUMENTS), _state(from_changelogs)),
    ]  # fmt: skip
    return {line.name: line for line in known}


def check_installed(chosen: Iterable[str]) -> None:
    """Raises RunFailed if what a line runs on is missing."""
    runs_on = {"quix": "quix", "bytewax": "bytewax", KSTREAMS: KSTREAMS, f"{KSTREAMS}-rocksdb": KSTREAMS}
    for name in chosen:
        folder = runs_on.get(name)
        if folder is not None and not (PEERS / folder / ".installed").exists():
            raise RunFailed(f"{name}: what it runs on is not in {PEERS / folder}: make peers")
        if name.startswith("scoring-compiled") and not (COMPILED / ".installed").exists():
            raise RunFailed(f"{name}: nothing is compiled in {COMPILED}: make compiled")


def _python(peer: str) -> tuple[str, ...]:
    """In a virtual environment of its own: what it needs does not fit beside what npstream needs."""
    return str(PEERS / peer / "bin" / "python"), "-m", f"bench.peers.{peer}.app"


def _java() -> tuple[str, ...]:
    return (
        str(Path(shutil.which("java") or "/usr/bin/java")),
        *JAVA,
        f"{PEERS}/kstreams/peer.jar:{PEERS}/kstreams/libs/*",
        "npstream.peer.Peer",
    )


def _state(read: ReadState) -> Check:
    def check(work: Work, truth: Truth, told: Mapping[str, float]) -> Iterable[Comparison]:
        return read(work).comparisons(truth)

    return check


def _sum(work: Work, truth: Truth, told: Mapping[str, float]) -> Iterable[Comparison]:
    """Of all scores: shows that each was decoded."""
    wanted = sum(outcome.answer.score for outcome in truth.outcomes.values())
    yield compare_values("scores", {"sum": wanted}, {"sum": told["scores"]})
