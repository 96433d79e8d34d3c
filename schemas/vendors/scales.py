"""Which score each choice of an eleven-point question stands for, where an answer names the choice alone."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.vendors.adapter import id_text

SCORES: Final = range(11)
WHOLE_NUMBER: Final = re.compile(r"(?<![\d.,-])\d{1,3}(?![\d.,]*\d)", re.ASCII)
"""One that is not a part of another number, such as the 7 of -7, 7.5 or 2,700."""


def number_in(text: Any) -> int | None:
    """The first whole number of a text, as in "9 - very likely"; None without one."""
    found = WHOLE_NUMBER.search(text) if isinstance(text, str) else None
    return None if found is None else int(found[0])


def scores_of(choices: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The score by a choice's id, of choices with `id`, `text` and `position`.

    The numbers in their texts are the scores. Where eleven choices do not all have one, as when only the ends are named, their
    order is.
    """
    known = [(key, choice) for choice in choices if (key := id_text(choice.get("id"))) is not None]
    numbers = [number_in(choice.get("text")) for _, choice in known]
    if len(known) == len(SCORES) and None in numbers:
        known.sort(key=lambda one: _position(one[1]))
        numbers = list(SCORES)
    found = zip(known, numbers, strict=True)
    return {key: number for (key, _), number in found if number is not None and number in SCORES}


def _position(choice: Mapping[str, Any]) -> float:
    value = choice.get("position")
    return value if isinstance(value, int | float) else 0
