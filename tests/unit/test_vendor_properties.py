"""Whatever JSON an adapter is given, it makes drafts of it or says why not, and nothing else happens."""

from string import ascii_letters, digits
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.codec import dumps
from schemas.dead_letters import Unusable
from schemas.validation import canonical
from schemas.vendors import ADAPTERS, recognise
from schemas.vendors.adapter import Draft, Incomplete, SourceSettings, SurveySettings
from schemas.vendors.requests import FETCHED, completed, requests_for
from tests.payloads import FORMS, NAMES, form, payload

scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**64 - 1), st.floats(allow_nan=False), st.text(max_size=9))
json_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner))
PATH = frozenset("/_-" + ascii_letters + digits)
"""What a path that is fetched is made of: nothing that would lead elsewhere."""
SETTINGS = (
    SourceSettings(),
    SourceSettings(
        score_fields=("recommend", "7002", "QID1", "0"),
        comment_fields=("why",),
        surveys={"300700": SurveySettings(("7001",))},
    ),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, one in inside for place in places(one, (*path, name)))]


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """A payload in which up to three values are others, or those of another place."""
    value = draw(st.one_of(st.sampled_from(NAMES).map(payload), st.sampled_from(FORMS).map(form)))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(places(value)))
        if not path:
            continue
        holder = value
        for name in path[:-1]:
            holder = holder[name]
        if draw(st.booleans()):
            holder[path[-1]] = draw(json_values)
        else:
            del holder[path[-1]]
    return value


DEEP: Any = []
for _ in range(900):  # below what the JSON reader takes, near what Python's own stack takes
    DEEP = [DEEP]


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine may be busy: nothing here asserts on time."""


@UNHURRIED
@given(st.one_of(json_values, changed()), st.sampled_from(SETTINGS))
def test_any_json_is_drafts_or_a_reason_to_every_adapter(value: Any, how: SourceSettings) -> None:
    check(value, how)


@pytest.mark.parametrize(
    "value",
    [
        {"survey_id": DEEP, "response_status": DEEP},
        {"event": {"SurveyID": DEEP}, "response": {"responseId": "r", "values": {"QID1": DEEP}}},
        {"event": {}, "response": {"survey_id": DEEP}, "survey": {"pages": DEEP}},
        {"response": {"survey_id": DEEP, "id": DEEP, "score": 1}, "account_token": DEEP},
        {"webhookId": "w", "event": "responseFinished", "data": {"surveyId": DEEP, "data": {"recommend": DEEP}}},
    ],
    ids=["a bare response", "an event", "a fetched response", "a mapping", "answers"],
)
def test_deep_nesting_is_a_reason_too(value: Any) -> None:
    for how in SETTINGS:
        check(value, how)


def check(value: Any, how: SourceSettings) -> None:
    """Every adapter makes drafts of it, or says why not, or what to fetch and from nowhere else."""
    for source, adapter in ADAPTERS.items():
        assert adapter.recognises(value) in (True, False)
        try:
            drafts = adapter.adapt(value, how)
        except Unusable:
            continue
        except Incomplete as error:
            paths = [request.path for request in requests_for(source, error.ids)]
            drafts = []
        else:
            paths = []
        assert all(set(path) <= PATH for path in paths)
        for draft in drafts:
            assert dumps(accepted(draft, source))


def accepted(draft: Draft, source: str) -> dict[str, Any]:
    """The response of a draft; nothing where it is refused."""
    try:
        return canonical(draft, source, None, "acme")
    except Unusable:
        return {}


@UNHURRIED
@given(st.one_of(json_values, changed()))
def test_anything_is_recognised_or_not(value: Any) -> None:
    found = recognise(value)
    assert found is None or found.NAME in ADAPTERS


@UNHURRIED
@given(st.dictionaries(st.sampled_from(["response", "survey", "x"]), json_values))
def test_any_answer_of_a_vendor_makes_a_payload_that_is_read_or_is_refused(answers: dict[str, Any]) -> None:
    for vendor in FETCHED:
        try:
            made = completed(vendor, payload(vendor), answers)
            drafts = ADAPTERS[vendor].adapt(made, SETTINGS[0])
        except Unusable:
            continue
        assert len(drafts) == 1
