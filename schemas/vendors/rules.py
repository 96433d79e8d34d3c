"""How a mapping finds one field: the ways that lead to it, tried in order, each of which can be told."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jmespath
from jmespath.visitor import TreeInterpreter

from schemas.dead_letters import Reason, Unusable
from schemas.events import MAX_SEGMENTS
from schemas.validation import is_dimension
from schemas.vendors.adapter import SourceSettings, first_of
from schemas.vendors.answers import Answer, answer_of, answer_to
from schemas.vendors.conversions import Convert, converter
from schemas.vendors.mapping_file import Field, MappingInvalid, field_of, one_line

PROPERTIES: Final = {"account_id": "account_properties", "respondent_id": "respondent_properties"}
"""Fields that may be among the properties, with the setting that names them there."""
QUESTIONS: Final = {"score": "score_fields", "comment": "comment_fields"}
"""Fields that are answers, with the setting that names their questions."""

_SHOWN: Final = 100
"""Characters of a faulty path that a message shows."""

_INTERPRETER: Final = TreeInterpreter()
"""One for all paths: it keeps nothing of a payload, and making one takes as long as a short path."""
_NAMES = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*", re.ASCII)
"""A path of unquoted identifiers, in JMESPath's grammar."""

Given = str | list[str] | Field
"""A field as a mapping file has it."""
Look = Callable[[Any], Any]
"""A compiled path. Raises Unusable where the payload is of a shape that it cannot be asked of."""


@dataclass(frozen=True, slots=True)
class Found:
    """A field's value as mapped, and how it was come by: for whoever writes a mapping."""

    value: Any
    tried: tuple[str, ...]
    """What led nowhere, then what led to the value, if anything did."""


@dataclass(frozen=True, slots=True)
class Item:
    """What one response is made from."""

    scope: Any
    """What paths are of."""
    answers: Sequence[Answer]
    properties: Mapping[str, Any]
    settings: SourceSettings


@dataclass(frozen=True, slots=True)
class Rule:
    """How one field is found, compiled."""

    name: str
    given: Field
    looks: tuple[tuple[str, Look], ...]
    convert: Convert

    def find(self, item: Item) -> Found:
        """The value of the first way that leads to one. Raises Unusable for one that cannot be converted."""
        tried = []
        for told, value in self._ways(item):
            # A guess at the comment may hit a question of another type: a response is not lost for that.
            unfit = self.name == "comment" and value is not None and not isinstance(value, str)
            tried.append(f"{told} (no text)" if unfit else told)
            if value is not None and value != "" and not unfit:
                return Found(self.convert(self.name, value), tuple(tried))
        return Found(None, tuple(tried))

    def _ways(self, item: Item) -> Iterator[tuple[str, Any]]:
        if item.properties and self.name in PROPERTIES:
            names = getattr(item.settings, PROPERTIES[self.name])
            yield f"property {' or '.join(names)}", first_of(item.properties, names)
        if self.name in QUESTIONS and (named := getattr(item.settings, QUESTIONS[self.name])):
            yield f"answer to {' or '.join(named)}", answer_to(item.answers, named)
            return  # the answer to another question is no score because the one that was named was left out
        for path, look in self.looks:
            yield f"path {path}", look(item.scope)
        if types := self.given.answer:
            yield f"answer to a question of type {' or '.join(types)}", answer_of(item.answers, types)
        if self.given.constant is not None:
            yield "constant", self.given.constant


@dataclass(frozen=True, slots=True)
class Rules:
    """How the fields and the segments of a survey are found."""

    fields: Mapping[str, Rule]
    segments: Mapping[str, Rule]

    @classmethod
    def of(cls, fields: Mapping[Any, Given], segments: Mapping[str, Given], place: str = "") -> "Rules":
        """From a part of a mapping file, whose place there begins messages. Raises MappingInvalid."""
        if len(segments) > MAX_SEGMENTS:
            raise MappingInvalid(f"{place}segments: {len(segments)} of them, at most {MAX_SEGMENTS} are counted")
        for name in segments:
            if not is_dimension(name):
                raise MappingInvalid(f"{place}segments.{name}: no dimension: a-z, 0-9 and _, at most 40 of them")
        return cls(
            {name: _rule(name, given, f"{place}fields.{name}") for name, given in fields.items()},
            # A segment may have the name of a field, and is none of them.
            {name: _rule(f"segments.{name}", given, f"{place}segments.{name}") for name, given in segments.items()},
        )

    def __or__(self, other: "Rules") -> "Rules":
        """These, but for what the other ones say."""
        return Rules({**self.fields, **other.fields}, {**self.segments, **other.segments})


def _rule(name: str, given: Given, place: str) -> Rule:
    given = field_of(given)
    paths = [given.path] if isinstance(given.path, str) else given.path
    try:
        convert = converter(given)
    except ValueError as error:
        raise MappingInvalid(f"{place}: {one_line(error)}") from error
    return Rule(name, given, tuple((path, compiled(place, path)) for path in paths), convert)


def _walk(names: tuple[str, ...]) -> Look:
    """What JMESPath does with names alone, in a tenth of its time: most paths are nothing else."""

    def look(scope: Any) -> Any:
        for name in names:
            if not isinstance(scope, dict):
                return None
            scope = scope.get(name)
        return scope

    return look


def compiled(place: str, path: str) -> Look:
    """A path of a mapping file, from a place there. Raises MappingInvalid."""
    try:
        parsed = jmespath.compile(path).parsed
    except Exception as error:  # the library's own, and Python's for what is nested too deep
        raise MappingInvalid(f"{place}: {path!r:.{_SHOWN}} is no JMESPath: {one_line(error)}") from error

    if _NAMES.fullmatch(path):
        return _walk(tuple(path.split(".")))

    def look(scope: Any) -> Any:
        try:
            return _INTERPRETER.visit(parsed, scope)
        except MemoryError:
            raise  # says something of this process, nothing of the payload
        except Exception as error:
            # A function that does not exist, or that was given something else than it takes, is known only once it is called;
            # some of these errors are Python's own, such as that of a slice with a step of 0.
            raise Unusable(Reason.WRONG_TYPE, f"{place}: {one_line(error)}") from error

    return look
