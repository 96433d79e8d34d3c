"""What an operator sees of `npstream notify`. A sink's name is a label; no account, no person and no delivery is one."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

ATTEMPT_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: sinks answer within one, and after 10 they are given up by default."""
DELAY_BUCKETS: Final = (0.5, 1.0, 2.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
"""Seconds from the cause to the delivery: from at once over grouping and quiet hours to a day."""


class NotifyMetrics:
    """Counters, gauges and histograms, by sink."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._deliveries = Counter(
            "npstream_deliveries",
            "Deliveries, by what became of them: delivered, failed, expired, superseded, or of an attempt: retrying",
            ("sink", "outcome"),
            registry=registry,
        )
        self._attempts = Histogram(
            "npstream_delivery_seconds",
            "How long attempts to deliver took, whatever came of them",
            ("sink",),
            buckets=ATTEMPT_BUCKETS,
            registry=registry,
        )
        self._delays = Histogram(
            "npstream_delivery_delay_seconds",
            "From what happened to its delivery",
            ("sink",),
            buckets=DELAY_BUCKETS,
            registry=registry,
        )
        self._waiting = Gauge(
            "npstream_notify_waiting", "Deliveries that were read and are not done with", ("sink",), registry=registry
        )
        self._up = Gauge(
            "npstream_notify_sink_up",
            "1 while a sink takes deliveries, 0 while it does not answer",
            ("sink",),
            registry=registry,
        )
        self._unaddressed = Counter(
            "npstream_notify_unaddressed", "Alerts to a sink that the care file does not name", registry=registry
        )

    def known(self, sink: str) -> None:
        """There is such a sink: its series are there from the start."""
        for outcome in ("delivered", "failed", "expired"):
            self._deliveries.labels(sink, outcome)
        self._waiting.labels(sink).set(0)
        self._up.labels(sink).set(1)

    def ended(self, sink: str, outcome: str) -> None:
        """A delivery or an attempt has come to this."""
        self._deliveries.labels(sink, outcome).inc()

    def attempted(self, sink: str, seconds: float) -> None:
        """An attempt took so long."""
        self._attempts.labels(sink).observe(seconds)

    def delivered(self, sink: str, delay_s: float) -> None:
        """What happened so long ago was told."""
        self._delays.labels(sink).observe(max(delay_s, 0.0))

    def waits(self, sink: str, change: int) -> None:
        """So many more, or fewer, wait."""
        self._waiting.labels(sink).inc(change)

    def is_up(self, sink: str, up: bool) -> None:
        """A sink is away, or back."""
        self._up.labels(sink).set(up)

    def unaddressed(self) -> None:
        """An alert is for nobody."""
        self._unaddressed.inc()
