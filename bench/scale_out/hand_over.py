"""How long partitions stand still when a worker joins or leaves: those that stay where they were, whose suspended state is used
again, and those that move, whose state is restored from the changelog."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.filling import fill
from bench.measurement import RunFailed, time_limit_s, wait
from bench.scale_out.stage import POLL_S, START_TIMEOUT_S, Command, Stage, environment, topics_of, worker
from bench.stream import answers, canonical_record
from bench.watching import Look, total
from npstream.settings import Settings
from schemas import topics

PARTITIONS = 4
KEPT = MOVED = PARTITIONS // 2
"""Of two workers each has half."""
UNIT = "scoring"


@dataclass(frozen=True)
class HandOver:
    """One worker joined or left."""

    event: str
    responses: int
    respondents: int
    """Of whom the responses are."""
    state_keys: float
    """Of all partitions together."""
    state_mb: float
    kept_s: float
    """From the moment at which the first partition stood still to that at which those that stay were processed again."""
    moved_s: float
    """The same for those that move."""
    restored: float
    """Changelog records that were read for them."""
    restore_s: float
    """How long one of them took from its assignment to its first batch; they are restored side by side."""

    @property
    def restore_rate(self) -> float:
        """Changelog records/s of one process."""
        return self.restored / self.restore_s if self.restore_s else 0.0

    @property
    def per_respondent(self) -> float:
        """Changelog records that a restore reads for each respondent."""
        return self.restored / (self.respondents * MOVED / PARTITIONS)


def measure(stage: Stage, responses: int) -> list[HandOver]:
    """A worker with the state of so many responses; another one joins, and leaves. Raises RunFailed."""
    app_id = stage.app_id()
    first, second = (environment(stage, app_id, agents=UNIT, partitions=PARTITIONS) for _ in range(2))
    settings = Settings.load(environ=first)
    respondents = len({answer.respondent_id for answer in answers(responses, stage.ground.day)})
    with topics_of(stage, settings), worker(stage, f"{app_id}-stays", first, UNIT) as stays:
        stream = answers(responses, stage.ground.day)
        fill(stage.ground.bootstrap, topics.RESPONSES, stream, canonical_record)
        limit_s = time_limit_s(responses)
        wait(lambda: _look(stays).responses >= responses, "all responses scored", limit_s, POLL_S)
        full = _look(stays)
        keys, size_mb = (total(full.samples, f"npstream_state_{what}", unit=UNIT) for what in ("keys", "bytes"))
        with worker(stage, f"{app_id}-comes", second, UNIT) as comes:
            kept_s, moved_s = _joined(stays, comes)
            comes.wait_ready()
            restored, restore_s = _restores(_look(comes))
            joined = HandOver("joins", responses, respondents, keys, size_mb / 2**20, kept_s, moved_s, restored, restore_s)
            stays.wait_ready()
            before = _restores(_look(stays))
            began = time.monotonic()
            comes.stop()
            kept_s, moved_s = _left(stays, began)
        stays.wait_ready()
        after = _restores(_look(stays))
        stays.stop()
    restored = after[0] - before[0]
    return [joined, HandOver("leaves", responses, respondents, keys, size_mb / 2**20, kept_s, moved_s, restored, moved_s)]


def _look(command: Command) -> Look:
    """Its metrics, as soon as it answers. Raises RunFailed."""
    found: list[Look] = []

    def answered() -> bool:
        if not command.child.alive:
            raise RunFailed(f"{command.child.log.stem} ended; its log ends:\n{command.child.tail()}")
        look = command.look()
        found.extend([look] if look is not None else [])
        return look is not None

    wait(answered, f"{command.child.log.stem} answers", START_TIMEOUT_S, POLL_S)
    return found[-1]


def _restores(look: Look) -> tuple[float, float]:
    """Changelog records read so far, and the mean of the seconds that openings took."""
    records = total(look.samples, "npstream_restored_records_total", unit=UNIT)
    seconds = total(look.samples, "npstream_restore_seconds_sum", unit=UNIT)
    openings = total(look.samples, "npstream_restore_seconds_count", unit=UNIT)
    return records, seconds / openings if openings else 0.0


def _joined(stays: Command, comes: Command) -> tuple[float, float]:
    """Seconds for which the partitions that are kept, and those that move, stood still."""
    began = _moment(lambda: _running(stays) < PARTITIONS, "a rebalance begins")
    kept = _moment(lambda: _running(stays) >= KEPT, "what is kept runs again")
    moved = _moment(lambda: _running(comes) >= MOVED, "what has moved runs again")
    return kept - began, moved - began


def _left(stays: Command, began: float) -> tuple[float, float]:
    """The same when the other one has been told to end at `began`: what it had stands still from then on, what is kept only
    for the rebalance, which is over so soon that two looks may see nothing of it."""
    stood: list[float] = []

    def all_run() -> bool:
        running = _running(stays)
        stood.extend([time.monotonic()] if running < KEPT else [])
        return running >= PARTITIONS

    moved = _moment(all_run, "what has moved runs again")
    return (stood[-1] - stood[0] + POLL_S if stood else POLL_S), moved - began


def _moment(condition: Callable[[], bool], what: str) -> float:
    wait(condition, what, START_TIMEOUT_S, POLL_S)
    return time.monotonic()


def _running(command: Command) -> float:
    look = command.look()
    return 0.0 if look is None else look.running
