"""The changelog's format: what is written is read again, and what is not ours is refused. Its bytes are a contract."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.changelog import (
    FORMAT,
    ChangelogUnreadable,
    Meta,
    Owner,
    Position,
    fingerprint,
    new_incarnation,
    position_key,
    state_prefix,
)
from tests.model.log import Stored

OWNER = Owner("nps-scoring", "host-1", 7)


def record(key: bytes | None, value: bytes | None, offset: int = 41) -> Stored:
    return Stored("in", 0, offset, 0, key, value)


@pytest.mark.parametrize("owner", [None, OWNER])
@pytest.mark.parametrize("transactional", [True, False])
def test_meta_comes_back_as_it_was(owner: Owner | None, transactional: bool) -> None:
    meta = Meta(12, "0001700000000-ab", owner, transactional)
    assert Meta.decode(meta.encode()) == meta


def test_the_bytes_of_format_1() -> None:
    assert FORMAT == 1
    assert Meta(12, "i", OWNER).encode() == (
        b'{"partitions":12,"incarnation":"i","owner":{"group":"nps-scoring","host":"host-1","generation":7},'
        b'"transactional":true,"format":1}'
    )
    assert Position(42, 41, 4_000_000_000).encode() == b"42 41 4000000000"
    assert position_key("scoring", "nps.responses") == b"pscoring\0nps.responses"
    assert state_prefix("scoring") == b"sscoring\0"


@given(st.integers(0, 1 << 60), st.integers(0, 1 << 60), st.integers(0, (1 << 32) - 1))
def test_a_position_comes_back_as_it_was(following: int, last: int, print_: int) -> None:
    position = Position(following, last, print_)
    assert Position.decode(position.encode()) == position


def test_the_position_after_a_record_is_the_next_offset() -> None:
    one = record(b"k", b"v")
    assert Position.after(one) == Position(42, 41, fingerprint(one))


@pytest.mark.parametrize(
    "value", [b"", b"{", b"[]", b"null", b"3", b"\xff", b'{"partitions":1}', b'{"format":1,"owner":{"nobody":1}}']
)
def test_a_meta_record_of_somebody_else_is_refused(value: bytes) -> None:
    with pytest.raises(ChangelogUnreadable, match=r"the meta record, \d+ bytes, is none: the changelog is not one of ours"):
        Meta.decode(value)


@pytest.mark.parametrize("format_", [0, 2, 99])
def test_another_format_is_refused(format_: int) -> None:
    with pytest.raises(ChangelogUnreadable, match=f"the changelog has format {format_}, this version reads 1"):
        Meta.decode(Meta(1, "i", format=format_).encode())


@pytest.mark.parametrize("value", [b"", b"1 2", b"1 2 3 4", b"a b c", b"1.0 2 3"])
def test_a_position_of_somebody_else_is_refused(value: bytes) -> None:
    with pytest.raises(ChangelogUnreadable, match="not one of ours"):
        Position.decode(value)


def test_a_fingerprint_is_crc_32_of_key_and_value() -> None:
    # The check value of CRC-32 (ISO 3309): "123456789" gives cbf43926.
    assert fingerprint(record(b"1234", b"56789")) == 0xCBF43926
    assert fingerprint(record(None, b"123456789")) == fingerprint(record(b"123456789", None)) == 0xCBF43926
    assert fingerprint(record(None, None)) == 0


def test_incarnations_differ_and_sort_by_the_time_they_were_made() -> None:
    made = [new_incarnation(ms) for ms in (0, 999, 1_700_000_000_000, 1_700_000_000_001)]
    assert made == sorted(made)
    assert new_incarnation(5) != new_incarnation(5)


@given(st.text("abc-", min_size=1), st.binary(max_size=5), st.text("abc-", min_size=1), st.binary(max_size=5))
def test_no_two_processors_share_a_key(one: str, key: bytes, other: str, other_key: bytes) -> None:
    if (one, key) != (other, other_key):
        assert state_prefix(one) + key != state_prefix(other) + other_key
