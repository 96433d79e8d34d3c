"""How a comment sounds, by TextBlob: English alone (docs/decisions/0022-comments.md says why this library).

It averages what a lexicon says of the words that it knows, with what stands before them: very, not, never.
"""

from collections.abc import Callable
from typing import Any, Final

Sentiment = Callable[[str, str], float | None]
"""Of a comment and its language, "" if that is not known: -1 to 1, None if nobody knows."""

LANGUAGE: Final = "en"
MAX_CHARS: Final = 2_000
"""So much of a comment is looked at, as for themes: it takes 0.7 ms."""
INSTALL: Final = "pip install 'npstream[sentiment]'"


class SentimentUnavailable(Exception):
    """The library is not installed."""


def textblob(default_language: str) -> Sentiment:
    """Sentiment by TextBlob; comments without a locale are taken for ones of the default language. Raises
    SentimentUnavailable."""
    try:
        # Takes half a second and 30 MB, for which reason nobody else imports it.
        from textblob.sentiments import PatternAnalyzer
    except ImportError as error:
        raise SentimentUnavailable(f"sentiment needs TextBlob, which is not there ({error}): {INSTALL}") from error
    analyse: Any = PatternAnalyzer().analyze
    analyse("")  # reads its lexicon now, and not while a response waits

    def sentiment(comment: str, language: str) -> float | None:
        if (language or default_language) != LANGUAGE:
            return None
        found = analyse(comment[:MAX_CHARS])
        if not language and not found.polarity and not found.subjectivity:
            return None  # it knows none of the words, so it may well be another language
        return float(found.polarity)

    return sentiment
