"""What a value of the state becomes that another version has written, or nobody: MessagePack with other values in it."""

from copy import deepcopy
from random import Random
from typing import Any, Final

import msgspec

from tests.hostile import bytes_mutations

NUMBERS: Final = (
    *(-(2**63), -(2**40), -2, -1, 0, 1, 2, 3, 7, 255, 256, 65_535, 65_536, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64 - 1),
    *(20_454, 84_006, 2_932_896, 1_772_357_400_000, 7_258_118_400_000, 253_402_300_800_000),
    *(0.0, -1.5, 1e308, float("inf"), float("nan")),
)
OTHERS: Final = (
    *(None, True, False, "", "x", "\0", "é☃", "new", "withdrawn", "critical", "plan", "x" * 600),
    *(b"", b"\xff", b"\0" * 40, [], [1], [None], {}, {"x": 1}, {1: 1}, {"": []}),
)


def mutate(rng: Random, value: bytes, other: bytes) -> bytes:
    """A value in which up to three places hold something else; of one that is no MessagePack, what becomes of bytes."""
    try:
        document = msgspec.msgpack.decode(value)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        document = None
    if not isinstance(document, list | dict) or not rng.randrange(8):
        return bytes_mutations.mutate(rng, value, other)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _damage(rng, document)
    return msgspec.msgpack.encode(document)


def _damage(rng: Random, document: Any) -> None:
    holder: Any = None
    place: Any = None
    while isinstance(document, list | dict) and document:
        holder, place = document, rng.choice(list(document)) if isinstance(document, dict) else rng.randrange(len(document))
        document = holder[place]
        if not rng.randrange(4):
            break
    if holder is None:
        return
    how = rng.randrange(8)
    if how == 0:
        del holder[place]
    elif how == 1 and isinstance(holder, list):
        holder.append(deepcopy(holder[place]))
    elif how == 2 and isinstance(holder, dict):
        holder[rng.choice(("", "x", 1, -1))] = holder.pop(place)
    elif isinstance(holder[place], int | float) and rng.randrange(4):
        holder[place] = rng.choice(NUMBERS)
    else:
        holder[place] = deepcopy(rng.choice(NUMBERS + OTHERS))
