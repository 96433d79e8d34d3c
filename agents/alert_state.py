"""What alerts keep: what is known of each thing that they tell of, what waits to be told, and what sinks hold as open."""

from typing import Annotated, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Struct

from agents.alert_due import NEVER, DueIndex
from agents.alert_keys import channel_key, item_key, open_key, waiting_key
from agents.routes import SEVERITIES
from agents.stored import StoredCount, StoredTime, decoder
from schemas.alerts import AlertItem
from schemas.events import AccountBrief
from streams.processor import DAY_MS, State

KNOWN_MS: Final = 30 * DAY_MS
"""How long the severity of a case is remembered that nothing happens to: who answers again later than that is news anyway."""


MOST_NUMBERS: Final = 1_000_000
"""Of a lane as long as something waits in it: more than anything about one account has in a night."""

Rank = Annotated[int, Meta(ge=0, lt=len(SEVERITIES))]
"""A severity as its place in `agents.routes.SEVERITIES`."""
Number = Annotated[int, Meta(ge=0, le=MOST_NUMBERS)]
"""In a lane."""


class Place(NamedTuple):
    """Where something waits in a channel."""

    route: str
    severity: Rank
    number: Number


class OpenPlace(NamedTuple):
    """On which page something is that a sink holds as open, and which route told it."""

    page: Annotated[int, Meta(ge=NEVER, le=MOST_NUMBERS)]
    """`NEVER` if on none: it is over, and the sink does not know yet."""
    route: str


class Known(Struct, array_like=True):
    """Something that alerts tell of. Times in ms."""

    is_case: bool
    severity: Rank = 0
    seen_at: StoredTime = 0
    closed: bool = False
    respondent: str | None = None
    waiting: dict[str, Place] = {}
    """By channel."""
    open: dict[str, OpenPlace] = {}
    """By channel: the sink was told, and not yet that it is over."""
    due: StoredTime = NEVER

    @property
    def is_done(self) -> bool:
        """Nothing need be known of it any more."""
        return not self.waiting and not self.open and (self.closed or not self.is_case)


class Waiting(Struct, array_like=True):
    """Something that waits to be told. Times in ms."""

    key: str
    revision: str
    """Tells one state of it from another."""
    caused_at: StoredTime
    """When what is told happened first."""
    wanted: StoredTime
    """From when on it is to be told."""
    over: bool
    """Nothing is to be done about it any more: that is what is told."""
    until: StoredTime
    """When it is over by itself, `NEVER` if not."""
    item: AlertItem
    seen_at: int = NEVER
    """When it was known that it is to be told."""


class Lane(Struct, array_like=True):
    """What waits for one route, of one severity."""

    route: str
    severity: Rank
    count: StoredCount = 0
    wanted: StoredTime = 0
    """The earliest at which one of them is to be told, in ms."""
    next: Number = 0
    """The number that comes next."""
    beyond: StoredCount = 0
    """More came than are remembered."""


class Channel(Struct, array_like=True):
    """What waits to be told to one sink about one account, or about one thing of it."""

    last: StoredTime = NEVER
    """When something was told last, in ms."""
    told: StoredCount = 0
    """How many deliveries there were."""
    lanes: list[Lane] = []
    account: AccountBrief | None = None
    nps: float | None = None
    due: StoredTime = NEVER

    def lane(self, route: str, severity: int) -> Lane | None:
        """The lane of a route and a severity, if something waits in it."""
        return next((lane for lane in self.lanes if lane.route == route and lane.severity == severity), None)


class OpenItem(Struct, array_like=True):
    """Something that a sink holds as open."""

    revision: str
    until: StoredTime
    item: AlertItem


class Page(Struct, array_like=True):
    """Some of the open things of a channel."""

    route: str
    refresh_at: StoredTime = NEVER
    items: list[OpenItem] = []
    account: AccountBrief | None = None
    nps: float | None = None
    due: StoredTime = NEVER


T = TypeVar("T", Known, Channel, Page)

_encode = msgspec.msgpack.Encoder().encode
_decode_known = decoder(Known)
_decode_channel = decoder(Channel)
_decode_waiting = decoder(Waiting)
_decode_page = decoder(Page)


class AlertState:
    """The state of one task, for one batch or tick: of each value there is one object, whoever asks for it."""

    __slots__ = ("_channels", "_known", "_pages", "_state", "index")

    def __init__(self, state: State) -> None:
        self._state = state
        self.index = DueIndex(state)
        self._known: dict[bytes, Known] = {}
        self._channels: dict[bytes, Channel] = {}
        self._pages: dict[bytes, Page] = {}

    def known(self, account: bytes, item: str) -> Known | None:
        """What is known of an item."""
        key = item_key(account, item)
        if key not in self._known and (value := self._state.get(key)) is not None:
            self._known[key] = _decode_known(value)
        return self._known.get(key)

    def keep_known(self, account: bytes, item: str, known: Known, due: int | None = None) -> None:
        """What is known of an item has changed; it is forgotten if it is done."""
        key = item_key(account, item)
        if known.is_done:
            self.index.move(key, known.due, NEVER)
            known.due = NEVER
            self._known.pop(key, None)
            self._state.delete(key)
            return
        if due is None:
            due = known.seen_at + KNOWN_MS if known.due == NEVER else known.due
        self.index.move(key, known.due, due)
        known.due = due
        self._known[key] = known
        self._state.put(key, _encode(known))

    def channel(self, account: bytes, name: str) -> Channel:
        """A channel, empty if there is none."""
        key = channel_key(account, name)
        channel = self._channels.get(key)
        if channel is None:
            value = self._state.get(key)
            channel = self._channels[key] = Channel() if value is None else _decode_channel(value)
        return channel

    def keep_channel(self, account: bytes, name: str, channel: Channel, due: int) -> None:
        """A channel has changed, and is due then; `NEVER`: it is to be forgotten."""
        key = channel_key(account, name)
        self.index.move(key, channel.due, due)
        channel.due = due
        if due == NEVER:
            self._channels.pop(key, None)
            self._state.delete(key)
        else:
            self._state.put(key, _encode(channel))

    def waiting(self, account: bytes, channel: str, place: Place) -> Waiting | None:
        """What waits at a place."""
        value = self._state.get(waiting_key(account, channel, *place))
        return None if value is None else _decode_waiting(value)

    def put_waiting(self, account: bytes, channel: str, place: Place, waiting: Waiting) -> None:
        """Something waits at a place."""
        self._state.put(waiting_key(account, channel, *place), _encode(waiting))

    def drop_waiting(self, account: bytes, channel: str, place: Place) -> None:
        """Nothing waits at a place any more."""
        self._state.delete(waiting_key(account, channel, *place))

    def page(self, account: bytes, channel: str, number: int) -> Page | None:
        """A page of open items."""
        key = open_key(account, channel, number)
        if key not in self._pages and (value := self._state.get(key)) is not None:
            self._pages[key] = _decode_page(value)
        return self._pages.get(key)

    def keep_page(self, account: bytes, channel: str, number: int, page: Page, due: int) -> None:
        """A page has changed; it goes when it is empty."""
        key = open_key(account, channel, number)
        due = due if page.items else NEVER
        self.index.move(key, page.due, due)
        page.due = due
        if page.items:
            self._pages[key] = page
            self._state.put(key, _encode(page))
        else:
            self._pages.pop(key, None)
            self._state.delete(key)
