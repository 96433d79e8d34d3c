"""The table [cases] of the care file: what it says, and the line that tells of a mistake in it."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.case_kept import KeptAccount
from agents.case_rules import CasesSettings
from npstream.care.cases import cases_settings
from npstream.care.file import read_care
from npstream.settings_sources import SettingsError

DOCS = Path(__file__).parents[2] / "docs" / "cases.md"


def settings(folder: Path, text: str) -> CasesSettings:
    file = folder / "care.toml"
    file.write_text(text)
    return cases_settings(read_care(str(file)), 14)


def shown(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_without_a_file_there_are_the_defaults() -> None:
    care = read_care("")
    given, default = cases_settings(care, 14), CasesSettings()
    names = [name for name in CasesSettings.__dataclass_fields__ if name != "hours"]
    assert [getattr(given, name) for name in names] == [getattr(default, name) for name in names]
    now = ms("2026-03-02 09:30")
    assert given.due_times("high", KeptAccount(), now) == default.due_times("high", KeptAccount(), now)
    assert cases_settings(care, None).alert_max_age_days is None


def test_it_says_whose_cases_are_and_when_they_are_due(tmp_path: Path) -> None:
    given = settings(
        tmp_path,
        """
        [cases]
        default_owner = "care@vendor.example"
        escalation = ["lead@vendor.example", "head@vendor.example"]
        escalate_every_h = 0.5
        reopen_days = 7
        recovery_days = 90
        expire_days = 60
        keep_days = 365
        [cases.due_h.critical]
        first_response = 1
        resolution = 8.5
        [cases.raise]
        consecutive = 3
        tiers = ["gold", "platinum"]
        value = 100000
        renewal_days = 30
        [cases.hours]
        days = ["mon", "tue", "wed", "thu"]
        from = "08:00"
        to = "18:30"
        zone = "Europe/Berlin"
        closed = [2026-03-03, "2026-03-04"]
        """,
    )
    assert (given.default_owner, given.escalation) == ("care@vendor.example", ("lead@vendor.example", "head@vendor.example"))
    assert (given.escalate_every_min, given.due["critical"], given.due["high"]) == (30, (60, 510), (480, 2400))
    assert (given.reopen_days, given.recovery_days, given.expire_days, given.keep_days) == (7, 90, 60, 365)
    assert (given.raise_consecutive, given.raise_tiers, given.raise_value, given.raise_renewal_days) == (
        3,
        frozenset({"gold", "platinum"}),
        100_000,
        30,
    )
    first, resolution = given.due_times("critical", KeptAccount(), ms("2026-03-02 17:00"))
    assert (shown(first), shown(resolution)) == ("2026-03-05 07:30", "2026-03-05 15:00"), "Tuesday, Wednesday are closed"


def test_holidays_are_those_of_the_country_of_the_zone_if_it_has_one(tmp_path: Path) -> None:
    given = settings(
        tmp_path,
        """
        [cases.hours]
        zone = "Europe/Berlin"
        holidays = "DE-BY"
        [cases.hours.holidays_by_zone]
        "America/New_York" = "US"
        """,
    )
    monday, thursday = ms("2026-01-05 15:00"), ms("2026-07-02 20:00")
    assert shown(given.hours(None).add(monday, 120)) == "2026-01-07 09:00", "Epiphany is a holiday in Bavaria"
    assert shown(given.hours("Europe/Vienna").add(monday, 120)) == "2026-01-07 09:00", (
        "and, here, wherever nothing else is said"
    )
    assert shown(given.hours("America/New_York").add(monday, 9 * 60)) == "2026-01-06 16:00", "but not in New York"
    assert shown(given.hours("America/New_York").add(thursday, 120)) == "2026-07-06 14:00", "where July 3 stands in for the 4th"
    assert given.hours("Mars/Base") is given.hours(None)
    assert given.hours("Europe/Vienna") is given.hours("Europe/Vienna")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[cases]\nowner = 'x'", "cases: there is no key 'owner' here"),
        ("[cases]\nescalation = 'x'", "cases.escalation: expected a list, got text"),
        ("[cases]\nescalation = ['']", "cases.escalation[0]: expected text of length >= 1"),
        (f"[cases]\ndefault_owner = '{'x' * 501}'", "cases.default_owner: expected text of length <= 500"),
        ("[cases]\nexpire_days = 0", "cases.expire_days: 0 is not positive"),
        ("[cases]\nkeep_days = 30", "cases.keep_days: 30 is less than reopen_days or recovery_days, which need closed cases"),
        ("[cases]\nescalate_every_h = 0", "cases.escalate_every_h: expected a number > 0.0"),
        ("[cases]\nescalate_every_h = nan", "cases.escalate_every_h: expected a number > 0.0"),
        ("[cases.raise]\nconsecutive = -1", "cases.raise.consecutive: expected a whole number >= 0"),
        (
            "[cases.due_h.hi]\nfirst_response = 1\nresolution = 2",
            "cases.due_h.hi: there is no such severity; there are critical",
        ),
        ("[cases.due_h.high]\nfirst_response = 3\nresolution = 2", "cases.due_h.high: the resolution must not be due before"),
        ("[cases.hours]\nfrom = '9:00'", "cases.hours.from: '9:00' is no time of day: write 09:00, or 24:00"),
        ("[cases.hours]\nfrom = '18:00'", "cases.hours: from 18:00 to 17:00 are no hours of a day"),
        ("[cases.hours]\ndays = ['mo']", "cases.hours.days: 'mo' is no day; did you mean mon?"),
        ("[cases.hours]\ndays = []", "cases.hours: days: [] are no days of the week"),
        ("[cases.hours]\nzone = 'Mars/Base'", "cases.hours.zone: 'Mars/Base': no such time zone here"),
        ("[cases.hours]\nholidays = 'Germany'", "cases.hours.holidays: 'Germany' is neither a country, such as DE, nor a part"),
        ("[cases.hours]\nholidays = 'DE-XX'", "cases.hours.holidays: no holidays are known of 'DE-XX'"),
        ("[cases.hours.holidays_by_zone]\nMars = 'DE'", "cases.hours.holidays_by_zone.Mars: 'Mars': no such time zone here"),
        ("[cases.hours]\nclosed = ['2026-02-30']", "cases.hours.closed"),
    ],
)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(SettingsError) as error:
        settings(tmp_path, text)
    assert str(error.value).startswith(f"care_file {tmp_path / 'care.toml'}: {complaint}")
    assert "\n" not in str(error.value)


def test_without_the_package_the_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "holidays", None)
    with pytest.raises(SettingsError, match="the package holidays is not there: pip install"):
        settings(tmp_path, "[cases.hours]\nholidays = 'DE'")


def test_the_example_in_the_docs_is_right_and_has_every_key(tmp_path: Path) -> None:
    (example,) = [block.partition("```")[0] for block in DOCS.read_text().split("```toml\n")[1:]]
    given = settings(tmp_path, example)
    assert all((given.escalation, given.raise_tiers, given.default_owner))
    for key in ("reopen_days", "recovery_days", "expire_days", "keep_days", "escalate_every_h", "holidays_by_zone", "closed"):
        assert key in example
