"""Erasing a respondent: what is left in state, tables and topics, what comes in again, and what becomes of odd commands; each
with batches of 1, 7 and 500."""

import json
from typing import Any

import msgspec
import pytest

from agents.history import NEWEST, PART
from schemas import events, topics
from schemas.erasures import entry_key, respondent_hash
from streams.partitioner import partition_of
from streams.processor import DAY_MS
from streams.test_driver import Sent
from tests.unit.test_scoring import TODAY, Acme, response, retraction

pytestmark = pytest.mark.parametrize("batch", [1, 7, 500])

HASH = respondent_hash("acme", "u-1")
KEY = entry_key("acme", HASH)
OTHERS = [response("o-1", 9, 1, respondent_id="u-2"), response("o-2", 3, 1, respondent_id=None)]
COUNTS = pytest.mark.parametrize("counts", ["keep", "remove"])


def erase(acme: Acme, *, key: bytes | None = KEY, partition: int | None = 0, **fields: Any) -> Acme:
    """Send a command to erase u-1, and process it; None leaves a field out."""
    body = {"account_id": "acme", "respondent_id": "u-1"} | fields
    value = json.dumps({name: value for name, value in body.items() if value is not None}).encode()
    return put(acme, key, value, partition)


def put(acme: Acme, key: bytes | None, value: bytes | None, partition: int | None = 0) -> Acme:
    acme.driver.now += 1
    acme.driver.pipe(topics.ERASURES, key, value, partition=partition)
    acme.driver.run(acme.batch)
    return acme


def compacted(acme: Acme, partition: int = 0) -> dict[bytes, Any]:
    """What compaction leaves of one partition of the list."""
    last = {r.key or b"": r.value for r in acme.driver.sent(topics.ERASURES) if r.partition == partition}
    return {key: json.loads(value) for key, value in last.items() if value is not None}


def naming(acme: Acme, name: str = "u-1") -> list[bytes]:
    """Keys of the state in which somebody is named, or whose values name them."""
    return [k for k, v in acme.driver.state("scoring").items() if name.encode() in k or name.encode() in v]


def sent(acme: Acme) -> list[Sent]:
    """All events so far."""
    return [r for t in (topics.SCORED, topics.CHANGES, topics.DETRACTORS, topics.PROMOTERS) for r in acme.driver.sent(t)]


def test_the_counts_stay_without_a_name_unless_they_are_to_go(batch: int) -> None:
    said = [response("r-1", 3, 2, segment="smb"), response("r-2", 10, 1, segment="pro"), *OTHERS]
    kept, removed = Acme(batch).send(*said), Acme(batch).send(*said)
    before = [kept.account("90d", kind) for kind in ("responses", "respondents")]
    told = len(sent(kept))
    erase(kept, counts=None)
    erase(removed, counts="remove")
    assert [kept.account("90d", kind) for kind in ("responses", "respondents")] == before == [[2, 0, 2], [2, 0, 0]]
    assert [removed.account("90d", kind) for kind in ("responses", "respondents")] == [[1, 0, 1], [1, 0, 0]]
    assert [kept.segment("segment=smb"), kept.segment("segment=pro")] == [[0, 0, 1], [1, 0, 0]]
    assert [removed.segment("segment=smb"), removed.segment("segment=pro")] == [None, None]
    for acme in (kept, removed):
        assert naming(acme) == []
        assert len(sent(acme)) == told, "no event tells of an erasure"
        assert acme.facts("erasures", "dead_letters") == [1, 0]


@COUNTS
def test_the_list_is_all_that_is_left_of_a_command(batch: int, counts: str) -> None:
    acme = erase(Acme(batch).send(response("r-1", 3), *OTHERS), counts=counts, requested_at="2026-03-01T11:00:00.000Z")
    entry = {"account_id": "acme", "respondent_hash": HASH, "counts": counts, "position": 3}
    assert compacted(acme) == {KEY: entry | {"erased_at": "2026-03-01T12:00:00.004Z"}}
    msgspec.convert(compacted(acme)[KEY], events.Erased)


@COUNTS
def test_under_the_key_of_the_account_a_tombstone_follows(batch: int, counts: str) -> None:
    acme = erase(Acme(batch), key=b"acme", counts=counts)
    assert [(r.key, r.value is None) for r in acme.driver.sent(topics.ERASURES)][1:] == [(KEY, False), (b"acme", True)]
    assert compacted(acme).keys() == {KEY}


@COUNTS
@pytest.mark.parametrize("number", [1, NEWEST, NEWEST + 1, 3 * PART])
def test_however_long_the_history_is(batch: int, number: int, counts: str) -> None:
    acme = Acme(batch).send(*(response(f"r-{i}", i % 11, i % 80) for i in range(number)), *OTHERS)
    total = sum(acme.account())
    erase(acme, counts=counts)
    assert naming(acme) == []
    assert sum(acme.account()) == (total if counts == "keep" else 2)
    acme.driver.restart()
    assert naming(acme) == []


def test_responses_beyond_the_history_are_found_too(batch: int) -> None:
    said = [response(f"old-{i}", 3, 740 + i, account_id=f"a-{i % 8}") for i in range(24)]
    acme = Acme(batch).send(*said)
    assert len(naming(acme)) == 24
    for i in range(8):
        key = entry_key(f"a-{i}", respondent_hash(f"a-{i}", "u-1"))
        acme.driver.pipe(topics.ERASURES, key, json.dumps({"account_id": f"a-{i}", "respondent_id": "u-1"}).encode())
    acme.driver.run(batch)
    assert naming(acme) == []
    assert acme.facts("erasures") == [8]


@COUNTS
@pytest.mark.parametrize(
    "again",
    [
        response("r-1", 3),
        response("r-1", 9, comment="changed", updated_at="2027-01-01T00:00:00Z"),
        response("r-1", 9, respondent_id=None, updated_at="2027-01-01T00:00:00Z"),
        response("r-1", 9, respondent_id="u-2", segment="smb", updated_at="2027-01-01T00:00:00Z"),
        retraction("r-1", updated_at="2027-01-01T00:00:00Z"),
        response("r-9", 2, 0),
        response("r-9", 2, 800),
    ],
    ids=["replayed", "corrected", "without a name", "by another", "taken back", "another one", "an old one"],
)
def test_nothing_that_comes_again_changes_anything(batch: int, counts: str, again: dict[str, Any]) -> None:
    acme = erase(Acme(batch).send(response("r-1", 3), response("r-2", 8), *OTHERS), counts=counts)
    before = acme.account(), sent(acme), acme.driver.sent(topics.ACCOUNT_ROLLUPS)
    acme.send(again).send(again)
    assert (acme.account(), sent(acme), acme.driver.sent(topics.ACCOUNT_ROLLUPS)) == before
    assert acme.facts("erased", "dead_letters") == [2, 0]
    assert naming(acme) == []


def test_what_comes_without_a_name_after_a_response_that_was_dropped_is_dropped_too(batch: int) -> None:
    acme = erase(Acme(batch)).send(response("r-1", 3), response("r-1", 9, respondent_id=None, comment="me again"))
    assert sent(acme) == []
    assert acme.facts("erased") == [2]


def test_the_mark_is_forgotten_with_the_history_and_the_list_is_not(batch: int) -> None:
    acme = erase(Acme(batch).send(response("r-1", 3)))
    for _ in range(10):
        acme.driver.advance(80 * DAY_MS)
    assert [key for key in acme.driver.state("scoring") if key.startswith(b"R")] == []
    acme.send(response("r-2", 3, -800))
    assert acme.facts("erased") == [1]


def test_others_of_the_account_and_the_same_name_elsewhere_are_left_alone(batch: int) -> None:
    elsewhere = response("r-1", 10, account_id="globex")
    acme = erase(Acme(batch).send(response("r-1", 3), *OTHERS, elsewhere), counts="remove")
    assert acme.account(account=b"globex") == [1, 0, 0]
    acme.send(response("o-3", 4, respondent_id="u-2"), response("r-2", 2, account_id="globex"))
    assert [change["respondent_id"] for change in acme.events(topics.CHANGES)] == ["u-2", "u-1"]
    assert acme.facts("erased") == [0]


def test_a_second_command_changes_nothing_and_leaves_nothing(batch: int) -> None:
    acme = erase(Acme(batch).send(response("r-1", 3)), counts="keep")
    listed = compacted(acme)
    for key in (KEY, b"acme"):
        erase(acme, key=key, counts="remove")
        assert compacted(acme) == listed
    assert acme.account() == [0, 0, 1]
    assert acme.facts("erasures") == [1]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"u-1", "not json"),
        (b"", "not json"),
        (b"[]", "wrong type"),
        (b'{"account_id": "acme"}', "missing field"),
        (b'{"respondent_id": "u-1"}', "missing field"),
        (b'{"account_id": "acme", "respondent_id": 7}', "wrong type"),
        (b'{"account_id": "acme", "respondent_id": ""}', "bad id"),
        (b'{"account_id": "acme", "respondent_id": "u-1", "counts": "perhaps"}', "wrong type"),
        (b'{"account_id": "acme", "respondent_id": "u-1", "counts": []}', "wrong type"),
        (b'{"account_id": "acme", "respondent_hash": "u-1", "erased_at": "now"}', "bad id"),
        (b'{"account_id": "acme", "respondent_hash": "%s"}' % HASH.encode(), "missing field"),
        (b'{"account_id": "acme", "respondent_hash": "%s", "erased_at": "now"}' % b"".join([b"0"] * 64), "bad id"),
    ],
)
def test_what_is_no_command_is_a_dead_letter_and_leaves_nothing(batch: int, value: bytes, reason: str) -> None:
    acme = erase(Acme(batch).send(response("r-1", 3)))
    listed = compacted(acme)
    keys = (b"acme", KEY, b"\xff|" + HASH.encode(), b"x" * 70_000 + b"|" + HASH.encode())
    for key in keys:
        put(acme, key, value)
    letters = acme.driver.sent(topics.DEAD_LETTERS)
    assert [(r.key, r.value, dict(r.headers)["nps-reason"].decode()) for r in letters] == [(key, value, reason) for key in keys]
    assert compacted(acme) == listed


def test_the_list_loses_nobody(batch: int) -> None:
    acme = erase(Acme(batch).send(response("r-1", 3)))
    listed = compacted(acme)
    forged = json.dumps(listed[KEY] | {"counts": "remove", "position": 99}).encode()
    for value in (None, forged, b"{}"):
        put(acme, KEY, value)
        assert compacted(acme) == listed
    put(acme, b"acme", None)
    assert compacted(acme) == listed


def test_a_command_that_came_to_another_partition_is_sent_home_once(batch: int) -> None:
    home = partition_of(b"acme", 3)
    away = (home + 1) % 3
    acme = erase(Acme(batch, partitions=3).send(response("r-1", 3)), partition=away, key=KEY)
    assert compacted(acme, away) == {}
    assert compacted(acme, home).keys() == {KEY}
    assert acme.facts("strays", "erasures") == [1, 1]
    acme.driver.pipe(
        topics.ERASURES, KEY, b'{"account_id": "acme", "respondent_id": "u-1"}', headers=[("nps-stray", b"1")], partition=away
    )
    acme.driver.run(batch)
    assert [dict(r.headers)["nps-reason"] for r in acme.driver.sent(topics.DEAD_LETTERS)] == [b"stray"]
    assert compacted(acme, away) == {}


@COUNTS
def test_a_state_made_anew_reads_the_list_before_the_responses(batch: int, counts: str) -> None:
    acme = erase(Acme(batch).send(response("r-1", 3), *OTHERS), counts=counts)
    acme.driver.start_anew()
    acme.driver.run(batch)
    assert naming(acme) == []
    assert acme.account() == [1, 0, 1]
    assert compacted(acme)[KEY]["position"] == 0
    assert acme.facts("erased") == [1]


def test_an_account_of_nobody_else_has_no_row_after_a_state_was_made_anew(batch: int) -> None:
    acme = erase(Acme(batch).send(response("r-1", 3)))
    assert acme.account() == [0, 0, 1]
    acme.driver.start_anew()
    acme.driver.run(batch)
    assert acme.driver.table(topics.ACCOUNT_ROLLUPS) == {}


@COUNTS
def test_an_entry_that_an_older_state_does_not_know_is_carried_out(batch: int, counts: str) -> None:
    """A changelog was restored from before the erasure: of the list there is the entry, and no command."""
    acme = Acme(batch).send(response("r-1", 3), response("r-2", 9, 740), *OTHERS)
    entry = {"account_id": "acme", "respondent_hash": HASH, "counts": counts, "erased_at": "2026-02-28T00:00:00.000Z"}
    put(acme, KEY, json.dumps(entry | {"position": 1042}).encode())
    assert naming(acme) == []
    assert compacted(acme) == {KEY: entry | {"position": 4}}
    assert acme.account() == ([1, 0, 2] if counts == "keep" else [1, 0, 1])


def test_something_is_written_every_day_until_the_command_must_be_compacted(batch: int) -> None:
    """A segment is closed, and then compacted, when something is written after its time."""
    acme = erase(Acme(batch).send(response("r-1", 3)))
    before = len(acme.driver.sent(topics.ERASURES))
    listed = compacted(acme)
    for _ in range(60):
        acme.driver.advance(DAY_MS // 2)
    touches = acme.driver.sent(topics.ERASURES)[before:]
    assert {(record.key, record.value) for record in touches} == {(b"", None)}
    assert [record.timestamp // DAY_MS for record in touches] == list(range(TODAY + 1, TODAY + 29))
    assert compacted(acme) == listed
    assert b"X" not in acme.driver.state("scoring")
