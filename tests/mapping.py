"""A small mapping for tests to vary, and payloads read by mappings as intake does."""

from typing import Any

import pytest

from schemas.dead_letters import Reason, Unusable
from schemas.validation import canonical
from schemas.vendors.adapter import SourceSettings
from schemas.vendors.mapping import MappingAdapter
from schemas.vendors.mapping_file import read_mapping

DEFAULTS = SourceSettings()
HEAD = 'name = "desk"\n'
FIELDS = """
[fields]
response_id = "id"
account_id = "company"
score = "score"
responded_at = "at"
"""
TICKET: dict[str, Any] = {"id": "t-1", "company": "globex", "score": 9, "at": "2026-03-01T09:30:00Z"}


def desk(text: str, head: str = "") -> MappingAdapter:
    return MappingAdapter(read_mapping(HEAD + head + text))


def read(adapter: MappingAdapter, given: Any, settings: SourceSettings = DEFAULTS) -> list[dict[str, Any]]:
    return [canonical(draft, adapter.NAME, None, None) for draft in adapter.adapt(given, settings)]


def one(adapter: MappingAdapter, given: Any, settings: SourceSettings = DEFAULTS) -> dict[str, Any]:
    (found,) = read(adapter, given, settings)
    return found


def refused(adapter: MappingAdapter, given: Any, settings: SourceSettings = DEFAULTS) -> tuple[Reason, str]:
    with pytest.raises(Unusable) as raised:
        read(adapter, given, settings)
    return raised.value.reason, str(raised.value)
