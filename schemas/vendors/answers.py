"""Answers to a survey's questions, however a vendor lists them, and which of them is the score."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from schemas.vendors.adapter import id_text

FIRST: Final = "0"
"""The id of the answer whose name is the prefix and nothing else: what stands for the first question where _1 is the second."""


class Answer(NamedTuple):
    """One answer, with what is known of its question."""

    names: tuple[str, ...]
    """The question's id and ref, as text."""
    type: str | None
    value: Any


def answers_in(found: Any, prefix: str = "") -> Iterator[Answer]:
    """From a list of {"id", "ref", "type", "value"}, or from an object of values by prefix and id (`FIRST` by the prefix
    alone); what has no value is left out."""
    if isinstance(found, dict):
        found = [{"id": _id(name, prefix), "value": value} for name, value in found.items() if name.startswith(prefix)]
    if not isinstance(found, list):
        return
    for one in found:
        if isinstance(one, dict) and one.get("value") not in (None, ""):
            names = tuple(name for name in (id_text(one.get("id")), id_text(one.get("ref"))) if name is not None)
            kind = one.get("type")
            yield Answer(names, kind if isinstance(kind, str) else None, one["value"])


def _id(name: str, prefix: str) -> str:
    return name[len(prefix) :].removeprefix("_") or FIRST if prefix else name


def answer_to(answers: Sequence[Answer], named: Sequence[str]) -> Any:
    """The value of the first answer to one of the questions named; None if there is none."""
    return next((answer.value for answer in answers if not set(named).isdisjoint(answer.names)), None)


def answer_of(answers: Sequence[Answer], types: Sequence[str]) -> Any:
    """The value of the first answer to a question of the first type, else of the next one; None if there is none."""
    return next((answer.value for kind in types for answer in answers if answer.type == kind), None)
