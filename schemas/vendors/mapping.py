"""Adapters without code: a mapping file says where in a payload each field is (`schemas.vendors.mapping_file`).

A payload goes through these steps:
1. Items. With `each` there are several, or none; else the payload is the only one.
2. Ignored. The first `ignore` that is true of an item says why it holds no response; where all are ignored, so is the payload.
3. Retraction. If `retraction` is true there are the ids and the version, and nothing else.
4. Fields, and segments; with what is otherwise in the survey that the item is of.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from schemas.dead_letters import Reason, Unusable
from schemas.vendors.adapter import Draft, SourceSettings, id_text, properties_of, respondent, segments_of
from schemas.vendors.answers import answers_in
from schemas.vendors.mapping_file import Field, MappingFile, MappingInvalid, Survey, field_of, reason_of
from schemas.vendors.pairs import as_object
from schemas.vendors.rules import PROPERTIES, QUESTIONS, Found, Item, Rules, compiled

MOST_ITEMS: Final = 1_000
"""That one payload may hold: as many as a list of canonical responses."""
IDS: Final = ("response_id", "account_id", "respondent_id", "updated_at")
"""The fields of a retraction; the respondent is there because an account may be known by that alone."""

NEEDED: Final = ("response_id", "score", "responded_at")
"""Fields that a mapping must fill; the account may come from elsewhere."""

Response = dict[str, Found]
"""A draft, with what is told of each field."""


class MappingAdapter:
    """A mapping as an adapter (`schemas.vendors.adapter.Adapter`)."""

    def __init__(self, mapping: MappingFile, needed: Sequence[str] = NEEDED) -> None:
        """Raises MappingInvalid for a path that is none, for a field that nothing leads to, and if one of those that are
        `needed` is missing."""
        self.NAME = mapping.name
        self.VENDOR_TIMES = not mapping.zoned
        self._recognise = compiled("recognise", mapping.recognise or "`false`")
        self._each = compiled("each", mapping.each) if mapping.each else None
        self._ignored = [
            (compiled(f"ignore[{number}].when", one.when), Unusable(reason_of(one), one.message or f"ignored: {one.when}"))
            for number, one in enumerate(mapping.ignore)
        ]
        self._retraction = compiled("retraction", mapping.retraction or "`false`")
        self._survey = compiled("survey", mapping.survey or "`null`")
        self._answers = compiled("answers", mapping.answers or "`null`")
        self._answers_prefix = mapping.answers_prefix
        paths = [mapping.properties] if isinstance(mapping.properties, str) else mapping.properties
        self._properties = [compiled("properties", path) for path in paths]
        among = Rules.of({name: Field() for name in PROPERTIES if paths}, {})
        self._rules = among | Rules.of(mapping.fields, mapping.segments)
        self._surveys = {
            survey: self._rules | Rules.of(one.fields, one.segments, f"surveys.{survey}.")
            for survey, one in mapping.surveys.items()
        }
        _check_fields(mapping, needed)

    def recognises(self, payload: Any) -> bool:
        """See `schemas.vendors.adapter.Adapter`."""
        try:
            return isinstance(payload, dict) and _true(self._recognise(payload))
        except Unusable:
            return False

    def adapt(self, payload: Any, settings: SourceSettings) -> list[Draft]:
        """See `schemas.vendors.adapter.Adapter`."""
        return [{name: found.value for name, found in one.items()} for one in self.explain(payload, settings)]

    def explain(self, payload: Any, settings: SourceSettings) -> list[Response]:
        """Of each response in a payload all fields, and how they were come by. Raises `Unusable` where there is none."""
        if not isinstance(payload, dict):
            raise Unusable(Reason.WRONG_TYPE, f"a payload of {self.NAME} is an object")
        # 1. Items.
        scopes: list[Any] = [payload]
        if self._each is not None:
            items = self._each(payload)
            if not isinstance(items, list):
                items = []
            if len(items) > MOST_ITEMS:
                raise Unusable(Reason.TOO_LARGE, f"each: {len(items)} items, at most {MOST_ITEMS} are read")
            scopes = [{"item": item, "payload": payload} for item in items]
        # 2. Ignored.
        ignored = [self._why_ignored(scope) for scope in scopes]
        kept = [scope for scope, why in zip(scopes, ignored, strict=True) if why is None]
        if not kept:
            raise next((why for why in ignored if why), Unusable(Reason.NOT_A_RESPONSE, "each: the payload holds none"))
        return [self._response(scope, settings) for scope in kept]

    def _why_ignored(self, scope: Any) -> Unusable | None:
        return next((Unusable(why.reason, str(why)) for look, why in self._ignored if _true(look(scope))), None)

    def _response(self, scope: Any, settings: SourceSettings) -> Response:
        survey = id_text(self._survey(scope))
        item = self._item(scope, settings.of_survey(survey))
        rules = self._rules if survey is None else self._surveys.get(survey, self._rules)
        # 3. Retraction.
        if _true(self._retraction(scope)):
            ids = {name: rules.fields[name].find(item) for name in IDS if name in rules.fields}
            return {"kind": Found("retraction", ("retraction",)), **_one_person(ids)}
        # 4. Fields, and segments.
        response = _one_person({name: rule.find(item) for name, rule in rules.fields.items()})
        score = response.get("score")
        if score is None or score.value is None:
            tried = "; ".join(score.tried) if score else "the mapping has no field score"
            hint = "; score_fields can name its question" if item.answers and not item.settings.score_fields else ""
            raise Unusable(Reason.NO_SCORE, f"score: none ({tried or 'nothing leads to it'}){hint}")
        if survey is not None:
            response.setdefault("survey_id", Found(survey, ("survey",)))
        response["segments"] = _segments(rules, item)
        return response

    def _item(self, scope: Any, settings: SourceSettings) -> Item:
        properties: dict[str, Any] = {}
        for look in self._properties:
            properties = properties_of(as_object(look(scope))) | properties
        return Item(scope, list(answers_in(self._answers(scope), self._answers_prefix)), properties, settings)


def _true(value: Any) -> bool:
    """As JMESPath has it: 0 is true; null, false and what is empty are not."""
    return value is not False and (bool(value) or value == 0)


def _one_person(response: Response) -> Response:
    """With the respondent's id in the one form that it has however it was written."""
    if "respondent_id" in response:
        given = response["respondent_id"]
        response["respondent_id"] = replace(given, value=respondent(given.value))
    return response


def _segments(rules: Rules, item: Item) -> Found:
    """Those of the mapping, and for other dimensions those among the properties."""
    among = segments_of(item.properties, item.settings)
    own = {name: rule.find(item) for name, rule in rules.segments.items()}
    value = among | {name: found.value for name, found in own.items() if found.value is not None}
    told = [told for found in own.values() for told in found.tried]
    if item.properties:
        told.append(f"properties {', '.join(item.settings.segment_properties)}")
    return Found(value, tuple(told))


def _check_fields(mapping: MappingFile, needed: Sequence[str]) -> None:
    """Raise MappingInvalid for a field that no payload could fill."""
    for name in needed:
        if name not in mapping.fields and not any(name in survey.fields for survey in mapping.surveys.values()):
            raise MappingInvalid(f"fields.{name}: missing; every response needs one")
    parts: dict[str, MappingFile | Survey] = {"": mapping}
    parts |= {f"surveys.{survey}.": one for survey, one in mapping.surveys.items()}
    for place, part in parts.items():
        ways = {f"fields.{name}": given for name, given in part.fields.items()}
        ways |= {f"segments.{name}": given for name, given in part.segments.items()}
        for name, short in ways.items():
            given = field_of(short)
            if given.answer and not mapping.answers:
                raise MappingInvalid(f"{place}{name}: answer needs to know where the answers are: set answers")
            if not given.path and not given.answer and given.constant is None and name not in _by_settings(mapping):
                raise MappingInvalid(f"{place}{name}: nothing leads to it: give a path, an answer or a constant")


def _by_settings(mapping: MappingFile) -> set[str]:
    """Fields that a source's settings can lead to."""
    found = {*(PROPERTIES if mapping.properties else ()), *(QUESTIONS if mapping.answers else ())}
    return {f"fields.{name}" for name in found}
