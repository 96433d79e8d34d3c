"""npstream broker: the embedded broker in the foreground."""

import signal
import threading

import click

from npstream.broker import BrokerUnavailable, EmbeddedBroker
from npstream.failures import BrokerUnreachable, UserError, ends_on_interrupt
from npstream.terminal import console

POLL_S = 0.5
"""How often we look whether it still runs."""
DEFAULT_PORT = 9092
"""Where Kafka usually listens, and where the other commands look by default."""


@click.command(
    help="Run the embedded broker until Ctrl-C. It keeps its data in memory and has no transactions: for trying things out."
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=DEFAULT_PORT,
    show_default=True,
    help="Port on loopback; 0 takes a free one.",
)
@ends_on_interrupt
def command(port: int) -> None:
    """Start it, print its address, wait for the end."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    broker = EmbeddedBroker()
    try:
        broker.start(port)
    except BrokerUnavailable as error:
        raise UserError(str(error)) from error
    with broker:
        out = console()
        out.print(f"The embedded broker listens on {broker.bootstrap}; its data is gone when it stops (Ctrl-C).")
        if port != DEFAULT_PORT:
            out.print(f"For the other commands: export NPSTREAM_BOOTSTRAP={broker.bootstrap}", soft_wrap=True)
        while not stop.wait(POLL_S):
            if not broker.alive:
                raise BrokerUnreachable("the embedded broker ended by itself: start it again; its data is gone")
