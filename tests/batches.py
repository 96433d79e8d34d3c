"""Batches as an execution makes them, for tests of what comes after."""

from collections import Counter
from collections.abc import Mapping

from streams.draft import Kept
from streams.execution import Batch


def batch_of(
    records: int = 0,
    oldest_ms: int | None = None,
    facts: Mapping[tuple[str, ...], int] | None = None,
    gauges: Mapping[tuple[str, ...], float | None] | None = None,
) -> Batch:
    """A batch with these figures, and nothing to write."""
    batch = Batch(Kept(), records=records, oldest_ms=oldest_ms)
    batch.outbox.facts = Counter(facts or {})
    batch.outbox.gauges = dict(gauges or {})
    return batch
