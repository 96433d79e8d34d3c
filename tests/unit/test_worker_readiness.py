"""A worker says that it is ready when all of its agents run, and not a moment earlier."""

import pytest

from npstream.settings import Settings
from npstream.worker import Worker


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
