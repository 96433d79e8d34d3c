"""State versions on Kafka: version 2 of a processor goes on with version 1's changelog, and version 1 then refuses."""

import pytest

from streams.phase import Phase
from tests.conftest import Broker
from tests.integration.counted import PARTITIONS, World, until
from tests.integration.engine_worker import UNIT, hosted
from tests.model.counting import Counting, PackedCounting

pytestmark = pytest.mark.kafka


async def test_version_2_goes_on_with_what_version_1_wrote_and_version_1_then_refuses(kafka: Broker, app_id: str) -> None:
    world = World(kafka.bootstrap, app_id)
    await world.send(300)
    async with world.unit():
        await world.done()
    await world.verify()

    world.counting = PackedCounting
    await world.send(20)  # some keys only, so that versions stand side by side
    async with world.unit():
        await world.done()
    await world.verify()
    written = {record.value[:1] for record in await world.committed(world.changelog) if record.value}
    assert written >= {b"\x01", b"\x02"}
    async with world.unit() as one:
        await world.send(300)
        await world.done()
        assert min(one.noted.restored) > 0
    await world.verify()

    before = await world.committed(world.changelog)
    older = hosted(world.bootstrap, world.app, counting=Counting)
    await older.start()
    await until(
        lambda: [task.phase for task in older.unit.tasks.values()] == [Phase.REFUSED] * PARTITIONS, "every task is refused"
    )
    problems = older.unit.problems()
    await older.stop()
    assert len(problems) == PARTITIONS
    for line in problems:
        assert f"state of processor '{UNIT}' in version 2, this worker reads versions up to 1: a newer version" in line
        assert "run the version that wrote it" in line
    assert len(await world.committed(world.changelog)) == len(before)
    assert older.fatal == []
