"""What sinks hold as open: kept until it is over, and told again to those that forget.

Of each channel they are on pages, so that one record tells many of them again, and no value of the state grows without bound.
"""

from typing import Final

from msgspec import structs

from agents.alert_due import NEVER
from agents.alert_items import rank
from agents.alert_keys import sink_of
from agents.alert_records import Cause, Telling, Told, send_alert, that_fit
from agents.alert_state import AlertState, Channel, Known, OpenItem, OpenPlace, Page
from agents.routes import AlertsSettings, SinkTraits
from schemas.alerts import AlertItem
from schemas.events import Severity
from schemas.times import format_time, parse_time
from streams.processor import Outbox

PAGE_ITEMS: Final = 50
"""Open items of a page, and items of a delivery to a sink that holds them: with long comments and many segments some 300 KB."""
REFRESHES: Final = 3
"""So often within the time after which a sink forgets it is told again: two may be lost, or late."""


def ends_at(until: int, traits: SinkTraits, now: int) -> int:
    """When a sink is to take something for over, as of now; `NEVER` if it has to be told."""
    if traits.forgets_after_s is None:
        return until
    forgotten = now + 1000 * traits.forgets_after_s
    return forgotten if until == NEVER else min(until, forgotten)


def as_told(item: AlertItem, until: int, traits: SinkTraits, now: int) -> AlertItem:
    """An open item as it is told to a sink now."""
    ends = ends_at(until, traits, now)
    return item if ends == NEVER else structs.replace(item, ends_at=format_time(ends))


def known_as(item: AlertItem, was: Severity | None) -> AlertItem:
    """An item as it is told to a sink that holds it under a severity so far."""
    return item if was is None else structs.replace(item, was=was)


class OpenAlerts:
    """The open items of one task."""

    __slots__ = ("_kept", "_outbox", "_settings")

    def __init__(self, settings: AlertsSettings, kept: AlertState, outbox: Outbox) -> None:
        self._settings = settings
        self._kept = kept
        self._outbox = outbox

    def add(
        self, account: bytes, name: str, channel: Channel, known: Known, route: str, opened: OpenItem, now: int
    ) -> Severity | None:
        """A sink is told of it. Returns under which severity it held it so far. The caller keeps what is known of it."""
        was: Severity | None = None
        place = known.open.get(name)
        number = 0 if place is None or place.page == NEVER else place.page
        page = self._kept.page(account, name, number)
        if page is not None and (index := _index(page, opened.item.key)) is not None:
            was = page.items[index].item.severity
            page.items[index] = opened
        else:
            while page is not None and len(page.items) >= PAGE_ITEMS:
                number += 1
                page = self._kept.page(account, name, number)
            page = page or Page(route)
            page.items.append(opened)
        page.route, page.account, page.nps = route, channel.account, channel.nps
        period = self._period(name)
        if page.refresh_at == NEVER and period is not None:
            page.refresh_at = now + period
        known.open[name] = OpenPlace(number, route)
        self._keep(account, name, number, page)
        return was

    def close(self, account: bytes, name: str, known: Known, key: str) -> OpenItem | None:
        """It is over: it is told no more, and the sink has to be told that. The caller keeps what is known of it."""
        place = known.open[name]
        known.open[name] = OpenPlace(NEVER, place.route)
        page = None if place.page == NEVER else self._kept.page(account, name, place.page)
        index = None if page is None else _index(page, key)
        if page is None or index is None:
            return None
        closed = page.items.pop(index)
        self._keep(account, name, place.page, page)
        return closed

    def pass_time(self, account: bytes, name: str, number: int, page: Page, cause: Cause) -> list[OpenItem]:
        """What time brings to a page: what is on it is told again, and what is over by itself leaves it. Returns those of which
        the sink has to be told that; of all that left, the caller keeps what is known."""
        over = [opened for opened in page.items if NEVER < opened.until <= cause.now]
        page.items = [opened for opened in page.items if not NEVER < opened.until <= cause.now]
        traits = self._settings.sinks.get(sink_of(name))
        period = self._period(name)
        if traits is None or not traits.keeps_state:
            # The sink is another one than it was, or none.
            page.items, over = [], [*over, *page.items]
        elif period is not None and page.items and page.refresh_at <= cause.now:
            self._tell_again(account, name, number, page, traits, cause)
            page.refresh_at = cause.now + period
        self._keep(account, name, number, page)
        return over

    def _tell_again(self, account: bytes, name: str, number: int, page: Page, traits: SinkTraits, cause: Cause) -> None:
        told = [
            Told(as_told(one.item, one.until, traits, cause.now), one.revision, parse_time(one.item.starts_at), False)
            for one in sorted(page.items, key=lambda one: rank(one.item.severity))
        ]
        expires_at = cause.now + 1000 * (traits.forgets_after_s or 0)
        first = 0
        while first < len(told):
            some = told[first : first + that_fit(told[first:], PAGE_ITEMS)]
            part = f"{number}.{first}"
            telling = Telling(
                account.decode(), name, page.route, page.refresh_at, expires_at, some, 0, part, page.account, page.nps
            )
            send_alert(telling, cause, self._outbox)
            first += len(some)

    def _period(self, name: str) -> int | None:
        """How often a sink is told again, in ms; None if it does not forget."""
        traits = self._settings.sinks.get(sink_of(name))
        return None if traits is None or traits.forgets_after_s is None else 1000 * traits.forgets_after_s // REFRESHES

    def _keep(self, account: bytes, name: str, number: int, page: Page) -> None:
        times = [page.refresh_at, *(opened.until for opened in page.items)]
        self._kept.keep_page(account, name, number, page, min((at for at in times if at != NEVER), default=NEVER))


def _index(page: Page, key: str) -> int | None:
    return next((index for index, opened in enumerate(page.items) if opened.item.key == key), None)
