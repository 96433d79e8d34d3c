"""What becomes of one payload, as intake would have it, and how each field was come by: for whoever writes a mapping."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agents.intake import CONTENT_TYPE_HEADER, SOURCE_HEADER, Intake
from schemas import forms, topics
from schemas.codec import loads
from schemas.dead_letters import ERROR_PREFIX, REASON_HEADER, Unusable
from schemas.vendors import recognise
from schemas.vendors.adapter import Adapter, Incomplete, SourceSettings
from schemas.vendors.mapping import MappingAdapter
from schemas.vendors.rules import Found
from streams.test_driver import TestDriver

_PLAIN = re.compile(r'[\w$-]+(?:\.(?:[\w$-]+|"[^"]+"))*')
"""A path that goes from name to name, and does nothing else."""
SHOWN_NAMES = 8
"""Of the names that a payload has where a path ends: enough to see a slip of the pen."""


@dataclass(frozen=True)
class Adapted:
    """What came of a payload."""

    source: str | None
    """The adapter; None if none was named and none knows the shape."""
    fields: Sequence[Mapping[str, Found]]
    """Of each response, as far as the adapter could read it."""
    responses: Sequence[dict[str, Any]]
    """As they would be accepted."""
    refusal: str | None
    """Why it would be a dead letter: stage, reason and message."""
    incomplete: bool
    """It carries ids alone, and has to be fetched."""


def adapted(value: bytes, source: str | None, form: bool, intake: Intake, now: int) -> Adapted:
    """Read a payload at `now` (ms, UTC). `source` names the adapter; None lets the shape tell."""
    headers = [(SOURCE_HEADER, source.encode())] if source else []
    if form:
        headers.append((CONTENT_TYPE_HEADER, forms.CONTENT_TYPE.encode()))
    driver = TestDriver([intake], now=now)
    driver.pipe(topics.RAW, None, value, headers=headers)
    driver.run()
    refusals = [_refusal(dict(letter.headers)) for letter in driver.sent(topics.DEAD_LETTERS)]
    adapter = _adapter(value, source, form, intake)
    responses = [loads(sent.value or b"") for sent in driver.sent(topics.RESPONSES)]
    return Adapted(
        adapter.NAME if adapter else None,
        _with_accounts(_fields(value, form, adapter, intake), responses),
        responses,
        refusals[0] if refusals else None,
        bool(driver.sent(topics.INCOMPLETE)),
    )


def names_at(payload: Any, path: str) -> str:
    """Where a plain path stops in a payload, and what is there instead; empty where nothing can be told."""
    if _PLAIN.fullmatch(path) is None:
        return ""
    walked: list[str] = []
    at = payload
    for step in path.split("."):
        name = step.strip('"')
        if not isinstance(at, Mapping) or not name:
            return ""
        if name not in at:
            names = ", ".join(list(at)[:SHOWN_NAMES]) + (", ..." if len(at) > SHOWN_NAMES else "")
            return f"{'.'.join(walked) or 'the payload'} has {names or 'nothing'}"
        at, walked = at[name], [*walked, step]
    return f"{path} is {'null' if at is None else 'empty'}" if at in (None, "") else ""


def payload_of(value: bytes, form: bool) -> Any:
    """What a body stands for. Raises Unusable."""
    return forms.loads_form(value) if form else loads(value)


def _adapter(value: bytes, source: str | None, form: bool, intake: Intake) -> Adapter | None:
    adapters = intake.settings.adapters
    if source is not None:
        return adapters.get(source)
    try:
        payload = payload_of(value, form)
    except Unusable:
        return None
    return recognise(payload[0] if isinstance(payload, list) and payload else payload, adapters)


def _fields(value: bytes, form: bool, adapter: Adapter | None, intake: Intake) -> list[Mapping[str, Found]]:
    if adapter is None:
        return []
    settings = intake.settings.sources.get(adapter.NAME, SourceSettings())
    try:
        payload = payload_of(value, form)
        given = payload if isinstance(payload, list) else [payload]
        if isinstance(adapter, MappingAdapter):
            return [one for each in given for one in adapter.explain(each, settings)]
        drafts = [draft for each in given for draft in adapter.adapt(each, settings)]
    except (Unusable, Incomplete):
        return []
    told = (f"adapter {adapter.NAME}",)
    return [{name: Found(found, told) for name, found in draft.items()} for draft in drafts]


def _with_accounts(fields: Sequence[Mapping[str, Found]], responses: Sequence[dict[str, Any]]) -> list[Mapping[str, Found]]:
    """The fields, with the account that intake has found where the payload names none."""
    if len(fields) != len(responses):
        return list(fields)
    return [
        one
        if "account_id" in one and one["account_id"].value
        else {**one, "account_id": Found(response["account_id"], ("settings",))}
        for one, response in zip(fields, responses, strict=True)
    ]


def _refusal(headers: Mapping[str, bytes]) -> str:
    stage, message = (headers[ERROR_PREFIX + name].decode() for name in ("stage", "exception.message"))
    return f"{headers[REASON_HEADER].decode()} (at stage {stage}): {message}"
