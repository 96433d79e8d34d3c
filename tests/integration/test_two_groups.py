"""Two groups that run one unit by mistake. Groups, changelogs and transactional ids are all named after app_id, so it takes a
copied changelog, or another program; two deployments with an app_id of their own share nothing but the topics."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from streams.changelog import META_KEY
from streams.unit import App
from tests.conftest import Broker
from tests.integration.comparing import settled
from tests.integration.counted import World, until
from tests.integration.engine_worker import hosted
from tests.integration.refusing import AGENTS, Scene
from tests.integration.topics_reading import has_unread
from tests.integration.workers import Workers, command
from tests.integration.workers import until as until_done
from tests.integration.world import PROCESSED_TIMEOUT_S, SOURCES

pytestmark = pytest.mark.kafka


async def test_a_second_group_on_the_same_transactional_ids_stops_and_the_first_goes_on(
    kafka: Broker, app_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(kafka.bootstrap, app_id)
    async with world.unit() as rightful:
        await world.send(300)
        await world.done()
        make: Callable[..., App] = App
        monkeypatch.setattr("streams.unit.App", lambda group, **options: make(f"another-{group}", **options))
        stranger = hosted(world.bootstrap, world.app)
        async with world.traffic():
            await stranger.start()
            await until(lambda: stranger.fatal, "the stranger gives up")
            await stranger.stop()
        await until(lambda: rightful.unit.ready, "the rightful one is ready again")
        await world.verify()
    assert stranger.noted.batches == []
    assert all(
        f"its state belongs to group {world.group} (last on" in line
        and f"this worker is in group another-{world.group}" in line
        for line in stranger.fatal
    )
    # Not all of them say that it was fenced: at a commit, Kafka says so with an error code that aiokafka does not know (90).
    assert any(rightful.noted.failures)
    await world.verify()


def test_a_changelog_of_another_deployment_ends_the_worker_and_starts_anew(kafka: Broker, app_id: str, tmp_path: Path) -> None:
    scene = Scene(kafka.bootstrap, app_id, tmp_path)
    scene.score(scene.to_all("a"))
    meta: dict[str, Any] = orjson.loads(scene.entries(0)[META_KEY])
    scene.write(0, META_KEY, orjson.dumps(meta | {"owner": {"group": "theirs-scoring", "host": "their-host", "generation": 4}}))
    scene.world.send(scene.to(0, "b"))
    before = scene.ends(0)
    with scene.workers() as workers:
        worker = workers.start()
        assert worker.ended() == 1
        said = worker.logged(
            "scoring-0: its state belongs to group theirs-scoring (last on their-host), this worker is in group"
        )
        assert len(said) == 4  # each look, and the end
        assert said[-1].startswith("npstream: scoring-0: ")
        assert said[-1].endswith("stop one of the two deployments")
    assert scene.ends(0) == before
    scene.npstream("rebuild", "--agent", "scoring", "--yes")
    scene.score()
    assert scene.counted() == {0: 2, 1: 1, 2: 1, 3: 1}
    assert scene.differences() == []


def test_two_deployments_on_the_same_topics_send_each_event_twice_with_the_same_id(
    kafka: Broker, app_id: str, tmp_path: Path
) -> None:
    scene = Scene(kafka.bootstrap, app_id, tmp_path)
    second = f"{app_id}-2"
    assert command(kafka.bootstrap, second, "topics", "create").returncode == 0

    def second_behind() -> bool:
        logs = {agent: (topic, f"{second}-{agent}-changelog") for agent, topic in SOURCES if agent in AGENTS}
        return any(has_unread(kafka.bootstrap, topic, agent, changelog) for agent, (topic, changelog) in logs.items())

    scene.world.send(scene.to_all("a", "b"))
    with scene.workers() as ours, Workers(kafka.bootstrap, second, tmp_path, agents=",".join(AGENTS)) as theirs:
        ours.start()
        theirs.start()
        scene.world.wait_processed(*AGENTS)
        until_done(lambda: not second_behind(), "the other deployment has processed all", PROCESSED_TIMEOUT_S)
        scene.world.wait_processed(*AGENTS)
    outcome = settled(scene.world)
    assert len(outcome.repeats()) > 0
    assert outcome.table_differences() == []
    outcome.drop_repeats()
    assert outcome.differences() == []
