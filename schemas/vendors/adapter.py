"""What every vendor's adapter is: a module with a name and two functions. To add one, write the module and name it in
`schemas.vendors.ADAPTERS`.

An adapter only says which of a payload's values is which field. It neither coerces nor checks values: `schemas.validation`
does, the same way for all.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from typing import Any, Protocol

from schemas.dead_letters import Reason, Unusable
from schemas.events import MAX_SEGMENTS
from schemas.validation import is_dimension

Draft = dict[str, Any]
"""A response whose fields have the contract's names and the vendor's values."""

USUAL_SEGMENTS = ("segment", "plan", "tier", "region", "country", "industry", "product")
"""Properties that are segments unless a source names others. A list, since properties also hold names, order numbers and
e-mail addresses: as segments these would be a table each, with people's data in metric labels."""


_PATH_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class SurveySettings:
    """Which of a survey's questions are read, where it is otherwise than in most of its source."""

    score_fields: tuple[str, ...] = ()
    comment_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """How one vendor's payloads are read. Names of properties are compared in lower case, with _ for what is neither letter
    nor digit: "Account ID" is account_id."""

    zone: tzinfo | None = None
    """Zone of times that come without one; None: that of all sources."""
    account: str = ""
    """The account of its responses that name none; empty: that of all sources."""
    account_properties: tuple[str, ...] = ("account_id",)
    """Properties that may hold the account's id; the first one that is there counts."""
    respondent_properties: tuple[str, ...] = ("respondent_id", "user_id", "email")
    """Properties that may hold the respondent's id, where the vendor has no person of its own."""
    segment_properties: tuple[str, ...] = USUAL_SEGMENTS
    """Properties that become segments."""
    score_fields: tuple[str, ...] = ()
    """Ids or refs of the questions whose answer is the score, where forms have several; empty: the adapter's rule."""
    comment_fields: tuple[str, ...] = ()
    """Ids or refs of the questions whose answer is the comment; empty: the adapter's rule."""
    surveys: Mapping[str, SurveySettings] = field(default_factory=dict)
    """By survey id: what is otherwise there."""

    def of_survey(self, survey_id: Any) -> "SourceSettings":
        """The settings for the survey that a payload names, if it does."""
        own = self.surveys.get(id_text(survey_id) or "")
        if own is None:
            return self
        return replace(
            self,
            score_fields=own.score_fields or self.score_fields,
            comment_fields=own.comment_fields or self.comment_fields,
        )

    def __post_init__(self) -> None:
        for names in ("account_properties", "respondent_properties", "segment_properties"):
            object.__setattr__(self, names, tuple(comparable(name) for name in getattr(self, names)))
        for name in self.segment_properties:
            if not is_dimension(name):
                raise ValueError(f"segment_properties: {name!r} cannot be a dimension: a-z, 0-9 and _, at most 40 of them")
        if len(self.segment_properties) > MAX_SEGMENTS:
            raise ValueError(f"segment_properties: {len(self.segment_properties)} names, at most {MAX_SEGMENTS} are counted")


class Incomplete(Exception):
    """A payload that carries ids alone: what they stand for has to be fetched from the vendor (what:
    `schemas.vendors.requests`), and comes back as another payload of the same vendor."""

    def __init__(self, ids: Mapping[str, str]) -> None:
        super().__init__("only ids: " + ", ".join(f"{name} {value}" for name, value in ids.items()))
        self.ids = ids
        """By name, such as survey_id; each is a `path_id`."""


class Adapter(Protocol):
    """One vendor's payloads."""

    NAME: str
    """What header nps-source says, and the `source` of its responses."""
    VENDOR_TIMES: bool
    """Whether times may come without a zone; the source's zone setting is then theirs."""

    def recognises(self, payload: Any) -> bool:
        """Whether a payload without a header nps-source looks like this vendor's. Of any JSON value."""

    def adapt(self, payload: Any, settings: SourceSettings) -> list[Draft]:
        """The responses in one payload, as drafts. Raises `Unusable` for a payload that holds none, `Incomplete` for one that
        has only ids."""


def properties_of(value: Any) -> dict[str, Any]:
    """A vendor's free properties with comparable names; only single values that are not empty. Anything but an object has
    none."""
    if not isinstance(value, Mapping):
        return {}
    found: dict[str, Any] = {}
    for name, item in value.items():
        if isinstance(item, str | int | float) and item != "":
            found.setdefault(comparable(name), item)
    return found


def comparable(name: str) -> str:
    """A property's name in lower case with _ for everything that is neither an ASCII letter nor a digit."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in name.strip().lower())


def first_of(properties: Mapping[str, Any], names: Iterable[str]) -> Any:
    """The value of the first name that is there; None without one."""
    for name in names:
        if name in properties:
            return properties[name]
    return None


def respondent(value: Any) -> Any:
    """What identifies a person, without surrounding white space; an e-mail address in lower case, since it is one address
    however it was typed."""
    if not isinstance(value, str):
        return value
    return value.strip().lower() if "@" in value else value.strip()


def segments_of(properties: Mapping[str, Any], settings: SourceSettings) -> dict[str, Any]:
    """Those of the properties that are segments."""
    return {name: properties[name] for name in settings.segment_properties if name in properties}


def path_id(value: Any, field: str) -> str:
    """An id of the vendor's that can stand in the path of a URL as it is. Raises `Unusable` for anything else: the path must
    not lead elsewhere, whoever wrote the payload."""
    if value is None or value == "":
        raise Unusable(Reason.MISSING_FIELD, f"{field}: missing")
    text = id_text(value)
    if text is None or not _PATH_ID.fullmatch(text):
        raise Unusable(Reason.BAD_ID, f"{field}: no id of letters, digits, _ and -, at most 64 of them")
    return text


def id_text(value: Any) -> str | None:
    """A vendor's id as text, to compare it: some write one as a number here and as text there. None for what is neither."""
    if isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def object_in(payload: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The object that a payload has in a field. Raises `Unusable` when there is none or it is something else."""
    value = payload.get(field)
    if isinstance(value, dict):
        return value
    if value is None:
        raise Unusable(Reason.MISSING_FIELD, f"{field}: missing")
    raise Unusable(Reason.WRONG_TYPE, f"{field}: not an object")
