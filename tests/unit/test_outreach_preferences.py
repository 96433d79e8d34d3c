"""What respondents want: the last word counts, wherever it was said, and what is none is a dead letter."""

import json
from typing import Any

import pytest

from schemas import topics
from streams.partitioner import partition_of
from tests.unit.test_outreach import LEE, MINUTE, Desk

KEY = f"acme|{LEE}".encode()
NO = json.dumps({"account_id": "acme", "respondent_id": LEE, "outreach": False}).encode()
PARTITIONS = 3
HOME = partition_of(b"acme", PARTITIONS)
AWAY = (HOME + 1) % PARTITIONS

pytestmark = pytest.mark.parametrize("batch", [1, 500])


def put(desk: Desk, key: bytes | None, value: bytes | None, partition: int = HOME, headers: Any = ()) -> Desk:
    desk.driver.pipe(topics.PREFERENCES, key, value, headers=headers, partition=partition)
    desk.driver.run(desk.batch)
    return desk


def desk_of(batch: int) -> Desk:
    return Desk(batch=batch, partitions=PARTITIONS)


def left_alone(desk: Desk) -> bool:
    """Whether a detractor is, now."""
    return desk.tell("opened").wait(5 * MINUTE).outcomes == ["opted out"]


def test_a_tombstone_takes_it_back(batch: int) -> None:
    assert left_alone(put(desk_of(batch), KEY, NO))
    assert not left_alone(put(put(desk_of(batch), KEY, NO), KEY, None))


def test_both_ids_may_contain_what_separates_them(batch: int) -> None:
    desk = desk_of(batch)
    value = json.dumps({"account_id": "a|b|", "respondent_id": "|c|d", "outreach": False}).encode()
    home = partition_of(b"a|b|", PARTITIONS)
    put(desk, b"a|b|||c|d", value, home)
    assert [key[:1] for key in desk.driver.state("outreach", home)] == [b"O"]
    put(desk, b"a|b|||c|d", None, home)
    assert desk.driver.state("outreach", home) == {}


@pytest.mark.parametrize(
    ("key", "partition"), [(KEY, AWAY), (b"acme", HOME), (b"acme", AWAY), (b"\xff", HOME), (None, AWAY)], ids=str
)
def test_what_strayed_is_sent_home_once_and_leaves_nothing(batch: int, key: bytes | None, partition: int) -> None:
    desk = put(desk_of(batch), key, NO, partition)
    assert desk.driver.facts[("strays",)] == 1
    assert desk.driver.table(topics.PREFERENCES).get(KEY) == (NO if key != KEY else None) or key == KEY
    at_home = [record for record in desk.driver.sent(topics.PREFERENCES) if record.partition == HOME and record.key == KEY]
    assert [record.value for record in at_home] == [NO]
    if key is not None:
        there = [r for r in desk.driver.sent(topics.PREFERENCES) if r.partition == partition and r.key == key]
        assert there[-1].value is None
    assert left_alone(desk)


def test_what_strays_again_is_a_dead_letter(batch: int) -> None:
    desk = put(desk_of(batch), KEY, NO, AWAY, [("nps-stray", b"1"), ("mine", b"2")])
    (letter,) = desk.driver.sent(topics.DEAD_LETTERS)
    headers = dict(letter.headers)
    assert (letter.key, letter.value, headers["nps-reason"], headers["mine"]) == (KEY, NO, b"stray", b"2")
    assert "nps-stray" not in headers
    assert not left_alone(desk)


@pytest.mark.parametrize(
    ("value", "reason", "message"),
    [
        (b"", "not json", ""),
        (b"{", "not json", ""),
        (b"[]", "wrong type", "the record is no JSON object"),
        (b"{}", "missing field", "account_id: missing"),
        (b'{"account_id": "acme", "respondent_id": "u"}', "missing field", "outreach: missing"),
        (b'{"account_id": "acme", "respondent_id": "u", "outreach": 0}', "wrong type", "outreach: expected `bool`, got `int`"),
        (b'{"account_id": "", "respondent_id": 7, "outreach": false}', "wrong type", "expected `str`"),
        (b'{"account_id": "", "respondent_id": "u", "outreach": false}', "wrong type", "account_id: expected `str` of length"),
    ],
)  # fmt: skip
def test_what_is_no_preference_is_a_dead_letter(batch: int, value: bytes, reason: str, message: str) -> None:
    desk = put(desk_of(batch), KEY, value)
    (letter,) = desk.driver.sent(topics.DEAD_LETTERS)
    headers = dict(letter.headers)
    assert (letter.key, letter.value, headers["nps-reason"].decode()) == (KEY, value, reason)
    assert message in headers["__connect.errors.exception.message"].decode()


@pytest.mark.parametrize("key", [None, b"", b"acme", b"\xff|x", b"|" * 50])
def test_a_tombstone_of_nothing_changes_nothing(batch: int, key: bytes | None) -> None:
    assert left_alone(put(put(desk_of(batch), KEY, NO), key, None))
