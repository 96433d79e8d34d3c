"""What an operator sees of `npstream fetch`."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class FetchMetrics:
    """Counters and gauges, by vendor."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._calls = Counter(
            "npstream_fetch_calls", "Calls of vendors' APIs, by status", ("source", "status"), registry=registry
        )
        self._records = Counter(
            "npstream_fetch_records",
            "Payloads of ids alone, by what came of them: completed, dead letter",
            ("source", "outcome"),
            registry=registry,
        )
        self._waiting = Gauge(
            "npstream_fetch_waiting", "1 while a vendor does not answer and its payloads wait", ("source",), registry=registry
        )

    def called(self, source: str, status: str) -> None:
        """A call has ended, with a status or with none."""
        self._calls.labels(source, status).inc()

    def ended(self, source: str, outcome: str) -> None:
        """A payload is done with."""
        self._records.labels(source, outcome).inc()

    def waits(self, source: str, waiting: bool) -> None:
        """A vendor is away, or back."""
        self._waiting.labels(source).set(waiting)
