"""How far each task is behind: the last stable offset less the position, in records and in seconds.

Offsets behind transaction markers are never processed, so a task that is idle is measured by how far it has fetched instead:
otherwise a lag would never reach zero."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a task is in one source partition."""

    position: int | None
    """The next offset as committed, None before the first batch."""
    fetched: int | None
    """The next offset to fetch."""
    idle: bool
    last_timestamp: int | None
    """Timestamp in ms of the newest processed record."""


def lag(progress: Progress, start: int, stable: int, now_ms: int) -> tuple[int, float]:
    """Records and seconds behind; `start` and `stable` are the partition's first and last stable offset.

    Seconds are the age of the newest processed record: what comes next arrived after it. Zero if nothing is left; also zero
    seconds when nothing was processed yet, since then nobody knows.
    """
    position = progress.position if progress.position is not None else start
    if progress.idle and progress.fetched is not None:
        position = max(position, progress.fetched)
    behind = max(0, stable - position)
    if behind == 0 or progress.last_timestamp is None:
        return behind, 0.0
    return behind, max(0, now_ms - progress.last_timestamp) / 1000
