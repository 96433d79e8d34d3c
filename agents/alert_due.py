"""What is due when: entries in the state that sort by their time. Each names the key that it is for."""

from typing import Final

from agents.alert_keys import DUE, TIME_BYTES
from streams.processor import State

NEVER: Final = -1
"""No time."""
_EARLIEST: Final = "due"
"""In the cache: nothing is due before this time. A look at all keys for every tick would cost more than what is due."""
_FOREVER: Final = 1 << 62


class DueIndex:
    """The entries of one task."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def move(self, key: bytes, before: int, after: int) -> None:
        """What was due for a key at one time is due at another; times in ms, `NEVER` is none."""
        if before == after:
            return
        if before != NEVER:
            self._state.delete(_entry(before, key))
        if after != NEVER:
            self._state.put(_entry(after, key), b"")
            cache = self._state.cache
            if _EARLIEST in cache:
                cache[_EARLIEST] = min(cache[_EARLIEST], after)

    def due(self, now: int, most: int) -> list[tuple[int, bytes]]:
        """Up to `most` entries that are due at `now`, the earliest first: time and key. The caller moves each of them."""
        cache = self._state.cache
        if cache.get(_EARLIEST, now) > now:
            return []
        entries = self._state.scan(DUE, b"", most + 1)
        ready = [entry for entry in entries[:most] if _time(entry) <= now]
        later = entries[len(ready) :]
        cache[_EARLIEST] = _time(later[0]) if later else _FOREVER
        return [(_time(entry), entry[len(DUE) + TIME_BYTES :]) for entry in ready]

    def is_more(self, now: int) -> bool:
        """Whether something else is due at `now`, as far as was looked."""
        return bool(self._state.cache.get(_EARLIEST, now) <= now)

    def look_again(self) -> None:
        """Not all that was due was done."""
        self._state.cache.pop(_EARLIEST, None)


def _entry(due: int, key: bytes) -> bytes:
    return DUE + due.to_bytes(TIME_BYTES, "big") + key


def _time(entry: bytes) -> int:
    return int.from_bytes(entry[len(DUE) : len(DUE) + TIME_BYTES], "big")
