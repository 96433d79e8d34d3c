"""Which themes a comment mentions: what a keyword may be, and the shipped themes in each of their languages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.themes_matching import MAX_CHARS, KeywordInvalid, Match, ThemeMatcher, language_of
from npstream.care.comments import shipped_themes

SHIPPED = ThemeMatcher(shipped_themes())


def found(keywords: dict[str, list[str]], comment: str, locale: str | None) -> bool:
    return ThemeMatcher({"it": keywords}).themes_of(comment, locale) == ("it",)


KEYWORDS = """
word           | en | slow            | It is slow              | yes
word           | en | slow            | it is slower            | no
capitals       | en | slow            | SLOW!                   | yes
inflection     | en | price           | prices went up          | yes
inflection     | en | crash           | it keeps crashing       | yes
not within     | en | art             | we started              | no
prefix         | en | slow*           | slowness everywhere     | yes
prefix         | en | slow*           | too slow                | yes
suffix         | de | *fehler         | ein Anzeigefehler       | yes
suffix         | de | *fehler         | fehlerhaft              | no
within         | de | *ladezeit*      | die Seitenladezeiten    | yes
compound       | de | preis           | die Lizenzpreise        | no
compound       | de | *preise         | die Lizenzpreise        | yes
umlaut         | de | absturz         | ständig Abstürze        | yes
umlaut written | de | verlässlich     | sehr verlaesslich       | yes
sharp s        | de | straße          | STRASSE                 | yes
phrase         | en | time out        | it times out            | yes
phrase         | en | time out        | a time-out again        | yes
phrase         | en | time out        | out of time             | no
phrase         | en | time out        | Bad time. Out of it.    | no
phrase         | en | time out        | time\\nout              | no
phrase         | en | can't log in    | I can’t log in          | yes
phrase         | de | einfach zu bedien* | es ist einfach zu bedienen | yes
number         | en | 2.0             | since 2.0 it is bad     | yes
number         | en | 2.0             | since 20 days           | no
accents        | fr | très lent       | tres lente              | yes
accents        | es | facturación     | la facturacion          | yes
decomposed     | fr | problème        | proble\u0300me          | yes
elision        | fr | interface       | l’interface             | yes
full width     | en | price           | ｐｒｉｃｅ              | yes
ligature       | en | offline         | oﬄine                   | yes
soft hyphen    | de | rechnung        | Rech\u00adnung          | yes
emoji          | en | 👎              | meh👎                   | yes
emoji          | en | 👎              | 👍                      | no
emoji style    | en | ❤️              | ❤                       | yes
skin tone      | en | 👍              | 👍🏽                     | yes
symbols        | en | C++             | no C++ client           | yes
symbols        | en | C++             | see plan C              | no
Japanese       | ja | 遅い            | 画面が遅いです          | yes
Japanese       | ja | api             | APIが遅い               | yes
Chinese        | zh | 太贵            | 价格太贵了              | yes
Thai           | th | ช้า             | ระบบช้ามาก              | yes
Korean         | ko | 속도*           | 속도가 느려요           | yes
Arabic         | ar | بطيء            | التطبيق بطيءٌ جدا       | yes
Arabic         | ar | فاتورة          | الفاتورة                | yes
Hebrew         | he | איטי            | המערכת \u200fאיטי\u200f | yes
Russian        | ru | цена            | высокие цены            | yes
Greek          | el | τιμή            | ΤΙΜΗ                    | yes
Hindi          | hi | धीमा            | बहुत धीमा है            | yes
Turkish        | tr | fiyat           | fiyatlar çok yüksek     | yes
no stemmer     | xx | word            | words                   | no
"""


def rows(table: str) -> list[list[str]]:
    return [[cell.strip().replace("\\n", "\n") for cell in line.split("|")] for line in table.strip().splitlines()]


@pytest.mark.parametrize(("what", "language", "keyword", "comment", "answer"), rows(KEYWORDS))
def test_what_a_keyword_matches(what: str, language: str, keyword: str, comment: str, answer: str) -> None:
    assert found({language: [keyword]}, comment, language) == (answer == "yes"), what


SAID = """
en | The export is slow.                                           | performance
en | Every report times out.                                       | performance
en | Pricey, and the invoices are never right                      | billing pricing
en | It crashes daily and nobody from support answers              | reliability support
en | Really easy to use, great onboarding                          | onboarding usability
en | I wish there was an API                                       | integrations missing_features
en | The docs are out of date                                      | documentation
en | It just works.                                                |
en | Loads of people like it                                       |
de | Die Seitenladezeiten sind eine Katastrophe                    | performance
de | Zu teuer, und die Rechnungsstellung ist unverständlich        | billing pricing
de | Ständig Abstürze! Kundendienst meldet sich nicht              | reliability support
de | Bedienoberfläche ist unübersichtlich                          | usability
de | Mir fehlt eine Schnittstelle zu unserem ERP                   | integrations missing_features
de | Die Einarbeitung hat Wochen gedauert                          | onboarding
de | Die Lizenzpreise wurden schon wieder erhöht                   | pricing
de | Bin zufrieden                                                 |
fr | Trop cher et très lent                                        | performance pricing
fr | L’interface n'est pas claire                                  | usability
fr | l'appli plante sans arret                                     | reliability
fr | Le service client ne répond jamais, facturation incorrecte    | billing support
fr | La prise en main a été longue                                 | onboarding
fr | Rien à dire                                                   |
es | Es muy lento y los precios han subido                         | performance pricing
es | La aplicación no funciona, atención al cliente pésima         | reliability support
es | La facturacion es un lío                                      | billing
es | Muy fácil de usar                                             | usability
es | Estaba bien                                                   |
"""


@pytest.mark.parametrize(("language", "comment", "themes"), rows(SAID))
def test_the_shipped_themes(language: str, comment: str, themes: str) -> None:
    assert SHIPPED.themes_of(comment, language) == tuple(themes.split())


LOCALES = [("de-AT", "de"), ("pt_BR", "pt"), ("EN", "en"), ("zh-Hans-CN", "zh"), ("fr.UTF-8", "fr"), ("", ""), (None, "")]


@pytest.mark.parametrize(("locale", "language"), LOCALES)
def test_the_language_of_a_locale(locale: str | None, language: str) -> None:
    assert language_of(locale) == language


@pytest.mark.parametrize("locale", [None, "nl", "nonsense", ""])
def test_a_comment_of_an_unknown_language_is_read_as_one_of_the_default_language(locale: str | None) -> None:
    matcher = ThemeMatcher({"pricing": {"en": ["price"], "de": ["preis"]}}, default_language="de")
    assert matcher.language(locale) == "de"
    assert matcher.themes_of("der Preis", locale) == ("pricing",)
    assert matcher.themes_of("the price", locale) == ()


def test_keywords_of_any_language_count_in_all_of_them_and_are_taken_as_they_are() -> None:
    matcher = ThemeMatcher({"mobile": {"any": ["iOS", "android*"], "de": ["handy"]}})
    assert [matcher.themes_of("iOS", locale) for locale in ("de", "en", "fi", None)] == [("mobile",)] * 4
    assert matcher.themes_of("Androids", "sv") == ("mobile",)
    assert matcher.themes_of("handy", "en") == ()


def test_a_match_tells_the_keyword_and_what_it_was_found_in() -> None:
    assert SHIPPED.matches("Times out; TIMED OUT!", "en") == [Match("performance", "time out", "times out")]


def test_negation_is_not_attempted() -> None:
    assert SHIPPED.themes_of("It is not slow at all", "en") == ("performance",)


@pytest.mark.parametrize("keyword", ["", " ", "*", "* *", "**", "a*b", "* price", "-"])
def test_a_keyword_that_matches_nothing_or_everything_is_refused(keyword: str) -> None:
    with pytest.raises(KeywordInvalid):
        ThemeMatcher({"it": {"en": [keyword]}})


def test_only_the_beginning_of_a_long_comment_is_looked_at() -> None:
    assert SHIPPED.themes_of("x " * (MAX_CHARS // 2 - 3) + "price", "en") == ("pricing",)
    assert SHIPPED.themes_of("x " * (MAX_CHARS // 2) + "price", "en") == ()
    assert SHIPPED.themes_of("\ufdfa" * 20_000 + "price", "en") == ()


TEXTS = st.text(max_size=200) | st.lists(
    st.sampled_from(["slow", "time", "out", "Preis", " ", "-", "'", ".", "é", "\u0301"])
).map("".join)
LANGUAGES = st.sampled_from([None, "en", "de", "fr", "es", "ja", "ar", "xx", "\x00"])


@given(TEXTS, LANGUAGES)
def test_any_text_has_the_same_themes_always(comment: str, locale: str | None) -> None:
    themes = SHIPPED.themes_of(comment, locale)
    assert themes == tuple(sorted(set(themes)))
    assert set(themes) <= set(SHIPPED.themes)
    assert ThemeMatcher(shipped_themes()).themes_of(comment, locale) == themes


@given(TEXTS.filter(lambda text: text.strip("* -'\t\u2010\u2011\u2019")), TEXTS)
def test_any_text_is_a_keyword_or_refused_and_then_matches_itself(keyword: str, before: str) -> None:
    try:
        matcher = ThemeMatcher({"it": {"any": [keyword]}})
    except KeywordInvalid:
        return
    if "*" not in keyword and "\n" not in keyword:
        assert matcher.themes_of(f"{keyword}", None) == ("it",)
    matcher.themes_of(before + keyword, None)
