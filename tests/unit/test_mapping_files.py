"""Mapping files that cannot be used: one line that names the place."""

import re
import tomllib
from importlib.resources import files

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.vendors import ADAPTERS, MAPPINGS
from schemas.vendors.mapping import MappingAdapter
from schemas.vendors.mapping_file import MappingInvalid, as_json_schema, read_mapping
from tests.payloads import NAMES, payload

FIELDS = '[fields]\nresponse_id = "id"\nscore = "score"\nresponded_at = "at"\n'
WHOLE = 'name = "desk"\nrecognise = "id"\n' + FIELDS


def made(text: str) -> MappingAdapter:
    return MappingAdapter(read_mapping(text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Object missing required field `name`"),
        ("name = ", "Invalid value (at end of document)"),
        ("name = 7\n" + FIELDS, "Expected `str`, got `int` - at `$.name`"),
        ('name = ""\n' + FIELDS, "Expected `str` matching regex"),
        ('name = "Help Desk"\n' + FIELDS, "Expected `str` matching regex"),
        ('name = "d"\nrecognize = "x"\n' + FIELDS, "unknown field `recognize`"),
        (WHOLE + 'scores = "x"', "Invalid enum value 'scores' - at `key` in `$.fields`"),
        (WHOLE + 'comment = { paths = "x" }', "unknown field `paths` - at `$.fields[...]`"),
        (WHOLE + 'comment = { path = "x", convert = "upper" }', "Invalid enum value 'upper'"),
        (WHOLE + '[[ignore]]\nwhen = "x"\nreason = "bored"', "Invalid enum value 'bored'"),
        ('name = "d"\n[fields]\nscore = "score"', "fields.response_id: missing; every response needs one"),
        (WHOLE.replace('score = "score"', ""), "fields.score: missing"),
        (WHOLE.replace('"score"', '"score["'), "fields.score: 'score[' is no JMESPath: "),
        (WHOLE.replace('"score"', '""'), "fields.score: '' is no JMESPath: "),
        (WHOLE.replace('recognise = "id"', 'recognise = "id ="'), "recognise: 'id =' is no JMESPath: "),
        (WHOLE + '[[ignore]]\nwhen = "&&"', "ignore[0].when: '&&' is no JMESPath: "),
        (WHOLE + '[surveys.s.fields]\ncomment = "["', "surveys.s.fields.comment: '[' is no JMESPath: "),
        (WHOLE + "comment = {}", "fields.comment: nothing leads to it: give a path, an answer or a constant"),
        (WHOLE + 'comment = { answer = ["x"] }', "fields.comment: answer needs to know where the answers are: set answers"),
        (WHOLE + "[segments]\nplan = {}", "segments.plan: nothing leads to it"),
        (WHOLE + '[segments]\nplan = { answer = ["x"] }', "segments.plan: answer needs to know where the answers are"),
        (WHOLE + "[surveys.s.fields]\nlocale = {}", "surveys.s.fields.locale: nothing leads to it"),
        (WHOLE + '[segments]\nPlan = "x"', "segments.Plan: no dimension: a-z, 0-9 and _, at most 40 of them"),
        (WHOLE + "[segments]\n" + "".join(f's{n} = "x"\n' for n in range(21)), "segments: 21 of them, at most 20 are counted"),
        (WHOLE + 'comment = { path = "x", format = "%Q" }', "fields.comment: format '%Q' cannot be read: "),
        (WHOLE + 'comment = { path = "x", format = "%Y %Y" }', "fields.comment: format '%Y %Y' cannot be read: "),
        (WHOLE + 'comment = { path = "x", format = "%" }', "fields.comment: format '%' cannot be read: "),
        (
            WHOLE + 'updated_at = { path = "x", format = "%Y", convert = "unix" }',
            "fields.updated_at: format and convert: a field has one of them",
        ),
        (WHOLE.replace('"score"', '"' + "(" * 9_000 + '"'), "is no JMESPath: "),
        ("x = " + "[" * 9_000, "recursion"),
        ("x = " + "9" * 9_000, "digits"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_place(text: str, told: str) -> None:
    with pytest.raises(MappingInvalid, match=re.escape(told)) as raised:
        made(text)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 600


def test_a_field_may_be_missing_where_every_survey_has_its_own() -> None:
    assert made(WHOLE.replace('score = "score"', "") + '[surveys.s.fields]\nscore = "x"').NAME == "desk"


def mistake(text: str) -> str | None:
    """What is wrong with a mapping file; None if nothing is."""
    try:
        made(text)
    except MappingInvalid as error:
        return str(error)
    return None


def one_line(message: str | None) -> bool:
    return message is None or (message != "" and message.splitlines() == [message])


words = st.sampled_from(
    [
        "name",
        "=",
        '"d"',
        "[fields]",
        "[[ignore]]",
        "when",
        '"a.b"',
        "\n",
        "score",
        "{",
        "}",
        "[",
        "]",
        "path",
        ",",
        "1e9",
        "nan",
    ]
)
texts = st.one_of(st.text(), st.lists(words).map(" ".join))


@given(texts)
@example(WHOLE + "segments = 7")
@example(WHOLE + "comment = { constant = nan }")
@example(WHOLE + "comment = { constant = 2026-03-01 }")
@example(WHOLE + 'comment = { path = "x", format = "\\u0000%Y" }')
def test_any_text_is_a_mapping_or_a_mistake_in_one_line(text: str) -> None:
    assert one_line(mistake(text))


paths = st.one_of(
    st.text(max_size=12),
    st.text("ab.[]*?|&!(){}@`'\"\\:,=<>0-1 ", max_size=12),
    st.sampled_from(["length(a)", "a[::0]", "sort_by(a, &b)", "to_number(a)", '`{"x": 1}`', "ceil(to_number('1e999'))", "@.a"]),
)


@given(paths, st.sampled_from(NAMES))
@example("ceil(to_number('1e999'))", "typeform")
@example("a[::0]", "typeform")
def test_any_path_is_a_mistake_or_can_be_asked_of_any_payload(path: str, name: str) -> None:
    quoted = "".join(f"\\U{ord(character):08X}" for character in path)
    text = WHOLE.replace('recognise = "id"', f'recognise = "{quoted}"')
    found = mistake(text)
    assert one_line(found)
    if found is None:
        assert made(text).recognises(payload(name)) in (True, False)


@pytest.mark.parametrize("name", MAPPINGS)
def test_the_built_in_mappings_fit_the_schema_that_editors_get(name: str) -> None:
    text = files("schemas.vendors").joinpath(f"{name}.toml").read_text(encoding="utf-8")
    assert list(jsonschema.Draft202012Validator(as_json_schema()).iter_errors(tomllib.loads(text))) == []
    assert name in ADAPTERS
