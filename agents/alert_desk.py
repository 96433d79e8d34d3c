"""What becomes of what happened: told, or over, or to be forgotten.

Something that was told to a sink that holds what is open stays in `Known.open` until the sink was told that it is over,
whatever happens meanwhile: a case that is reopened before that is simply told again.
"""

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from msgspec import structs

from agents.alert_due import NEVER
from agents.alert_groups import HOUR_MS, AlertGroups
from agents.alert_items import News, erased_item, rank
from agents.alert_keys import CHANNEL, ITEM, parts, sink_of
from agents.alert_records import Cause
from agents.alert_state import KNOWN_MS, AlertState, Known, OpenItem, Waiting
from agents.forgetting import Forgotten
from agents.keys import within
from agents.lately_erased import MARK, mark_erased, mark_key, marked_days, short_hash, shortened, was_erased
from agents.open_alerts import OpenAlerts, known_as
from agents.routes import AlertsSettings, Route
from schemas import topics
from schemas.times import format_time
from streams.processor import Outbox, State

MARKED_DAYS: Final = marked_days(topics.CASE_EVENTS)
"""How long an erasure is remembered: until even a state that is made anew finds nothing of the respondent any more."""
NO_ROUTES: Final[Mapping[str, Route]] = MappingProxyType({})
ITEMS: Final = "alert_items"
"""Counts what was to be told, by its kind and what became of it."""


class AlertDesk:
    """What is done in one batch or tick."""

    __slots__ = ("_groups", "_kept", "_open", "_outbox", "_settings", "_state")

    def __init__(self, settings: AlertsSettings, state: State, outbox: Outbox) -> None:
        self._settings = settings
        self._state = state
        self._outbox = outbox
        self._kept = AlertState(state)
        self._open = OpenAlerts(settings, self._kept, outbox)
        self._groups = AlertGroups(settings, self._kept, self._open, outbox, self._count)

    def take(self, news: News, cause: Cause) -> None:
        """Something happened."""
        account, severity = news.account_id.encode(), rank(news.item.severity)
        if news.respondent is not None and was_erased(self._state, account, short_hash(news.account_id, news.respondent)):
            self._count(news.item.kind, "erased")
            return
        known = self._kept.known(account, news.item.key)
        worsened = known is None or severity < known.severity
        routes = self._settings.sinks_of(news.matter_for(worsened))
        if known is None:
            if news.over and not routes:
                self._count(news.item.kind, "no route")
                return
            known = Known(news.is_case)
        known.severity, known.seen_at, known.closed, known.respondent = severity, cause.now, news.over, news.respondent
        if not routes and not (news.over and (known.open or known.waiting)):
            self._count(news.item.kind, "no route")
        routes = self._still_news(routes, news, cause)
        if news.over:
            self._close(account, known, news, routes, cause)
        else:
            for sink, route in routes.items():
                self._tell(account, known, route, sink, news, cause)
        self._kept.keep_known(account, news.item.key, known)

    def forget(self, forgotten: Forgotten, cause: Cause) -> None:
        """A respondent is to be forgotten: nothing is told of who it was any more, and sinks that hold something of theirs as
        open are told that it is over."""
        account, respondent = forgotten.account_id.encode(), shortened(forgotten.hashed)
        before, end = mark_erased(self._state, account, respondent, cause.timestamp, MARKED_DAYS)
        self._kept.index.move(mark_key(account, respondent), before, end)
        for key in self._state.scan(within(ITEM, account), b"", sys.maxsize):
            _, item, _ = parts(key)
            known = self._kept.known(account, item)
            if known is not None and known.respondent is not None and forgotten.is_it(known.respondent):
                self._erase(account, item, known, cause)

    def pass_time(self, cause: Cause) -> None:
        """A bounded share of what is due."""
        index = self._kept.index
        for time, key in index.due(cause.now, self._settings.share):
            if self._groups.told_items >= self._settings.share_items:
                break
            kind = key[:1]
            if kind == MARK:
                self._state.delete(key)
                index.move(key, time, NEVER)
                continue
            account, name, number = parts(key)
            if kind == CHANNEL:
                if self._kept.channel(account, name).due == time:
                    self._groups.pass_time(account, name, cause)
                    continue
            elif kind == ITEM:
                known = self._kept.known(account, name)
                if known is not None and known.due == time:
                    self._let_go(account, name, known, cause.now)
                    continue
            elif (page := self._kept.page(account, name, number)) is not None and page.due == time:
                for opened in self._open.pass_time(account, name, number, page, cause):
                    self._ended(account, name, opened, cause)
                continue
            index.move(key, time, NEVER)  # it was moved meanwhile
        self._outbox.more |= index.is_more(cause.now)

    def _still_news(self, routes: Mapping[str, Route], news: News, cause: Cause) -> dict[str, Route]:
        """The routes for which it is not too old: neither since it happened, nor since what brought it about was sent. Whoever
        reads old records after an outage, or again, has them happen now."""
        age = cause.now - min(news.at, cause.timestamp)
        fresh = {sink: route for sink, route in routes.items() if age <= HOUR_MS * route.expires_h}
        for _ in range(len(routes) - len(fresh)):
            self._count(news.item.kind, "expired")
        return fresh

    def _tell(self, account: bytes, known: Known, route: Route, sink: str, news: News, cause: Cause) -> None:
        wanted = cause.now + route.wait_ms(news.item.severity)
        waiting = Waiting(news.item.key, news.revision, news.at, wanted, news.over, news.until, news.item)
        self._groups.add(account, known, route, sink, waiting, (news.account, news.nps), cause)

    def _close(self, account: bytes, known: Known, news: News, routes: Mapping[str, Route], cause: Cause) -> None:
        """It is over. Sinks that hold it as open are told so, however late it is; others if a route wants them to be. What
        waits is told no more."""
        told = {sink: route for sink, route in routes.items() if not self._settings.sinks[sink].keeps_state}
        for name in list(known.waiting):
            if name not in known.open and sink_of(name) not in told and not self._groups.waits(account, name, known).over:
                self._groups.drop(account, name, known, "closed", cause.now)
        for name, place in list(known.open.items()):
            held = self._open.close(account, name, known, news.item.key)
            route = self._route_to(sink_of(name), place.route, routes)
            if route is None:
                self._drop(account, name, known, cause.now)
            elif name not in known.waiting or not self._groups.waits(account, name, known).over:
                item = known_as(news.item, None if held is None else held.item.severity)
                self._tell(account, known, route, sink_of(name), news._replace(item=item), cause)
        for sink, route in told.items():
            self._tell(account, known, route, sink, news, cause)

    def _route_to(self, sink: str, told_by: str, routes: Mapping[str, Route] = NO_ROUTES) -> Route | None:
        """By which route a sink is told that something is over: the one that wants it told, else the one that told of it.
        None if the sink does not hold what is open, or is no more."""
        traits = self._settings.sinks.get(sink)
        if traits is None or not traits.keeps_state:
            return None
        return routes.get(sink) or self._settings.route_to(sink, told_by)

    def _drop(self, account: bytes, name: str, known: Known, now: int) -> None:
        """The sink is another one than it was, or none."""
        del known.open[name]
        if name in known.waiting:
            self._groups.drop(account, name, known, "no route", now)

    def _erase(self, account: bytes, item: str, known: Known, cause: Cause) -> None:
        known.respondent, known.closed = None, True
        kept: dict[str, Waiting] = {}
        for name in list(known.waiting):
            kept[name] = self._groups.waits(account, name, known)
            self._groups.drop(account, name, known, "erased", cause.now)
        for name, place in list(known.open.items()):
            route = self._route_to(sink_of(name), place.route)
            opened = self._open.close(account, name, known, item)
            was = opened.item if opened is not None else kept[name].item if name in kept else None
            if route is None or was is None:
                del known.open[name]
                continue
            over = erased_item(was, format_time(cause.now))
            self._over(account, name, known, route, OpenItem(_revision(opened, kept.get(name)), NEVER, over), cause)
        self._kept.keep_known(account, item, known)

    def _ended(self, account: bytes, name: str, opened: OpenItem, cause: Cause) -> None:
        """What a sink holds as open is over by itself, or the sink is another one now."""
        known = self._kept.known(account, opened.item.key)
        if known is None or name not in known.open:
            return
        place = known.open[name]
        traits = self._settings.sinks.get(sink_of(name))
        route = self._route_to(sink_of(name), place.route)
        known.open[name] = place._replace(page=NEVER)
        if name not in known.waiting:  # else it has begun anew, and the sink is told of that
            if route is None or traits is None or traits.forgets_after_s is not None:
                del known.open[name]
            else:
                self._over(account, name, known, route, opened, cause)
        self._kept.keep_known(account, opened.item.key, known)

    def _over(self, account: bytes, name: str, known: Known, route: Route, opened: OpenItem, cause: Cause) -> None:
        """Tell a sink that something is over which nothing else says."""
        item = opened.item
        item = structs.replace(item, ends_at=format_time(cause.now))
        wanted = cause.now + route.wait_ms(item.severity)
        waiting = Waiting(item.key, opened.revision, cause.now, wanted, True, NEVER, item)
        channel = self._kept.channel(account, name)
        self._groups.add(account, known, route, sink_of(name), waiting, (channel.account, channel.nps), cause)

    def _let_go(self, account: bytes, item: str, known: Known, now: int) -> None:
        """Nothing has happened to it for long."""
        due = known.seen_at + KNOWN_MS
        if due <= now:
            for name, place in list(known.open.items()):
                if self._route_to(sink_of(name), place.route) is None:
                    self._open.close(account, name, known, item)
                    del known.open[name]
            known.closed |= not known.open and not known.waiting
            due = now + KNOWN_MS
        self._kept.keep_known(account, item, known, due)

    def _count(self, kind: str, outcome: str) -> None:
        self._outbox.count(ITEMS, kind, outcome)


def _revision(opened: OpenItem | None, waiting: Waiting | None) -> str:
    return opened.revision if opened is not None else waiting.revision if waiting is not None else ""
