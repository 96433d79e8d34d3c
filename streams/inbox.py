"""What has arrived for a task and waits for its pump: runs of fetched records, counted in bytes."""

from collections import deque
from collections.abc import Sequence

from streams.processor import Record

RECORD_OVERHEAD_BYTES = 100
"""What a fetched record costs beside its key and value, so that a flood of empty records is bounded as well."""


def size_of(records: Sequence[Record]) -> int:
    """Bytes that fetched records keep in memory, about."""
    total = RECORD_OVERHEAD_BYTES * len(records)
    for record in records:
        total += len(record.value or b"") + len(record.key or b"")
    return total


class Inbox:
    """Runs of records in order of arrival, each run of one topic, and the offsets of a topic always rising: what arrives again
    is left out, since nobody could tell within one batch. Not bounded by itself: who fills it asks `bytes` and holds the
    partition back."""

    def __init__(self) -> None:
        self.bytes = 0
        self._runs: deque[tuple[Sequence[Record], int]] = deque()
        self._newest: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._runs)

    def add(self, records: Sequence[Record]) -> None:
        """Append one fetched run, without what was added before."""
        newest = self._newest.get(records[0].topic, -1)
        if records[0].offset <= newest:
            # A consumer whose position was out of range begins again at the log's start.
            records = [record for record in records if record.offset > newest]
            if not records:
                return
        self._newest[records[-1].topic] = records[-1].offset
        size = size_of(records)
        self._runs.append((records, size))
        self.bytes += size

    def take(self, limit: int) -> list[Record]:
        """Remove and return the oldest records, about `limit` bytes of them and at least one."""
        taken: list[Record] = []
        while self._runs and limit > 0:
            records, size = self._runs.popleft()
            if size > limit and len(records) > 1:
                # Records of one run are taken as equal in size: measuring each again would cost more than it brings.
                count = max(1, len(records) * limit // size)
                share = size * count // len(records)
                self._runs.appendleft((records[count:], size - share))
                records, size = records[:count], share
            taken += records
            self.bytes -= size
            limit -= size
        return taken

    def clear(self) -> None:
        """Forget everything."""
        self._runs.clear()
        self._newest.clear()
        self.bytes = 0
