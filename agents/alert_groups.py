"""Grouping, throttling, quiet hours: when what is to be told is told, and together with what.

What is to be told waits in the channel of its sink (`agents.alert_keys`), in the lane of its route and severity. A route's
lanes are a group. A group is due when one of its lanes is: when its first item has waited, the channel's throttle has passed,
and it is not quiet for that severity. Then all of the group goes that it is not quiet for. All of that follows from what waits,
so whoever adds something to a channel finds it due or not, whether a tick came before or not.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import UNSET, structs

from agents.alert_due import NEVER
from agents.alert_items import rank
from agents.alert_keys import channel_of, sink_of
from agents.alert_records import Cause, Telling, Told, send_alert, that_fit
from agents.alert_state import MOST_NUMBERS, AlertState, Channel, Known, Lane, OpenItem, Place, Waiting
from agents.open_alerts import PAGE_ITEMS, OpenAlerts, as_told, known_as
from agents.quiet_hours import quiet_until
from agents.routes import SEVERITIES, AlertsSettings, Route, SinkTraits
from agents.stored import StateUnreadable
from schemas.events import AccountBrief
from streams.processor import Outbox

HOUR_MS: Final = 3_600_000
MOST_WAITING: Final = 5_000
"""Items of a lane that are remembered, so that the delivery which takes them out is a bounded batch. What comes beyond them, in
one night and about one account, is counted: nobody would go through the list."""

_LACKS: Final = "the state of alerts lacks a part of something that waits"

Counting = Callable[[str, str], None]
"""Counts an item by its kind and what became of it."""


class AlertGroups:
    """The channels of one task."""

    __slots__ = ("_count", "_kept", "_longest", "_open", "_outbox", "_routes", "_settings", "told_items")

    def __init__(self, settings: AlertsSettings, kept: AlertState, opened: OpenAlerts, outbox: Outbox, count: Counting) -> None:
        self._settings = settings
        self._kept = kept
        self._open = opened
        self._outbox = outbox
        self._count = count
        self._routes = {route.name: route for route in settings.routes}
        self._longest = 1000 * max((route.group_interval_s for route in settings.routes), default=0)
        self.told_items = 0
        """How many items deliveries have had so far."""

    def add(
        self,
        account: bytes,
        known: Known,
        route: Route,
        sink: str,
        waiting: Waiting,
        whose: tuple[AccountBrief | None, float | None],
        cause: Cause,
    ) -> None:
        """Something is to be told to a sink. If an earlier state of it waits for the same sink it is told in its place, by the
        group that is told sooner. `waiting.wanted` is when it is to be told if nothing else is in the way."""
        name = channel_of(sink, waiting.key, self._settings.sinks[sink].per_item)
        channel = self._kept.channel(account, name)
        channel.account, channel.nps = whose
        waiting.seen_at = cause.now
        place = Place(route.name, rank(waiting.item.severity), 0)
        if (before := known.waiting.get(name)) is not None:
            earlier = self._take(account, name, channel, before)
            self._count(waiting.item.kind, "overtaken")
            waiting.caused_at = min(waiting.caused_at, earlier.caused_at)
            starts_at = min(waiting.item.starts_at, earlier.item.starts_at)
            was = waiting.item.was or earlier.item.was
            waiting.item = structs.replace(waiting.item, starts_at=starts_at, was=was)
            stays = before._replace(severity=place.severity)
            if before.route == route.name:
                waiting.wanted = min(waiting.wanted, earlier.wanted)
            elif self._moment(channel, stays, earlier.wanted, cause.now) < self._moment(
                channel, place, waiting.wanted, cause.now
            ):
                place, waiting.wanted = stays, earlier.wanted
        known.waiting.pop(name, None)
        lane = channel.lane(place.route, place.severity)
        if lane is None:
            lane = Lane(place.route, place.severity, wanted=waiting.wanted)
            channel.lanes.append(lane)
        lane.wanted = min(lane.wanted, waiting.wanted)
        if lane.count < MOST_WAITING and lane.next < MOST_NUMBERS:
            place = place._replace(number=lane.next)
            lane.next += 1
            lane.count += 1
            known.waiting[name] = place
            self._kept.put_waiting(account, name, place, waiting)
        else:
            lane.beyond += 1
            self._count(waiting.item.kind, "beyond")
        self._kept.keep_known(account, waiting.key, known)
        self.pass_time(account, name, cause)

    def drop(self, account: bytes, name: str, known: Known, outcome: str, now: int) -> None:
        """What waits in a channel is not to be told any more. The caller keeps what is known of it."""
        channel = self._kept.channel(account, name)
        waiting = self._take(account, name, channel, known.waiting.pop(name))
        self._count(waiting.item.kind, outcome)
        self._keep(account, name, channel, now)

    def waits(self, account: bytes, name: str, known: Known) -> Waiting:
        """What waits in a channel."""
        waiting = self._kept.waiting(account, name, known.waiting[name])
        if waiting is None:
            raise StateUnreadable(_LACKS)
        return waiting

    def pass_time(self, account: bytes, name: str, cause: Cause) -> None:
        """Tell what is due in a channel, route by route."""
        channel = self._kept.channel(account, name)
        traits = self._settings.sinks.get(sink_of(name))
        names = {lane.route for lane in channel.lanes}
        for gone in sorted(names - self._routes.keys() if traits else names):
            for waiting in self._take_lanes(account, name, channel, [lane for lane in channel.lanes if lane.route == gone]):
                self._forget(account, name, waiting, "no route")
        for route in self._settings.routes:
            group = [lane for lane in channel.lanes if lane.route == route.name]
            if traits and group and min(self._due(channel, lane, cause.now) for lane in group) <= cause.now:
                self._tell(account, name, channel, route, group, traits, cause)
        self._keep(account, name, channel, cause.now)

    def _tell(
        self, account: bytes, name: str, channel: Channel, route: Route, group: list[Lane], traits: SinkTraits, cause: Cause
    ) -> None:
        now = cause.now
        free = [lane for lane in group if quiet_until(route.quiet, SEVERITIES[lane.severity], now) == now]
        free.sort(key=lambda lane: lane.severity)
        beyond = sum(lane.beyond for lane in free)
        told: list[Told] = []
        for waiting in self._take_lanes(account, name, channel, free):
            if (one := self._taken(account, name, channel, route, waiting, traits, now)) is not None:
                told.append(one)
        if not told:
            return
        channel.last = now
        self.told_items += len(told)
        expires_at = now + HOUR_MS * route.expires_h
        first = 0
        while first < len(told):
            count = that_fit(told[first:], PAGE_ITEMS if traits.keeps_state else route.max_items)
            more = beyond if first + count == len(told) else 0
            if not traits.keeps_state:
                more = beyond + len(told) - count
            telling = Telling(account.decode(), name, route.name, channel.told, expires_at, told[first : first + count], more)
            send_alert(telling._replace(account=channel.account, nps=channel.nps), cause, self._outbox)
            channel.told += 1
            first += count if traits.keeps_state else len(told)

    def _taken(
        self, account: bytes, name: str, channel: Channel, route: Route, waiting: Waiting, traits: SinkTraits, now: int
    ) -> Told | None:
        """What is told of something that waited; None if that is nothing."""
        known = self._known(account, name, waiting)
        over = waiting.over
        if not over and self._is_stale(channel, route, waiting, now):
            self._count(waiting.item.kind, "expired")
            self._kept.keep_known(account, waiting.key, known)
            return None
        if not over and NEVER < waiting.until <= now:
            over = name in known.open  # else nobody knows that it began
            if not over:
                self._count(waiting.item.kind, "closed")
                self._kept.keep_known(account, waiting.key, known)
                return None
        self._count(waiting.item.kind, "told")
        item = waiting.item
        if over:
            known.open.pop(name, None)
        elif traits.keeps_state:
            opened = OpenItem(waiting.revision, waiting.until, structs.replace(item, was=UNSET))
            was = self._open.add(account, name, channel, known, route.name, opened, now)
            item = known_as(as_told(item, waiting.until, traits, now), was)
        if item.was == item.severity:
            item = structs.replace(item, was=UNSET)
        self._kept.keep_known(account, waiting.key, known)
        return Told(item, waiting.revision, waiting.caused_at, over)

    def _known(self, account: bytes, name: str, waiting: Waiting) -> Known:
        """What is known of something that waits no more."""
        known = self._kept.known(account, waiting.key)
        if known is None or known.waiting.pop(name, None) is None:
            raise StateUnreadable(_LACKS)
        return known

    def _forget(self, account: bytes, name: str, waiting: Waiting, outcome: str) -> None:
        known = self._known(account, name, waiting)
        self._count(waiting.item.kind, outcome)
        self._kept.keep_known(account, waiting.key, known)

    def _take(self, account: bytes, name: str, channel: Channel, place: Place) -> Waiting:
        """Take one thing out."""
        waiting = self._kept.waiting(account, name, place)
        lane = channel.lane(place.route, place.severity)
        if waiting is None or lane is None:
            raise StateUnreadable(_LACKS)
        self._kept.drop_waiting(account, name, place)
        lane.count -= 1
        if not lane.count and not lane.beyond:
            channel.lanes.remove(lane)
        return waiting

    def _take_lanes(self, account: bytes, name: str, channel: Channel, lanes: Sequence[Lane]) -> list[Waiting]:
        """Take all that waits in these lanes, in the order in which it came."""
        taken = []
        for lane in lanes:
            for number in range(lane.next):
                place = Place(lane.route, lane.severity, number)
                if (waiting := self._kept.waiting(account, name, place)) is not None:
                    self._kept.drop_waiting(account, name, place)
                    taken.append(waiting)
            channel.lanes.remove(lane)
        return taken

    def _due(self, channel: Channel, lane: Lane, now: int) -> int:
        return self._moment(channel, Place(lane.route, lane.severity, 0), lane.wanted, now)

    def _moment(self, channel: Channel, place: Place, wanted: int, now: int) -> int:
        """When, from now on, something may be told: it has waited, the throttle has passed, and it is not quiet."""
        at = max(wanted, now)
        route = self._routes.get(place.route)
        if route is None:
            return at
        if channel.last != NEVER:
            at = max(at, channel.last + 1000 * route.group_interval_s)
        return quiet_until(route.quiet, SEVERITIES[place.severity], at)

    def _is_stale(self, channel: Channel, route: Route, waiting: Waiting, now: int) -> bool:
        """Whether something should have been told so long ago that nobody wants it any more: after an outage, or in a replay.
        How long it was quiet, or throttled, is not held against it."""
        longest, began = HOUR_MS * route.expires_h, max(waiting.wanted, waiting.seen_at)
        if now - began <= longest:
            return False
        return now - self._moment(channel, Place(route.name, rank(waiting.item.severity), 0), began, began) > longest

    def _keep(self, account: bytes, name: str, channel: Channel, now: int) -> None:
        """A channel is looked at when its next group is due, or when no throttle holds it any more and it can be forgotten."""
        if channel.lanes:
            due = min(self._due(channel, lane, now) for lane in channel.lanes)
        else:
            due = NEVER if channel.last == NEVER else channel.last + self._longest
            due = due if due > now else NEVER
        self._kept.keep_channel(account, name, channel, due)
