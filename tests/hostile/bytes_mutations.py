"""What happens to bytes on the way: flipped bits, cut ends, two texts in one, and characters that no text has."""

from collections.abc import Callable
from random import Random
from typing import Final

INSERTED: Final = (
    b"\0",
    b"\xff",
    b"\xc0\x80",  # an overlong NUL
    b"\xed\xa0\x80",  # a surrogate, encoded
    b"\xf4\x90\x80\x80",  # beyond the last character
    b"\xef\xbb\xbf",
    b"\xe2\x80\xae",  # right to left from here on
    b"\\ud800",
    b"\\udc00\\ud800",
    b"\\u0000",
    b"\x1b[2J",
    b'"',
    b"\\",
    b"{",
    b"]",
    b",",
    b"\n",
)
"""Bytes that readers trip over."""

LONGEST_SLICE: Final = 40
"""Bytes that are repeated or lost at once: more would leave nothing of the text that is mutated."""
MOST_REPEATS: Final = 60
"""How often a piece comes again: enough to exceed every bound on ids, and still fast."""

Mutation = Callable[[Random, bytes, bytes], bytes]
"""A text, and another one to take pieces of."""


def _flip(rng: Random, data: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes((data[at] ^ 1 << rng.randrange(8),)) + data[at + 1 :]


def _cut(rng: Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _behead(rng: Random, data: bytes, other: bytes) -> bytes:
    return data[rng.randrange(len(data)) :]


def _lose(rng: Random, data: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randrange(LONGEST_SLICE) :]


def _repeat(rng: Random, data: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(data))
    piece = data[at : at + rng.randrange(1, LONGEST_SLICE)]
    return data[:at] + piece * rng.randrange(2, MOST_REPEATS) + data[at:]


def _splice(rng: Random, data: bytes, other: bytes) -> bytes:
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other) + 1) :]


def _insert(rng: Random, data: bytes, other: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(INSERTED) * rng.choice((1, 1, 1, 3)) + data[at:]


def _noise(rng: Random, data: bytes, other: bytes) -> bytes:
    return rng.randbytes(rng.randrange(LONGEST_SLICE))


def _mark(rng: Random, data: bytes, other: bytes) -> bytes:
    return rng.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff", b"\x1f\x8b")) + data


def _twice(rng: Random, data: bytes, other: bytes) -> bytes:
    return data + other


def _widen(rng: Random, data: bytes, other: bytes) -> bytes:
    return data.decode(errors="replace").encode(rng.choice(("utf-16", "utf-32", "utf-7")))


MUTATIONS: Final[tuple[Mutation, ...]] = (_flip, _cut, _behead, _lose, _repeat, _splice, _insert, _noise, _mark, _twice, _widen)


def mutate(rng: Random, data: bytes, other: bytes) -> bytes:
    """The bytes after one to three accidents."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        if not data:
            break
        data = rng.choice(MUTATIONS)(rng, data, other)
    return data
