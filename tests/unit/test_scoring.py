"""What scoring does with responses, corrections, retractions, late ones and bad ones; each with batches of 1, 7 and 500."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest

from agents.rollups import Rollups, RollupSettings
from agents.scoring import Scoring, ScoringSettings
from schemas import events, topics
from schemas.times import format_day, format_time, parse_time
from streams.partitioner import partition_of
from streams.processor import DAY_MS, Outbox, State
from streams.state import StagedState
from streams.test_driver import Sent, TestDriver

NOW = parse_time("2026-03-01T12:00:00Z")
TODAY = NOW // DAY_MS
HISTORY = 2 * 365 + 7

TYPES: dict[str, type] = {
    topics.SCORED: events.Scored,
    topics.CHANGES: events.CategoryChange,
    topics.DETRACTORS: events.Detractor,
    topics.PROMOTERS: events.Promoter,
    topics.ACCOUNT_ROLLUPS: events.AccountRollup,
    topics.SEGMENT_ROLLUPS: events.SegmentRollup,
    topics.CELLS: events.Cell,
}

pytestmark = pytest.mark.parametrize("batch", [1, 7, 500])


def response(response_id: str, score: int, ago: float = 0, **fields: Any) -> dict[str, Any]:
    """A response of u-1 of acme, `ago` days before now; None leaves a field out."""
    body = {
        "response_id": response_id,
        "account_id": "acme",
        "respondent_id": "u-1",
        "score": score,
        "responded_at": format_time(NOW - round(ago * DAY_MS)),
    }
    return {name: value for name, value in (body | fields).items() if value is not None}


def retraction(response_id: str, **fields: Any) -> dict[str, Any]:
    return {"kind": "retraction", "response_id": response_id, "account_id": "acme"} | fields


class Acme:
    """A driver with what most tests ask of it."""

    def __init__(self, batch: int, partitions: int = 1, settings: ScoringSettings | None = None) -> None:
        self.batch = batch
        rollup_settings = RollupSettings(settings.windows_days, settings.headline_days) if settings else None
        self.driver = TestDriver([Scoring(settings), Rollups(rollup_settings)], now=NOW, partitions=partitions)

    def send(self, *bodies: Mapping[str, Any] | bytes, **record: Any) -> "Acme":
        """Send records, a millisecond apart, and process them."""
        for body in bodies:
            self.driver.now += 1
            value = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.driver.pipe(topics.RESPONSES, **({"key": b"acme", "value": value} | record))
        self.driver.run(self.batch)
        return self

    def events(self, topic: str) -> list[dict[str, Any]]:
        """What was sent, each value held against its type."""
        sent = self.driver.sent(topic)
        for record in sent:
            if record.value is not None:
                msgspec.json.decode(record.value, type=TYPES[topic])
        return [json.loads(record.value) for record in sent if record.value is not None]

    def facts(self, *names: str) -> list[int]:
        """How often each was counted, all labels together."""
        return [sum(n for fact, n in self.driver.facts.items() if fact[0] == name) for name in names]

    def account(self, window: str = "90d", kind: str = "responses", account: bytes = b"acme") -> list[int]:
        """Promoters, passives and detractors of a window."""
        return counts(self.driver.table(topics.ACCOUNT_ROLLUPS)[account], window, kind)

    def segment(self, segment: str, window: str = "90d", kind: str = "responses") -> list[int] | None:
        rollup = self.driver.table(topics.SEGMENT_ROLLUPS).get(segment.encode())
        return None if rollup is None else counts(rollup, window, kind)


def counts(rollup: bytes, window: str, kind: str) -> list[int]:
    stats = json.loads(rollup)["windows"][window][kind]
    return [stats[name] for name in ("promoters", "passives", "detractors")]


def only(found: Iterable[dict[str, Any]], *names: str) -> list[tuple[Any, ...]]:
    """Some members of each event; None where there is none."""
    return [tuple(event.get(name) for name in names) for event in found]


def test_a_first_response_is_scored_and_changes_no_category(batch: int) -> None:
    acme = Acme(batch).send(
        response("r-1", 3, comment="slow", segments={"plan": "pro"}, segment="smb", survey_id="q1", extra=1)
    )
    (scored,) = acme.events(topics.SCORED)
    assert scored == {
        "response_id": "r-1",
        "account_id": "acme",
        "score": 3,
        "responded_at": "2026-03-01T12:00:00.000Z",
        "respondent_id": "u-1",
        "comment": "slow",
        "survey_id": "q1",
        "segments": {"plan": "pro", "segment": "smb"},
        "category": "detractor",
        "as_of": "2026-03-01",
        "change": "new",
    }
    assert acme.events(topics.CHANGES) == []
    (detractor,) = acme.events(topics.DETRACTORS)
    assert detractor == {
        "account_id": "acme",
        "respondent_id": "u-1",
        "response_id": "r-1",
        "score": 3,
        "severity": "high",
        "comment": "slow",
        "revision": 0,
        "consecutive": 1,
        "responded_at": "2026-03-01T12:00:00.000Z",
        "segments": {"plan": "pro", "segment": "smb"},
        "account_nps": -100.0,
    }
    assert acme.driver.facts["responses", "detractor", "other"] == 1


def test_a_later_response_of_another_category_is_a_change(batch: int) -> None:
    acme = Acme(batch).send(response("r-1", 9, 3), response("r-2", 10, 2), response("r-3", 2, 1, segments={"plan": "pro"}))
    (change,) = acme.events(topics.CHANGES)
    assert change == {
        "account_id": "acme",
        "respondent_id": "u-1",
        "response_id": "r-3",
        "from": "promoter",
        "to": "detractor",
        "score": 2,
        "previous_score": 10,
        "direction": "down",
        "cause": "response",
        "changed_at": "2026-02-28T12:00:00.000Z",
        "segments": {"plan": "pro"},
    }
    assert only(acme.events(topics.SCORED), "previous_category", "previous_score") == [
        (None, None),
        ("promoter", 9),
        ("promoter", 10),
    ]
    assert acme.driver.facts["category_changes", "promoter", "detractor"] == 1


def test_promoters_say_how_often_in_a_row_and_whether_it_is_the_first_time(batch: int) -> None:
    acme = Acme(batch).send(*(response(f"r-{n}", score, 9 - n) for n, score in enumerate((8, 9, 10, 7, 9))))
    assert only(acme.events(topics.PROMOTERS), "response_id", "consecutive", "first", "revision", "account_nps") == [
        ("r-1", 1, True, 0, 50.0),
        ("r-2", 2, None, 0, 66.7),
        ("r-4", 1, None, 0, 60.0),
    ]
    assert acme.driver.facts["promoters",] == 3


def test_detractors_in_a_row_are_counted_by_respondent(batch: int) -> None:
    acme = Acme(batch).send(
        response("r-1", 3, 5),
        response("r-2", 0, 4),
        response("r-3", 5, 4, respondent_id="u-2"),
        response("r-4", 6, 3),
        response("r-5", 7, 2),
        response("r-6", 1, 1),
    )
    assert only(acme.events(topics.DETRACTORS), "response_id", "consecutive", "severity") == [
        ("r-1", 1, "high"),
        ("r-2", 2, "critical"),
        ("r-3", 1, "elevated"),
        ("r-4", 3, "elevated"),
        ("r-6", 1, "critical"),
    ]


def test_without_respondent_a_response_is_counted_as_a_response_only(batch: int) -> None:
    acme = Acme(batch).send(response("r-1", 9, 1, respondent_id=None), response("r-2", 3, 0, respondent_id=""))
    assert acme.events(topics.CHANGES) == []
    assert only(acme.events(topics.DETRACTORS), "response_id", "consecutive", "respondent_id") == [("r-2", 1, None)]
    assert only(acme.events(topics.PROMOTERS), "response_id", "first") == [("r-1", None)]
    assert acme.account() == [1, 0, 1]
    assert acme.account(kind="respondents") == [0, 0, 0]


def test_the_same_again_changes_nothing(batch: int) -> None:
    once = response("r-1", 3, comment="slow", segments={"plan": "pro"})
    acme = Acme(batch).send(once, once, once | {"channel": "sms"}, once | {"updated_at": format_time(NOW + DAY_MS)})
    assert len(acme.events(topics.SCORED)) == len(acme.events(topics.DETRACTORS)) == 1
    assert acme.account() == [0, 0, 1]
    assert acme.facts("duplicates", "corrections", "responses") == [3, 0, 1]


def test_the_same_again_raises_the_version(batch: int) -> None:
    first, later = format_time(NOW - 3), format_time(NOW - 1)
    acme = Acme(batch).send(
        response("r-1", 3, updated_at=first),
        response("r-1", 3, updated_at=later),
        response("r-1", 9, updated_at=format_time(NOW - 2)),
    )
    assert acme.account() == [0, 0, 1]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        # a correction's score and comment, and what is told: severity, revision, withdrawn
        ((9, None), (3, None), [("high", 0, None)]),
        ((3, None), (4, None), [("high", 0, None)]),
        ((3, None), (2, None), [("high", 0, None), ("critical", 1, None)]),
        ((3, None), (3, "slow"), [("high", 0, None), ("high", 1, None)]),
        ((3, "slow"), (3, "slower"), [("high", 0, None), ("high", 1, None)]),
        ((3, None), (8, None), [("high", 0, None), ("high", 1, True)]),
        ((8, None), (9, None), []),
    ],
)
def test_a_correction_tells_of_a_detractor_what_has_changed(
    batch: int, before: tuple[int, str | None], after: tuple[int, str | None], expected: list[tuple[Any, ...]]
) -> None:
    acme = Acme(batch).send(*(response("r-1", score, comment=comment) for score, comment in (before, after)))
    assert only(acme.events(topics.DETRACTORS), "severity", "revision", "withdrawn") == expected
    assert acme.facts("corrections") == [1]


def test_a_correction_counts_in_place_of_what_it_corrects(batch: int) -> None:
    acme = Acme(batch).send(
        response("r-1", 9, 1, segments={"plan": "pro"}, respondent_id="u-2"),
        response("r-2", 3, 1, segments={"plan": "pro", "region": "emea"}),
        response("r-2", 8, 40),
    )
    assert (acme.account("30d"), acme.account("90d")) == ([1, 0, 0], [1, 1, 0])
    assert (acme.segment("plan=pro", "30d"), acme.segment("region=emea")) == ([1, 0, 0], [0, 1, 0])
    assert only(acme.events(topics.SCORED)[2:], "change", "previous_category", "previous_score", "segments") == [
        ("correction", "detractor", 3, {"plan": "pro", "region": "emea"})
    ]
    assert only(acme.events(topics.CHANGES), "from", "to", "cause", "direction") == [
        ("detractor", "passive", "correction", "up")
    ]


def test_a_correction_that_names_segments_replaces_all_of_them(batch: int) -> None:
    acme = Acme(batch).send(
        response("r-1", 9, segments={"plan": "pro", "region": "emea"}), response("r-1", 9, segments={"plan": "free"})
    )
    assert acme.segment("plan=free") == [1, 0, 0]
    assert acme.segment("plan=pro") is acme.segment("region=emea") is None


def test_a_correction_can_move_a_response_to_another_respondent(batch: int) -> None:
    acme = Acme(batch).send(
        response("r-1", 9, 3),
        response("r-2", 9, 2, respondent_id="u-2"),
        response("r-3", 3, 1),
        response("r-3", 3, 1, respondent_id="u-2"),
    )
    assert only(acme.events(topics.CHANGES), "respondent_id", "from", "to", "cause") == [
        ("u-1", "promoter", "detractor", "response"),
        ("u-1", "detractor", "promoter", "correction"),
        ("u-2", "promoter", "detractor", "correction"),
    ]
    assert acme.account(kind="respondents") == [1, 0, 1]
    ids = [dict(record.headers)["ce_id"] for record in acme.driver.sent(topics.CHANGES)]
    assert len(set(ids)) == 3


def test_a_retraction_takes_a_response_back(batch: int) -> None:
    acme = Acme(batch).send(response("r-1", 9, 2), response("r-2", 3, 1, segments={"plan": "pro"}), retraction("r-2"))
    assert only(acme.events(topics.CHANGES)[1:], "response_id", "from", "to", "score", "previous_score", "cause") == [
        ("r-2", "detractor", "promoter", 9, 3, "retraction")
    ]
    assert only(acme.events(topics.DETRACTORS), "withdrawn", "revision", "consecutive") == [(None, 0, 1), (True, 1, 0)]
    assert only(acme.events(topics.SCORED)[2:], "change", "score", "category", "segments") == [
        ("retraction", 3, "detractor", {"plan": "pro"})
    ]
    assert (acme.account(), acme.account(kind="respondents")) == ([1, 0, 0], [1, 0, 0])
    assert acme.segment("plan=pro") is None
    assert acme.facts("retractions") == [1]


def test_a_retraction_of_the_only_response_leaves_no_category_and_no_table(batch: int) -> None:
    acme = Acme(batch).send(response("r-1", 9)).send(retraction("r-1"))
    assert only(acme.events(topics.CHANGES), "from", "to", "score", "direction") == [("promoter", None, None, None)]
    assert acme.driver.table(topics.ACCOUNT_ROLLUPS) == {}
    assert acme.driver.sent(topics.ACCOUNT_ROLLUPS)[-1].value is None


def test_a_retraction_wins_although_it_comes_first(batch: int) -> None:
    acme = Acme(batch).send(retraction("r-1", updated_at=format_time(NOW)), response("r-1", 3, updated_at=format_time(NOW - 1)))
    acme.send(response("r-1", 4, updated_at=format_time(NOW)))
    assert only(acme.events(topics.SCORED), "change", "score", "category") == [("retraction", None, None)]
    assert acme.driver.table(topics.ACCOUNT_ROLLUPS) == {}
    assert acme.events(topics.DETRACTORS) == []
    acme.send(response("r-1", 5, updated_at=format_time(NOW + 1)))
    assert only(acme.events(topics.DETRACTORS), "score", "revision") == [(5, 0)]


def test_a_late_response_counts_and_tells_nobody(batch: int) -> None:
    acme = Acme(batch).send(response("r-2", 9, 1), response("r-1", 3, 20), response("r-3", 2, 1, account_id="other"))
    assert only(acme.events(topics.SCORED), "change", "previous_score") == [("new", None), ("late", 9), ("new", None)]
    assert acme.events(topics.CHANGES) == []
    assert only(acme.events(topics.DETRACTORS), "account_id") == [("other",)]
    assert (acme.account(), acme.account(kind="respondents")) == ([1, 0, 1], [1, 0, 0])
    assert acme.facts("late") == [1]


@pytest.mark.parametrize(
    ("days", "change"), [(0, "new"), (HISTORY - 1, "new"), (HISTORY, "expired"), (HISTORY + 400, "expired")]
)
def test_a_response_beyond_the_history_counts_nowhere(batch: int, days: int, change: str) -> None:
    acme = Acme(batch, settings=ScoringSettings(alert_max_age_days=None)).send(response("r-1", 3, days))
    assert only(acme.events(topics.SCORED), "change") == [(change,)]
    assert len(acme.events(topics.DETRACTORS)) == (change == "new")
    assert acme.facts("expired") == [change == "expired"]
    assert bool(acme.driver.table(topics.ACCOUNT_ROLLUPS)) == (days == 0)


def test_a_correction_beyond_the_history_takes_the_response_out(batch: int) -> None:
    acme = Acme(batch).send(
        response("r-1", 3), response("r-1", 3, HISTORY), response("r-1", 9, updated_at=format_time(NOW - DAY_MS))
    )
    assert only(acme.events(topics.SCORED), "change") == [("new",), ("expired",)]
    assert only(acme.events(topics.DETRACTORS), "withdrawn") == [(None,), (True,)]
    assert acme.driver.table(topics.ACCOUNT_ROLLUPS) == {}


def test_a_response_leaves_each_window_when_its_day_has_passed(batch: int) -> None:
    acme = Acme(batch).send(response("r-1", 9), response("r-2", 3, respondent_id="u-2", ago=6))
    for days, window, expected in [(0, "7d", [1, 0, 1]), (1, "7d", [1, 0, 0]), (5, "7d", [1, 0, 0]), (1, "7d", [0, 0, 0])]:
        acme.driver.advance(days * DAY_MS)
        assert acme.account(window) == acme.account(window, "respondents") == expected
    assert (acme.account("30d"), acme.account("365d")) == ([1, 0, 1], [1, 0, 1])
    stats = json.loads(acme.driver.table(topics.ACCOUNT_ROLLUPS)[b"acme"])
    assert stats["as_of"] == format_day(TODAY + 7)
    assert stats["windows"]["7d"]["responses"]["previous_nps"] == 0.0


def test_a_quiet_account_ends_in_a_tombstone_and_an_empty_state(batch: int) -> None:
    acme = Acme(batch).send(response("r-1", 9, segments={"plan": "pro"}))
    acme.driver.advance(729 * DAY_MS)
    assert acme.account("365d") == [0, 0, 0]
    assert acme.segment("plan=pro", "365d") == [0, 0, 0]
    acme.driver.advance(DAY_MS)
    for topic in (topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS):
        assert acme.driver.table(topic) == {}
        assert acme.driver.sent(topic)[-1].value is None
    acme.driver.advance(40 * DAY_MS)
    assert {key[:1] for key in acme.driver.state("scoring")} <= {b"T", b"W"}
    assert {key[:1] for key in acme.driver.state("rollups")} <= {b"G", b"I", b"T", b"W"}


def test_a_respondent_who_moves_to_another_segment_leaves_the_old_one(batch: int) -> None:
    acme = Acme(batch).send(
        response("r-1", 9, 3, segments={"plan": "smb"}), response("r-2", 3, 1, segments={"plan": "enterprise"})
    )
    assert acme.segment("plan=smb", "30d", "respondents") == [0, 0, 0]
    assert acme.segment("plan=smb", "30d", "responses") == [1, 0, 0]
    assert acme.segment("plan=enterprise", "30d", "respondents") == [0, 0, 1]


def test_a_response_to_come_counts_when_its_day_comes(batch: int) -> None:
    acme = Acme(batch).send(response("r-1", 9, -0.9, segments={"plan": "pro"}))
    assert only(acme.events(topics.PROMOTERS), "response_id", "account_nps") == [("r-1", None)]
    assert acme.driver.table(topics.ACCOUNT_ROLLUPS) == {}  # until then all its windows are empty
    acme.driver.advance(DAY_MS)
    assert acme.account("7d") == acme.account("7d", "respondents") == acme.segment("plan=pro", "7d") == [1, 0, 0]


GOOD = response("r-1", 3)


@pytest.mark.parametrize(
    ("value", "stage", "reason"),
    [
        (b"\xff\xfe", "decode", "not json"),
        (b"", "decode", "not json"),
        (b"[" * 10_000_000, "decode", "too deep"),
        (b"7", "validate", "wrong type"),
        (GOOD | {"kind": "survey"}, "validate", "not a response"),
        (GOOD | {"account_id": None}, "validate", "missing field"),
        (GOOD | {"account_id": ""}, "validate", "bad id"),
        (GOOD | {"account_id": 7}, "validate", "wrong type"),
        (GOOD | {"response_id": "r" * 501}, "validate", "bad id"),
        (GOOD | {"respondent_id": 7}, "validate", "wrong type"),
        ({name: value for name, value in GOOD.items() if name != "score"}, "validate", "missing field"),
        (GOOD | {"score": None}, "validate", "bad score"),
        (GOOD | {"score": 9.0}, "validate", "bad score"),
        (GOOD | {"score": "9"}, "validate", "bad score"),
        (GOOD | {"score": True}, "validate", "bad score"),
        (GOOD | {"score": 11}, "validate", "bad score"),
        (GOOD | {"score": -1}, "validate", "bad score"),
        (GOOD | {"responded_at": None}, "validate", "missing field"),
        (GOOD | {"responded_at": "2026-03-01T09:30:00"}, "validate", "bad time"),
        (GOOD | {"responded_at": "yesterday"}, "validate", "bad time"),
        (GOOD | {"responded_at": format_time(NOW + DAY_MS + 2)}, "validate", "future"),
        (GOOD | {"updated_at": []}, "validate", "bad time"),
        (GOOD | {"comment": ["slow"]}, "validate", "wrong type"),
        (GOOD | {"comment": "x" * 70_000}, "validate", "too large"),
        (GOOD | {"locale": 7}, "validate", "wrong type"),
        (GOOD | {"segments": "pro"}, "validate", "wrong type"),
        (GOOD | {"segments": {"Plan": "pro"}}, "validate", "bad segment"),
        (GOOD | {"segments": {"plan\n": "pro"}}, "validate", "bad segment"),
        (GOOD | {"segments": {"plan": 7}}, "validate", "bad segment"),
        (GOOD | {"segments": {"plan": ["pro"]}}, "validate", "bad segment"),
        (GOOD | {"segments": {f"d{n}": "v" for n in range(20)}, "segment": "smb"}, "validate", "bad segment"),
        (retraction("r-1", updated_at="then"), "validate", "bad time"),
    ],
)
def test_what_is_no_response_is_a_dead_letter_and_the_next_is_scored(batch: int, value: Any, stage: str, reason: str) -> None:
    acme = Acme(batch).send(value, response("r-2", 9), headers=[("x", b"1")])
    (letter,) = acme.driver.sent(topics.DEAD_LETTERS)
    headers = dict(letter.headers)
    assert letter.value == (value if isinstance(value, bytes) else json.dumps(value).encode())
    assert (letter.key, headers["x"], headers["__connect.errors.stage"]) == (b"acme", b"1", stage.encode())
    assert (headers["nps-reason"], headers["__connect.errors.offset"]) == (reason.encode(), b"0")
    assert acme.driver.facts["dead_letters", reason] == 1
    assert only(acme.events(topics.SCORED), "response_id") == [("r-2",)]


def test_a_tombstone_is_a_dead_letter(batch: int) -> None:
    acme = Acme(batch)
    acme.driver.pipe(topics.RESPONSES, b"acme", None)
    acme.send(response("r-2", 9))
    assert [dict(letter.headers)["nps-reason"] for letter in acme.driver.sent(topics.DEAD_LETTERS)] == [b"empty"]


def test_what_is_empty_is_as_good_as_absent(batch: int) -> None:
    acme = Acme(batch).send(
        response("r-1", 9, comment="", segments={"plan": "", "region": "emea"}, segment="", updated_at="") | {"locale": None}
    )
    (scored,) = acme.events(topics.SCORED)
    assert scored.keys().isdisjoint({"comment", "updated_at", "locale"})
    assert scored["segments"] == {"region": "emea"}


def test_ids_may_hold_what_others_take_for_separators(batch: int) -> None:
    ids = ["a", "a|b", "b", "a\x00b", "\x00", "ä☃", "a=b", "=", "|"]
    bodies = [
        response(response_id, 9, account_id=account, respondent_id=respondent, segments={"plan": respondent})
        for account in ids
        for response_id in ids
        for respondent in ids[:1]
    ]
    bodies += [
        response(f"x{account}", 3, account_id=account, respondent_id=account, segments={"plan": account}) for account in ids[1:]
    ]
    acme = Acme(batch).send(*bodies)
    for account in ids:
        assert acme.account(account=account.encode()) == [len(ids), 0, account != "a"]
        assert acme.account(kind="respondents", account=account.encode()) == [1, 0, account != "a"]
        assert acme.segment(f"plan={account}") == ([len(ids) ** 2, 0, 0] if account == "a" else [0, 0, 1])


def away_from_home() -> tuple[int, int]:
    home = partition_of(b"acme", 3)
    return home, (home + 1) % 3


def test_a_stray_is_sent_home_once_and_scored_there(batch: int) -> None:
    home, away = away_from_home()
    acme = Acme(batch, partitions=3).send(
        response("r-1", 3), key=b"any", partition=away, timestamp=NOW - 5, headers=[("x", b"1")]
    )
    (_, sent) = sorted(acme.driver.sent(topics.RESPONSES), key=lambda record: record.partition == home)
    assert (sent.key, sent.timestamp, sent.headers) == (b"acme", NOW - 5, (("x", b"1"), ("nps-stray", b"1")))
    assert acme.facts("strays", "responses", "dead_letters") == [1, 1, 0]
    assert [record.partition for record in acme.driver.sent(topics.DETRACTORS)] == [home]
    acme.send(response("r-1", 9), timestamp=NOW - 6)
    assert acme.account() == [0, 0, 1], "the version of a stray is when it first arrived"


def test_a_marked_stray_that_is_not_home_is_a_dead_letter(batch: int) -> None:
    _, away = away_from_home()
    acme = Acme(batch, partitions=3).send(response("r-1", 3), partition=away, headers=[("nps-stray", b"1")])
    (letter,) = acme.driver.sent(topics.DEAD_LETTERS)
    assert (dict(letter.headers)["nps-reason"], letter.partition) == (b"stray", away)
    assert acme.facts("strays", "responses") == [0, 0]


def test_events_carry_cloudevents_headers_and_the_trace_of_their_cause(batch: int) -> None:
    trace = ("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    acme = Acme(batch).send(response("r-1", 9, 2), response("r-2", 3, 1), timestamp=NOW - 7, headers=[("x", b"1"), trace])
    kinds = {
        topics.SCORED: b"nps.response.scored",
        topics.CHANGES: b"nps.category.change",
        topics.DETRACTORS: b"nps.detractor",
        topics.PROMOTERS: b"nps.promoter",
    }
    ids = []
    for topic, kind in kinds.items():
        sent = acme.driver.sent(topic)[-1]
        headers = dict(sent.headers)
        assert (headers["ce_type"], headers["ce_source"], headers["ce_specversion"]) == (kind, b"npstream", b"1.0")
        assert headers["content-type"] == b"application/json"
        assert headers["traceparent"] == trace[1]
        assert headers["ce_time"] == (b"2026-02-27T12:00:00.000Z" if topic == topics.PROMOTERS else b"2026-02-28T12:00:00.000Z")
        assert (sent.key, sent.timestamp) == (b"acme", NOW - 7)
        ids.append(headers["ce_id"])
    assert len(set(ids)) == 4


def test_a_repeat_of_what_caused_an_event_gives_it_the_same_id(batch: int) -> None:
    bodies = [response("r-1", 9, 2), response("r-2", 3, 1, updated_at=format_time(NOW))]

    def ids(acme: Acme) -> list[bytes]:
        return [dict(sent.headers)["ce_id"] for topic in (topics.SCORED, topics.DETRACTORS) for sent in acme.driver.sent(topic)]

    again = Acme(batch).send(b"not json", *bodies, timestamp=NOW)
    assert ids(Acme(batch).send(*bodies, timestamp=NOW)) == ids(again)


def test_the_day_of_an_event_is_that_of_its_own_record(batch: int) -> None:
    """A batch that goes over two midnights: each event has the NPS of the window that ended with its own day."""
    settings = ScoringSettings(windows_days=(2, 4), headline_days=2)
    acme = Acme(batch, settings=settings)
    acme.driver.now += DAY_MS  # the wall clock is ahead, so that timestamps decide
    for number, (score, timestamp) in enumerate([(9, NOW), (9, NOW + DAY_MS), (3, NOW + 2 * DAY_MS)]):
        value = json.dumps(response(f"r-{number}", score, responded_at=format_time(timestamp))).encode()
        acme.driver.pipe(topics.RESPONSES, b"acme", value, timestamp)
    acme.driver.run(batch)
    assert only(acme.events(topics.SCORED), "as_of") == [("2026-03-01",), ("2026-03-02",), ("2026-03-03",)]
    assert only(acme.events(topics.PROMOTERS), "account_nps") == [(100.0,), (100.0,)]
    assert only(acme.events(topics.DETRACTORS), "account_nps") == [(0.0,)]


def test_a_source_that_nobody_knows_is_no_label(batch: int) -> None:
    acme = Acme(batch).send(response("r-1", 9, source="typeform"), response("r-2", 8, source="x" * 100), response("r-3", 8))
    assert acme.driver.facts["responses", "promoter", "typeform"] == 1
    assert acme.driver.facts["responses", "passive", "other"] == 2


def test_quiet_accounts_are_rolled_in_bounded_shares(batch: int) -> None:
    settings = ScoringSettings(roll_accounts=3, sweep_keys=2)
    acme = Acme(batch, settings=settings)
    acme.send(*(response("r-1", 9, account_id=f"a-{n}", segments={"plan": f"p-{n}"}) for n in range(10)))
    acme.driver.advance(0)
    before = len(acme.driver.sent(topics.ACCOUNT_ROLLUPS))
    acme.driver.advance(DAY_MS)
    assert len(acme.driver.sent(topics.ACCOUNT_ROLLUPS)) == before + 10
    assert {json.loads(value)["as_of"] for value in acme.driver.table(topics.ACCOUNT_ROLLUPS).values()} == {"2026-03-02"}
    assert {json.loads(value)["as_of"] for value in acme.driver.table(topics.SEGMENT_ROLLUPS).values()} == {"2026-03-02"}
    acme.driver.advance(1)
    assert len(acme.driver.sent(topics.ACCOUNT_ROLLUPS)) == before + 10


def test_a_tick_begins_no_more_than_one_pass(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    passes: list[list[bytes]] = []
    begun: list[bytes] = []
    tick, scan = Scoring.tick, StagedState.scan

    def ticking(self: Scoring, now: int, state: State, outbox: Outbox) -> None:
        begun.clear()
        tick(self, now, state, outbox)
        passes.append(begun.copy())

    def scanning(self: StagedState, prefix: bytes, after: bytes, limit: int) -> list[bytes]:
        if not after:
            begun.append(prefix)
        return scan(self, prefix, after, limit)

    acme = Acme(batch).send(*(response("r-1", 9, account_id=f"a-{n}", segments={"plan": f"p-{n}"}) for n in range(3)))
    monkeypatch.setattr(Scoring, "tick", ticking)
    monkeypatch.setattr(StagedState, "scan", scanning)
    acme.driver.advance(16 * DAY_MS)
    assert [len(prefixes) for prefixes in passes] == [1] * 4, "accounts, segments, responses, respondents"
    assert len({prefix for (prefix,) in passes}) == 4


def test_the_result_is_the_same_after_a_crash_and_a_restart(batch: int) -> None:
    bodies = [
        response(f"r-{n}", n % 11, n % 40, respondent_id=f"u-{n % 5}", segments={"plan": f"p-{n % 2}"}) for n in range(60)
    ] + [retraction(f"r-{n}") for n in range(0, 60, 7)]

    def everything(acme: Acme) -> list[Sent]:
        return [
            sent
            for topic in (topics.SCORED, topics.CHANGES, topics.DETRACTORS, topics.PROMOTERS)
            for sent in acme.driver.sent(topic)
        ]

    straight = Acme(batch).send(*bodies)
    broken = Acme(batch)
    for body in bodies:
        broken.driver.now += 1
        broken.driver.pipe(topics.RESPONSES, b"acme", json.dumps(body).encode())
    broken.driver.abandon(20)
    broken.driver.run(batch)
    broken.driver.restart()
    broken.driver.run(batch)
    assert everything(broken) == everything(straight)
    for topic in (topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS):
        assert broken.driver.table(topic) == straight.driver.table(topic)


def test_changelog_records_of_a_busy_respondent_stay_small(batch: int) -> None:
    acme = Acme(batch)
    for day in range(400):
        acme.driver.now += DAY_MS
        acme.send(response(f"r-{day}", day % 11, responded_at=format_time(acme.driver.now)))
    assert max(len(value) for value in acme.driver.state("scoring").values()) < 2_000


@pytest.mark.parametrize(
    "settings",
    [
        {"headline_days": 60},
        {"windows_days": ()},
        {"windows_days": (90, 7)},
        {"roll_accounts": 0},
        {"sweep_keys": 0},
        {"grace_days": -1},
        {"alert_max_age_days": -1},
    ],
)
def test_contradicting_settings_are_refused_by_name(batch: int, settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        ScoringSettings(**settings)
