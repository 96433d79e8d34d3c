"""Routes: who is to be told of what, when, and by which sinks. docs/alerts.md.

Routes are asked in their order. The first that matches says which sinks are told, unless it goes on: then those after it are
asked as well. A sink is told once of one thing, by the first route that names it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple, get_args

from agents.quiet_hours import QuietHours, is_never_told
from schemas.alerts import RiskKind
from schemas.cases import What
from schemas.events import Severity

SEVERITIES: Final[tuple[Severity, ...]] = ("critical", "high", "elevated")
"""The worst first."""
CASE: Final = "case"
KINDS: Final[tuple[str, ...]] = (CASE, *get_args(RiskKind))
WORSENED: Final = "worsened"
"""A case that was joined, and whose severity rose with it, or whose severity before is not known any more."""
WHATS: Final[tuple[str, ...]] = (*get_args(What), WORSENED)
"""What may happen to a case."""
USUAL_WHAT: Final = frozenset(("opened", WORSENED, "reopened", "breached", "escalated"))
"""What somebody has to act on."""
USUAL_WAIT_S: Final[Mapping[Severity, int]] = {"critical": 0, "high": 30, "elevated": 30}
"""What is critical is told at once. Colleagues who answer the same survey do so within minutes of each other, half a minute
gathers some of them, and nobody waits for it."""


class SinkTraits(NamedTuple):
    """What the kind of a sink asks of those who tell it something."""

    keeps_state: bool = False
    """It holds what is open, and must be told when that is over."""
    per_item: bool = False
    """It can be told of one thing at a time only."""
    forgets_after_s: int | None = None
    """It takes for over what it is not told again within this time."""


class Matter(NamedTuple):
    """What routes look at."""

    kind: str
    what: frozenset[str]
    """The names of what happened, for a case: `WORSENED` comes beside "joined"."""
    severity: Severity
    tier: str | None = None
    owner: str | None = None
    segments: Mapping[str, str] = MappingProxyType({})
    themes: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Route:
    """Whom to tell of what. A condition that is None holds for all."""

    name: str
    sinks: tuple[str, ...]
    goes_on: bool = False
    """Those after it are asked too."""
    kinds: frozenset[str] | None = None
    what: frozenset[str] = USUAL_WHAT
    """Of cases; account alerts are raised, and nothing else happens to them."""
    severities: frozenset[Severity] | None = None
    tiers: frozenset[str] | None = None
    owners: frozenset[str] | None = None
    segments: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Each of these dimensions must have one of its values."""
    themes: frozenset[str] | None = None
    """One of them is enough."""
    group_wait_s: int | None = None
    """How long the first of a group waits for others; None: `USUAL_WAIT_S`."""
    group_interval_s: int = 300
    """So long lies between two deliveries to a sink about an account, at least: five minutes, as Alertmanager has it."""
    max_items: int = 10
    """So many are listed in a delivery, what fits on a screen; those beyond are counted."""
    quiet: tuple[QuietHours, ...] = ()
    expires_h: int = 24
    """What is older is told to nobody any more."""

    def matches(self, matter: Matter) -> bool:
        """Whether this route is for it."""
        return (
            (self.kinds is None or matter.kind in self.kinds)
            and (matter.kind != CASE or not self.what.isdisjoint(matter.what))
            and (self.severities is None or matter.severity in self.severities)
            and (self.tiers is None or matter.tier in self.tiers)
            and (self.owners is None or matter.owner in self.owners)
            and all(matter.segments.get(dimension) in values for dimension, values in self.segments.items())
            and (self.themes is None or not self.themes.isdisjoint(matter.themes))
        )

    def wait_ms(self, severity: Severity) -> int:
        """How long something of this severity waits for others."""
        return 1000 * (USUAL_WAIT_S[severity] if self.group_wait_s is None else self.group_wait_s)


@dataclass(frozen=True)
class AlertsSettings:
    """What can be set."""

    routes: tuple[Route, ...] = ()
    sinks: Mapping[str, SinkTraits] = field(default_factory=dict)
    """Those that routes name, at least."""
    share: int = 200
    """Entries that are looked after in one tick: some 20 ms of work."""
    share_items: int = 2_000
    """And not much more than so many items told by them."""

    def __post_init__(self) -> None:
        for route in self.routes:
            for sink in route.sinks:
                if sink not in self.sinks:
                    raise ValueError(f"route {route.name}: there is no sink {sink}")
            for severity in SEVERITIES:
                if is_never_told(route.quiet, severity):
                    raise ValueError(f"route {route.name}: it is always quiet, what is {severity} would never be told")
        if len({route.name for route in self.routes}) < len(self.routes):
            raise ValueError("two routes have the same name")

    def sinks_of(self, matter: Matter) -> dict[str, Route]:
        """Which sinks are told, and by which route."""
        found: dict[str, Route] = {}
        for route in self.routes:
            if route.matches(matter):
                for sink in route.sinks:
                    found.setdefault(sink, route)
                if not route.goes_on:
                    break
        return found

    def route_to(self, sink: str, name: str) -> Route | None:
        """The route of this name, or the first that names the sink if there is no such route any more; None without one."""
        naming = [route for route in self.routes if sink in route.sinks]
        return next((route for route in naming if route.name == name), naming[0] if naming else None)
