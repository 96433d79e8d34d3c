"""What names a respondent in a compacted topic, and how many records do: on what the agents have written."""

import json
from typing import Any

import msgspec
import pytest

from agents import keys
from agents.rollups import Rollups
from agents.scoring import Scoring
from npstream.traces import STATE, Respondent, Traces
from schemas import topics
from schemas.erasures import entry_key, respondent_hash
from streams.processor import DAY_MS, Record
from streams.test_driver import Sent, TestDriver

NOW = 1_772_357_400_000
COMPACTED = (topics.ERASURES, topics.CELLS, topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS)
NAME = "u-1"


def record(topic: str, key: bytes, value: Any, offset: int = 0, partition: int = 0) -> Sent:
    data = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return Sent(topic, partition, offset, NOW, key, data, ())


class World:
    """Two accounts with `u-1`, whose history is long and has something beyond it, and with others whose names are like it."""

    def __init__(self) -> None:
        self.driver = TestDriver([Scoring(), Rollups()], now=NOW)
        for account in ("acme", "globex"):
            for number, name in enumerate([NAME] * 40 + ["u-10", "u-", "xu-1", None]):
                body = {"response_id": f"r-{number}", "account_id": account, "score": 3, "segments": {"plan": "u-1 and more"}}
                body |= {"respondent_id": name} if name else {}
                body["responded_at"] = NOW - (900 if number == 5 else number) * DAY_MS
                self.driver.pipe(topics.RESPONSES, account.encode(), json.dumps(body).encode())
        self.driver.run()

    def erase(self, account: str) -> None:
        command = {"account_id": account, "respondent_id": NAME}
        self.driver.pipe(topics.ERASURES, account.encode(), json.dumps(command).encode())
        self.driver.run()

    def changelog(self) -> list[Record]:
        """The state, as what is alive of its changelog."""
        return [record("changelog", STATE + key, value) for key, value in self.driver.state("scoring").items()]

    def traces(self, respondent: Respondent) -> Traces:
        traces = Traces()
        for one in [*self.changelog(), *(r for topic in COMPACTED for r in self.driver.sent(topic))]:
            traces.add(one, respondent.named_in(one))
        return traces


def test_all_that_names_them_is_found_and_nothing_after_they_were_erased() -> None:
    world = World()
    assert world.traces(Respondent(NAME)).accounts == {"acme", "globex"}
    # One for each response, the newest of the history, and its older parts.
    assert world.traces(Respondent(NAME, {"acme"})).alive == 40 + 1 + 1
    world.erase("acme")
    assert world.traces(Respondent(NAME)).accounts == {"globex"}
    assert world.traces(Respondent(NAME, {"acme"})).alive == 0
    assert world.traces(Respondent(NAME, {"acme"})).superseded == 1, "the command, which a tombstone has replaced"
    world.erase("globex")
    assert world.traces(Respondent(NAME)).alive == 0
    assert world.traces(Respondent("u-10")).accounts == {"acme", "globex"}


@pytest.mark.parametrize(
    ("name", "alive"),
    [("u-10", 2), ("u-", 2), ("xu-1", 2), ("u", 0), ("1", 0), ("windows", 0), ("u-1 and more", 1)],
)
def test_a_name_that_is_a_part_of_others_is_nobody_elses(name: str, alive: int) -> None:
    """The last one is the value of a segment, and as such in the segment's table."""
    assert World().traces(Respondent(name, {"acme"})).alive == alive


def test_the_list_says_of_which_accounts_they_are_erased() -> None:
    hashed = respondent_hash("acme", NAME)
    entry = {"account_id": "acme", "respondent_hash": hashed, "counts": "keep"}
    key = entry_key("acme", hashed)
    assert Respondent(NAME).key_in("acme") == key
    assert Respondent(NAME).listed_in(record(topics.ERASURES, key, entry)) == "acme"
    assert Respondent(NAME, {"globex"}).listed_in(record(topics.ERASURES, key, entry)) is None
    assert Respondent("u-2").listed_in(record(topics.ERASURES, key, entry)) is None
    for other in (None, b"[]", b"\xff", {"account_id": "acme", "respondent_id": NAME}, entry | {"account_id": "globex"}):
        assert Respondent(NAME).listed_in(record(topics.ERASURES, key, other)) is None


@pytest.mark.parametrize(
    ("topic", "key", "value", "named"),
    [
        (topics.ERASURES, b"acme", {"account_id": "acme", "respondent_id": NAME}, "acme"),
        (topics.ERASURES, b"acme", {"account_id": 7, "respondent_id": NAME}, None),
        (topics.ERASURES, b"acme", b"no json", None),
        (topics.ACCOUNT_ROLLUPS, b"u-1", {}, ""),
        (topics.ACCOUNT_ROLLUPS, b"u-10", {"account_id": "u-10"}, None),
        (topics.SEGMENT_ROLLUPS, b"plan=x", {"value": NAME}, ""),
        (topics.ACCOUNTS, b"acme", {"contacts": ["u-2", NAME]}, "acme"),
        (topics.ACCOUNTS, b"acme", {"contacts": ["u-10"]}, None),
        ("another-changelog", b"x", b"\x91\xa3u-1", ""),
        ("another-changelog", b"x", None, None),
    ],
)
def test_a_record_names_them_as_a_text_of_its_own(topic: str, key: bytes, value: Any, named: str | None) -> None:
    assert Respondent(NAME).named_in(record(topic, key, value)) == named


def test_a_contact_of_another_account_is_another_one() -> None:
    contact = record(topics.ACCOUNTS, b"globex", {"contacts": [NAME]})
    assert Respondent(NAME, {"acme"}).named_in(contact) is None
    assert Respondent(NAME, {"globex"}).named_in(contact) == "globex"


CASE = {"account_id": "acme", "case_id": "c-1", "respondent_id": NAME, "note": "u-1 called"}
WITHIN = keys.within(b"c", b"acme")
PACKED = msgspec.msgpack.encode
CARED_FOR = [
    # topic, key, value                                                                 whose: of acme and globex, of globex
    (topics.CASES, b"acme|c-1", CASE, "acme", None),
    (topics.CASES, b"acme|c-1", CASE | {"respondent_id": "u-10"}, None, None),
    (topics.CASES, b"acme|c-1", None, None, None),
    (topics.CASES, b"acme|c-1", b"no json, but u-1", None, None),
    (topics.PREFERENCES, b"acme|u-1", {"account_id": "acme", "respondent_id": NAME}, "acme", None),
    (topics.PREFERENCES, b"acme|u-1", None, "acme", None),
    (topics.PREFERENCES, b"acme|xu-1", None, None, None),
    (topics.PREFERENCES, b"a|b", {"account_id": "acme", "respondent_id": NAME}, "acme", None),
    ("app-care-changelog", b"scases\0" + WITHIN + b"u-1", b"\1x", "acme", None),
    ("app-care-changelog", b"scases\0" + WITHIN + b"u-1" + bytes(4), b"\1x", "acme", None),
    ("app-care-changelog", b"scases\0" + WITHIN + b"u-10", b"\1x", None, None),
    ("app-care-changelog", b"scases\0" + WITHIN + b"xu-1", b"\1x", None, None),
    ("app-care-changelog", b"scases\0acme|u-1", b"\1x", "acme", None),
    ("app-care-changelog", b"scases\0t000001772357400000|acme|u-1", b"\1x", "acme", None),
    ("app-care-changelog", b"scases\0acme|c-1", b"\1" + PACKED(["c-1", NAME]), "acme", None),
    ("app-care-changelog", b"scases\0c-1", b"\1" + PACKED(["acme", NAME]), "acme", None),
    ("app-care-changelog", b"salerts\0acme|c-1", b'\1{"respondent_id":"u-1"}', "acme", None),
    ("app-care-changelog", b"salerts\0acme|c-1", b'\1{"respondent_id":"u-10"}', None, None),
    ("app-care-changelog", b"pcases\0nps.erasures", b"1 2 3", None, None),
]


@pytest.mark.parametrize(("topic", "key", "value", "of_both", "of_globex"), CARED_FOR)
def test_what_care_keeps_of_them_is_found_as_the_accounts_that_it_is_of(
    topic: str, key: bytes, value: Any, of_both: str | None, of_globex: str | None
) -> None:
    one = record(topic, key, value)
    assert Respondent(NAME, ["globex", "acme"]).named_in(one) == of_both
    assert Respondent(NAME, ["globex"]).named_in(one) == of_globex
    assert bool(Respondent(NAME).named_in(one)) == (of_both is not None and not topic.endswith("changelog"))


def test_what_is_superseded_is_counted_and_a_tombstone_that_names_them_too() -> None:
    traces = Traces()
    for account in ("acme", "acme", None, "acme"):
        traces.add(record("t", b"a", b"" if account else b"other"), account)
    traces.add(record("t", b"a", b"", 7, partition=1), "")
    assert (traces.alive, traces.superseded, sorted(traces.places())) == (2, 2, [(0, 0), (1, 7)])
    traces.add(record("t", b"a", None), "acme")
    assert (traces.alive, traces.superseded) == (1, 4)
