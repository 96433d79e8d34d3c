"""Whether what is sent fits the published contract: validators are made once, since making one costs more than using it."""

import json
from functools import lru_cache
from typing import Any, Final

import jsonschema  # type: ignore[import-untyped]

from schemas import topics
from schemas.contract import asyncapi
from schemas.topics import BY_NAME
from streams.test_driver import Sent

DOCUMENT: Final = asyncapi()
NOT_OURS: Final = (topics.RAW, topics.DEAD_LETTERS, topics.INCOMPLETE)
"""Topics with values of any shape."""


def misfit(record: Sent) -> str:
    """What is wrong with a record of a topic of ours, by the messages that its channel has; empty if nothing is."""
    if record.topic in NOT_OURS:
        return ""
    if record.value is None:
        return "" if "compact" in BY_NAME[record.topic].config["cleanup.policy"] else "a tombstone"
    value = json.loads(record.value)
    found = ""
    for name in DOCUMENT["channels"][record.topic]["messages"]:
        error = next(_validator(name).iter_errors(value), None)
        if error is None:
            return ""
        found = f"{record.topic} {'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
    return found


@lru_cache(maxsize=32)
def _validator(message: str) -> Any:
    schema = DOCUMENT["components"]["messages"][message]["payload"] | {"components": DOCUMENT["components"]}
    return jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
