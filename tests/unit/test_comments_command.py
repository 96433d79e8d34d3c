"""npstream comments: what `try` and `top` print."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from npstream.commands import comments as module
from npstream.failures import UserError
from npstream.invocation import Invocation
from npstream.settings import Settings
from npstream.themes_view import added_up, most_first, theme_lines
from schemas import topics

Run = Callable[..., Result]


def stats(promoters: int, passives: int, detractors: int, **tones: int) -> dict[str, Any]:
    total = promoters + passives + detractors
    return {"promoters": promoters, "passives": passives, "detractors": detractors, "total": total, "nps": 0.0, **tones}


ACME = {"comments": stats(1, 0, 2, negative=2), "themes": {"pricing": stats(0, 0, 2, negative=2), "support": stats(1, 0, 1)}}
GLOBEX = {
    "comments": stats(3, 0, 0, positive=1),
    "themes": {"support": stats(2, 0, 0, positive=1), "usability": stats(1, 0, 0)},
}
TABLES = [
    {"account_id": "acme", "as_of": "2026-03-01", "windows": {"90d": ACME}},
    {"account_id": "globex", "as_of": "2026-03-02", "windows": {"90d": GLOBEX}},
]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("COLUMNS", "100")
    asked: list[tuple[str, str | None]] = []

    async def tables(settings: Settings, topic: str, key: str | None) -> list[dict[str, Any]]:
        asked.append((topic, key))
        return [table for table in TABLES if key is None or table["account_id"] == key]

    monkeypatch.setattr(module, "_tables", tables)

    def run(*arguments: str, care: str = "", stdin: str | None = None) -> Result:
        file = tmp_path / "care.toml"
        file.write_text(care, encoding="utf-8")
        result = CliRunner().invoke(module.command, arguments, input=stdin, obj=Invocation({"care_file": str(file)}))
        result.asked = asked  # type: ignore[attr-defined]
        return result

    return run


def test_try_shows_themes_sentiment_and_the_keywords_that_were_found(run: Run) -> None:
    assert run("try", "The exports are slow!", "--locale", "en-GB").output.splitlines() == [
        "read in     en",
        "themes      performance",
        "sentiment   \N{MINUS SIGN}0.38 negative",
        "",
        "Theme                 keyword                       found in",
        "performance           slow*                         slow",
    ]


def test_try_in_a_language_without_sentiment(run: Run) -> None:
    lines = run("try", "Die Lizenzpreise!", "--locale", "de").output.splitlines()
    assert lines[:3] == ["read in     de", "themes      pricing", "sentiment   \N{EN DASH}"]


def test_try_as_json_from_stdin_with_a_theme_of_ones_own(run: Run) -> None:
    result = run("try", "-", "--json", care='[comments.themes.mobile]\nany = ["iOS"]', stdin="No iOS app")
    assert json.loads(result.output) == {
        "themes": ["mobile"],
        "sentiment": None,
        "tone": None,
        "language": "en",
        "matches": [{"theme": "mobile", "keyword": "iOS", "said": "ios"}],
    }


def test_top_adds_all_accounts_up(run: Run) -> None:
    result = run("top")
    assert [" ".join(line.split()) for line in result.output.splitlines()] == [
        "All accounts, 90d comments share NPS negative neutral positive",
        "all comments 6 100 % +33.3 2 0 1",
        "support 4 67 % +50.0 0 0 1",
        "pricing 2 33 % \N{MINUS SIGN}100.0 2 0 0",
        "usability 1 17 % +100.0 0 0 0",
    ]
    assert result.asked == [(topics.ACCOUNT_THEMES, None)]  # type: ignore[attr-defined]


def test_top_of_one_account_as_json(run: Run) -> None:
    assert json.loads(run("top", "--account", "acme", "--json").output) == {
        "account_id": "acme",
        "as_of": "2026-03-01",
        "window": "90d",
        "comments": {"promoters": 1, "passives": 0, "detractors": 2, "total": 3, "nps": -33.3, "negative": 2},
        "themes": [
            {"theme": "pricing", "promoters": 0, "passives": 0, "detractors": 2, "total": 2, "nps": -100.0, "negative": 2},
            {"theme": "support", "promoters": 1, "passives": 0, "detractors": 1, "total": 2, "nps": 0.0},
        ],
    }


def test_top_of_a_segment_reads_the_tables_of_segments(run: Run) -> None:
    result = run("top", "--segment", "plan=enterprise")
    assert result.asked == [(topics.SEGMENT_THEMES, "plan=enterprise")]  # type: ignore[attr-defined]
    assert result.output == "No comments in 90d of plan=enterprise: is it exact?\n"


def test_a_window_that_there_is_not_is_one_line(run: Run) -> None:
    result = run("top", "--window", "12d")
    assert isinstance(result.exception, UserError)
    assert str(result.exception) == "--window 12d: there is no such window; there are 7d, 30d, 90d, 365d (setting windows_days)"


def test_an_account_and_a_segment_exclude_each_other(run: Run) -> None:
    assert "exclude each other" in run("top", "--account", "acme", "--segment", "plan=pro").output


@pytest.mark.parametrize("width", [20, 60, 80, 110, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    assert all(line.cell_len <= width for line in theme_lines(added_up([ACME, GLOBEX]), "A title", width))


def test_the_most_mentioned_come_first_and_equal_ones_by_name() -> None:
    assert [name for name, _ in most_first(added_up([ACME]))] == ["pricing", "support"]
