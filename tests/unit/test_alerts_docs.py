"""docs/alerts.md says what the agent does."""

import json
import re
import tomllib
from pathlib import Path

import msgspec

from agents import routes
from agents.alert_groups import MOST_WAITING
from agents.alert_items import COMMENT_CHARS
from agents.open_alerts import PAGE_ITEMS, REFRESHES
from agents.routes import Matter, Route
from npstream.care.alerts import FORGETS_AFTER_S, TRAITS, _Quiet, _Route, alerts_settings
from npstream.care.file import CareFile
from schemas.alerts import Alert

DOCS = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    """The first block of a language."""
    found = re.search(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)
    assert found is not None
    return found[1]


def keys() -> set[str]:
    """What stands first in the rows of tables, in code."""
    firsts = re.findall(r"^\| (`[^|]*`) \|", DOCS, re.MULTILINE)
    return {key for first in firsts for key in re.findall(r"`(\w+)`", first)}


def test_its_example_does_what_is_said_of_it() -> None:
    settings = alerts_settings(CareFile(Path("care.toml"), tomllib.loads(block("toml"))))
    matter = Matter("case", frozenset({"opened"}), "critical", tier="gold")
    told = {sink: route.name for sink, route in settings.sinks_of(matter).items()}
    assert told == {"oncall": "critical", "slack-csm": "customer-success", "alertmanager": "customer-success"}
    assert set(settings.sinks_of(matter._replace(tier="silver"))) == {"slack-csm", "alertmanager"}


def test_its_alert_is_one() -> None:
    msgspec.json.decode(json.dumps(json.loads(block("json"))), type=Alert)


def test_every_key_of_a_route_and_of_quiet_hours_is_described_and_no_other() -> None:
    written = {name for table in (_Route, _Quiet) for name in table.__struct_encode_fields__}
    assert keys() - set(TRAITS) == written


def test_what_is_said_of_defaults_and_bounds_is_so() -> None:
    usual = Route("r", ())
    for key in ("group_interval_s", "max_items", "expires_h"):
        assert re.search(rf"^\| `{key}` \|.*\| {getattr(usual, key)} \|$", DOCS, re.MULTILINE)
    assert ", ".join(f"`{what}`" for what in ("opened", "worsened", "reopened", "breached", "escalated")) in DOCS
    assert set(routes.USUAL_WHAT) == {"opened", "worsened", "reopened", "breached", "escalated"}
    assert routes.USUAL_WAIT_S == {"critical": 0, "high": 30, "elevated": 30}
    assert (FORGETS_AFTER_S, FORGETS_AFTER_S // REFRESHES) == (15 * 60, 5 * 60)
    assert f"it remembers {MOST_WAITING:,}" in DOCS
    assert f"the first {COMMENT_CHARS:,} characters" in DOCS
    assert f"{PAGE_ITEMS} items at most" in DOCS
