"""What the agent comments does with scored responses, erasures and passing days; with batches of 1, 7 and 500."""

import json
from typing import Any

import pytest

from agents.analysis import Analysis
from agents.comments import Comments, CommentsSettings
from agents.scoring import Scoring
from agents.themes import Themes, ThemesSettings
from agents.windows import WindowsChanged
from schemas import topics
from schemas.cloudevents import event_headers
from schemas.codec import dumps
from schemas.contract import json_schemas
from schemas.erasures import entry_key, respondent_hash
from schemas.times import format_day, format_time, parse_time
from streams.processor import DAY_MS
from streams.test_driver import Sent, TestDriver
from tests.json_schema import errors

NOW = parse_time("2026-03-01T12:00:00Z")
WINDOWS = (2, 5)
SCHEMAS = json_schemas()
SAID = {
    "The export is slow.": Analysis(("performance",), -0.3),
    "Slow, and too expensive!": Analysis(("performance", "pricing"), -0.6),
    "It is there.": Analysis((), 0.0),
    "Super": Analysis(("support",), None),
}

batches = pytest.mark.parametrize("batch", [1, 7, 500])


def analyser(comment: str, locale: str | None) -> Analysis:
    return SAID.get(comment, Analysis(("other",), 0.5))


class Played:
    """The agents of comments, fed with what scoring sends."""

    def __init__(self, batch: int = 500, settings: CommentsSettings | None = None, partitions: int = 1) -> None:
        self.batch = batch
        agents = [Comments(analyser, settings or CommentsSettings(WINDOWS)), Themes(ThemesSettings(WINDOWS))]
        self.driver = TestDriver(agents, now=NOW, partitions=partitions)
        self.driver.advance(0)

    def scored(self, comment: str | None = "The export is slow.", change: str = "new", **fields: Any) -> "Played":
        body: dict[str, Any] = {
            "response_id": "r-1",
            "account_id": "acme",
            "score": 3,
            "responded_at": format_time(self.driver.now),
            "respondent_id": "u-1",
            "source": "typeform",
            "segments": {"plan": "pro"},
        } | fields
        if comment is not None:
            body["comment"] = comment
        if change == "retraction":
            body.pop("comment", None)
        body |= {"category": "detractor", "as_of": format_day(self.driver.now // DAY_MS), "change": change}
        body = {name: value for name, value in body.items() if value is not None}
        headers = event_headers("nps.response.scored", "npstream", "abc-scored", self.driver.now, b"00-trace")
        self.driver.pipe(topics.SCORED, body["account_id"].encode(), dumps(body), headers=headers)
        return self

    def erased(self, counts: str | None, respondent_id: str = "u-1", account_id: str = "acme") -> "Played":
        body = {"account_id": account_id, "respondent_id": respondent_id} | ({} if counts is None else {"counts": counts})
        self.driver.pipe(topics.ERASURES, account_id.encode(), dumps(body))
        return self

    def run(self) -> "Played":
        self.driver.run(self.batch)
        return self

    def comments(self) -> list[dict[str, Any]]:
        self.run()
        return [json.loads(record.value or b"") for record in self.driver.sent(topics.COMMENTS)]

    def account(self, window: str = "5d", account_id: str = "acme") -> dict[str, int] | None:
        return self._totals(topics.ACCOUNT_THEMES, account_id, window)

    def segment(self, window: str = "5d", segment: str = "plan=pro") -> dict[str, int] | None:
        return self._totals(topics.SEGMENT_THEMES, segment, window)

    def _totals(self, topic: str, key: str, window: str) -> dict[str, int] | None:
        self.run()
        value = self.driver.table(topic).get(key.encode())
        if value is None:
            return None
        found = json.loads(value)["windows"][window]
        return {"all": found["comments"]["total"]} | {theme: stats["total"] for theme, stats in found["themes"].items()}


def text_of(record: Sent) -> dict[str, str]:
    return {name: value.decode() for name, value in record.headers}


@batches
def test_a_comment_is_analysed_sent_and_counted(batch: int) -> None:
    played = Played(batch).scored("Slow, and too expensive!", locale="en")
    assert played.comments() == [
        {
            "account_id": "acme",
            "response_id": "r-1",
            "respondent_id": "u-1",
            "score": 3,
            "category": "detractor",
            "responded_at": "2026-03-01T12:00:00.000Z",
            "comment": "Slow, and too expensive!",
            "locale": "en",
            "themes": ["performance", "pricing"],
            "sentiment": -0.6,
            "tone": "negative",
            "segments": {"plan": "pro"},
        }
    ]
    stats = {"promoters": 0, "passives": 0, "detractors": 1, "total": 1, "nps": -100.0, "negative": 1}
    window = {"comments": stats, "themes": {"performance": stats, "pricing": stats}}
    table = json.loads(played.driver.table(topics.ACCOUNT_THEMES)[b"acme"])
    assert table == {"account_id": "acme", "as_of": "2026-03-01", "windows": {"2d": window, "5d": window}}
    table = json.loads(played.driver.table(topics.SEGMENT_THEMES)[b"plan=pro"])
    assert table == {"dimension": "plan", "value": "pro", "as_of": "2026-03-01", "windows": {"2d": window, "5d": window}}
    assert played.driver.facts[("comments", "negative")] == 1
    assert played.driver.facts[("comment_themes", "pricing")] == 1


@batches
def test_what_is_sent_fits_the_contract(batch: int) -> None:
    played = Played(batch).scored("Super").scored("It is there.", response_id="r-2", respondent_id=None, segments=None)
    played.scored("other words", response_id="r-3", score=9).scored(None, "retraction", response_id="r-3").run()
    for topic, name in (
        (topics.COMMENTS, "Comment"),
        (topics.THEMES_CELLS, "ThemesCell"),
        (topics.ACCOUNT_THEMES, "AccountThemes"),
        (topics.SEGMENT_THEMES, "SegmentThemes"),
    ):
        sent = [json.loads(record.value) for record in played.driver.sent(topic) if record.value is not None]
        assert sent
        assert [errors(SCHEMAS[name], value) for value in sent] == [[]] * len(sent)


@batches
def test_an_event_follows_from_its_scored_response(batch: int) -> None:
    sent = Played(batch).scored().run().driver.sent(topics.COMMENTS)[0]
    headers = text_of(sent)
    assert (headers["ce_id"], headers["ce_type"], headers["traceparent"]) == ("abc-comment", "nps.comment", "00-trace")
    assert (sent.key, sent.timestamp) == (b"acme", NOW)


@batches
@pytest.mark.parametrize("change", ["new", "late", "correction"])
def test_a_response_without_a_comment_changes_nothing(batch: int, change: str) -> None:
    played = Played(batch).scored(None, change)
    assert played.comments() == []
    assert (played.account(), played.segment()) == (None, None)


@batches
def test_a_correction_replaces_what_was_said(batch: int) -> None:
    played = Played(batch).scored().scored("Super", "correction", segments={"plan": "free"}, score=9)
    assert played.account() == {"all": 1, "support": 1}
    assert played.segment() is None
    assert played.segment(segment="plan=free") == {"all": 1, "support": 1}
    assert [comment["comment"] for comment in played.comments()] == ["The export is slow.", "Super"]


@batches
@pytest.mark.parametrize("change", ["correction", "retraction", "expired"])
def test_a_comment_that_is_taken_back_counts_no_more_and_is_told(batch: int, change: str) -> None:
    played = Played(batch).scored().scored(None, change)
    assert played.comments()[-1] == {"account_id": "acme", "response_id": "r-1"}
    assert (played.account(), played.segment()) == (None, None)
    assert {key[:1] for key in played.driver.state("comments")} == {b"T", b"W"}
    assert {key[:1] for key in played.driver.state("themes")} == {b"I", b"T", b"W"}


@batches
def test_an_emptied_table_is_a_tombstone(batch: int) -> None:
    played = Played(batch).scored().run().scored(None, "retraction").run()
    for topic in (topics.THEMES_CELLS, topics.ACCOUNT_THEMES, topics.SEGMENT_THEMES):
        assert [record.value is None for record in played.driver.sent(topic)] == [False, True]


@batches
def test_an_expired_response_is_neither_counted_nor_sent(batch: int) -> None:
    played = Played(batch).scored(change="expired")
    assert played.comments() == []
    assert played.account() is None


@batches
def test_a_repeat_changes_nothing(batch: int) -> None:
    played = Played(batch).scored().scored().scored(change="late")
    assert played.account() == played.segment() == {"all": 1, "performance": 1}


@batches
def test_segments_that_an_older_record_names_move_the_comment(batch: int) -> None:
    """Scoring then tells what it knows of the response, which the comment is no part of."""
    played = Played(batch)
    played.driver = TestDriver(
        [Scoring(), Comments(analyser, CommentsSettings(WINDOWS)), Themes(ThemesSettings(WINDOWS))], now=NOW
    )
    body = {"account_id": "acme", "response_id": "r-1", "respondent_id": "u-1", "score": 3, "responded_at": format_time(NOW)}
    newer = body | {"comment": "The export is slow.", "updated_at": "2026-03-01T11:00:00Z", "source": "typeform"}
    older = body | {"score": 9, "updated_at": "2026-03-01T10:00:00Z", "source": "typeform", "segments": {"plan": "pro"}}
    for said in (newer, older):
        played.driver.pipe(topics.RESPONSES, b"acme", dumps(said))
    assert played.account() == played.segment() == {"all": 1, "performance": 1}
    assert [comment.get("comment") for comment in played.comments()] == ["The export is slow."]
    without = body | {"updated_at": "2026-03-01T11:30:00Z", "source": "typeform"}
    played.driver.pipe(topics.RESPONSES, b"acme", dumps(without))
    assert played.account() is None
    assert played.comments()[-1] == {"account_id": "acme", "response_id": "r-1"}


@batches
def test_comments_leave_the_windows_as_days_pass_without_traffic(batch: int) -> None:
    played = Played(batch).scored().run()
    played.driver.advance(DAY_MS)
    assert played.account("2d") == played.segment("2d") == {"all": 1, "performance": 1}
    played.driver.advance(DAY_MS)
    assert played.account("2d") == played.segment("2d") == {"all": 0}
    assert played.account("5d") == played.segment("5d") == {"all": 1, "performance": 1}
    assert json.loads(played.driver.table(topics.ACCOUNT_THEMES)[b"acme"])["as_of"] == "2026-03-03"
    played.driver.advance(3 * DAY_MS)
    assert (played.account(), played.segment()) == (None, None)
    for topic in (topics.ACCOUNT_THEMES, topics.SEGMENT_THEMES):
        assert played.driver.sent(topic)[-1].value is None
    played.driver.advance(16 * DAY_MS)
    assert {key[:1] for key in played.driver.state("comments")} == {b"T", b"W"}


@batches
def test_a_comment_older_than_the_longest_window_is_sent_and_not_kept(batch: int) -> None:
    played = Played(batch).scored(change="late", responded_at=format_time(NOW - 5 * DAY_MS))
    assert len(played.comments()) == 1
    assert played.account() is None
    assert {key[:1] for key in played.driver.state("comments")} == {b"T", b"W"}


@batches
def test_a_comment_of_tomorrow_counts_when_its_day_has_come(batch: int) -> None:
    played = Played(batch).scored(responded_at=format_time(NOW + DAY_MS)).run()
    assert played.account() is None
    played.driver.advance(DAY_MS)
    assert played.account() == played.segment() == {"all": 1, "performance": 1}
    played.driver.advance(5 * DAY_MS)
    assert (played.account(), played.segment()) == (None, None)


@batches
def test_quiet_accounts_roll_in_bounded_shares(batch: int) -> None:
    played = Played(batch, CommentsSettings(WINDOWS, roll_accounts=2, sweep_keys=3))
    for number in range(7):
        played.scored(account_id=f"a-{number}", response_id=f"r-{number}")
    played.run()
    played.driver.advance(2 * DAY_MS)
    assert [played.account("2d", f"a-{number}") for number in range(7)] == [{"all": 0}] * 7
    played.driver.advance(20 * DAY_MS)
    assert played.driver.table(topics.ACCOUNT_THEMES) == {}
    assert {key[:1] for key in played.driver.state("comments")} == {b"T", b"W"}


# ------------------------------------------------------------------------------------------------------------------ erasures


@batches
@pytest.mark.parametrize("first", ["comment", "erasure"])
@pytest.mark.parametrize(("counts", "counted"), [(None, 1), ("keep", 1), ("remove", 0)])
def test_an_erased_respondents_comments_lose_their_name_whichever_comes_first(
    batch: int, first: str, counts: str | None, counted: int
) -> None:
    played = Played(batch)
    if first == "comment":
        played.scored().erased(counts)
    else:
        played.erased(counts).scored()
    played.run()
    assert (played.account() or {"all": 0})["all"] == (played.segment() or {"all": 0})["all"] == counted
    assert len(played.comments()) == (first == "comment")
    state = played.driver.state("comments")
    hashed = bytes.fromhex(respondent_hash("acme", "u-1"))
    assert not any(b"u-1" in key + value or hashed[:16] in value for key, value in state.items() if key[:1] == b"R")
    assert any(key[:1] == b"R" for key in state) == (counted == 1)


@batches
def test_an_erasure_concerns_one_respondent_of_one_account(batch: int) -> None:
    played = Played(batch).scored().scored(response_id="r-2", respondent_id="u-2").scored(response_id="r-3", respondent_id=None)
    played.scored(account_id="globex").erased("remove")
    assert (played.account(), played.account(account_id="globex")) == (
        {"all": 2, "performance": 2},
        {"all": 1, "performance": 1},
    )


@batches
def test_of_two_commands_the_first_counts_and_an_entry_does_the_same(batch: int) -> None:
    played = Played(batch).scored().erased("keep").erased("remove")
    assert played.account() == {"all": 1, "performance": 1}
    played = Played(batch).scored()
    hashed = respondent_hash("acme", "u-1")
    entry = {"account_id": "acme", "respondent_hash": hashed, "counts": "remove", "erased_at": format_time(NOW), "position": 1}
    played.driver.pipe(topics.ERASURES, entry_key("acme", hashed), dumps(entry))
    assert played.account() is None


@batches
@pytest.mark.parametrize(
    "value", [b"{", b"[]", b"null", None, b'{"account_id": "acme"}', b'{"account_id": 7, "respondent_id": "u-1"}']
)
def test_what_is_no_erasure_changes_nothing(batch: int, value: bytes | None) -> None:
    played = Played(batch).scored().erased("neither")
    played.driver.pipe(topics.ERASURES, b"acme", value)
    played.driver.pipe(topics.ERASURES, b"acme", b'{"account_id": "acme", "respondent_hash": "zz"}')
    assert played.account() == {"all": 1, "performance": 1}
    assert not any(key[:1] == b"E" for key in played.driver.state("comments"))


# ----------------------------------------------------------------------------------------------------------------- hard cases


@batches
@pytest.mark.parametrize(
    "value",
    [
        b"{",
        b'{"comment": "x"}',
        b'{"comment": "x", "account_id": "acme", "response_id": "r", "change": "other"}',
        b'{"comment": "x", "account_id": "acme", "response_id": "r", "change": "new", "score": 11}',
        b'{"comment": "x", "account_id": "acme", "response_id": "r", "change": "new", "score": 1, "responded_at": "today"}',
        b'{"comment": "\xff", "account_id": "acme"}',
    ],
)
def test_what_scoring_has_not_written_is_a_dead_letter(batch: int, value: bytes) -> None:
    played = Played(batch)
    played.driver.pipe(topics.SCORED, b"acme", value)
    assert played.scored().account() == {"all": 1, "performance": 1}
    assert [record.value for record in played.driver.sent(topics.DEAD_LETTERS)] == [value]


@batches
@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"0|x|plan=pro|respondents", b'{"themes": {}}'),
        (b"0|x|plan=pro|2026-03-01", b"{"),
        (b"0|x|plan=pro|2026-03-01", b'{"themes": {"": [[1, 2], [0, 0, 0]]}}'),
        (b"0|x|plan=pro|2026-03-01", b'{"themes": {"": [[1, 2, -3], [0, 0, 0]]}}'),
        (b"0|x|plan=pro|2026-03-01", b'{"themes": {"": [[1, 2, 9999999999999], [0, 0, 0]]}}'),
        (b"plan=pro", b'{"themes": {}}'),
        (None, None),
    ],
)
def test_what_is_no_cell_is_a_dead_letter(batch: int, key: bytes | None, value: bytes | None) -> None:
    played = Played(batch)
    played.driver.pipe(topics.THEMES_CELLS, key, value)
    assert played.scored().segment() == {"all": 1, "performance": 1}
    assert [record.key for record in played.driver.sent(topics.DEAD_LETTERS)] == [key]


@batches
def test_cells_of_an_older_incarnation_are_dropped(batch: int) -> None:
    played = Played(batch)

    def cell(source: int, incarnation: str, total: int, segment: str = "plan=pro") -> None:
        value = dumps({"themes": {"": [[total, 0, 0], [0, 0, 0]]}})
        played.driver.pipe(topics.THEMES_CELLS, f"{source}|{incarnation}|{segment}|2026-03-01".encode(), value)

    cell(0, "1", 5)
    cell(1, "1", 2)
    cell(0, "1", 7, "plan=free")
    assert (played.segment(), played.segment(segment="plan=free")) == ({"all": 7}, {"all": 7})
    cell(0, "2", 3)
    cell(0, "1", 50)
    assert played.segment() == {"all": 5}
    played.driver.advance(1)
    assert played.segment(segment="plan=free") is None
    assert {key[1:9] for key in played.driver.state("themes") if key[:1] in b"Hc"} == {b"plan=pro"}


def test_other_windows_than_those_of_the_state_are_refused() -> None:
    played = Played().scored().run()
    for name, other in (("comments", Comments(analyser)), ("themes", Themes())):
        driver = TestDriver([other], now=NOW)
        driver.restore(name, played.driver.changelog(name))
        with pytest.raises(WindowsChanged, match="rebuild --agent"):
            driver.advance(0)


@pytest.mark.parametrize("windows", [(), (0, 7), (7, 7), (30, 7)])
def test_settings_that_make_no_sense_are_refused(windows: tuple[int, ...]) -> None:
    for settings in (CommentsSettings, ThemesSettings):
        with pytest.raises(ValueError, match="windows_days"):
            settings(windows)
    with pytest.raises(ValueError, match="roll_accounts"):
        CommentsSettings(roll_accounts=0)
    with pytest.raises(ValueError, match="roll_segments"):
        ThemesSettings(roll_segments=0)
