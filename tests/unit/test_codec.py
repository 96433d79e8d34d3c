"""JSON in and out: whatever the bytes, a value or an Unusable with its reason."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.codec import MAX_RECORD_BYTES, dumps, loads
from schemas.dead_letters import Reason, Unusable

TEN_MB = 10_000_000


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", Reason.NOT_JSON, id="nothing"),
        pytest.param(b"not json", Reason.NOT_JSON, id="words"),
        pytest.param(b'{"a": 1', Reason.NOT_JSON, id="cut off"),
        pytest.param(b'{"a": 1} {"b": 2}', Reason.NOT_JSON, id="two documents"),
        pytest.param(b"\xff\xfe\x00", Reason.NOT_JSON, id="no UTF-8"),
        pytest.param(b'"\xed\xa0\x80"', Reason.NOT_JSON, id="a surrogate in UTF-8"),
        pytest.param(b'"\\ud800"', Reason.NOT_JSON, id="half a surrogate pair"),
        pytest.param(b"\xef\xbb\xbf{}", Reason.NOT_JSON, id="a byte order mark"),
        pytest.param(b"NaN", Reason.NOT_JSON, id="NaN"),
        pytest.param(b"[Infinity]", Reason.NOT_JSON, id="Infinity"),
        pytest.param(b"1e400", Reason.NOT_JSON, id="beyond a double"),
        pytest.param(b"1" * 1_000_000, Reason.NOT_JSON, id="a million digits"),
        pytest.param(b"{'a': 1}", Reason.NOT_JSON, id="Python's quotes"),
        pytest.param(b"[" * 1025 + b"]" * 1025, Reason.TOO_DEEP, id="1025 levels"),
        pytest.param(b"[" * TEN_MB, Reason.TOO_DEEP, id="10 MB of lists"),
        pytest.param(b'{"a":' * (TEN_MB // 5), Reason.TOO_DEEP, id="10 MB of objects"),
        pytest.param(b"[" * (TEN_MB // 2) + b"]" * (TEN_MB // 2), Reason.TOO_DEEP, id="10 MB of lists, closed"),
        pytest.param(b" " * (MAX_RECORD_BYTES + 1), Reason.TOO_LARGE, id="longer than the bound"),
    ],
)
def test_what_cannot_be_read_has_a_reason(data: bytes, reason: Reason) -> None:
    with pytest.raises(Unusable, match=r".") as raised:
        loads(data)
    assert raised.value.reason is reason
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b' {"a": [1, 2.5, null, true, "\\u00e4"]} ', {"a": [1, 2.5, None, True, "ä"]}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"18446744073709551615", 2**64 - 1),
        (b"1" + b"0" * 30, 1e30),
        (b'"\\ud83d\\ude00 \\u0000"', "😀 \0"),
    ],
)
def test_what_is_read(data: bytes, value: Any) -> None:
    assert loads(data) == value
    assert type(loads(data)) is type(value)


def test_the_deepest_text_that_is_read_is_far_deeper_than_any_payload() -> None:
    value = loads(b"[" * 1024 + b"]" * 1024)
    depth = 0
    while value:
        value, depth = value[0], depth + 1
    assert depth == 1023


def test_what_is_written_is_compact_and_keeps_its_order() -> None:
    assert dumps({"b": 1, "a": ["ä", None, 9.0]}) == '{"b":1,"a":["ä",null,9.0]}'.encode()


@pytest.mark.parametrize("value", [object(), {1: 2}, 2**70, "\ud800"])
def test_what_has_no_form_is_a_type_error(value: Any) -> None:
    with pytest.raises(TypeError):
        dumps(value)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(values)
def test_what_is_written_is_read_again(value: Any) -> None:
    assert loads(dumps(value)) == value


@given(st.binary(max_size=60))
@example(b"-")
@example(b"\x00")
def test_any_bytes_are_a_value_or_unusable(data: bytes) -> None:
    try:
        value = loads(data)
    except Unusable:
        return
    assert loads(dumps(value)) == value
