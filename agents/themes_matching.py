"""What a comment is about, by declared keywords: which of them stand in it, in the comment's language.

A theme has keywords by language, and under `any` such as mean the same in all of them. A keyword is

- a word: `slow`. It matches words of the same stem, by the Snowball stemmer of the language: price, prices, priced.
  Those of `any` are names, and match as they are.
- a part of a word: `*zeit*`, `*fehler`, `crash*`. The star stands for any letters or none: that is how compounds are met.
- a phrase of such: `time out`. Its words must follow each other within a sentence; a hyphen or apostrophe separates words.
- what is not made of words: an emoji, `C++`, or a text of a language that puts no spaces between words. It matches wherever
  it stands.

Small and capital letters, accents, and the forms of a character that look different and mean the same are not told apart.
Negation is not attempted: who writes that something is not slow writes about performance all the same.

Stemmers: snowballstemmer (snowballstem.org). Case folding and normal forms: the Unicode Standard, sections 3.11 and 3.13.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import snowballstemmer

ANY: Final = "any"
"""In place of a language: keywords of all of them."""
MAX_CHARS: Final = 2_000
"""So much of a comment is looked at: a page. What somebody has at heart comes first, and a comment may have 64 KB."""
MAX_STEMMED_CHARS: Final = 40
"""Longer words are taken as they are: no language's dictionary has them, and a stemmer's time grows with the word."""
REMEMBERED_WORDS: Final = 32_768
"""Words of a language whose keywords are remembered, some 100 bytes each: few words make up most of all comments, and a stem
takes 20 to 30 us."""

STEMMERS: Final[Mapping[str, str]] = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "eu": "basque",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}
"""Names of the Snowball stemmers by ISO 639-1; in other languages a word matches itself."""

_NO_SPACES: Final = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Myanmar, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Hiragana, Katakana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"  # Han
)
"""Characters of languages that put no spaces between words."""
_ACCENTS: Final = dict.fromkeys([*range(0x300, 0x370), *range(0x591, 0x5C8), *range(0x64B, 0x660), 0x670])
"""Combining marks that readers do without: those of Latin, Greek and Cyrillic, Hebrew points, Arabic vowels."""
_HIDDEN: Final = dict.fromkeys(
    [0xAD, 0x61C, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFE0E, 0xFE0F, 0xFEFF]
)
"""What nobody sees: soft hyphens, joiners, marks of the direction of text, and of whether an emoji is drawn in colour."""
_SEPARATORS: Final = " \t-\u2010\u2011'\u2019"
"""What may stand between the words of a keyword."""
_STARRED: Final = re.compile(r"(\**)(.*?)(\**)", re.DOTALL)


class KeywordInvalid(ValueError):
    """A keyword that matches nothing, or everything."""


class Match(NamedTuple):
    """One keyword found."""

    theme: str
    keyword: str
    """As it is declared."""
    said: str
    """What it was found in, without accents and capitals."""


class _Key(NamedTuple):
    """A keyword of a theme."""

    theme: str
    keyword: str


Atoms = tuple[int, ...]
"""Numbers of the words of keywords that a word matches."""


class ThemeMatcher:
    """Finds the themes of comments. Pure: the same comment always has the same."""

    def __init__(self, themes: Mapping[str, Mapping[str, Sequence[str]]], default_language: str = "en") -> None:
        """`themes`: by name, then by language (ISO 639-1) or `any`, the keywords. A comment whose locale is not known, or
        whose language has no keywords, is taken for one of the default language. Raises KeywordInvalid."""
        self.themes = tuple(sorted(themes))
        self._default = default_language
        named = {language for by_language in themes.values() for language in by_language} - {ANY}
        self._languages = {language: _Language(language, themes) for language in sorted(named | {default_language})}

    def language(self, locale: str | None) -> str:
        """The language that a comment of this locale is read in."""
        language = language_of(locale)
        return language if language in self._languages else self._default

    def themes_of(self, comment: str, locale: str | None) -> tuple[str, ...]:
        """The themes that a comment mentions, sorted."""
        return tuple(sorted({match.theme for match in self.matches(comment, locale)}))

    def matches(self, comment: str, locale: str | None) -> list[Match]:
        """Every keyword that stands in the comment, once each, by theme and keyword."""
        return self._languages[self.language(locale)].matches(comment)


def language_of(locale: str | None) -> str:
    """The language of a locale such as de-AT, pt_BR or EN; "" if it names none."""
    return re.split(r"[-_.@]", (locale or "").strip().lower(), maxsplit=1)[0]


class _Language:
    """The keywords of one language, ready to be looked for."""

    def __init__(self, language: str, themes: Mapping[str, Mapping[str, Sequence[str]]]) -> None:
        self._stem = _stemmer(language)
        self._same_stem: defaultdict[str, list[int]] = defaultdict(list)
        self._same_word: defaultdict[str, list[int]] = defaultdict(list)
        self._parts: list[tuple[Callable[[str], bool], int]] = []
        self._texts: list[tuple[str, _Key]] = []
        """What matches wherever it stands."""
        self._phrases: defaultdict[int, list[tuple[Atoms, _Key]]] = defaultdict(list)
        """By the number of the first word: the numbers of the others."""
        self._count = 0
        for theme, by_language in sorted(themes.items()):
            for of in (ANY, language):
                for keyword in by_language.get(of, ()):
                    self._add(_Key(theme, keyword), stemmed=of == language)
        self._atoms = lru_cache(maxsize=REMEMBERED_WORDS)(self._look_up)

    def matches(self, comment: str) -> list[Match]:
        normal = _normal(comment[:MAX_CHARS])[:MAX_CHARS]  # one character may stand for eighteen
        text = _stripped(normal)
        found = {key: Match(*key, part) for part, key in self._texts if part in text}
        words = _words(normal)
        atoms = [self._atoms(*word) for word in words]
        for place, numbers in enumerate(atoms):
            for number in numbers:
                for others, key in self._phrases.get(number, ()):
                    after = atoms[place + 1 : place + 1 + len(others)]
                    if len(after) == len(others) and all(other in here for other, here in zip(others, after, strict=True)):
                        said = " ".join(word[0] for word in words[place : place + 1 + len(others)])
                        found.setdefault(key, Match(*key, said))
        return sorted(found.values())

    def _add(self, key: _Key, stemmed: bool) -> None:
        normal = _normal(key.keyword)
        if not normal.strip("*" + _SEPARATORS):
            raise KeywordInvalid(f"{key.keyword!r} would match everything: give a word, a phrase, or an emoji")
        if _TOKENS.sub("", normal).strip("*" + _SEPARATORS) or _SPACELESS.search(normal):
            self._texts.append((_stripped(normal).strip("*").strip(), key))
            return
        first, *others = [number for part in normal.split() for number in self._numbers(part, stemmed, key.keyword)]
        self._phrases[first].append((tuple(others), key))

    def _numbers(self, part: str, stemmed: bool, keyword: str) -> list[int]:
        """The numbers of the words in a part of a keyword without spaces: more than one if it has a hyphen or apostrophe.
        Punctuation has numbers as well, so that 2.0 is a keyword."""
        before, middle, after = _STARRED.fullmatch(part).groups()  # type: ignore[union-attr]  # it matches any text
        if "*" in middle or (not middle and (before or after)):
            raise KeywordInvalid(f"{keyword!r}: a star stands at the beginning or the end of a word")
        words, numbers = _words(middle), []
        for place, (folded, full) in enumerate(words):
            opens, closes = bool(before) and place == 0, bool(after) and place == len(words) - 1
            self._count += 1
            numbers.append(self._count)
            if opens or closes:
                self._parts.append((_part(folded, opens, closes), self._count))
            else:
                self._same_word[folded].append(self._count)
                if stemmed:
                    self._same_stem[_stripped(self._stem(full))].append(self._count)
        return numbers

    def _look_up(self, folded: str, full: str) -> Atoms:
        """The words of keywords that a word matches; `full` is the same with its accents."""
        found = set(self._same_word.get(folded, ()))
        if self._same_stem and len(full) <= MAX_STEMMED_CHARS:
            found.update(self._same_stem.get(_stripped(self._stem(full)), ()))
        found.update(number for matches, number in self._parts if matches(folded))
        return tuple(sorted(found))


def _part(text: str, opens: bool, closes: bool) -> Callable[[str], bool]:
    """Whether a word has this text at its beginning or end, or anywhere in it."""
    if opens and closes:
        return lambda word: text in word
    return (lambda word: word.endswith(text)) if opens else (lambda word: word.startswith(text))


def _stemmer(language: str) -> Callable[[str], str]:
    name = STEMMERS.get(language)
    if name is None or name not in snowballstemmer.algorithms():
        return str
    stem: Callable[[str], str] = snowballstemmer.stemmer(name).stemWord
    return stem


def _normal(text: str) -> str:
    """Without capitals, in one form of each character, and without what nobody sees."""
    if text.isascii():
        return text.lower()
    compatible = unicodedata.normalize("NFKC", text.translate(_HIDDEN))
    return unicodedata.normalize("NFKC", compatible.casefold())


def _stripped(normal: str) -> str:
    """Without accents."""
    if normal.isascii():
        return normal
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", normal).translate(_ACCENTS))


def _words(normal: str) -> list[tuple[str, str]]:
    """The words of a text in order, without and with their accents; what ends a sentence is one as well, and so stands
    between those of a phrase."""
    return [(_stripped(word), word) for word in _TOKENS.findall(normal)]


def _marks() -> str:
    """Every combining mark of the basic plane, as a part of a character class: Python's \\w lacks them, and an Indian vowel is
    one."""
    return _ranges(code for code in range(0x300, 0x10000) if unicodedata.category(chr(code)) in ("Mn", "Mc"))


def _ranges(codes: Iterable[int]) -> str:
    """Ascending code points as a part of a character class."""
    parts: list[list[int]] = []
    for code in codes:
        if parts and parts[-1][1] == code - 1:
            parts[-1][1] = code
        else:
            parts.append([code, code])
    return "".join(rf"\u{first:04x}-\u{last:04x}" for first, last in parts)


_SPACELESS: Final = re.compile(f"[{_NO_SPACES}]")
_TOKENS: Final = re.compile(
    rf"(?:[^\W_{_NO_SPACES}](?:[^\W_{_NO_SPACES}]|(?![{_NO_SPACES}])[{_marks()}])*)|(?:[.!?;:\u2026\u061f\u0964\u3002\n])"
)
"""A word, or what ends a sentence."""
