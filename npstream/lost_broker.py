"""A broker that answered at first, and then no longer."""

from npstream.failures import BrokerUnreachable
from streams.connection import Connection


def lost_broker(connection: Connection, timeout_s: float, so_far: str | None = None) -> BrokerUnreachable:
    """What to tell when a broker has been silent for `timeout_s` seconds; `so_far` says what was done until then."""
    done = f"; {so_far}" if so_far else ""
    return BrokerUnreachable(
        f"the broker at {connection.bootstrap} answers no more, for {timeout_s:g} s{done}; try again when it is back"
    )
