"""The end of a process that nothing may keep from it: a broker that answers nobody, for one, since clients wait for answers."""

import logging
import os
import threading
from typing import Final, NoReturn

logger = logging.getLogger(__name__)

LAST_RESORT_S: Final = 20.0
"""From the order to end. In order it takes a second or two; orchestrators kill after 30 s."""


def end_now(code: int) -> NoReturn:
    """End this process as it is, whatever of it still waits for something."""
    logging.shutdown()
    os._exit(code)


def end_within(seconds: float, code: int) -> None:
    """End this process with an exit code in so many seconds, however busy it is, unless it has ended in order by then.

    It is no worse than a kill -9: what was not committed is done again by whoever takes over."""

    def end() -> None:
        logger.warning("the stop did not end within %g s and was cut short; nothing is lost", seconds)
        end_now(code)

    timer = threading.Timer(seconds, end)
    timer.name, timer.daemon = "last resort", True
    timer.start()
