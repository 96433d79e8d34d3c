"""Answers to a survey's questions, however a vendor lists them, and which of them is the score."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """One answer, with what is known of its question."""

    names: tuple[str, ...]
    """The question's id and ref, as text."""
    type: str | None
    value: Any


def answers_in(found: Any, prefix: str = "") -> Iterator[Answer]:
    """From a list of {"id", "ref", "type", "value"}, or from an object of values by prefix and id; what has no value is left
    out."""
    if isinstance(found, dict):
        ids = ((name, name[len(prefix) :].removeprefix("_") if prefix else name) for name in found if name.startswith(prefix))
        found = [{"id": own, "value": found[name]} for name, own in ids]
    if not isinstance(found, list):
        return
    for one in found:
        if isinstance(one, dict) and one.get("value") not in (None, ""):
            names = tuple(str(one[name]) for name in ("id", "ref") if isinstance(one.get(name), str | int))
            kind = one.get("type")
            yield Answer(names, kind if isinstance(kind, str) else None, one["value"])


def answer_to(answers: Sequence[Answer], named: Sequence[str]) -> Any:
    """The value of the first answer to one of the questions named; None if there is none."""
    return next((answer.value for answer in answers if not set(named).isdisjoint(answer.names)), None)


def answer_of(answers: Sequence[Answer], types: Sequence[str]) -> Any:
    """The value of the first answer to a question of the first type, else of the next one; None if there is none."""
    return next((answer.value for kind in types for answer in answers if answer.type == kind), None)
