"""Which column of a table is which field, and how that is known: because somebody said so, because its name is the field's, or
because its name and its values look like it, which is a guess.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from npstream.failures import UserError
from npstream.files.looks import MOST, Look
from schemas.events import Response
from schemas.vendors.adapter import USUAL_SEGMENTS

SEGMENT_PREFIX: Final = "segments."
"""A column `segments.plan` is the dimension `plan` among the segments."""
TIME_FIELDS: Final = frozenset({"responded_at", "updated_at"})
FIELDS: Final = (frozenset(Response.__struct_fields__) - {"segments"}) | {"kind", "segment"}
"""What a column may be: the fields of a canonical response that have one value."""

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "response_id": (
        *("responseid", "surveyresponseid", "responseuuid", "submissionid", "submissiontoken", "feedbackid", "answerid"),
        *("ticketid", "uuid", "token", "id", "#"),
    ),
    "account_id": (
        *("accountid", "account", "accountname", "companyid", "company", "companyname", "organisationid", "organizationid"),
        *("organisation", "organization", "organisationname", "organizationname", "orgid", "org", "clientid", "client"),
        *("clientname", "tenantid", "tenant", "workspace", "workspaceid", "customerid", "customer", "customername", "crmid"),
    ),
    "respondent_id": (
        *("respondentid", "respondent", "email", "emailaddress", "customeremail", "respondentemail", "personemail"),
        *("contactemail", "useremail", "recipientemail", "enduseremail", "mail", "userid", "personid", "contactid"),
        *("contact", "recipient", "enduserid", "distinctid"),
    ),
    "score": (
        *("score", "npsscore", "nps", "npsrating", "npsanswer", "rating", "ratingscore", "likelihoodtorecommend"),
        *("likelytorecommend", "recommendation", "recommend", "netpromoterscore", "answer", "response", "value"),
    ),
    "responded_at": (
        *("respondedat", "responsedate", "responsetime", "responsedatetime", "dateresponded", "answeredat", "dateanswered"),
        *("submittedat", "submitdate", "submitdateutc", "submissiondate", "datesubmitted", "completedat", "datecompleted"),
        *("recordeddate", "enddate", "createdat", "createddate", "datecreated", "createdon", "created", "surveydate"),
        *("feedbackdate", "timestamp", "datetime", "dateandtime", "date", "time", "responded"),
    ),
    "updated_at": (
        *("updatedat", "updateddate", "dateupdated", "updatedon", "updated", "modifiedat", "datemodified", "lastmodified"),
    ),
    "comment": (
        *("comment", "comments", "customercomment", "feedback", "feedbacktext", "verbatim", "verbatims", "openended"),
        *("openendedfeedback", "openfeedback", "freetext", "text", "reason", "why", "additionalcomments", "remarks"),
    ),
    "survey_id": ("surveyid", "survey", "surveyname", "campaignid", "campaign", "campaignname", "formid", "form"),
    "channel": ("channel", "medium", "deliverymethod", "deliverychannel", "surveychannel", "collector"),
    "locale": ("locale", "language", "lang", "userlanguage", "surveylanguage"),
}
"""How exports call a field, the surest name first: in lower case, without blanks, hyphens and underscores. Of two columns whose
names both say the same, the surer one is it."""
QUESTION_WORDS: Final = ("recommend", "nps")
"""In a question that is the name of a column, these ask for the score."""
COMMENT_WORDS: Final = ("reason", "why", "feedback", "comment", "improve", "tellus")
"""The same for the comment."""

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FITS: Final[Mapping[str, tuple[Callable[[Look], bool], str]]] = {
    "score": (lambda look: look.is_score(), "whole numbers from 0 to 10"),
    "responded_at": (lambda look: look.is_time(), "dates or times"),
    "updated_at": (lambda look: look.is_time(), "dates or times"),
    "response_id": (lambda look: look.is_id, "all different, without blanks"),
}
"""What the values of a guessed column must be, and how that is said."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    field: str | None
    """The canonical field, None if it is not used."""
    why: str
    guessed: bool = False
    """Whether somebody should confirm it."""


def compact(name: str) -> str:
    """A column's name for comparing: lower case, nothing but letters and digits; "#" is left as it is."""
    folded = unicodedata.normalize("NFKC", name).casefold().strip()
    return "".join(c for c in folded if c.isalnum()) or folded


def field_named(name: str) -> str | None:
    """The field whose name a column has: capitals, blanks, hyphens and camelCase do not matter."""
    same = re.sub(r"[\s_-]+", "_", _CAMEL.sub("_", name.strip())).casefold()
    return next((one for one in (name.strip().casefold(), same) if is_field(one)), None)


def is_field(name: str) -> bool:
    """Whether a column can be this."""
    return name in FIELDS or (name.startswith(SEGMENT_PREFIX) and len(name) > len(SEGMENT_PREFIX))


def columns_of(file: str, names: Sequence[str], looks: Sequence[Look], said: Mapping[str, str]) -> list[Column]:
    """What each column is. `said` are the pairs of --column; `file` is for messages. Raises UserError for pairs that fit
    nothing, and for a field that two columns have."""
    found: list[Column | None] = [_said(name, said) for name in names]
    for column, target in said.items():
        if column not in names:
            raise UserError(f"{file}: --column names a column {column!r}, but the columns are {', '.join(names)}")
        if not is_field(target):
            raise UserError(
                f"--column {column}={target}: no such field; fields are {', '.join(sorted(FIELDS))} and segments.NAME"
            )
    taken = {column.field for column in found if column is not None}
    for index, name in enumerate(names):
        field = field_named(name)
        if found[index] is None and field is not None and field not in taken:
            found[index] = Column(name, field, "its name")
    _no_doubles(file, found)
    _guess(names, looks, found)
    return [column or Column(name, None, "") for name, column in zip(names, found, strict=True)]


def _said(name: str, said: Mapping[str, str]) -> Column | None:
    return Column(name, said[name], "you said so") if name in said else None


def _no_doubles(file: str, found: Sequence[Column | None]) -> None:
    fields = [column.field for column in found if column is not None]
    doubles = sorted({field for field in fields if field is not None and fields.count(field) > 1})
    if doubles:
        raise UserError(f"{file}: several columns are {', '.join(doubles)}; say which one with --column COLUMN=FIELD")


def _guess(names: Sequence[str], looks: Sequence[Look], found: list[Column | None]) -> None:
    """Fill in what names and values suggest; where two columns are as good as each other, neither is taken."""

    def free(field: str) -> bool:
        return all(column is None or column.field != field for column in found)

    def take(index: int, field: str, why: str) -> None:
        found[index] = Column(names[index], field, why, guessed=True)

    for field, synonyms in NAMES.items():
        ranked = sorted(
            (synonyms.index(compact(name)), index)
            for index, name in enumerate(names)
            if found[index] is None and compact(name) in synonyms and _fits(field, looks[index])
        )
        if free(field) and ranked and (len(ranked) == 1 or ranked[0][0] < ranked[1][0]):
            index = ranked[0][1]
            take(index, field, f"its name is usual for it{_values(field, looks[index])}")
    for index, name in enumerate(names):
        dimension = "_".join(re.findall(r"[a-z0-9]+", name.casefold()))
        if found[index] is None and dimension in USUAL_SEGMENTS and free(SEGMENT_PREFIX + dimension):
            take(index, SEGMENT_PREFIX + dimension, "its name is that of a usual segment")
    for field, by_values, why in _BY_VALUES:
        alike = [
            index for index in range(len(names)) if found[index] is None and by_values(compact(names[index]), looks[index])
        ]
        if free(field) and len(alike) == 1:
            take(alike[0], field, why(looks[alike[0]]))


def _fits(field: str, look: Look) -> bool:
    return field not in _FITS or look.values == 0 or _FITS[field][0](look)


def _values(field: str, look: Look) -> str:
    if field in _FITS and look.values:
        return f", its values are {_FITS[field][1]}"
    return ", its values are e-mail addresses" if field == "respondent_id" and look.is_address() else ""


def _asks_for_score(name: str, look: Look) -> bool:
    return look.is_score() and any(word in name for word in QUESTION_WORDS)


def _asks_for_comment(name: str, look: Look) -> bool:
    return look.is_text and any(word in name for word in COMMENT_WORDS)


_BY_VALUES: Final[tuple[tuple[str, Callable[[str, Look], bool], Callable[[Look], str]], ...]] = (
    ("score", _asks_for_score, lambda look: f"its name asks for it, {look.scores:,} of {look.values:,} values are 0 to 10"),
    ("score", lambda name, look: look.is_score(MOST), lambda look: "no other column has whole numbers from 0 to 10"),
    ("respondent_id", lambda name, look: look.is_address(MOST), lambda look: "no other column has e-mail addresses"),
    ("responded_at", lambda name, look: look.is_time(MOST), lambda look: "no other column has dates or times"),
    ("comment", _asks_for_comment, lambda look: "its name asks for it, its values are texts"),
)
"""In this order: what is found by the name of the question, and what is the only column of its kind."""
