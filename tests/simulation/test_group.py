"""The model of the group's coordinator: who has what, who is left out, and when they hear of it."""

import asyncio

from tests.model.clock import run
from tests.model.group import REBALANCE_TIMEOUT_S, SESSION_TIMEOUT_S, Answer, Group


def group(partitions: int = 4) -> Group:
    return Group(asyncio.get_running_loop(), partitions)


def test_a_member_that_is_alone_has_all_partitions_at_once() -> None:
    async def scenario() -> None:
        assert await group().join("a") == (1, (0, 1, 2, 3))

    run(scenario())


def test_a_second_member_waits_until_the_first_has_joined_again() -> None:
    async def scenario() -> None:
        coordinator = group()
        await coordinator.join("a")
        second = coordinator.join("b")
        assert coordinator.heartbeat("a", 1) is Answer.REBALANCING
        assert not second.done()
        assert await coordinator.join("a") == (2, (0, 2))
        assert await second == (2, (1, 3))
        assert coordinator.heartbeat("a", 1) is Answer.UNKNOWN
        assert coordinator.heartbeat("a", 2) is Answer.FINE

    run(scenario())


def test_a_member_that_does_not_join_again_in_time_is_left_out() -> None:
    async def scenario() -> None:
        coordinator = group()
        await coordinator.join("a")
        began = asyncio.get_running_loop().time()
        second = coordinator.join("b")
        while coordinator.heartbeat("a", 1) is Answer.REBALANCING:  # noqa: ASYNC110 (it is a heartbeat)
            await asyncio.sleep(1.0)
        assert asyncio.get_running_loop().time() - began == REBALANCE_TIMEOUT_S
        assert await second == (2, (0, 1, 2, 3))

    run(scenario())


def test_a_member_without_a_heartbeat_is_left_out_after_its_session() -> None:
    async def scenario() -> None:
        coordinator = group(2)
        joining = coordinator.join("a"), coordinator.join("b"), coordinator.join("a")
        await joining[1]
        for _ in range(int(SESSION_TIMEOUT_S) - 1):
            await asyncio.sleep(1.0)
            assert coordinator.heartbeat("b", coordinator.generation) is Answer.FINE
        await asyncio.sleep(1.0)
        assert coordinator.heartbeat("b", coordinator.generation) is Answer.REBALANCING
        assert (await coordinator.join("b")).partitions == (0, 1)

    run(scenario())


def test_a_rebalance_gives_partitions_back_or_moves_them() -> None:
    async def scenario() -> None:
        coordinator = group(2)
        joining = coordinator.join("a"), coordinator.join("b"), coordinator.join("a")
        await joining[1]
        before = dict(coordinator.owners)
        for moves in (0, 1):
            coordinator.rotation += moves
            coordinator.rebalance()
            await asyncio.gather(coordinator.join("a"), coordinator.join("b"))
            assert (coordinator.owners != before) is bool(moves)

    run(scenario())


def test_the_last_member_leaves_partitions_to_nobody() -> None:
    async def scenario() -> None:
        coordinator = group()
        await coordinator.join("a")
        coordinator.leave("a")
        assert coordinator.owners == {}
        assert coordinator.stable

    run(scenario())
