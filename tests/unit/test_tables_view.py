"""The tables of `npstream top`: they fit every terminal, put a sign in front, and never let a respondent move the cursor."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from agents.statistics import window_stats
from npstream.board import ORDERS, Board
from npstream.lines import Column, line, printable, signed
from npstream.tables_view import Pulse, page, screen
from schemas import topics
from streams.test_driver import Sent
from tests.case_records import case, morning

TODAY = "2026-03-01"
WHERE = "127.0.0.1:9092"


def record(topic: str, key: str, value: object) -> Sent:
    return Sent(topic, 0, 0, 0, key.encode(), None if value is None else json.dumps(value).encode(), ())


def windows(*counts: int) -> dict[str, Any]:
    """Promoters, passives, detractors, and those of the window before."""
    return {"90d": {"responses": window_stats(*counts), "respondents": window_stats(*counts)}}


def account(name: str, *counts: int) -> Sent:
    return record(topics.ACCOUNT_ROLLUPS, name, {"account_id": name, "as_of": TODAY, "windows": windows(*counts)})


def segment(name: str, *counts: int) -> Sent:
    dimension, _, value = name.partition("=")
    rollup = {"dimension": dimension, "value": value, "as_of": TODAY, "windows": windows(*counts)}
    return record(topics.SEGMENT_ROLLUPS, name, rollup)


def detractor(name: str, score: int = 1, **fields: object) -> Sent:
    severity = ("critical", "critical", "critical", "high", "high", "elevated", "elevated")[score]
    event = {"account_id": name, "response_id": "r-1", "score": score, "severity": severity, "revision": 0, "consecutive": 1}
    event |= {"responded_at": f"{TODAY}T09:30:00.000Z"}
    return record(topics.DETRACTORS, name, {**event, **fields})


def board_of(*records: Sent, account: str | None = None) -> Board:
    board = Board(90, account)
    board.take(records)
    return board


def crowded() -> Board:
    return board_of(
        *(account(f"account-{n:03d}", n, 10, 20, 5, 5, 5) for n in range(100)),
        *(segment(f"plan=p{n:02d}", n, 10, 20, 5, 5, 5) for n in range(30)),
        *(detractor(f"account-{n:03d}", n % 7, comment="no " * 60, respondent_id="someone@example.com") for n in range(50)),
    )


def shown(board: Board, width: int = 120, rows: int = 20, order: str = "responses", pulse: Pulse = Pulse()) -> list[str]:  # noqa: B008
    return [row.plain for row in page(board, order, pulse, WHERE, TODAY, width, rows)]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (200, 60), (60, 14), (81, 25), (109, 30), (110, 30)])
def test_a_screen_is_filled_to_the_last_line_and_never_wider(width: int, height: int) -> None:
    rows = screen(crowded(), "responses", Pulse(12.0, 3456), WHERE, TODAY, width, height)
    assert len(rows) == height
    assert max(row.cell_len for row in rows) <= width
    text = "\n".join(row.plain for row in rows)
    for title in ("Accounts ", "Segments ", "Detractors ", "q quit", "lag 3,456"):
        assert title in text


def test_open_cases_are_counted_in_the_colour_of_the_worst() -> None:
    def header(*records: Sent, account: str | None = None) -> str:
        return shown(board_of(*records, account=account))[0]

    few = account("acme", 1, 2, 3, 0, 0, 0)
    assert "open case" not in header(few, case(state="resolved"))
    assert "   1 open case   " in header(few, case())
    assert "   3 open cases   " in header(few, *morning())
    assert "   1 open case   " in header(few, *morning(), account="globex")
    taken = board_of(few, *morning(), record(topics.CASES, "acme|c-1", [1]))
    assert (taken.left_out, len(taken.cases.open)) == (1, 3)
    line = page(taken, "responses", Pulse(), WHERE, TODAY, 120, 20)[0]
    assert "bold red" in {str(span.style) for span in line.spans if "3 open cases" in line.plain[span.start : span.end]}


@given(
    st.integers(1, 250),
    st.integers(1, 80),
    st.lists(st.tuples(st.text(max_size=30), st.integers(0, 9), st.integers(0, 9)), max_size=40),
    st.text(max_size=200),
    st.sampled_from(ORDERS),
)
def test_no_text_and_no_size_makes_a_line_too_wide(
    width: int, height: int, accounts: list[tuple[str, int, int]], comment: str, order: str
) -> None:
    board = board_of(*(account(name, up, 0, down, down, 1, up) for name, up, down in accounts), detractor("a", comment=comment))
    rows = screen(board, order, Pulse(), WHERE, TODAY, width, height)
    for row in rows:
        assert row.cell_len <= max(width, 60)
        assert all(c.isprintable() for c in row.plain)


def test_what_few_tables_need_goes_to_the_others() -> None:
    board = board_of(account("acme", 1, 1, 1, 1, 1, 1), *(detractor(f"a{n}") for n in range(50)))
    rows = [row.plain for row in screen(board, "responses", Pulse(), WHERE, TODAY, 80, 24)]
    assert sum(row.startswith("09:30:00") for row in rows) == 15


def test_a_row_says_nps_interval_change_band_and_counts() -> None:
    # The design's golden figures: 10 detractors, 20 passives, 70 promoters are NPS 60, 45.3 to 71.2.
    (row,) = [row for row in shown(board_of(account("acme", 70, 20, 10, 10, 20, 70))) if row.startswith("acme")]
    assert " ".join(row.split()) == "acme +60.0 +45.3 to +71.2 ▲ +120.0* excellent 100 70 20 10 ▬▬▬▬▬▬▬··▬"


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((1, 0, 2, 2, 0, 1), ["−33.3", "▼ −66.7 ", "needs work"]),
        ((1, 0, 1, 1, 0, 1), [" 0.0", "good"]),
        ((1, 0, 0, 0, 0, 0), ["+100.0", "world class"]),
        ((0, 0, 0, 3, 0, 0), ["–", " 0"]),
    ],
)
def test_a_sign_stands_in_front_and_nothing_is_made_up(counts: tuple[int, ...], words: list[str]) -> None:
    (row,) = [row for row in shown(board_of(account("acme", *counts))) if row.startswith("acme")]
    for word in words:
        assert word in row


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(42.0, 1, "+42.0"), (-12.5, 1, "−12.5"), (0.0, 1, "0.0"), (-0.04, 1, "0.0"), (71.2, 0, "+71"), (-0.4, 0, "0")],
)
def test_signed(value: float, decimals: int, text: str) -> None:
    assert signed(value, decimals) == text


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("responses", ["many", "good", "bad", "fallen", "none"]),
        ("nps", ["bad", "fallen", "many", "good", "none"]),
        ("change", ["fallen", "bad", "good", "many", "none"]),
        ("name", ["bad", "fallen", "good", "many", "none"]),
    ],
)
def test_accounts_are_sorted_and_those_without_responses_come_last(order: str, names: list[str]) -> None:
    board = board_of(
        account("none", 0, 0, 0, 1, 0, 0),
        account("good", 5, 0, 0, 0, 0, 0),
        account("bad", 0, 0, 4, 0, 0, 9),
        account("fallen", 1, 0, 2, 9, 0, 0),
        account("many", 30, 30, 30, 0, 0, 0),
    )
    assert [name for name, _ in board.ordered(board.accounts, order)] == names


def test_the_last_rollup_of_a_key_counts_and_a_tombstone_removes_it() -> None:
    board = board_of(account("a", 1, 0, 0, 0, 0, 0), account("b", 1, 0, 0, 0, 0, 0), account("a", 0, 0, 5, 0, 0, 0))
    assert board.totals() == (1, 0, 5)
    assert board.take([record(topics.ACCOUNT_ROLLUPS, "b", None)])
    assert board.totals() == (0, 0, 5)
    assert not board.take([record(topics.ACCOUNT_ROLLUPS, "b", None)])


SOUND = {"promoters": 1, "passives": 0, "detractors": 0, "total": 1, "nps": 100.0, "low": 0.0, "high": 100.0, "band": "good"}


def foreign(stats: object) -> Sent:
    windows = {"90d": {"responses": stats, "respondents": SOUND}}
    return record(topics.ACCOUNT_ROLLUPS, "other", {"account_id": "other", "as_of": TODAY, "windows": windows})


@pytest.mark.parametrize(
    "sent",
    [
        Sent(topics.ACCOUNT_ROLLUPS, 0, 0, 0, b"other", b"\xff", ()),
        Sent(topics.DETRACTORS, 0, 0, 0, b"other", None, ()),
        record(topics.DETRACTORS, "other", [1]),
        detractor("other", consecutive="x"),
        record(topics.SEGMENT_ROLLUPS, "plan=x", {"windows": []}),
        foreign({}),
        foreign(SOUND | {"total": "1"}),
        foreign(SOUND | {"total": 2}),
        foreign({name: value for name, value in SOUND.items() if name != "nps"}),
    ],
)
def test_what_is_not_ours_is_left_out_and_counted(sent: Sent) -> None:
    board = board_of(foreign(SOUND), sent)
    assert (list(board.accounts), board.segments, list(board.detractors)) == (["other"], {}, [])
    assert board.snapshot("name")["left_out"] == 1
    said = "left out: 1 record that npstream did not write"
    assert shown(board)[-1] == said
    assert [row.plain for row in screen(board, "responses", Pulse(), WHERE, TODAY, 80, 24)][-2] == said


def test_the_newest_detractors_come_first_and_the_rest_is_cut() -> None:
    board = board_of(account("a", 1, 1, 1, 0, 0, 0), *(detractor(f"account-{n}") for n in range(9)))
    rows = shown(board, rows=3)
    first = next(number for number, row in enumerate(rows) if row.startswith("Detractors"))
    assert [row.split()[1] for row in rows[first + 1 : first + 4]] == ["account-8", "account-7", "account-6"]


@pytest.mark.parametrize(
    ("event", "words", "missing"),
    [
        (detractor("acme", 2, consecutive=3, comment="broken", respondent_id="u-1"), ["2 ×3", "critical", "broken", "u-1"], []),
        (detractor("acme", 5), ["5", "elevated", "anonymous"], ["×"]),
        (detractor("acme", 4, withdrawn=True, comment="taken back"), ["withdrawn"], ["taken back", "high"]),
        (detractor("acme", responded_at="2026-02-11T09:30:00.000Z"), ["2026-02-11"], ["09:30"]),
        (detractor("acme"), ["09:30:00"], [TODAY]),
        (detractor("acme", comment="\x1b[31mred\r\nnext\x07"), [" [31mred  next"], ["\x1b", "\n", "\x07"]),
    ],
)
def test_a_detractor_in_one_line(event: Sent, words: list[str], missing: list[str]) -> None:
    row = shown(board_of(account("acme", 1, 1, 1, 0, 0, 0), event))[-3]
    for word in words:
        assert word in row
    for word in missing:
        assert word not in row


@pytest.mark.parametrize(
    ("account", "lag", "words"),
    [
        (None, None, "no responses yet: npstream produce FILE"),
        (None, 0, "no responses yet: npstream produce FILE"),
        (None, 17, "17 records wait to be scored: npstream worker"),
        ("acme", 17, "no responses of account acme"),
    ],
)
def test_an_empty_system_says_what_to_do(account: str | None, lag: int | None, words: str) -> None:
    assert words in "\n".join(shown(Board(90, account), pulse=Pulse(lag=lag)))


def test_one_account_shows_all_its_windows_and_its_detractors_alone() -> None:
    board = board_of(account("acme", 3, 2, 1, 0, 0, 0), account("other", 1, 1, 1, 0, 0, 0), detractor("other"), account="acme")
    text = "\n".join(shown(board))
    assert "90d responses" in text
    assert "90d respondents" in text
    assert "none so far" in text
    assert "other" not in text
    assert [rollup["account_id"] for rollup in board.snapshot("name")["accounts"]] == ["acme"]


def test_a_snapshot_is_what_stands_in_the_topics() -> None:
    records = [account("a", 1, 0, 0, 0, 0, 0), segment("plan=pro", 1, 0, 0, 0, 0, 0), detractor("a", 3), detractor("a", 4)]
    snapshot = board_of(*records).snapshot("responses")
    expected: Iterator[Any] = (json.loads(sent.value or b"") for sent in records)
    rollup, by_plan, first, second = expected
    assert snapshot == {"accounts": [rollup], "segments": [by_plan], "detractors": [second, first], "left_out": 0}


@pytest.mark.parametrize(("width", "kept"), [(120, ["12/s in", WHERE]), (80, ["lag 99"]), (62, ["lag 99"])])
def test_a_narrow_header_keeps_what_matters_most(width: int, kept: list[str]) -> None:
    header = shown(crowded(), width, pulse=Pulse(12.0, 99))[0]
    for word in ("npstream", "100 accounts", "NPS ", *kept):
        assert word in header
    assert len(header) <= width


def test_wide_characters_take_two_columns() -> None:
    row = line([Column("", 6), Column("", 2)], ["日本語日本", "ok"], 10)
    assert cell_len(row.plain) == 10
    assert row.plain.endswith("  ok")


def test_what_cannot_be_seen_becomes_a_blank() -> None:
    assert printable("a\x00b\u202ec\nd") == "a b c d"
