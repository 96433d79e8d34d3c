"""Form-encoded bodies: brackets, JSON inside of them, and bodies that are none."""

from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import dumps
from schemas.dead_letters import Reason, Unusable
from schemas.forms import MOST_FIELDS, MOST_LEVELS, is_form, loads_form


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"a=1", {"a": "1"}),
        (b"a=", {"a": ""}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a=1\r\n", {"a": "1"}),
        (b"a=x%0A", {"a": "x\n"}),
        (b"a=x%20y+z%2B", {"a": "x y z+"}),
        (b"a=%C3%A9", {"a": "é"}),
        (b"a[b]=1&a[c]=2", {"a": {"b": "1", "c": "2"}}),
        (b"a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        (b"a%5Bb%5D=1", {"a": {"b": "1"}}),
        (b"a[]=1&a[]=2", {"a": ["1", "2"]}),
        (b"a[b][]=1&a[b][]=2", {"a": {"b": ["1", "2"]}}),
        (b"a[][b]=1&a[][b]=2", {"a": [{"b": "1"}, {"b": "2"}]}),
        (b"a[0]=x&a[1]=y", {"a": {"0": "x", "1": "y"}}),
        (b"a[x y]=1", {"a": {"x y": "1"}}),
        (b"[a]=1", {"[a]": "1"}),
        (b"=1", {"": "1"}),
        (b"a[b=1", {"a[b": "1"}),
        (b"a]=1", {"a]": "1"}),
        (b"a[b]c=1", {"a[b]c": "1"}),
        (b'a={"b": [1, true]}', {"a": {"b": [1, True]}}),
        (b"a=[1]", {"a": [1]}),
        (b"a={b}", {"a": "{b}"}),
        (b"a=[not json", {"a": "[not json"}),
        (b"a=7&b=true&c=null", {"a": "7", "b": "true", "c": "null"}),
    ],
)
def test_what_a_body_stands_for(body: bytes, fields: dict[str, Any]) -> None:
    assert loads_form(body) == fields


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"a", Reason.NOT_JSON),
        (b"a=1&b", Reason.NOT_JSON),
        (b"\xff=1", Reason.NOT_JSON),
        (b"a=%FF", Reason.NOT_JSON),
        (b"&".join(b"a=1" for _ in range(MOST_FIELDS + 1)), Reason.NOT_JSON),
        (b"a" + b"[b]" * MOST_LEVELS + b"=1", Reason.TOO_DEEP),
        (b"a=1&a[b]=2", Reason.WRONG_TYPE),
        (b"a[]=1&a[b]=2", Reason.WRONG_TYPE),
        (b"a[b]=1&a[]=2", Reason.WRONG_TYPE),
    ],
)
def test_what_is_no_form(body: bytes, reason: Reason) -> None:
    with pytest.raises(Unusable) as raised:
        loads_form(body)
    assert raised.value.reason is reason
    assert len(str(raised.value)) < 200


def test_a_later_value_of_a_name_takes_the_place_of_an_object() -> None:
    assert loads_form(b"a[b]=1&a=2") == {"a": "2"}


names = st.text(st.characters(exclude_characters="[]", exclude_categories=["Cs"]), min_size=1, max_size=6)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda text: text[:1] not in ("{", "["))
trees = st.recursive(values, lambda inner: st.dictionaries(names, inner, min_size=1, max_size=3), max_leaves=12)


def pairs(tree: Any, name: str = "") -> list[tuple[str, str]]:
    """A tree's values by their bracketed names, as Rails and PHP write them."""
    if isinstance(tree, str):
        return [(name, tree)]
    return [pair for own, inner in tree.items() for pair in pairs(inner, f"{name}[{own}]" if name else own)]


@given(st.dictionaries(names, trees, min_size=1, max_size=4))
def test_what_urlencode_writes_of_bracketed_names_is_read_back(tree: dict[str, Any]) -> None:
    assert loads_form(urlencode(pairs(tree)).encode()) == tree


@given(names, st.lists(values, min_size=1, max_size=5))
def test_what_urlencode_writes_of_a_list_is_read_back(name: str, found: list[str]) -> None:
    assert loads_form(urlencode([(f"{name}[]", value) for value in found]).encode()) == {name: found}


@given(st.one_of(st.binary(max_size=60), st.text('a[]=&%0+{"}', max_size=40).map(str.encode)))
def test_any_bytes_are_fields_or_a_reason(body: bytes) -> None:
    try:
        found = loads_form(body)
    except Unusable:
        return
    assert dumps(found)


@pytest.mark.parametrize(
    ("content_type", "form"),
    [
        ("application/x-www-form-urlencoded", True),
        ("Application/X-WWW-Form-URLEncoded ; charset=utf-8", True),
        ("application/json", False),
        ("", False),
    ],
)
def test_a_content_type_of_a_form_is_known_in_any_case_and_with_parameters(content_type: str, form: bool) -> None:
    assert is_form(content_type) is form
