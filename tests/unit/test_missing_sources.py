"""A unit that was assigned nothing asks for metadata: whoever assigned may not have seen all topics."""

from types import SimpleNamespace
from typing import Any

import pytest

from streams.phase import Phase
from streams.unit import Unit


@pytest.mark.parametrize(
    ("tasks", "rebalances", "there", "missing_before", "refreshes", "missing"),
    [
        ({0: SimpleNamespace(phase=Phase.RUNNING)}, 1, True, None, 0, None),  # it has work
        ({0: SimpleNamespace(phase=Phase.ASSIGNED)}, 1, False, None, 0, "in"),  # of one source only
        ({}, 0, True, None, 0, None),  # it has not joined yet
        ({}, 1, True, None, 1, None),  # nothing was assigned, though all is there
        ({}, 1, False, None, 0, "in"),  # the topic is gone
        ({}, 1, True, "in", 1, "in"),  # it is back; the next assignment says that all is well
    ],
)
async def test_who_has_nothing_to_do_asks_anew(
    tasks: dict[int, Any], rebalances: int, there: bool, missing_before: str | None, refreshes: int, missing: str | None
) -> None:
    asked: list[None] = []

    async def refresh() -> None:
        asked.append(None)

    async def partitions(topic: str) -> int | None:
        return 4 if there else None

    unit: Any = SimpleNamespace(
        name="scoring",
        tasks=tasks,
        rebalances=rebalances,
        sources=("in",),
        _missing=missing_before,
        _broker=SimpleNamespace(partitions=partitions),
        _consumer=SimpleNamespace(refresh=refresh),
    )
    await Unit.look_for_sources(unit)
    assert (len(asked), unit._missing) == (refreshes, missing)
