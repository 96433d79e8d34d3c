"""Whether the brokers still let a running worker in: a password may be changed under it, a certificate may expire."""

import logging
import time

from npstream.admin import connect
from npstream.failures import BrokerUnreachable, LoginRefused
from streams.connection import Connection

logger = logging.getLogger(__name__)

TIMEOUT_S = 5.0
"""Bound of one attempt: a refusal comes within milliseconds."""

PAUSE_S = 1.0
"""Between two attempts at least: brokers take many for an attack."""


class Admission:
    """Asked when something does not go on. Clients of Kafka log in again and again, and keep to themselves why it fails."""

    def __init__(self, connection: Connection, give_up_after_s: float) -> None:
        self.refusal: str | None = None
        """Why they do not let it in, and what to check."""
        self._connection = connection
        self._give_up_after_s = give_up_after_s
        self._since = 0.0
        self._looked = -PAUSE_S

    @property
    def given_up(self) -> bool:
        """Whether it has been refused for so long that the worker is to stop: a new one reads a new password."""
        return self.refusal is not None and time.monotonic() - self._since > self._give_up_after_s

    async def look(self) -> None:
        """Log in once more, and say it in one line when that begins to be refused. Never raises for what the brokers do."""
        if time.monotonic() - self._looked < PAUSE_S:
            return
        self._looked = time.monotonic()
        try:
            async with connect(self._connection, TIMEOUT_S):
                self._allowed()
        except LoginRefused as error:
            self._refused(str(error))
        except BrokerUnreachable:
            return  # nobody there to refuse anything

    def _refused(self, reason: str) -> None:
        if self.refusal is None:
            self._since = time.monotonic()
        if self.refusal != reason:
            logger.warning("not let in: %s; trying again for %g s", reason, self._give_up_after_s)
        self.refusal = reason

    def _allowed(self) -> None:
        if self.refusal is not None:
            logger.info("the broker lets this worker in again")
        self.refusal = None
