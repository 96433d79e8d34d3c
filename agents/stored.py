"""What stands in the state, decoded. A value that this version cannot have written refuses the task in one line: nothing is
gained by trying again, and the values around it may be as wrong."""

from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from streams.processor import UnfitState

MOST_DIGITS: Final = 18
"""Of a number that 63 bits hold: what counts events will not come near."""

StoredTime = Annotated[int, Meta(ge=-1, lt=253_402_300_800_000)]
"""A time in ms as it may stand in the state, up to the year 9999, the last that can be written; -1 in place of none."""
StoredCount = Annotated[int, Meta(ge=0, le=1 << 53)]
"""A number of things, or of events, as it may stand in the state."""

T = TypeVar("T")
_encode = msgspec.msgpack.Encoder().encode


class StateUnreadable(UnfitState):
    """The state lacks something, or holds what this version does not understand. The message holds nothing of the value: it is
    logged."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: the changelog was damaged, or a newer version has written it; run that, or count anew")


def decimal(value: bytes) -> int:
    """Decimal digits as a number. Raises StateUnreadable."""
    if not value.isdigit() or len(value) > MOST_DIGITS:
        raise StateUnreadable("a number in the state is none")
    return int(value)


def storable(value: object) -> bool:
    """Whether something that was read can be a value: JSON has integers of any length, MessagePack those of 64 bits."""
    try:
        _encode(value)
    except OverflowError:
        return False
    return True


def decoder(kind: type[T]) -> Callable[[bytes], T]:
    """A decoder of one type of MessagePack values, which raises StateUnreadable."""
    decode = msgspec.msgpack.Decoder(kind).decode

    def read(value: bytes) -> T:
        try:
            return decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise StateUnreadable(f"a value in the state cannot be read ({type(error).__name__})") from None

    return read
