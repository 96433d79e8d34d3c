"""Cool-downs: what was raised once is not raised again before an end that was told with it.

Each is an entry of the state, and so outlives a restart: C<kind: 1 byte><length: 2 bytes><account><respondent's hash, where the
kind is of a respondent>, with the ms of its end. One that is over no longer counts, whether it was swept or not.
"""

from typing import Final

from agents import keys
from agents.stored import decimal
from schemas.alerts import RiskKind
from streams.processor import State

COOLDOWN: Final = b"C"
_PREFIXES: Final[dict[RiskKind, bytes]] = {
    "downgrade": b"Cd",
    "nps_fell": b"Cf",
    "nps_below": b"Cb",
    "no_promoters": b"Cp",
    "silence": b"Cs",
}
_OF_RESPONDENTS: Final[tuple[RiskKind, ...]] = ("downgrade", "silence")


class Cooldowns:
    """The cool-downs of one task."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def holds(self, kind: RiskKind, account: bytes, respondent: bytes, now: int) -> bool:
        """Whether the same was raised not long ago, at `now` in ms. `respondent` is a hash, empty where the kind is of the
        account."""
        end = self._state.get(_key(kind, account, respondent))
        return end is not None and decimal(end) > now

    def begin(self, kind: RiskKind, account: bytes, respondent: bytes, now: int, until: int) -> None:
        """It is raised at `now`, and not again before `until`, both in ms."""
        if until > now:
            self._state.put(_key(kind, account, respondent), b"%d" % until)

    def forget(self, account: bytes, respondent: bytes) -> None:
        """Let go of all that are of a respondent."""
        for kind in _OF_RESPONDENTS:
            key = _key(kind, account, respondent)
            if self._state.get(key) is not None:
                self._state.delete(key)


def _key(kind: RiskKind, account: bytes, respondent: bytes) -> bytes:
    return keys.within(_PREFIXES[kind], account) + respondent
