"""A worker says that it is ready when all of its agents run, and not a moment earlier."""

from types import SimpleNamespace
from typing import Any

import pytest

from npstream.settings import Settings
from npstream.worker import Worker
from streams.broker import BrokerAway, Ends
from streams.lag import Progress


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker with a broker that is there, and topics that are as they must be."""

    async def there(*_: object) -> None:
        return None

    worker = Worker(Settings())
    monkeypatch.setattr(worker._broker, "start", there)
    monkeypatch.setattr(worker, "_check", there)
    return worker


async def test_a_worker_that_has_found_its_broker_and_hosts_nothing_yet_is_not_ready(worker: Worker) -> None:
    assert worker.problems() == ["starting"]
    assert await worker._connected()
    assert worker.units == []
    assert worker.problems() == ["starting"]


async def test_a_worker_with_nothing_to_do_is_not_ready_while_its_broker_is_away(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = True

    async def ends_of(partitions: list[tuple[str, int]]) -> dict[tuple[str, int], Ends]:
        if away:
            raise BrokerAway("offsets: nobody there")
        return dict.fromkeys(partitions, Ends(0, 0, 0))

    async def look_for_sources() -> None:
        """They are there."""

    idle: Any = SimpleNamespace(
        progress=lambda: {("responses", 0): Progress(None, 0, True, None)},
        problems=list,
        compare=lambda *_: None,
        look_for_sources=look_for_sources,
    )
    monkeypatch.setattr(worker._broker, "ends_of", ends_of)
    worker.units = [idle]
    worker._waiting_for = None
    await worker._measure()
    assert worker.problems() == ["the broker does not answer: offsets: nobody there"]
    away = False
    await worker._measure()
    assert worker.problems() == []
