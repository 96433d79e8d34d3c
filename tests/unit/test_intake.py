"""Intake: each raw record becomes its responses or exactly one dead letter, whatever its bytes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agents.intake import Intake, IntakeSettings
from schemas import topics
from schemas.codec import dumps
from schemas.dead_letters import ERROR_PREFIX, STAGES, Reason
from schemas.events import Response, Retraction
from schemas.vendors import ADAPTERS
from schemas.vendors.adapter import Incomplete, SourceSettings
from streams.draft import Kept
from streams.processor import Headers, Outbox, Outgoing, StreamTime
from streams.state import Identity, MemoryStore, StagedState
from streams.test_driver import TestDriver
from tests.golden_files import FOLDER
from tests.payloads import FORMS, NAMES, payload, raw, raw_form

NOW = 1_772_357_400_000  # 2026-03-01T09:30:00Z
GOOD = {"response_id": "r-1", "account_id": "acme", "score": 3, "responded_at": "2026-03-01T09:30:00.000Z"}


@dataclass(frozen=True)
class Came:
    """A record of the raw topic."""

    value: bytes | None
    headers: Headers = ()
    key: bytes | None = b"any"
    partition: int = 5
    offset: int = 42
    timestamp: int = NOW
    topic: str = topics.RAW


class Taken(Outbox):
    """What intake made of records."""

    def __init__(self) -> None:
        kept = Kept()
        super().__init__(kept.send)
        self.events = kept.events


def take(*records: Came, settings: IntakeSettings | None = None) -> Taken:
    """At the only partition there is, by nobody's contacts."""
    intake, taken = Intake(settings) if settings else Intake(), Taken()
    state = StagedState(MemoryStore(), Identity(0, 1, "0"))
    intake.process(records, state, StreamTime(0, NOW), taken)
    assert not list(state.changes()), "a response leaves no trace in the state"
    return taken


def responses(outbox: Taken) -> list[dict[str, Any]]:
    return [json.loads(event.value or b"") for event in outbox.events if event.topic == topics.RESPONSES]


def dead(outbox: Taken) -> Outgoing:
    (letter,) = outbox.events
    assert letter.topic == topics.DEAD_LETTERS
    return letter


def told(outbox: Taken) -> tuple[str, str, str]:
    """Stage, reason and message of the one dead letter."""
    headers = dict(dead(outbox).headers)
    names = (ERROR_PREFIX + "stage", "nps-reason", ERROR_PREFIX + "exception.message")
    stage, reason, message = (headers[name].decode() for name in names)
    return stage, reason, message


def body(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (GOOD | changes).items() if value is not ...}).encode()


# ------------------------------------------------------------------------------------------------------------- what is sent


def test_a_response_is_sent_under_its_account_with_the_time_of_its_arrival() -> None:
    outbox = take(Came(body(score="9", unknown=1)))
    assert outbox.events == [
        Outgoing(
            topics.RESPONSES,
            b"acme",
            b'{"response_id":"r-1","account_id":"acme","score":9,"responded_at":"2026-03-01T09:30:00.000Z","source":"canonical"}',
            NOW,
            (),
            None,
        )
    ]
    assert outbox.facts == {("adapted", "canonical"): 1}


def test_the_trace_goes_on_and_other_headers_stay_behind() -> None:
    headers = [("traceparent", b"00-1-2-01"), ("nps-source", b"canonical"), ("x", b"y")]
    (event,) = take(Came(body(), headers)).events
    assert event.headers == [("traceparent", b"00-1-2-01")]


def test_an_account_of_any_characters_is_its_key_in_utf_8() -> None:
    (event,) = take(Came(body(account_id="ünïcode ☃\0"))).events
    assert event.key == "ünïcode ☃\0".encode()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("named", [True, False], ids=["by header", "by shape"])
def test_each_payload_is_read_by_its_header_or_by_its_shape(name: str, named: bool) -> None:
    source = name.partition("_")[0]
    headers = [("nps-account", b"acme"), *([("nps-source", source.encode())] if named else [])]
    outbox = take(Came(raw(name), headers))
    came_as_golden(outbox, source, f"{name}.json")


@pytest.mark.parametrize("name", FORMS)
def test_each_form_is_read_where_its_content_type_says_so(name: str) -> None:
    headers = [("nps-account", b"acme"), ("content-type", b"application/x-www-form-urlencoded")]
    came_as_golden(take(Came(raw_form(name), headers)), name.partition("_")[0], f"forms/{name}.json")


def came_as_golden(outbox: Taken, source: str, name: str) -> None:
    """The responses, or the reason, or the record as it came to be fetched, that the golden file has."""
    golden = json.loads((FOLDER / "responses" / name).read_text(encoding="utf-8"))
    if "reason" in golden[0]:
        assert told(outbox)[1:] == (golden[0]["reason"], golden[0]["message"])
    elif "incomplete" in golden[0]:
        assert [event.topic for event in outbox.events] == [topics.INCOMPLETE]
        assert outbox.facts == {("incomplete", source): 1}
    else:
        assert responses(outbox) == golden
        assert outbox.facts == {("adapted", source): len(golden)}


def test_the_header_decides_even_where_the_shape_is_another() -> None:
    assert told(take(Came(body(), [("nps-source", b"typeform")])))[:2] == ("adapt", "missing field")


@pytest.mark.parametrize("source", [b"delighted", b" Delighted ", b"DELIGHTED"])
def test_a_vendors_name_may_be_written_in_capitals(source: bytes) -> None:
    assert len(responses(take(Came(raw("delighted_created"), [("nps-source", source)])))) == 1


@pytest.mark.parametrize("headers", [[("nps-source", b"")], [("nps-source", b" ")], [("nps-source", None)], None, []])
def test_an_empty_header_is_none(headers: Any) -> None:
    assert len(responses(take(Came(body(), headers)))) == 1


def test_an_account_comes_from_the_payload_first_then_from_the_header() -> None:
    header = [("nps-account", b" globex ")]
    assert responses(take(Came(body(), header)))[0]["account_id"] == "acme"
    assert responses(take(Came(body(account_id=...), header)))[0]["account_id"] == "globex"
    assert responses(take(Came(raw("delighted_no_account"), header)))[0]["account_id"] == "globex"


def test_several_responses_may_come_in_one_record() -> None:
    outbox = take(Came(raw("canonical_list")))
    assert [(event.topic, event.key) for event in outbox.events] == [
        (topics.RESPONSES, b"globex"),
        (topics.RESPONSES, b"initech"),
    ]
    assert outbox.facts == {("adapted", "canonical"): 2}


def test_a_list_with_one_faulty_response_is_one_dead_letter_that_names_it() -> None:
    outbox = take(Came(b"[" + body() + b"," + body(score=11) + b"]"))
    assert told(outbox) == ("validate", "bad score", "[1].score: 11 is no whole number from 0 to 10")
    assert outbox.facts == {("dead_letters", "bad score"): 1}


def test_a_list_longer_than_the_bound_is_a_dead_letter() -> None:
    settings = IntakeSettings(max_responses_per_record=2)
    assert len(responses(take(Came(dumps([GOOD] * 2)), settings=settings))) == 2
    assert told(take(Came(dumps([GOOD] * 3)), settings=settings))[:2] == ("decode", "too large")


# ------------------------------------------------------------------------------------------------------------- dead letters


def test_a_dead_letter_keeps_everything_that_came() -> None:
    came = Came(b"\xff\x00", (("x", b"1"), ("x", b"2")), key=b"\x01\xfe")
    outbox = take(came)
    letter = dead(outbox)
    assert (letter.key, letter.value, letter.timestamp, letter.route) == (came.key, came.value, came.timestamp, 5)
    assert list(letter.headers)[:2] == [("x", b"1"), ("x", b"2")]
    headers = dict(letter.headers)
    assert headers["nps-reason"] == b"not json"
    assert headers[ERROR_PREFIX + "topic"] == b"nps.responses.raw"
    assert headers[ERROR_PREFIX + "partition"] == b"5"
    assert headers[ERROR_PREFIX + "offset"] == b"42"
    assert headers[ERROR_PREFIX + "stage"] == b"decode"
    assert outbox.facts == {("dead_letters", "not json"): 1}


@pytest.mark.parametrize(
    ("value", "headers", "stage", "reason"),
    [
        pytest.param(None, (), "decode", "empty", id="a tombstone"),
        pytest.param(b"", (), "decode", "empty", id="no bytes"),
        pytest.param(b"[]", (), "decode", "empty", id="an empty list"),
        pytest.param(b"score=9&id=7", (), "decode", "not json", id="a form"),
        pytest.param(b"[" * 10_000_000, (), "decode", "too deep", id="10 MB of nesting"),
        pytest.param(b" " * 20_000_000, (), "decode", "too large", id="20 MB"),
        pytest.param(body(), [("nps-source", b"acme-surveys")], "adapt", "unknown vendor", id="a vendor nobody knows"),
        pytest.param(body(), [("nps-source", b"\xff")], "adapt", "unknown vendor", id="a vendor in no UTF-8"),
        pytest.param(b"null", (), "adapt", "unknown shape", id="null"),
        pytest.param(b"7", (), "adapt", "unknown shape", id="a number"),
        pytest.param(b"{}", (), "adapt", "unknown shape", id="nothing in it"),
        pytest.param(b"[[]]", (), "adapt", "unknown shape", id="a list of lists"),
        pytest.param(b'{"event": "survey sent"}', (), "adapt", "unknown shape", id="a vendor without an adapter"),
        pytest.param(b'{"score": 9}', [("nps-source", b"canonical")], "validate", "missing field", id="a missing field"),
        pytest.param(body(comment=[]), (), "validate", "wrong type", id="a wrong type"),
        pytest.param(body(score=11), (), "validate", "bad score", id="a bad score"),
        pytest.param(body(responded_at="noon"), (), "validate", "bad time", id="a bad time"),
        pytest.param(body(segments={"Plan": "x"}), (), "validate", "bad segment", id="a bad segment"),
        pytest.param(body(response_id=""), (), "validate", "bad id", id="a bad id"),
        pytest.param(body(account_id=...), (), "validate", "no account", id="no account"),
        pytest.param(body(account_id=...), [("nps-account", b"a" * 501)], "validate", "bad id", id="a bad account header"),
        pytest.param(raw("delighted_no_account"), (), "validate", "no account", id="no account from Delighted"),
        pytest.param(raw("typeform_anonymous"), (), "validate", "no account", id="no account from Typeform"),
        pytest.param(raw("typeform_quiz"), (), "adapt", "no score", id="no score"),
        pytest.param(raw("delighted_csat"), (), "adapt", "not nps", id="not an NPS"),
        pytest.param(raw("delighted_unsubscribe"), (), "adapt", "not a response", id="not a response"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_a_dead_letter_and_the_next_record_is_used(
    value: bytes | None, headers: Headers, stage: str, reason: str
) -> None:
    outbox = take(Came(value, headers), Came(body()))
    assert len(responses(outbox)) == 1
    assert outbox.facts == {("dead_letters", reason): 1, ("adapted", "canonical"): 1}
    alone = take(Came(value, headers))
    assert told(alone)[:2] == (stage, reason)
    assert dead(alone).value == value


def test_an_error_in_an_adapter_is_a_dead_letter_of_its_own_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(payload: Any, settings: SourceSettings) -> Any:
        return payload["surprise"]

    monkeypatch.setattr(ADAPTERS["canonical"], "adapt", broken)
    outbox = take(Came(body()))
    assert told(outbox) == ("adapt", "fault", "'surprise'")
    assert dict(dead(outbox).headers)[ERROR_PREFIX + "exception.class.name"] == b"builtins.KeyError"


def test_want_of_memory_is_no_fault_of_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def starved(payload: Any, settings: SourceSettings) -> Any:
        raise MemoryError

    monkeypatch.setattr(ADAPTERS["canonical"], "adapt", starved)
    with pytest.raises(MemoryError):
        take(Came(body()))


# ----------------------------------------------------------------------------------------------------------------- settings


def test_vendors_times_without_a_zone_are_in_the_zone_of_their_source_or_of_all() -> None:
    given = payload("delighted_created")
    given["event_data"]["created_at"] = "2026-03-01 10:30:00"
    berlin = IntakeSettings(zone=ZoneInfo("Europe/Berlin"))
    tokyo = IntakeSettings(sources={"delighted": SourceSettings(zone=ZoneInfo("Asia/Tokyo"))}, zone=ZoneInfo("Europe/Berlin"))
    times = [responses(take(Came(dumps(given)), settings=one))[0]["responded_at"] for one in (None, berlin, tokyo)]
    assert times == ["2026-03-01T10:30:00.000Z", "2026-03-01T09:30:00.000Z", "2026-03-01T01:30:00.000Z"]


def test_a_canonical_time_needs_a_zone_whatever_the_setting() -> None:
    settings = IntakeSettings(zone=ZoneInfo("Europe/Berlin"))
    assert told(take(Came(body(responded_at="2026-03-01T09:30:00")), settings=settings))[1] == "bad time"


@pytest.mark.parametrize("how", [{"sources": {"typefrom": SourceSettings()}}, {"max_responses_per_record": 0}])
def test_settings_that_cannot_be_meant_are_refused(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(how))):
        IntakeSettings(**how)


# --------------------------------------------------------------------------------------------------------- batches, the driver

MIXED = [body(), b"x", raw("typeform"), None, raw("canonical_list"), raw("delighted_no_account"), body(score="nine")] * 3


@pytest.mark.parametrize("batch", [1, 7, 500])
def test_the_result_does_not_depend_on_batches(batch: int) -> None:
    driver = TestDriver([Intake()], now=NOW)
    for number, value in enumerate(MIXED):
        driver.pipe(topics.RAW, b"any", value, timestamp=NOW + number)
    driver.run(batch)
    assert [(sent.key, sent.timestamp - NOW) for sent in driver.sent(topics.RESPONSES)][:4] == [
        (b"acme", 0),
        (b"globex", 2),
        (b"globex", 4),
        (b"initech", 4),
    ]
    assert [sent.timestamp - NOW for sent in driver.sent(topics.DEAD_LETTERS)][:4] == [1, 3, 5, 6]
    assert driver.facts == {
        ("adapted", "canonical"): 9,
        ("adapted", "typeform"): 3,
        ("dead_letters", "not json"): 3,
        ("dead_letters", "empty"): 3,
        ("dead_letters", "no account"): 3,
        ("dead_letters", "bad score"): 3,
    }


def test_a_dead_letter_stays_in_the_partition_of_its_number() -> None:
    driver = TestDriver([Intake()], now=NOW, partitions=4)
    for partition in range(4):
        driver.pipe(topics.RAW, b"same key", b"x", partition=partition)
    driver.run()
    assert [sent.partition for sent in driver.sent(topics.DEAD_LETTERS)] == [0, 1, 2, 3]


def test_time_brings_nothing() -> None:
    outbox = Taken()
    Intake().tick(NOW, StagedState(MemoryStore(), Identity(0, 1, "0")), outbox)
    assert (outbox.events, outbox.facts, outbox.more) == ([], {}, False)


# ---------------------------------------------------------------------------------------------------------------- any bytes

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
header_lists = st.lists(
    st.one_of(
        st.tuples(st.just("nps-source"), st.sampled_from([*(name.encode() for name in ADAPTERS), b"x", b"\xff", b""])),
        st.tuples(st.just("nps-account"), st.sampled_from([b"acme", b"", b"\xff\xfe"])),
        st.tuples(st.text(), st.binary()),
    ),
    max_size=3,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for name, one in inside for place in places(one, (*path, name)))]


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A payload of ours in which up to three values are replaced, removed, or come twice."""
    value = payload(draw(st.sampled_from(NAMES)))
    for _ in range(draw(st.integers(0, 3))):
        *path, last = ("root", *draw(st.sampled_from(places(value))))
        holder: Any = {"root": value}
        for name in path:
            holder = holder[name]
        what = draw(st.integers(0, 2))
        if what == 0:
            holder[last] = draw(json_values)
        elif what == 1 and last != "root":
            del holder[last]
        elif isinstance(holder, list):
            holder.append(holder[last])
        value = value if last != "root" else holder["root"]
    return value


def check(records: Sequence[Came]) -> None:
    """Whatever came: responses of the published type, one dead letter, or itself to be fetched, each; in order, nothing
    raised, nothing lost."""
    together = take(*records)
    one_by_one = [take(record) for record in records]
    assert together.events == [event for outbox in one_by_one for event in outbox.events]
    for record, outbox in zip(records, one_by_one, strict=True):
        if {event.topic for event in outbox.events} == {topics.DEAD_LETTERS}:
            stage, reason, _ = told(outbox)
            assert stage in STAGES
            assert reason in {one.value for one in Reason} - {Reason.FAULT}, told(outbox)
            assert (dead(outbox).key, dead(outbox).value) == (record.key, record.value)
            continue
        if {event.topic for event in outbox.events} == {topics.INCOMPLETE}:
            assert [(event.key, event.value) for event in outbox.events] == [(record.key, record.value)]
            continue
        for event in outbox.events:
            found = json.loads(event.value or b"")
            msgspec.convert(found, Retraction if "kind" in found else Response, strict=True)
            assert event.topic == topics.RESPONSES
            assert event.key == found["account_id"].encode()
            assert event.timestamp == record.timestamp
            assert None not in found.values()
        assert sum(outbox.facts.values()) == len(outbox.events) > 0


@given(st.lists(st.builds(Came, st.none() | st.binary(max_size=80), header_lists), max_size=3))
def test_any_bytes_are_responses_or_a_dead_letter(records: list[Came]) -> None:
    check(records)


@given(json_values, header_lists)
@example({"response_id": "r", "kind": {}}, [])
@example({"account_id": "a", "response_id": "r", "score": 9, "responded_at": 1e308}, [])
def test_any_json_is_responses_or_a_dead_letter(value: Any, headers: Headers) -> None:
    check([Came(dumps(value), headers)])


@given(st.lists(st.builds(Came, mutated().map(dumps), header_lists), max_size=3))
def test_any_change_of_a_payload_leaves_responses_or_a_dead_letter(records: list[Came]) -> None:
    check(records)


@pytest.mark.parametrize(
    ("headers", "account"),
    [((), "house"), ((("nps-account", b"acme"),), "acme")],
    ids=["neither payload nor header names one", "the header names one"],
)
def test_the_account_of_the_settings_is_the_last_resort(headers: Headers, account: str) -> None:
    outbox = take(Came(raw("delighted_no_account"), headers), settings=IntakeSettings(account="house"))
    assert [response["account_id"] for response in responses(outbox)] == [account]


@pytest.mark.parametrize(
    ("respondent", "header", "account"),
    [
        ("ines@globex.example", (), "globex"),
        ("Ines@Mail.GLOBEX.example ", (), "fallback"),
        ("INES@GLOBEX.EXAMPLE", (), "globex"),
        ("ines@globex.example", [("nps-account", b"acme")], "acme"),
        ("u-17", (), "fallback"),
    ],
)
def test_an_account_is_known_by_the_domain_of_an_address(respondent: str, header: Headers, account: str) -> None:
    settings = IntakeSettings(domains={"globex.example": "globex"}, account="fallback")
    given = {name: value for name, value in GOOD.items() if name != "account_id"} | {"respondent_id": respondent}
    assert [event.key for event in take(Came(dumps(given), header), settings=settings).events] == [account.encode()]


def test_the_account_of_a_source_comes_before_that_of_a_domain() -> None:
    settings = IntakeSettings(sources={"canonical": SourceSettings(account="own")}, domains={"globex.example": "globex"})
    given = {name: value for name, value in GOOD.items() if name != "account_id"} | {"respondent_id": "ines@globex.example"}
    assert [event.key for event in take(Came(dumps(given)), settings=settings).events] == [b"own"]


class _IdsAlone:
    """A vendor whose webhooks carry ids alone."""

    NAME = "ids"
    VENDOR_TIMES = False

    def recognises(self, payload: Any) -> bool:
        return isinstance(payload, dict) and "only" in payload

    def adapt(self, payload: Any, settings: SourceSettings) -> list[dict[str, Any]]:
        raise Incomplete({"response_id": "7"})


def test_ids_alone_go_on_as_they_came_with_the_name_of_their_vendor() -> None:
    came = Came(b'{"only": 7}', [("traceparent", b"00-1"), ("nps-account", b"acme")])
    taken = take(came, settings=IntakeSettings(adapters={"ids": _IdsAlone()}))
    (event,) = taken.events
    assert (event.topic, event.key, event.value, event.timestamp) == (topics.INCOMPLETE, came.key, came.value, came.timestamp)
    assert dict(event.headers) == {"traceparent": b"00-1", "nps-account": b"acme", "nps-source": b"ids"}
    assert taken.facts == {("incomplete", "ids"): 1}


def test_a_form_encoded_record_says_so_in_its_content_type() -> None:
    body = b"response_id=r-1&account_id=acme&score=3&responded_at=2026-03-01T09%3A30%3A00.000Z&segments[plan]=gold"
    (event,) = take(Came(body, [("content-type", b"application/x-www-form-urlencoded; charset=utf-8")])).events
    assert json.loads(event.value or b"")["segments"] == {"plan": "gold"}
    assert take(Came(body)).events[0].topic == topics.DEAD_LETTERS
