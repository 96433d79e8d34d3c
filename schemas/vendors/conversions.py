"""What a mapping can do to a value on its way into a field. All else is the work of `schemas.validation`, the same for all."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from schemas.dead_letters import Reason, Unusable
from schemas.times import LATEST_MS, format_time
from schemas.vendors.mapping_file import Field
from schemas.vendors.scales import number_in

Convert = Callable[[str, Any], Any]
"""Takes the field's name, for the message, and the value. Raises Unusable."""

_DIGITS = re.compile(r"\d{1,18}(?:\.\d{1,9})?", re.ASCII)
_EXAMPLE: Final = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
"""What a format has to write and read before it is used."""
_SHOWN: Final = 40
"""Characters of a faulty value that a message shows."""


def converter(given: Field) -> Convert:
    """All conversions of a field, one after the other: format or convert, then values. Raises ValueError where a field has
    both, and for a format that cannot be read."""
    if given.format and given.convert is not None:
        raise ValueError("format and convert: a field has one of them")
    steps: list[Convert] = []
    if given.format:
        steps.append(_formatted(given.format))
    elif given.convert is not None:
        steps.append(_CONVERSIONS[given.convert])
    if given.values:
        steps.append(_translated(given.values))

    def convert(field: str, value: Any) -> Any:
        for step in steps:
            value = step(field, value)
        return value

    return convert


def _formatted(form: str) -> Convert:
    try:
        datetime.strptime(_EXAMPLE.strftime(form), form)
    except (ValueError, re.error) as error:
        raise ValueError(f"format {form!r:.{_SHOWN}} cannot be read: {error}") from error

    def read(field: str, value: Any) -> Any:
        try:
            moment = datetime.strptime(_text(field, value), form)
        except ValueError as error:
            raise Unusable(Reason.BAD_TIME, f"{field}: {_shown(value)} is not of the form {form!r}") from error
        # Without a zone it stays without one: the source's zone is added where all times are read.
        return moment.isoformat(timespec="milliseconds")

    return read


def _translated(values: Mapping[str, Any]) -> Convert:
    def translate(field: str, value: Any) -> Any:
        return values.get(_as_text(value), value) if isinstance(value, str | int | float) else value

    return translate


def _as_text(value: str | int | float) -> str:
    """As JSON has it, and 9.0 as 9."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _number_in_text(field: str, value: Any) -> Any:
    """The first whole number of a text; what has none stays as it is."""
    number = number_in(value)
    return value if number is None else number


def _unix(field: str, value: Any) -> Any:
    return _moment(field, value, 1000)


def _unix_ms(field: str, value: Any) -> Any:
    return _moment(field, value, 1)


def _moment(field: str, value: Any, to_ms: int) -> str:
    """Digits, as a number or as text, as a time: of which unit is known here, so their size does not have to tell it."""
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value * to_ms < LATEST_MS:
        raise Unusable(Reason.BAD_TIME, f"{field}: {_shown(value)} is no epoch number between 1970 and 2199")
    return format_time(round(value * to_ms))


def _lower(field: str, value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _text(field: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Unusable(Reason.BAD_TIME, f"{field}: {_shown(value)} is no text")
    return value.strip()


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else repr(value[:_SHOWN]) + "..."
    return "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)


_CONVERSIONS: Final[dict[str, Convert]] = {
    "number in text": _number_in_text,
    "unix": _unix,
    "unix ms": _unix_ms,
    "lower": _lower,
}
