"""State of the agents of comments that was damaged refuses its task in one line, and raises nothing else."""

import contextlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.analysis import Analysis
from agents.comments import Comments, CommentsSettings
from agents.themes import Themes, ThemesSettings
from schemas import topics
from schemas.codec import dumps
from schemas.times import format_time
from streams.draft import Kept
from streams.processor import DAY_MS, Outbox, Processor, State, StreamTime, UnfitState
from streams.test_driver import Sent, TestDriver
from tests.hostile.stored import in_place

NOW = 1_772_366_400_000
WINDOWS = (2, 5)
COMMENTS = Comments(lambda comment, locale: Analysis(("performance",), -0.3), CommentsSettings(WINDOWS))
THEMES = Themes(ThemesSettings(WINDOWS))
SCORED = {
    "response_id": "r-1",
    "account_id": "acme",
    "score": 3,
    "responded_at": format_time(NOW),
    "respondent_id": "u-1",
    "segments": {"plan": "pro"},
    "comment": "slow",
    "change": "new",
}
CELL = Sent(topics.THEMES_CELLS, 0, 1, NOW, b"0|1|plan=pro|2026-03-01", b'{"themes": {"": [[1, 0, 0], [0, 0, 0]]}}', ())


def real_values() -> list[tuple[str, bytes, bytes]]:
    driver = TestDriver([COMMENTS, THEMES], now=NOW)
    driver.pipe(topics.SCORED, b"acme", dumps(SCORED))
    driver.run()
    driver.advance(DAY_MS)
    return [(name, key, value) for name in ("comments", "themes") for key, value in sorted(driver.state(name).items())]


VALUES = real_values()


def processed(processor: Processor, record: Sent) -> Callable[[State], Any]:
    return lambda state: processor.process([record], state, StreamTime(NOW, NOW), Outbox(Kept().send))


def ticked(processor: Processor) -> Callable[[State], Any]:
    return lambda state: processor.tick(NOW + DAY_MS, state, Outbox(Kept().send))


def look(name: str, key: bytes, value: bytes) -> None:
    """What the agent makes of a state in which one key has this value."""
    scored = Sent(topics.SCORED, 0, 1, NOW, b"acme", dumps(SCORED), ())
    for read in (
        (processed(COMMENTS, scored), ticked(COMMENTS)) if name == "comments" else (processed(THEMES, CELL), ticked(THEMES))
    ):
        in_place(value, read, key)


def test_the_state_has_every_kind_of_value() -> None:
    assert {(name, key[:1]) for name, key, _ in VALUES} == {
        *(("comments", kind) for kind in (b"A", b"a", b"S", b"R", b"T", b"W")),
        *(("themes", kind) for kind in (b"H", b"c", b"I", b"T", b"W")),
    }


PACKED = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=4) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.integers(-1, 20) | st.text(max_size=2), inner, max_size=3),
).map(msgspec.msgpack.encode)


@st.composite
def damaged(draw: st.DrawFn, value: bytes) -> bytes:
    place = draw(st.integers(0, max(len(value) - 1, 0)))
    return value[:place] + draw(st.binary(max_size=2)) + value[place + draw(st.integers(0, 2)) :]


@given(st.data())
def test_damaged_state_refuses_its_task_or_is_read(data: st.DataObject) -> None:
    for name, key, value in VALUES:
        with contextlib.suppress(UnfitState):
            look(name, key, data.draw(damaged(value) | PACKED))


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, key, _ in VALUES if key[:1] in b"ASRHT"])
@pytest.mark.parametrize("value", [b"", b"\xc1", b"\xc0", msgspec.msgpack.encode([-5, True, [70_000], {"": [1]}])])
def test_what_is_no_value_at_all_refuses(name: str, key: bytes, value: bytes) -> None:
    with pytest.raises(UnfitState):
        look(name, key, value)
