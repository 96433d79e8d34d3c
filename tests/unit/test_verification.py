"""`npstream verify`, apart from Kafka: it finds whatever is changed, left out or doubled, and nothing where all is right."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from agents.rollups import Rollups
from agents.scoring import Scoring
from npstream.verification import EVENTS, OUTPUTS, TABLES, Seen, Verdict, verify
from schemas import topics
from schemas.times import format_time
from streams.test_driver import Sent, TestDriver
from tests.strategies import START, Round, rounds
from tests.verification import Played, erasures_of

PARTITIONS = 2
WINDOWS = (7, 30, 90, 365)


def body(number: int, score: int, ago_ms: int = 0, **more: Any) -> dict[str, Any]:
    """A response of u-1 of acme."""
    return {
        "response_id": f"r-{number}",
        "account_id": "acme",
        "respondent_id": "u-1",
        "score": score,
        "responded_at": format_time(START - ago_ms),
        "segments": {"plan": "pro"},
    } | more


STREAM = [
    body(1, 9, 3000),
    body(2, 3, 2000, comment="Slow."),
    body(3, 10, 1000, account_id="globex", respondent_id="u-7", segments={"plan": "smb"}),
    body(2, 1, 2000, comment="Slow."),
    {"response_id": "r-9", "account_id": "acme"},
    body(4, 7, account_id="initech"),
]


class World:
    """A driver that was fed, and what a reader sees of it."""

    def __init__(self) -> None:
        self.driver = TestDriver([Scoring(), Rollups()], now=START, partitions=PARTITIONS)

    def feed(self, bodies: Iterable[dict[str, Any]]) -> "World":
        for one in bodies:
            self.driver.now += 1
            self.driver.pipe(topics.RESPONSES, one["account_id"].encode(), json.dumps(one).encode())
        return self

    def run(self) -> "World":
        self.driver.run()
        return self

    def ends(self) -> dict[int, int]:
        counts = dict.fromkeys(range(PARTITIONS), 0)
        for record in self.driver.sent(topics.RESPONSES):
            counts[record.partition] += 1
        return counts


def seen(driver: TestDriver, cut: dict[int, int]) -> Seen:
    outputs = {topic: driver.sent(topic) for topic in OUTPUTS}
    accounts = driver.sent(topics.ACCOUNTS)
    return Seen(driver.sent(topics.RESPONSES), outputs, cut, {}, driver.now, erasures=erasures_of(driver), accounts=accounts)


def verdict(of: Seen) -> Verdict:
    return verify(of, WINDOWS, 90, 7)


def changed(of: Seen, topic: str, change: Callable[[list[Sent]], list[Sent]]) -> Seen:
    return replace(of, outputs={**of.outputs, topic: change(list(of.outputs[topic]))})  # type: ignore[arg-type]


def with_value(record: Sent, **fields: Any) -> Sent:
    return replace(record, value=json.dumps(json.loads(record.value or b"") | fields).encode())


@pytest.fixture(scope="module")
def right() -> Seen:
    world = World().feed(STREAM).run()
    return seen(world.driver, world.ends())


def test_what_is_right_has_no_differences_and_all_of_it_was_compared(right: Seen) -> None:
    found = verdict(right)
    assert (found.differences, found.unproved) == ([], {})
    assert found.compared == {
        topics.SCORED: 5,
        topics.CHANGES: 1,
        topics.DETRACTORS: 2,
        topics.PROMOTERS: 2,
        topics.DEAD_LETTERS: 1,
        topics.ACCOUNT_ROLLUPS: 3,
        topics.SEGMENT_ROLLUPS: 2,
    }


@given(rounds(partitions=2, strays=True, erasures=True))
def test_whatever_comes_the_recount_and_the_agents_agree(arrivals: list[Round]) -> None:
    played = Played([Scoring(), Rollups()], arrivals, 2)
    played.settle()
    cut = dict.fromkeys(range(2), 0)
    for record in played.records:
        cut[record.partition] = record.offset + 1
    assert verdict(seen(played.driver, cut)).differences == []


@pytest.fixture(scope="module", params=["keep", "remove"])
def erased(request: pytest.FixtureRequest) -> Seen:
    """u-1 of acme was erased amid the stream."""
    world = World().feed(STREAM[:3]).run()
    command = {"account_id": "acme", "respondent_id": "u-1", "counts": request.param}
    world.driver.pipe(topics.ERASURES, b"acme", json.dumps(command).encode())
    world.feed([*STREAM[3:], body(5, 2), body(6, 2, respondent_id="u-2")]).run()
    return seen(world.driver, world.ends())


def test_an_erasure_is_honoured(erased: Seen) -> None:
    found = verdict(erased)
    assert (found.differences, found.unproved) == ([], {})
    assert found.compared[topics.DETRACTORS] == 2


def test_it_is_found_if_there_was_none_or_another_one(erased: Seen) -> None:
    (entry,) = erased.erasures["acme"]
    other = replace(entry, counts="keep" if entry.counts == "remove" else "remove")
    for entries in ([], [other], [replace(entry, position=0)], [replace(entry, respondent_hash="0" * 64)]):
        assert {one.where for one in verdict(replace(erased, erasures={"acme": entries})).differences} >= {"acme"}


def test_who_was_erased_while_it_was_read_makes_an_account_unprovable(erased: Seen) -> None:
    found = verdict(replace(erased, erasures={}, erased_meanwhile=frozenset({"acme"})))
    assert found.differences == []
    assert found.unproved.keys() == {"acme", "plan=pro"}


FACTS = ({"tier": "gold", "segments": {"region": "emea", "plan": "free"}}, {"segments": {"region": "apac"}})


@pytest.fixture(scope="module")
def known() -> Seen:
    """acme's facts came before its first response, and changed amid the stream."""
    world = World()
    for facts, bodies in zip(FACTS, (STREAM[:3], [*STREAM[3:], body(5, 2)]), strict=True):
        world.driver.pipe(topics.ACCOUNTS, b"acme", json.dumps(facts).encode())
        world.feed(bodies).run()
    return seen(world.driver, world.ends())


def counted(of: Seen) -> list[Sent]:
    """The scored events of acme."""
    return [record for record in of.outputs[topics.SCORED] if record.key == b"acme"]  # type: ignore[misc]


def retold(of: Seen, index: int, topic: str = topics.SCORED, **fields: Any) -> Seen:
    """One of acme's events says something else."""
    chosen = [record for record in of.outputs[topic] if record.key == b"acme"][index]
    return changed(of, topic, lambda records: [with_value(r, **fields) if r is chosen else r for r in records])


def test_segments_that_responses_have_from_their_account_are_proved(known: Seen) -> None:
    found = verdict(known)
    assert (found.differences, found.unproved) == ([], {})
    regions = [json.loads(record.value or b"")["segments"].get("region") for record in counted(known)]
    assert regions == ["emea", "emea", "emea", "apac"], "a correction has the facts of the response it corrects"
    assert found.compared[topics.SEGMENT_ROLLUPS] == 4


@pytest.mark.parametrize(
    ("index", "segments"),
    [
        (0, {"region": "emea"}),  # its own are missing
        (0, {"plan": "free", "region": "emea"}),  # its own come first
        (0, {"plan": "pro", "region": "mars"}),  # nobody has said so
        (2, {"plan": "pro", "region": "apac"}),  # a correction keeps what its response had
    ],
)
def test_segments_that_no_facts_explain_are_found(known: Seen, index: int, segments: dict[str, str]) -> None:
    found = verdict(retold(known, index, segments=segments)).differences
    assert ("acme", topics.SCORED) in {(one.where, one.topic) for one in found}


def test_tables_that_do_not_hold_what_scored_events_tell_are_found(known: Seen) -> None:
    other = {"plan": "pro", "region": "apac"}  # possible, but not what was counted
    found = verdict(retold(known, 0, segments=other)).differences
    assert topics.SEGMENT_ROLLUPS in {one.topic for one in found}


def test_what_an_event_tells_of_the_account_is_something_that_was_said(known: Seen) -> None:
    found = verdict(retold(known, 0, topics.DETRACTORS, account={"tier": "iron"})).differences
    assert [(one.where, one.topic) for one in found] == [("acme", topics.DETRACTORS)]


def test_what_compaction_has_taken_from_the_facts_is_not_held_against_what_they_explained(known: Seen) -> None:
    compacted = replace(known, accounts=known.accounts[1:])
    assert (verdict(compacted).differences, verdict(compacted).unproved) == ([], {})
    found = verdict(retold(compacted, 0, segments={"region": "emea"})).differences
    assert found, "its own segments are its own all the same"


def test_a_segment_of_facts_is_not_proved_once_retention_has_taken_the_events_that_tell(known: Seen) -> None:
    home = counted(known)[0].partition
    trimmed = changed(known, topics.SCORED, lambda records: [r for r in records if r is not counted(known)[0]])
    found = verdict(replace(trimmed, starts={(topics.SCORED, home): 1}))
    assert found.differences == []
    assert found.unproved.keys() == {topics.SCORED, "region=emea"}
    wrong = changed(trimmed, topics.SEGMENT_ROLLUPS, lambda records: [r for r in records if r.key != b"plan=pro"])
    missing = verdict(replace(wrong, starts={(topics.SCORED, home): 1})).differences
    assert [one.where for one in missing] == ["plan=pro"], "no facts can bring or take what a response names itself"


CHANGES: dict[str, Callable[[list[Sent]], list[Sent]]] = {
    "the first is missing": lambda records: records[1:],
    "the last is missing": lambda records: records[:-1],
    "one came twice": lambda records: [records[0], *records],
    "it is of another account": lambda records: [replace(records[0], key=b"umbrella"), *records[1:]],
}


@pytest.mark.parametrize("topic", [*EVENTS, topics.DEAD_LETTERS])
@pytest.mark.parametrize("change", CHANGES)
def test_a_lost_a_doubled_and_a_foreign_event_are_found(right: Seen, topic: str, change: str) -> None:
    found = verdict(changed(right, topic, CHANGES[change])).differences
    assert found
    assert {one.topic for one in found} == {topic}


@pytest.mark.parametrize("topic", [topics.SCORED, topics.DETRACTORS, topics.PROMOTERS])
def test_another_score_is_found_and_its_account_named(right: Seen, topic: str) -> None:
    (found,) = verdict(changed(right, topic, lambda records: [with_value(records[0], score=5), *records[1:]])).differences
    account = json.loads(right.outputs[topic][0].value or b"")["account_id"]
    assert (found.where, found.topic) == (account, topic)


def test_order_within_an_account_matters(right: Seen) -> None:
    found = verdict(changed(right, topics.DETRACTORS, lambda records: records[::-1])).differences
    assert [one.where for one in found] == ["acme"]


@pytest.mark.parametrize("topic", TABLES)
def test_a_row_that_is_missing_wrong_or_nobodys_is_found(right: Seen, topic: str) -> None:
    last = right.outputs[topic][-1]
    assert isinstance(last, Sent)
    windows = json.loads(last.value or b"")["windows"]
    windows["30d"]["responses"]["promoters"] += 1
    name = (last.key or b"").decode()
    for change, where in (
        (lambda records: [one for one in records if one.key != last.key], name),
        (lambda records: [*records, replace(last, value=None)], name),
        (lambda records: [*records, with_value(last, windows=windows)], name),
        (lambda records: [*records, with_value(last, as_of="2026-01-01")], name),
        (lambda records: [*records, replace(last, key=b"plan=none")], "plan=none"),
    ):
        assert {(one.where, one.topic) for one in verdict(changed(right, topic, change)).differences} == {(where, topic)}


def test_what_came_after_the_cut_may_be_there_or_not() -> None:
    later = [body(5, 2), body(6, 9), body(7, 8, segments={"plan": "smb"}), {"response_id": "r-8", "account_id": "acme"}]
    world = World().feed(STREAM).run()
    cut = world.ends()
    before = {topic: world.driver.sent(topic) for topic in OUTPUTS}
    world.feed(later[:2]).run()
    between = {topic: world.driver.sent(topic) for topic in OUTPUTS}
    world.feed(later[2:])
    not_yet = seen(world.driver, cut)
    assert verdict(replace(not_yet, outputs=before)).differences == []
    assert verdict(replace(not_yet, outputs=between)).differences == []
    assert verdict(replace(not_yet, outputs=before, cut=world.ends())).differences != []


def test_what_retention_has_removed_is_said_and_the_rest_is_compared(right: Seen) -> None:
    home = right.outputs[topics.SCORED][0].partition
    starts = {(topics.SCORED, home): 2}
    left = changed(replace(right, starts=starts), topics.SCORED, _without_the_first(home, 2))
    found = verdict(left)
    assert found.differences == []
    assert "proved from" in found.unproved[topics.SCORED]
    assert verdict(changed(left, topics.SCORED, lambda records: records[:-1])).differences


def test_a_source_without_its_beginning_proves_the_windows_after_it_alone(right: Seen) -> None:
    starts = {(topics.RESPONSES, partition): 1 for partition in range(PARTITIONS)}
    found = verdict(replace(right, starts=starts))
    assert topics.SCORED in found.unproved
    assert "retention has removed its beginning" in found.unproved[topics.RESPONSES]
    assert found.differences == []


def test_events_that_come_again_are_no_difference_where_they_may(right: Seen) -> None:
    twice = changed(right, topics.SCORED, lambda records: [records[0], *records])
    assert verdict(twice).differences
    assert verdict(replace(twice, exactly_once=False)).differences == []


def _without_the_first(partition: int, count: int) -> Callable[[list[Sent]], list[Sent]]:
    def left(records: list[Sent]) -> list[Sent]:
        number: dict[int, int] = defaultdict(int)
        kept = []
        for record in records:
            number[record.partition] += 1
            if record.partition != partition or number[partition] > count:
                kept.append(record)
        return kept

    return left


FOREIGN = [b"", b"\xff", b"[]", b"{}", b"null", b'{"as_of":"2026-99-99","windows":{}}', b'{"as_of":5}', b"[" * 5_000, None]


@pytest.mark.parametrize("topic", [*EVENTS, *TABLES])
@pytest.mark.parametrize("value", FOREIGN)
def test_what_npstream_did_not_write_is_a_difference_and_no_failure(right: Seen, topic: str, value: bytes | None) -> None:
    if value is None and topic in TABLES:
        return  # a tombstone
    one = replace(right.outputs[topic][0], value=value, key=b"stranger")  # type: ignore[type-var]
    found = verdict(changed(right, topic, lambda records: [*records, one])).differences
    assert [(difference.topic, difference.text) for difference in found] == [(topic, "npstream did not write this record")]


def test_a_dead_letter_is_known_by_the_headers_that_were_added_last(right: Seen) -> None:
    def disguised(records: list[Sent]) -> list[Sent]:
        false = ("__connect.errors.partition", b"x"), ("__connect.errors.topic", b"elsewhere"), ("nps-reason", b"none")
        return [replace(record, headers=(*false, *record.headers)) for record in records]

    assert len(right.outputs[topics.DEAD_LETTERS]) > 0
    assert verdict(changed(right, topics.DEAD_LETTERS, disguised)).differences == []
