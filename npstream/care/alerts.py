"""The table [alerts] of the care file: who is told of what. docs/alerts.md.

[[alerts.routes]]
name = "critical"
severity = "critical"
sinks = ["oncall", "slack-csm"]

Of the tables [sinks.NAME] only the kind is read here: a worker tells nobody itself, and needs no secrets.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Final

from msgspec import Meta, Struct

from agents.quiet_hours import DAY_MINUTES, QuietHours
from agents.routes import KINDS, SEVERITIES, USUAL_WHAT, WHATS, AlertsSettings, Route, SinkTraits
from npstream.care.clock import DAYS, minute_of_day, zone_at
from npstream.care.file import CareFile
from schemas.events import DIMENSION_PATTERN, Severity

TABLE: Final = "alerts"
FORGETS_AFTER_S: Final = 900
"""What is told to Alertmanager ends after a quarter of an hour unless it is told again, every five minutes: more often would
be a load on Kafka, with less a restart of the notifier would look like the end of every case."""
TRAITS: Final[Mapping[str, SinkTraits]] = {
    "alertmanager": SinkTraits(keeps_state=True, forgets_after_s=FORGETS_AFTER_S),
    "pagerduty": SinkTraits(keeps_state=True, per_item=True),
    "slack": SinkTraits(),
    "email": SinkTraits(),
    "webhook": SinkTraits(),
}
"""What is to be known of each kind of sink by who decides what it is told."""

_MIDNIGHT: Final = "24:00"

Names = str | tuple[str, ...]
"""One or several."""
Seconds = Annotated[int, Meta(ge=0, le=7 * 86_400)]
"""Up to a week."""
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]


class _Quiet(Struct, kw_only=True, forbid_unknown_fields=True, rename={"begins": "from", "ends": "to", "excepted": "except"}):
    begins: str
    ends: str
    days: Names = DAYS
    zone: str = "UTC"
    excepted: Names = "critical"


class _Route(Struct, kw_only=True, forbid_unknown_fields=True, rename={"goes_on": "continue"}):
    name: Name
    sinks: Names
    goes_on: bool = False
    kinds: Names | None = None
    what: Names | None = None
    severity: Names | None = None
    tiers: Names | None = None
    owners: Names | None = None
    segments: dict[Annotated[str, Meta(pattern=DIMENSION_PATTERN)], Names] = {}
    themes: Names | None = None
    group_wait_s: Seconds | None = None
    group_interval_s: Seconds = 300
    max_items: Annotated[int, Meta(ge=1, le=50)] = 10
    quiet: _Quiet | list[_Quiet] = []
    expires_h: Annotated[int, Meta(ge=1, le=8_760)] = 24


class _Alerts(Struct, forbid_unknown_fields=True):
    routes: list[_Route] = []


def alerts_settings(care: CareFile) -> AlertsSettings:
    """What the agent `alerts` gets. Raises SettingsError."""
    table = care.table(TABLE, _Alerts)
    sinks = _sinks(care)
    routes = []
    for number, given in enumerate(table.routes):
        routes.append(_route(care, f"{TABLE}.routes[{number}]", given, sinks))
        if given.name in (other.name for other in table.routes[:number]):
            raise care.wrong(f"{TABLE}.routes[{number}].name", f"{given.name!r} is the name of another route too")
    try:
        return AlertsSettings(tuple(routes), sinks)
    except ValueError as error:
        raise care.wrong(TABLE, str(error)) from None


def _sinks(care: CareFile) -> dict[str, SinkTraits]:
    tables = care.tables.get("sinks", {})
    if not isinstance(tables, dict):
        raise care.wrong("sinks", "write a table for each, such as [sinks.slack-csm]")
    found = {}
    for name, table in tables.items():
        kind = table.get("kind") if isinstance(table, dict) else None
        if not isinstance(kind, str):
            raise care.wrong(f"sinks.{name}", f"it needs a kind: one of {', '.join(TRAITS)}")
        found[name] = TRAITS[_one_of(care, f"sinks.{name}.kind", kind, TRAITS, "kind of sink")]
    return found


def _route(care: CareFile, place: str, given: _Route, sinks: Mapping[str, SinkTraits]) -> Route:
    if not _names(given.sinks):
        raise care.wrong(f"{place}.sinks", "name one at least")
    kinds = _all_of(care, f"{place}.kinds", given.kinds, KINDS, "kind")
    what = _all_of(care, f"{place}.what", given.what, WHATS, "such event of cases")
    if what is not None and kinds is not None and "case" not in kinds:
        raise care.wrong(f"{place}.what", "it is about cases, which are none of its kinds")
    quiet = [given.quiet] if isinstance(given.quiet, _Quiet) else given.quiet
    return Route(
        name=given.name,
        sinks=tuple(_one_of(care, f"{place}.sinks", sink, sinks, "sink") for sink in dict.fromkeys(_names(given.sinks))),
        goes_on=given.goes_on,
        kinds=kinds,
        what=USUAL_WHAT if what is None else what,
        severities=_severities(care, f"{place}.severity", given.severity),
        tiers=_set(given.tiers),
        owners=_set(given.owners),
        segments={dimension: frozenset(_names(values)) for dimension, values in given.segments.items()},
        themes=_set(given.themes),
        group_wait_s=given.group_wait_s,
        group_interval_s=given.group_interval_s,
        max_items=given.max_items,
        quiet=tuple(_quiet(care, f"{place}.quiet", hours) for hours in quiet),
        expires_h=given.expires_h,
    )


def _quiet(care: CareFile, place: str, given: _Quiet) -> QuietHours:
    days = _all_of(care, f"{place}.days", given.days, DAYS, "day") or frozenset()
    if not days:
        raise care.wrong(f"{place}.days", "name one at least")
    begins, ends = _minutes(care, f"{place}.from", given.begins), _minutes(care, f"{place}.to", given.ends)
    return QuietHours(
        begins % DAY_MINUTES,
        ends,
        frozenset((DAYS.index(day) + begins // DAY_MINUTES) % len(DAYS) for day in days),
        zone_at(care, f"{place}.zone", given.zone),
        _severities(care, f"{place}.except", given.excepted) or frozenset(),
    )


def _severities(care: CareFile, place: str, given: Names | None) -> frozenset[Severity] | None:
    names = _all_of(care, place, given, SEVERITIES, "severity")
    return None if names is None else frozenset(severity for severity in SEVERITIES if severity in names)


def _minutes(care: CareFile, place: str, clock: str) -> int:
    minute = minute_of_day(clock)
    if minute is None:
        raise care.wrong(place, f"{clock!r} is no time of day: write 20:00, or {_MIDNIGHT} for the end of the day")
    return minute


def _names(given: Names) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else given


def _set(given: Names | None) -> frozenset[str] | None:
    return None if given is None else frozenset(_names(given))


def _all_of(care: CareFile, place: str, given: Names | None, known: Iterable[str], noun: str) -> frozenset[str] | None:
    return None if given is None else frozenset(_one_of(care, place, name, known, noun) for name in _names(given))


def _one_of(care: CareFile, place: str, name: str, known: Iterable[str], noun: str) -> str:
    names = list(known)
    if name not in names:
        close = get_close_matches(name, names, n=1, cutoff=0.5)
        meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}" if names else "there is none"
        raise care.wrong(place, f"there is no {noun} {name!r:.60}; {meant}")
    return name
