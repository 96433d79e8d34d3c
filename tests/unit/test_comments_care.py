"""The table [comments] of the care file: what it may say, what it is refused for, and what analyses comments by it."""

import math
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.analysis import Analysis
from agents.tones import TONES, tone_of
from npstream.care import sentiment as sentiment_module
from npstream.care.comments import LANGUAGE, MOST_THEMES, THEME, CommentAnalysis, read_comments, shipped_themes
from npstream.care.file import CareFile, read_care
from npstream.settings_sources import SettingsError


def analysis(tmp_path: Path, text: str = "") -> CommentAnalysis:
    file = tmp_path / "care.toml"
    file.write_text(text, encoding="utf-8")
    return read_comments(read_care(str(file)))


DEFAULT = read_comments(CareFile())


def test_without_a_file_there_are_the_shipped_themes() -> None:
    assert DEFAULT.themes == tuple(sorted(shipped_themes()))
    assert DEFAULT.analyser("Zu teuer", "de").themes == ("pricing",)
    assert DEFAULT.analyser("Zu teuer", "de").sentiment is None


def test_the_shipped_themes_are_well_formed() -> None:
    for name, keywords in shipped_themes().items():
        assert THEME.fullmatch(name)
        assert set(keywords) == {"en", "de", "fr", "es"}
        for language, words in keywords.items():
            assert LANGUAGE.fullmatch(language)
            assert len(set(words)) == len(words)


def test_a_theme_of_ones_own_stands_beside_the_shipped_ones_and_takes_the_place_of_one(tmp_path: Path) -> None:
    found = analysis(tmp_path, '[comments.themes.mobile]\nany = ["iOS"]\n[comments.themes.pricing]\nen = ["bananas"]')
    assert set(found.themes) == {*shipped_themes(), "mobile"}
    assert found.analyser("too expensive on iOS, bananas", "en").themes == ("mobile", "pricing")
    assert found.analyser("too expensive", "en").themes == ()


def test_the_shipped_themes_can_be_left_out(tmp_path: Path) -> None:
    found = analysis(tmp_path, '[comments]\nshipped_themes = false\n[comments.themes.mobile]\nen = ["app"]')
    assert found.themes == ("mobile",)


def test_the_default_language_is_that_of_comments_without_a_locale(tmp_path: Path) -> None:
    found = analysis(tmp_path, '[comments]\ndefault_language = "de"')
    assert found.analyser("Zu teuer", None) == Analysis(("pricing",), None)


WRONG = [
    ('[comments]\nlanguage = "en"', "comments: there is no key 'language' here"),
    ("[comments]\nthemes = 7", "comments.themes: expected a table, got a whole number"),
    ("[comments.themes.Mobile]\nen = []", "comments.themes.Mobile: a theme's name is made of a-z, 0-9 and _"),
    ("[comments.themes.x]\nenglish = []", "comments.themes.x.english: no language"),
    ('[comments.themes.x]\nen = ["*"]', "comments.themes: '*' would match everything"),
    ('[comments.themes.x]\nen = ["a*b"]', "comments.themes: 'a*b': a star stands at the beginning or the end"),
    ('[comments]\ndefault_language = "English"', "comments.default_language: 'English' is no language"),
    ('[comments]\nsentiment = "vader"', "comments.sentiment: 'vader' is none of"),
    ("\n".join(f"[comments.themes.t{n}]\nen = []" for n in range(MOST_THEMES)), "at most 50: each is a column"),
    ('[comments]\nanalyser = "nothing"', "comments.analyser: cannot load nothing: it is written package.module:function"),
    ('[comments]\nanalyser = "no.such:thing"', "comments.analyser: cannot load no.such:thing: No module named 'no'"),
    ('[comments]\nanalyser = "json:nothing"', "comments.analyser: cannot load json:nothing: module 'json' has no attribute"),
    ('[comments]\nanalyser = "json:__doc__"', "comments.analyser: cannot load json:__doc__: __doc__ is no function"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(message)) as raised:
        analysis(tmp_path, text)
    assert str(raised.value).startswith(f"care_file {tmp_path / 'care.toml'}: comments")
    assert "\n" not in str(raised.value)


# ------------------------------------------------------------------------------------------------- somebody's own analyser


def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, function: Any) -> CommentAnalysis:
    module = ModuleType("their_analyser")
    module.analyse = function  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "their_analyser", module)
    return analysis(tmp_path, '[comments]\nanalyser = "their_analyser:analyse"')


def raising(comment: str, locale: str | None) -> Analysis:
    raise RuntimeError(comment)


RESULTS = [
    (lambda comment, locale: Analysis(("pricing",), 0.5), Analysis(("pricing",), 0.5)),
    (lambda comment, locale: (["support", "pricing", "support"], None), Analysis(("pricing", "support"), None)),
    (lambda comment, locale: (["undeclared", "pricing"], 7), Analysis(("pricing",), 1.0)),
    (lambda comment, locale: ((), math.nan), Analysis((), None)),
    (lambda comment, locale: ((), -math.inf), Analysis((), -1.0)),
    (lambda comment, locale: ((), -0.001), Analysis((), 0.0)),
    (lambda comment, locale: ((), 0.12345), Analysis((), 0.12)),
    (lambda comment, locale: None, Analysis()),
    (lambda comment, locale: ((), "bad"), Analysis()),
    (raising, Analysis()),
]


@pytest.mark.parametrize(("function", "result"), RESULTS)
def test_what_an_analyser_of_ones_own_finds_is_made_sound(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, function: Any, result: Analysis
) -> None:
    found = own(monkeypatch, tmp_path, function).analyser("something", "en")
    assert found == result
    assert math.copysign(1, found.sentiment or 0.0) == 1 or (found.sentiment or 0) < 0


def test_a_failing_analyser_is_logged_once_without_the_comment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    analyser = own(monkeypatch, tmp_path, raising).analyser
    for _ in range(3):
        analyser("a secret", None)
    assert [record.message for record in caplog.records] == [
        "a comment could not be analysed (RuntimeError): it has neither themes nor sentiment"
    ]


# ---------------------------------------------------------------------------------------------------------------- sentiment


SOUNDS = """
en | The export is slow.                        | negative
en | not good at all                            | negative
en | Terrible support, never again              | negative
en | I love it!                                 | positive
en | Works fine, and the team is very helpful   | positive
en | We use it on Mondays                       | neutral
de | Schrecklich                                | none
"""


@pytest.mark.parametrize("line", SOUNDS.strip().splitlines())
def test_how_a_comment_sounds(line: str) -> None:
    locale, comment, tone = (cell.strip() for cell in line.split("|"))
    found = tone_of(DEFAULT.analyser(comment, locale).sentiment)
    assert ("none" if found is None else TONES[found]) == tone


def test_a_comment_without_a_locale_of_which_no_word_is_known_has_no_sentiment() -> None:
    assert DEFAULT.analyser("We use it on Mondays", None).sentiment is None
    assert DEFAULT.analyser("Schrecklich", None).sentiment is None
    assert DEFAULT.analyser("It is slow", None).sentiment == -0.3


@pytest.mark.parametrize(("sentiment", "tone"), [(-1.0, 0), (-0.1, 0), (-0.09, 1), (0.0, 1), (0.09, 1), (0.1, 2), (None, None)])
def test_the_tone_of_a_sentiment(sentiment: float | None, tone: int | None) -> None:
    assert tone_of(sentiment) == tone


def test_without_the_library_there_is_no_sentiment_and_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "textblob.sentiments", None)
    found = analysis(tmp_path)
    assert found.analyser("It is slow", "en") == Analysis(("performance",), None)
    assert found.sentiment_missing.endswith(sentiment_module.INSTALL)
    with pytest.raises(SettingsError, match=r"comments\.sentiment: sentiment needs TextBlob.*pip install"):
        analysis(tmp_path, '[comments]\nsentiment = "textblob"')
    assert analysis(tmp_path, '[comments]\nsentiment = "none"').sentiment_missing == ""


@given(
    st.text(max_size=300)
    | st.lists(st.sampled_from(["not", "very", "good", "bad", "n't", " ", ":-(", "...", "\n", "😀"])).map("".join),
    st.sampled_from([None, "en", "de", "\x00"]),
)
def test_any_text_is_analysed_and_always_to_the_same(comment: str, locale: str | None) -> None:
    found = DEFAULT.analyser(comment, locale)
    assert found == DEFAULT.analyser(comment, locale)
    assert found.sentiment is None or -1 <= found.sentiment <= 1


@pytest.mark.parametrize("unit", ["slow ", "a", ".", "'", "😀", "(", "\ufdfa", "n't ", ":-(", "\u0301", " ", "ß", "é-"])
def test_a_comment_of_64_kb_is_analysed_as_its_beginning_is(unit: str) -> None:
    comment = unit * (65_536 // len(unit.encode()))
    assert DEFAULT.analyser(comment, "en") == DEFAULT.analyser(comment[:2_000], "en")
