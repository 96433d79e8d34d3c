"""docs/gateway.md says what the gateway does."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

from npstream.gateway.bodies import READ_TIMEOUT_S
from npstream.gateway.configuration import OPEN, Tables, rules
from npstream.gateway.responses import MOST
from npstream.gateway.server import KEEP_ALIVE_S
from npstream.gateway.signatures import SCHEMES, USUAL
from npstream.settings import Settings
from npstream.settings_sources import declared
from tests.gateway import Desk
from tests.unit.test_operating_docs import quoted, rows, section

PAGE = (Path(__file__).parents[2] / "docs" / "gateway.md").read_text(encoding="utf-8")


def test_every_status_that_is_documented_for_machines_is_explained_to_people() -> None:
    told = {status for first, *_ in rows(section(PAGE, "Statuses")) for status in quoted(first)}
    operations = [
        one for path, methods in Desk().app.openapi()["paths"].items() if "health" not in path for one in methods.values()
    ]
    assert told == {status for operation in operations for status in operation["responses"]} | {"405"}


def test_every_scheme_is_described_and_the_vendors_that_use_it_named() -> None:
    told = {quoted(scheme)[0]: vendors.lower() for scheme, vendors, *_ in rows(section(PAGE, "Who may send"))}
    assert set(told) == {*SCHEMES, OPEN}
    for vendor, scheme in USUAL.items():
        assert vendor in told[scheme]


def test_the_file_that_is_shown_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert msgspec.convert(tomllib.loads(shown), Tables).vendors.keys() == {"typeform", "delighted", "qualtrics", "posthog"}
    for name in re.findall(r'file = "([^"]+)"', shown):
        secret = tmp_path / Path(name).name
        secret.write_text("from-a-file", encoding="utf-8")
        shown = shown.replace(name, str(secret))
    file = tmp_path / "gateway.toml"
    file.write_text(shown, encoding="utf-8")
    environ = dict.fromkeys(re.findall(r'env = "([^"]+)"', shown), "from-a-variable")
    found = rules(Settings(gateway_file=str(file)), environ)
    assert found.vendors["delighted"].credentials[1].account == "initech"
    assert found.tokens[0].account == "globex"


def test_settings_and_figures_are_those_of_the_code() -> None:
    named = {name for name in quoted(PAGE) if name.startswith("gateway_") and not name.endswith("_")}
    assert named <= set(declared(Settings))
    assert len(named) > 5
    assert f"more than {READ_TIMEOUT_S:g} s" in PAGE
    assert f"less than {KEEP_ALIVE_S} s" in PAGE
    assert f"up to {MOST:,}" in PAGE
