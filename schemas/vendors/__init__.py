"""Survey platforms' payloads, one adapter a file, all alike: see `schemas.vendors.adapter`."""

from typing import Any, Final

from schemas.vendors import canonical, delighted, typeform
from schemas.vendors.adapter import Adapter

ADAPTERS: Final[dict[str, Adapter]] = {adapter.NAME: adapter for adapter in (canonical, delighted, typeform)}
"""Every adapter by the name that header nps-source gives it, in the order in which they are asked."""


def recognise(payload: Any) -> Adapter | None:
    """The adapter whose shape a payload has; None if it is nobody's."""
    for adapter in ADAPTERS.values():
        if adapter.recognises(payload):
            return adapter
    return None
