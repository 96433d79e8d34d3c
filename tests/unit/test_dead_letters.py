"""The headers of a dead letter: everything that came, where it came from, why it was given up."""

import re
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letters import (
    ERROR_PREFIX,
    MESSAGE_BYTES,
    REASON_HEADER,
    Reason,
    Unusable,
    dead_letter_headers,
    original_headers,
)


@dataclass(frozen=True)
class Came:
    headers: tuple[tuple[str, bytes], ...] = (("nps-source", b"typeform"), ("x", b"\xff\x00"), ("x", b"again"))
    topic: str = "nps.responses.raw"
    partition: int = 7
    offset: int = 1234


ERROR = Unusable(Reason.BAD_SCORE, "score: 11 is no whole number from 0 to 10")


def test_the_headers_of_a_dead_letter() -> None:
    assert dead_letter_headers(Came(), "validate", ERROR.reason, ERROR, str(ERROR)) == [
        ("nps-source", b"typeform"),
        ("x", b"\xff\x00"),
        ("x", b"again"),
        ("__connect.errors.topic", b"nps.responses.raw"),
        ("__connect.errors.partition", b"7"),
        ("__connect.errors.offset", b"1234"),
        ("__connect.errors.stage", b"validate"),
        ("__connect.errors.exception.class.name", b"schemas.dead_letters.Unusable"),
        ("__connect.errors.exception.message", b"score: 11 is no whole number from 0 to 10"),
        ("nps-reason", b"bad score"),
    ]


def test_the_class_is_that_of_what_was_raised() -> None:
    headers = dict(dead_letter_headers(Came(), "adapt", Reason.FAULT, KeyError("x"), "'x'"))
    assert headers[ERROR_PREFIX + "exception.class.name"] == b"builtins.KeyError"


def test_without_an_exception_the_class_is_the_one_that_carries_reasons() -> None:
    headers = dict(dead_letter_headers(Came(), "score", Reason.STRAY, None, "not at home"))
    assert headers[ERROR_PREFIX + "exception.class.name"] == b"schemas.dead_letters.Unusable"


def test_the_original_headers_are_what_came() -> None:
    headers = dead_letter_headers(Came(), "validate", ERROR.reason, ERROR, str(ERROR))
    assert original_headers(headers) == list(Came().headers)


@given(st.text(max_size=3000))
def test_a_message_is_one_line_of_bounded_length(message: str) -> None:
    headers = dict(dead_letter_headers(Came(), "decode", Reason.NOT_JSON, None, message))
    told = headers[ERROR_PREFIX + "exception.message"]
    assert len(told) <= MESSAGE_BYTES
    assert len(told.decode().splitlines()) <= 1


def test_a_long_message_is_cut_between_characters() -> None:
    told = dict(dead_letter_headers(Came(), "decode", Reason.NOT_JSON, None, "ä" * 900))[ERROR_PREFIX + "exception.message"]
    assert told.decode() == "ä" * 498 + "..."


def test_a_message_with_half_a_surrogate_pair_is_sent_all_the_same() -> None:
    told = dict(dead_letter_headers(Came(), "decode", Reason.NOT_JSON, None, "a\ud800b"))[ERROR_PREFIX + "exception.message"]
    assert told == b"a?b"


def test_reasons_are_short_words_fit_for_labels() -> None:
    for reason in Reason:
        assert re.fullmatch(r"[a-z]+( [a-z]+){0,2}", reason), reason
    assert len({reason.value for reason in Reason}) == len(Reason)


def test_a_reason_says_itself_in_the_header() -> None:
    for reason in Reason:
        assert dict(dead_letter_headers(Came(), "score", reason, None, ""))[REASON_HEADER] == reason.value.encode()
