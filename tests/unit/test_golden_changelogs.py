"""State that a version has written down: the changelogs of each are kept as files, and go on as if they had never been away.

An agent that writes its state in another way than before shows here first: raise its version, write its `upgrade`, and let
UPDATE_GOLDEN=1 write the file of the new version. Those of the old ones stay.
"""

import json

import pytest

from streams.changelog import state_prefix
from streams.state_version import StateVersion
from tests.care_life import CARE
from tests.golden_changelogs import lengths, shown
from tests.golden_files import FOLDER, check_golden
from tests.scores_life import SCORES

LIFE_OF = {agent: life for life in (SCORES, CARE) for agent in life.agents}
BEFORE_FACTS = ("scoring-1",)
"""Changelogs of a version that knew no facts."""
MOST_BYTES = 40_000
"""Of a file: what is in it is to be read in a diff."""


def version_of(agent: str) -> int:
    return StateVersion(LIFE_OF[agent].agents[agent]()).version


@pytest.fixture(autouse=True)
def same_incarnations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.test_driver.new_incarnation", lambda now_ms: f"{now_ms:013d}-00000000")


@pytest.fixture(autouse=True)
def facts_spread_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they do to more cases than would be read in a diff."""
    monkeypatch.setattr("agents.case_spreading.AT_ONCE", 1)


@pytest.mark.parametrize("agent", LIFE_OF)
def test_what_is_written_down_is_what_its_version_has_always_written(agent: str) -> None:
    name = f"changelog/{agent}-{version_of(agent)}.json"
    check_golden(name, shown(LIFE_OF[agent].before(), agent))
    assert (FOLDER / name).stat().st_size <= MOST_BYTES


@pytest.mark.parametrize("agent", LIFE_OF)
def test_the_golden_changelogs_hold_every_kind_of_state(agent: str) -> None:
    prefix, changelogs = state_prefix(agent).decode("latin-1"), shown(LIFE_OF[agent].before(), agent)
    found = {key.removeprefix(prefix)[:1].encode() for log in changelogs for key in log if key.startswith(prefix)}
    assert found == LIFE_OF[agent].kinds[agent]


@pytest.mark.parametrize("file", sorted(path.stem for path in (FOLDER / "changelog").glob("*.json")))
def test_a_changelog_of_any_version_goes_on_as_a_state_that_was_never_written_down(file: str) -> None:
    facts, agent = file not in BEFORE_FACTS, file.partition("-")[0]
    life = LIFE_OF[agent]
    never = life.before(facts)
    since = lengths(never)
    life.go_on(never)
    restored = life.reopened(agent, json.loads((FOLDER / "changelog" / f"{file}.json").read_text()), facts)
    own = lengths(restored)
    life.go_on(restored)
    wanted = life.comparable(never, since)
    assert all(wanted[topic] for topic in life.sends)
    found = life.comparable(restored, own)
    if file != f"{agent}-{version_of(agent)}":
        # What an older version wrote stays as it is until it changes; the state is the same all the same.
        del found[f"changelog of {agent}"], wanted[f"changelog of {agent}"]
    assert found == wanted


def test_there_is_a_golden_changelog_of_every_version_there_has_been() -> None:
    wanted = {f"{agent}-{version}" for agent in LIFE_OF for version in range(1, version_of(agent) + 1)}
    assert {path.stem for path in (FOLDER / "changelog").glob("*.json")} == wanted
