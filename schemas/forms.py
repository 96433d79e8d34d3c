"""Form-encoded bodies (application/x-www-form-urlencoded), as some webhooks send them, as the JSON that they stand for.

`a[b][c]=1` is `{"a": {"b": {"c": "1"}}}`, `a[]=1&a[]=2` is `{"a": ["1", "2"]}`: the brackets of Rails and PHP. All values are
text. A value that is a JSON object or list is read as one: Qualtrics and others put one into a field.
"""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from schemas.codec import loads
from schemas.dead_letters import Reason, Unusable

CONTENT_TYPE: Final = "application/x-www-form-urlencoded"
MOST_FIELDS: Final = 1_000
"""What is sent has some twenty."""
MOST_LEVELS: Final = 16
"""Of brackets."""
_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")


def is_form(content_type: str) -> bool:
    """Whether a content type is that of a form, whatever its case and its parameters."""
    return content_type.partition(";")[0].strip().lower() == CONTENT_TYPE


def loads_form(body: bytes) -> dict[str, Any]:
    """The fields of a body; the end of the line that a file has is none of it. Raises `Unusable` for one that is none, or that
    gives one name two shapes."""
    try:
        pairs = parse_qsl(
            body.decode().rstrip("\r\n"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError as error:  # a UnicodeDecodeError is one
        raise Unusable(Reason.NOT_JSON, f"the body is not form-encoded: {error}") from error
    if not pairs:
        raise Unusable(Reason.EMPTY, "the form has no fields")
    fields: dict[str, Any] = {}
    for name, value in pairs:
        _put(fields, _path(name), _value(value))
    return fields


def _path(name: str) -> list[str]:
    """a[b][] is a, b and the empty name."""
    found = _NAME.fullmatch(name)
    if found is None:
        return [name]
    path = [found[1], *_BRACKETS.findall(found[2])]
    if len(path) > MOST_LEVELS:
        raise Unusable(Reason.TOO_DEEP, f"a name with more than {MOST_LEVELS} brackets")
    return path


def _value(text: str) -> Any:
    if text[:1] in ("{", "["):
        try:
            return loads(text.encode())
        except Unusable:
            return text
    return text


def _put(fields: dict[str, Any], path: list[str], value: Any) -> None:
    """Put a value where its path leads; of one that comes twice the last counts."""
    inner: Any = fields
    for name, following in zip(path, [*path[1:], None], strict=True):
        if following is None:
            empty = value
        elif following == "":
            empty = []
        else:
            empty = {}
        if isinstance(inner, list):
            if name != "":
                break
            inner.append(empty)
            inner = empty
        elif isinstance(inner, dict) and (name != "" or inner is fields):
            if following is None:
                inner[name] = value
                return
            inner = inner.setdefault(name, empty)
        else:
            break
    else:
        return
    raise Unusable(Reason.WRONG_TYPE, f"{path[0][:40]}: given in two shapes")
