"""The table [comments] of the care file: docs/comments.md.

[comments]
default_language = "en"                  # of comments whose locale is missing, or has no keywords
shipped_themes = true                    # those of themes.toml, besides one's own
sentiment = "auto"                       # TextBlob where it is installed; "textblob": it must be; "none"
analyser = ""                            # "package.module:function": one's own in place of both

[comments.themes.mobile]
en = ["mobile app", "android", "iphone*"]
any = ["iOS"]
"""

import importlib
import logging
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final, Literal

import msgspec

from agents.analysis import Analyser, Analysis
from agents.themes_matching import ANY, KeywordInvalid, ThemeMatcher, language_of
from npstream.care.file import CareFile
from npstream.care.sentiment import SentimentUnavailable, textblob

MOST_THEMES: Final = 50
"""Each is six numbers in every window of every table, and a label of a metric."""
DECIMALS: Final = 2
"""Of a sentiment."""
THEME: Final = re.compile(r"[a-z0-9_]{1,40}")
"""What a theme's name looks like, as that of a segment's dimension."""
LANGUAGE: Final = re.compile(r"[a-z]{2,3}")
"""ISO 639."""

Keywords = dict[str, list[str]]

logger = logging.getLogger(__name__)


class CommentsTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The table as it is written."""

    default_language: str = "en"
    shipped_themes: bool = True
    sentiment: Literal["auto", "textblob", "none"] = "auto"
    analyser: str = ""
    themes: dict[str, Keywords] = {}


@dataclass(frozen=True)
class CommentAnalysis:
    """How comments are analysed."""

    analyser: Analyser
    """Never raises, and finds no other themes than `themes`."""
    themes: tuple[str, ...]
    """All that are declared, sorted."""
    matcher: ThemeMatcher | None
    """What finds them, by keywords; None where somebody's own analyser does."""
    sentiment_missing: str = ""
    """Why there is no sentiment, if it might be there: one line."""


def read_comments(care: CareFile) -> CommentAnalysis:
    """What the care file says of comments. Raises SettingsError."""
    table = care.table("comments", CommentsTable)
    declared = {**(shipped_themes() if table.shipped_themes else {}), **table.themes}
    _check(care, table, declared)
    try:
        matcher = ThemeMatcher(declared, table.default_language)
    except KeywordInvalid as error:
        raise care.wrong("comments.themes", str(error)) from None
    if table.analyser:
        return CommentAnalysis(_safe(_loaded(care, table.analyser), matcher.themes), matcher.themes, None)
    sentiment, missing = None, ""
    if table.sentiment != "none":
        try:
            sentiment = textblob(table.default_language)
        except SentimentUnavailable as error:
            if table.sentiment == "textblob":
                raise care.wrong("comments.sentiment", str(error)) from None
            missing = str(error)

    def analyse(comment: str, locale: str | None) -> Analysis:
        how = None if sentiment is None else sentiment(comment, language_of(locale))
        return Analysis(matcher.themes_of(comment, locale), how)

    return CommentAnalysis(_safe(analyse, matcher.themes), matcher.themes, matcher, missing)


def shipped_themes() -> dict[str, Keywords]:
    """The themes that are there by themselves."""
    return tomllib.loads(files("npstream.care").joinpath("themes.toml").read_text(encoding="utf-8"))


def _check(care: CareFile, table: CommentsTable, declared: Mapping[str, Keywords]) -> None:
    for name, keywords in table.themes.items():
        if THEME.fullmatch(name) is None:
            raise care.wrong(f"comments.themes.{name}", "a theme's name is made of a-z, 0-9 and _, at most 40 of them")
        for language in keywords:
            if language != ANY and LANGUAGE.fullmatch(language) is None:
                raise care.wrong(f"comments.themes.{name}.{language}", "no language: en, de and so on (ISO 639), or any")
    if LANGUAGE.fullmatch(table.default_language) is None or table.default_language == ANY:
        raise care.wrong("comments.default_language", f"{table.default_language!r} is no language: en, de and so on (ISO 639)")
    if len(declared) > MOST_THEMES:
        raise care.wrong("comments.themes", f"{len(declared)} themes, at most {MOST_THEMES}: each is a column of every table")


def _loaded(care: CareFile, name: str) -> Analyser:
    """Somebody's own analyser. Raises SettingsError."""
    module, colon, function = name.partition(":")
    try:
        if not (module and colon and function):
            raise ValueError("it is written package.module:function")
        analyser: Any = importlib.import_module(module)
        for part in function.split("."):
            analyser = getattr(analyser, part)
        if not callable(analyser):
            raise TypeError(f"{function} is no function")
    except Exception as error:  # whatever somebody's module does while it is imported
        raise care.wrong("comments.analyser", f"cannot load {name}: {' '.join(str(error).split())}") from error
    own: Analyser = analyser
    return own


def _safe(analyse: Analyser, themes: tuple[str, ...]) -> Analyser:
    """An analyser whose results are what they should be: of a comment at which it fails, nothing is found. A failure is logged
    once, without the comment: a record that stops its partition would be worse than a comment without a theme."""
    declared, failed = frozenset(themes), set[str]()

    def analysed(comment: str, locale: str | None) -> Analysis:
        try:
            found, sentiment = analyse(comment, locale)
            known = tuple(sorted(declared.intersection(found)))
            return Analysis(known, None if sentiment is None else _bounded(float(sentiment)))
        except Exception as error:  # pluggable: nobody knows what it may raise
            kind = type(error).__name__
            if kind not in failed:
                failed.add(kind)
                logger.warning("a comment could not be analysed (%s): it has neither themes nor sentiment", kind)
            return Analysis()

    return analysed


def _bounded(sentiment: float) -> float | None:
    if math.isnan(sentiment):
        return None
    return round(min(max(sentiment, -1.0), 1.0), DECIMALS) + 0.0  # no -0.0
