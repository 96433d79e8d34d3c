"""What a mapping says: the file format, in TOML, and what is wrong with one that cannot be used. See docs/mappings.md.

Paths are JMESPath (https://jmespath.org), of the payload, or with `each` of `{"item": ..., "payload": ...}`.
"""

import tomllib
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from schemas.dead_letters import Reason

FieldName = Literal[
    "response_id",
    "account_id",
    "respondent_id",
    "score",
    "responded_at",
    "updated_at",
    "comment",
    "survey_id",
    "channel",
    "locale",
]
"""The fields of a response that a mapping can fill; its segments have a place of their own."""

IgnoreReason = Literal["not a response", "not nps", "no score", "missing field"]
"""Why a payload is passed over: codes of dead letters (`schemas.dead_letters.Reason`)."""


NAME_PATTERN: Final = "^[a-z0-9][a-z0-9_-]{0,39}$"
"""Of a mapping's name: it is compared in lower case, and a label of metrics."""


class MappingInvalid(ValueError):
    """A mapping that cannot be used; the message names the place in the file and says what is wrong there."""


_LONGEST: Final = 300
"""Characters of a message: some libraries put whole values into theirs."""


class Field(Struct, forbid_unknown_fields=True, kw_only=True):
    """How one field is found. What the source's settings name comes first: a property that is the account's or respondent's id,
    the questions whose answers are score and comment. Then the first of these that leads to a value: path, answer, constant."""

    path: str | list[str] = []
    answer: list[str] = []
    """Types of questions, the surer one first: the answer to the first question of the first of these types."""
    constant: str | int | float | None = None
    convert: Literal["number in text", "unix", "unix ms", "lower"] | None = None
    """`number in text`: the first whole number, as in "9 - very likely". `unix`, `unix ms`: text of digits as a time."""
    values: dict[str, str | int | float] = {}
    """Instead of the value found, as text; one that is not among them stays as it is."""
    format: str = ""
    """Of times that are not RFC 3339, as `datetime.strptime` has it: "%d/%m/%Y %H:%M"."""


class Ignored(Struct, forbid_unknown_fields=True):
    """Payloads, or items, that hold no response."""

    when: str
    """A JMESPath that is true of them."""
    reason: IgnoreReason = "not a response"
    message: str = ""
    """For whoever reads the dead letter."""


class Survey(Struct, forbid_unknown_fields=True):
    """What is otherwise in one survey."""

    fields: dict[FieldName, str | list[str] | Field] = {}
    segments: dict[str, str | list[str] | Field] = {}


class MappingFile(Struct, forbid_unknown_fields=True, kw_only=True):
    """All of it."""

    name: Annotated[str, Meta(pattern=NAME_PATTERN)]
    """What header nps-source says."""
    recognise: str = ""
    """True of a payload that is this vendor's; without it only the header tells."""
    zoned: bool = False
    """Times without a zone are faulty; else they are in the zone of the source."""
    each: str = ""
    """The list of what holds a response each; without it the payload is one."""
    ignore: list[Ignored] = []
    retraction: str = ""
    """True of what takes a response back."""
    survey: str = ""
    """What `surveys` is told by."""
    answers: str = ""
    """The answers, as a list of {"id", "ref", "type", "value"}, of which any may be missing; or an object of values by id."""
    answers_prefix: str = ""
    """Of the names in such an object that are answers; without it and a _ behind it they are the ids."""
    properties: str | list[str] = []
    """Objects with free properties, of which the source's settings name account, respondent and segments."""
    fields: dict[FieldName, str | list[str] | Field]
    segments: dict[str, str | list[str] | Field] = {}
    """By dimension; before those among the properties."""
    surveys: dict[str, Survey] = {}


def read_mapping(text: str) -> MappingFile:
    """A mapping file. Raises MappingInvalid; paths are not looked at yet."""
    try:
        return msgspec.convert(tomllib.loads(text), MappingFile)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:  # tomllib limits neither digits nor nesting itself
        raise MappingInvalid(one_line(error)) from error


def one_line(error: Exception) -> str:
    """What an exception says, in one line that is not too long to be read."""
    line = " ".join(str(error).split())
    return line if len(line) <= _LONGEST else line[:_LONGEST] + "..."


def field_of(given: str | list[str] | Field) -> Field:
    """The long form of what may be written as a path alone."""
    return given if isinstance(given, Field) else Field(path=given)


def reason_of(ignored: Ignored) -> Reason:
    """Its code."""
    return Reason(ignored.reason)


def as_json_schema() -> dict[str, Any]:
    """JSON Schema of the file, for editors."""
    return msgspec.json.schema(MappingFile)
