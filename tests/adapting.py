"""Read payloads as intake does, one at a time: adapter, then validation. What comes out has the published type."""

from datetime import UTC, tzinfo
from typing import Any

import msgspec
import pytest

from schemas.dead_letters import Reason, Unusable
from schemas.events import Response, Retraction
from schemas.validation import canonical
from schemas.vendors import ADAPTERS, recognise
from schemas.vendors.adapter import SourceSettings

DEFAULTS = SourceSettings()


def read(
    given: Any,
    source: str | None = None,
    settings: SourceSettings = DEFAULTS,
    account: str | None = None,
    zone: tzinfo = UTC,
) -> list[dict[str, Any]]:
    """The canonical responses of a payload, each of which has the published type."""
    adapter = ADAPTERS[source] if source else recognise(given)
    assert adapter is not None
    drafts = adapter.adapt(given, settings)
    found = [canonical(draft, adapter.NAME, zone if adapter.VENDOR_TIMES else None, account) for draft in drafts]
    for response in found:
        msgspec.convert(response, Retraction if "kind" in response else Response, strict=True)
    return found


def response(given: Any, **how: Any) -> dict[str, Any]:
    (found,) = read(given, **how)
    return found


def refused(given: Any, **how: Any) -> tuple[Reason, str]:
    with pytest.raises(Unusable, match=r".") as raised:
        read(given, **how)
    return raised.value.reason, str(raised.value)
