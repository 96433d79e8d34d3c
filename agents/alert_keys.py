"""Keys of the state of alerts. Ids are any text, so they are told apart by their length (`agents.keys`).

I<length: 2 bytes><account><item>               what is known of something that alerts tell of
S<length><account><channel>                     what waits in a channel, and when something was told last
W<length><account><length><channel><route>\\0<severity: 1 byte><number: 4 bytes>   one thing that waits
O<length><account><channel><number: 4 bytes>    open things that a sink was told of
X<length><account><hash: 16 bytes>              that a respondent was erased not long ago (`agents.lately_erased`)
D<time: 8 bytes><key>                           when something is due for one of the first, second, fourth or fifth kind

A channel is the name of a sink; for a sink that can be told of one thing at a time, that and the thing: sink\\0item.
"""

from typing import Final

from agents.keys import LENGTH_BYTES, account_of, within

ITEM: Final = b"I"
CHANNEL: Final = b"S"
WAITING: Final = b"W"
OPEN: Final = b"O"
DUE: Final = b"D"
TIME_BYTES: Final = 8
NUMBER_BYTES: Final = 4
SEPARATOR: Final = "\0"
"""In no name of a sink or a route."""


def item_key(account: bytes, item: str) -> bytes:
    """Of what is known of an item."""
    return within(ITEM, account) + item.encode()


def channel_key(account: bytes, channel: str) -> bytes:
    """Of a channel."""
    return within(CHANNEL, account) + channel.encode()


def waiting_key(account: bytes, channel: str, route: str, severity: int, number: int) -> bytes:
    """Of what waits in a lane: that of a route and a severity."""
    name = channel.encode()
    place = len(name).to_bytes(LENGTH_BYTES, "big") + name + route.encode() + b"\0" + bytes((severity,))
    return within(WAITING, account) + place + number.to_bytes(NUMBER_BYTES, "big")


def open_key(account: bytes, channel: str, number: int) -> bytes:
    """Of a page of open items."""
    return within(OPEN, account) + channel.encode() + number.to_bytes(NUMBER_BYTES, "big")


def parts(key: bytes) -> tuple[bytes, str, int]:
    """Account, item or channel, and number of a key of the first, second or fourth kind; the number of others is 0."""
    account = account_of(key)
    rest = key[1 + LENGTH_BYTES + len(account) :]
    if key[:1] != OPEN:
        return account, rest.decode(), 0
    return account, rest[:-NUMBER_BYTES].decode(), int.from_bytes(rest[-NUMBER_BYTES:], "big")


def channel_of(sink: str, item: str, per_item: bool) -> str:
    """The channel by which a sink is told of an item."""
    return sink + SEPARATOR + item if per_item else sink


def sink_of(channel: str) -> str:
    """Whose channel it is."""
    return channel.partition(SEPARATOR)[0]
