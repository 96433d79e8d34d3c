"""The table [cases] of the care file: docs/cases.md.

[cases]
default_owner = "care@vendor.example"
escalation = ["lead@vendor.example", "head@vendor.example"]
[cases.due_h.critical]
first_response = 2
resolution = 16
[cases.raise]
tiers = ["gold"]
[cases.hours]
zone = "Europe/Berlin"
holidays = "DE-BY"
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Annotated, Final

from msgspec import Meta, Struct

from agents.analysis import Analyser, no_analysis
from agents.business_hours import BusinessHours
from agents.case_kept import SEVERITIES
from agents.case_rules import DUE, CasesSettings, Due
from npstream.care.clock import DAYS, minute_of_day, zone_at
from npstream.care.file import CareFile
from npstream.settings_sources import nearest
from npstream.zones import zone_named
from schemas.events import MAX_ID_CHARS, Owner, Severity

TABLE: Final = "cases"
ZONES: Final = 512
"""Time zones whose hours are remembered: there are some 400 that differ in anything."""

_DEFAULT: Final = CasesSettings()
_REGION: Final = re.compile(r"([A-Z]{2})(?:-(.+))?")

IsClosed = Callable[[date], bool]


Hours = Annotated[float, Meta(gt=0, le=10_000)]
"""Of business time: up to some years."""
Days = Annotated[int, Meta(ge=0, le=36_500)]
"""Up to a century."""


class _Due(Struct, forbid_unknown_fields=True, frozen=True):
    first_response: Hours
    resolution: Hours


class _Raise(Struct, forbid_unknown_fields=True, frozen=True):
    consecutive: Annotated[int, Meta(ge=0)] = _DEFAULT.raise_consecutive
    tiers: tuple[str, ...] = ()
    value: Annotated[float, Meta(ge=0)] | None = None
    renewal_days: Days = _DEFAULT.raise_renewal_days


class _Hours(Struct, forbid_unknown_fields=True, frozen=True, rename={"opens": "from", "closes": "to"}):
    days: tuple[str, ...] = DAYS[:5]
    opens: str = "09:00"
    closes: str = "17:00"
    zone: str = "UTC"
    holidays: str = ""
    holidays_by_zone: dict[str, str] = {}
    closed: tuple[date, ...] = ()


class _Cases(Struct, forbid_unknown_fields=True, frozen=True, rename={"raises": "raise"}):
    default_owner: Annotated[str, Meta(max_length=MAX_ID_CHARS)] = ""
    escalation: tuple[Owner, ...] = ()
    escalate_every_h: Hours = _DEFAULT.escalate_every_min / 60
    reopen_days: Days = _DEFAULT.reopen_days
    recovery_days: Days = _DEFAULT.recovery_days
    expire_days: Days = _DEFAULT.expire_days
    keep_days: Days = _DEFAULT.keep_days
    due_h: dict[str, _Due] = {}
    raises: _Raise = _Raise()
    hours: _Hours = _Hours()


def cases_settings(care: CareFile, alert_max_age_days: int | None, analyse: Analyser = no_analysis) -> CasesSettings:
    """What the agent `cases` gets. Raises SettingsError."""
    table = care.table(TABLE, _Cases)
    try:
        return CasesSettings(
            due=_due(care, table.due_h),
            default_owner=table.default_owner or None,
            escalation=table.escalation,
            escalate_every_min=_minutes_of(table.escalate_every_h),
            raise_consecutive=table.raises.consecutive,
            raise_tiers=frozenset(table.raises.tiers),
            raise_value=table.raises.value,
            raise_renewal_days=table.raises.renewal_days,
            alert_max_age_days=alert_max_age_days,
            reopen_days=table.reopen_days,
            recovery_days=table.recovery_days,
            expire_days=table.expire_days,
            keep_days=table.keep_days,
            hours=_hours(care, table.hours),
            analyse=analyse,
        )
    except ValueError as error:
        name, _, what = str(error).partition(": ")
        raise care.wrong(f"{TABLE}.{_NAMES.get(name, name)}", what) from None


_NAMES: Final = {
    "escalate_every_min": "escalate_every_h",
    "raise_consecutive": "raise.consecutive",
    "raise_renewal_days": "raise.renewal_days",
    **{f"due.{severity}": f"due_h.{severity}" for severity in SEVERITIES},
}
"""Where a setting of the agent stands in the file, if by another name."""


def _due(care: CareFile, given: Mapping[str, _Due]) -> Mapping[Severity, Due]:
    for name in given:
        if name not in SEVERITIES:
            raise care.wrong(f"{TABLE}.due_h.{name}", f"there is no such severity; there are {', '.join(SEVERITIES)}")
    return {
        severity: Due(_minutes_of(given[severity].first_response), _minutes_of(given[severity].resolution))
        if severity in given
        else DUE[severity]
        for severity in SEVERITIES
    }


def _minutes_of(hours: float) -> int:
    return max(1, round(hours * 60))


def _hours(care: CareFile, table: _Hours) -> Callable[[str | None], BusinessHours]:
    """The business hours of each zone: those of the file's for none, and for one that this machine does not know."""
    place = f"{TABLE}.hours"
    for day in table.days:
        if day not in DAYS:
            raise care.wrong(f"{place}.days", f"{day!r} is no day{nearest(day, DAYS)}")
    days = frozenset(map(DAYS.index, table.days))
    opens, closes = _minutes(care, "from", table.opens), _minutes(care, "to", table.closes)
    if opens >= closes:
        raise care.wrong(place, f"from {table.opens} to {table.closes} are no hours of a day: `to` must be later than `from`")
    own = frozenset(table.closed)
    home = zone_at(care, f"{place}.zone", table.zone)
    usual = _holidays(care, f"{place}.holidays", table.holidays, own)
    elsewhere: dict[str, IsClosed] = {}
    for zone, region in table.holidays_by_zone.items():
        where = f"{place}.holidays_by_zone.{zone}"
        zone_at(care, where, zone)
        elsewhere[zone] = _holidays(care, where, region, own)
    try:
        at_home = BusinessHours(home, days, opens, closes, elsewhere.get(table.zone, usual))
    except ValueError as error:
        raise care.wrong(place, str(error)) from None

    @lru_cache(maxsize=ZONES)
    def hours(zone: str | None) -> BusinessHours:
        try:
            there = home if zone is None else zone_named(zone)
        except ValueError:
            return at_home
        return at_home if there is home else BusinessHours(there, days, opens, closes, elsewhere.get(zone or "", usual))

    return hours


def _minutes(care: CareFile, name: str, clock: str) -> int:
    minute = minute_of_day(clock)
    if minute is None:
        raise care.wrong(f"{TABLE}.hours.{name}", f"{clock!r} is no time of day: write 09:00, or 24:00 for the end of the day")
    return minute


def _holidays(care: CareFile, place: str, region: str, own: frozenset[date]) -> IsClosed:
    """Whether a date is a holiday: of a country, DE, or a part of one, DE-BY (ISO 3166), or one of the file's own."""
    if not region:
        return own.__contains__
    found = _REGION.fullmatch(region)
    if found is None:
        raise care.wrong(place, f"{region!r} is neither a country, such as DE, nor a part of one, such as DE-BY")
    try:
        import holidays
    except ImportError:
        missing = "the package holidays is not there: pip install 'npstream[care]', or list the days in closed"
        raise care.wrong(place, missing) from None
    try:
        public = holidays.country_holidays(found[1], subdiv=found[2])
    except NotImplementedError as error:
        raise care.wrong(place, f"no holidays are known of {region!r}: {error}") from None
    return lambda day: day in own or day in public
