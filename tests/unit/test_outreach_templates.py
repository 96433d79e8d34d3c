"""Templates of first messages: the shipped ones for whatever case there is, one's own, which is chosen, mistakes in them."""

import re
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from npstream.care.file import read_care
from npstream.care.first_touch import first_touch, first_touch_templates
from npstream.care.touch_files import locale_of, shipped_files
from npstream.care.touch_templates import SUBJECT_CHARS, TEXT_CHARS, Templates
from npstream.care.touch_view import DueView, Words, view_of
from npstream.settings_sources import SettingsError
from npstream.zones import zone_named
from schemas.cases import Case, CaseAccount, CaseResponse
from schemas.examples import EXAMPLES
from schemas.times import format_time, parse_time
from tests.golden_files import check_golden
from tests.unit.test_outreach import HOUR, MINUTE, START

LOCALES = ("en", "de", "fr", "es")
SEVERITIES = ("critical", "high", "elevated")
COMPANY = "Vendor Inc."
CASE = msgspec.convert(EXAMPLES["Case"], Case)


def zones(name: str | None) -> Any:
    return zone_named(name or "UTC")


def shipped(**words: Any) -> Templates:
    return Templates(Words(company=COMPANY, **words), zones)


SHIPPED = shipped(opt_out_url="https://vendor.example/peace", names={"csm@vendor.example": "A name"})


class Care:
    """A care file with templates beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, table: str = "", **files: str) -> "Care":
        """Names of files with underscores for dots."""
        text = f'[first_touch]\nenabled = true\ncompany = "{COMPANY}"\n{table}'
        (self.folder / "care.toml").write_text(text, encoding="utf-8")
        for name, content in files.items():
            path = self.folder / "touch" / (name.replace("_", ".") + ".j2")
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return self

    @property
    def templates(self) -> Templates:
        return first_touch_templates(read_care(str(self.folder / "care.toml")))

    @property
    def refusal(self) -> str:
        with pytest.raises(SettingsError) as refused:
            first_touch(read_care(str(self.folder / "care.toml")))
        assert "\n" not in str(refused.value)
        return str(refused.value).replace(str(self.folder), "").removeprefix("care_file /care.toml: ")


@pytest.fixture
def care(tmp_path: Path) -> Care:
    return Care(tmp_path)


ENTRY = '[[first_touch.templates]]\nfile = "touch/own"\n'
OWN = "Subject: Own\n\nOwn text"


def case(**changes: Any) -> Case:
    return msgspec.structs.replace(CASE, **changes)


# The shipped ones

WILD = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)
ONE_OF_FEW = st.sampled_from(["Acme\nBcc: all@acme.example", "{{ 7 * 7 }}", "{% raw %}", "\u202eevil", "csm@vendor.example"])
TEXTS = WILD | ONE_OF_FEW
TIMES = st.integers(0, 30 * 24 * 60).map(lambda minutes: format_time(START + minutes * MINUTE))


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.just(UNSET) | strategy


CASES = st.builds(
    Case,
    account_id=TEXTS,
    case_id=st.just("c-1"),
    respondent_id=TEXTS,
    state=st.sampled_from(["new", "acknowledged", "reopened"]),
    severity=st.sampled_from(SEVERITIES),
    owner=maybe(TEXTS),
    opened_at=TIMES,
    updated_at=TIMES,
    revision=st.integers(0, 5),
    first_response_due=maybe(TIMES),
    consecutive=st.integers(1, 9),
    responses=st.lists(
        st.builds(
            CaseResponse,
            response_id=TEXTS,
            score=st.integers(0, 6),
            responded_at=TIMES,
            comment=maybe(TEXTS),
            themes=maybe(st.lists(TEXTS, max_size=2)),
        ),
        min_size=1,
        max_size=2,
    ),
    segments=maybe(st.dictionaries(st.sampled_from(["plan", "region"]), TEXTS)),
    locale=maybe(st.sampled_from(["de", "de-AT", "DE_de", "fr-CA", "es", "en-GB", "nl", "zh-Hant-TW", "-", "_"]) | TEXTS),
    account=maybe(
        st.builds(
            CaseAccount,
            name=maybe(TEXTS),
            tier=maybe(TEXTS),
            value=maybe(st.integers(0, 10**9) | st.floats(0, 1e9)),
            time_zone=maybe(st.sampled_from(["Europe/Berlin", "Asia/Kolkata"])),
        )
    ),
)


@given(CASES, st.integers(0, 60 * 24 * 60).map(lambda minutes: START + minutes * MINUTE))
def test_every_shipped_message_renders_for_every_case(one: Case, now: int) -> None:
    for templates in (SHIPPED, shipped()):
        message = templates.render(one, now)
        assert (message.template, message.failed) == (one.severity, "")
        assert message.locale in LOCALES
        assert message.subject.isprintable()
        assert 0 < len(message.subject) <= 60
        assert 200 < len(message.text) < 2_000
        assert COMPANY in message.text
        assert message == templates.render(one, now)


@given(CASES)
def test_shipped_messages_quote_nothing(one: Case) -> None:
    mark = "SOMETHING-EMBARRASSING"
    said = msgspec.structs.replace(one.responses[-1], comment=mark, themes=[mark])
    told = msgspec.structs.replace(
        one, responses=[said], account=CaseAccount(name=mark, tier=mark), segments={"plan": mark}, note=mark
    )
    message = SHIPPED.render(told, START)
    assert mark not in message.subject + message.text


def test_there_is_one_for_each_severity_in_each_language() -> None:
    messages = {name.removeprefix("npstream/") for name in shipped_files() if name.endswith(".txt.j2")}
    assert messages == {f"{severity}.{locale}.txt.j2" for severity in SEVERITIES for locale in LOCALES}


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_shipped_message_is_signed_and_lets_one_go(severity: str, locale: str) -> None:
    text = SHIPPED.render(case(severity=severity, locale=locale), START).text
    assert text.endswith("\n\nA name\nVendor Inc.\ncsm@vendor.example")
    assert "https://vendor.example/peace" in text
    assert re.search(r"\n\n\n|[ \t]\n|\{|\}|  ", text) is None
    assert "!" not in text


@pytest.mark.parametrize("locale", LOCALES)
def test_what_customers_read(locale: str) -> None:
    said = CaseResponse(response_id="r-1", score=3, responded_at=CASE.opened_at)
    little = case(owner=UNSET, account=UNSET, segments=UNSET, first_response_due=UNSET, responses=[said])
    read = {}
    for severity in SEVERITIES:
        for name, templates, one in (("all is known", SHIPPED, CASE), ("little is known", shipped(), little)):
            message = templates.render(msgspec.structs.replace(one, severity=severity, locale=locale), START)
            read[f"{severity}, {name}"] = [message.subject, "", *message.text.split("\n")]
    check_golden(f"first_touch/{locale}.json", read)


@pytest.mark.parametrize(
    ("due", "words"),
    [
        ("2026-03-02T17:00:00.000Z", ("today", "noch heute", "dès aujourd’hui", "hoy mismo")),
        ("2026-03-03T17:00:00.000Z", ("by tomorrow", "bis morgen", "d’ici demain", "a más tardar mañana")),
        ("2026-03-05T17:00:00.000Z", ("by Thursday", "bis Donnerstag", "d’ici jeudi", "a más tardar el jueves")),
        ("2026-03-08T17:00:00.000Z", ("by Sunday", "bis Sonntag", "d’ici dimanche", "a más tardar el domingo")),
        ("2026-03-12T17:00:00.000Z", ("as soon as possible", "so bald wie möglich", "dès que possible", "lo antes posible")),
    ],
)
def test_all_languages_promise_the_same_day(due: str, words: tuple[str, ...]) -> None:
    for locale, promise in zip(LOCALES, words, strict=True):
        for severity in SEVERITIES:
            text = SHIPPED.render(case(severity=severity, locale=locale, first_response_due=due), START).text
            assert promise in text


# What templates are given


@pytest.mark.parametrize(
    ("due", "when"),
    [
        (UNSET, ""),
        ("2026-03-02T09:00:00.000Z", ""),
        ("2026-03-02T09:59:00.000Z", ""),
        ("2026-03-02T10:00:00.000Z", "today"),
        ("2026-03-02T22:30:00.000Z", "today"),
        ("2026-03-02T23:30:00.000Z", "tomorrow"),
        ("2026-03-04T11:00:00.000Z", "weekday"),
        ("2026-03-08T11:00:00.000Z", "weekday"),
        ("2026-03-09T11:00:00.000Z", "later"),
    ],
)
def test_the_due_time_is_told_by_the_accounts_clock_as_long_as_it_is_to_come(due: Any, when: str) -> None:
    view = view_of(case(first_response_due=due), START, Words(), zones)
    assert view["due"].when == when


def test_the_due_time_is_told_in_parts() -> None:
    due = view_of(case(first_response_due="2026-03-04T11:00:00.000Z"), START, Words(), zones)["due"]
    assert due == DueView("weekday", 2, "2026-03-04", "12:00")


def test_what_others_wrote_is_one_line_and_no_longer_than_it_needs_to_be() -> None:
    said = CaseResponse(
        response_id="r-1", score=3, responded_at=CASE.opened_at, comment="One\r\ntwo\x00\u202e three" + "x" * 9000
    )
    account = CaseAccount(name="Acme\nSubject: no", tier="g\told")
    view = view_of(case(responses=[said], account=account, owner="Lee\nKim"), START, Words(), zones)
    assert view["comment"].startswith("One two threex")
    assert len(view["comment"]) == 500
    assert (view["account"].name, view["account"].tier, view["owner"].name) == ("Acme Subject: no", "g old", "Lee Kim")


def test_a_template_can_do_what_is_documented(care: Care) -> None:
    text = """{% import "npstream/en.j2" as common with context %}
Subject: {{ severity }} {{ score }} {{ consecutive }} {{ locale }}
{{ comment }} {{ themes|join("+") }} {{ segments.plan }} {{ segments.get("team", "none") }}
{{ account.id }} {{ account.name }} {{ account.tier }} {{ account.value }} {{ owner.name }}|{{ owner.email }}
{{ due.when }} {{ due.weekday }} {{ due.date }} {{ due.time }} {{ company }} {{ opt_out_url }}
{{ common.when() }}
"""
    table = 'opt_out_url = "https://vendor.example/peace"\n' + ENTRY + "match = {segments = {plan = 'enterprise'}}\n"
    templates = care.write(table, own_en_txt="Subject: {{ score }}\nx").write(table, own_en_txt=_guarded(text)).templates
    message = templates.render(CASE, START)
    assert message.failed == ""
    assert message.subject == "critical 3 2 en"
    assert message.text.split("\n") == [
        "The export is slow. performance enterprise none",
        "acme Acme gold 48000 |csm@vendor.example",
        "today 0 2026-03-02 12:30 Vendor Inc. https://vendor.example/peace",
        "today",
    ]


def _guarded(text: str) -> str:
    """As it must be written for cases that have no such segment."""
    return text.replace("{{ segments.plan }}", '{{ segments.get("plan", "") }}')


# Which is chosen


@pytest.mark.parametrize(
    ("locale", "files", "expected"),
    [
        ("de-AT", ["en", "de", "de-AT"], "de-AT"),
        ("de_at", ["en", "de", "de-AT"], "de-AT"),
        ("de-CH", ["en", "de", "de-AT"], "de"),
        ("DE", ["en", "de"], "de"),
        ("nl", ["en", "de"], "de"),
        (UNSET, ["en", "de"], "de"),
        ("nl", ["en"], "en"),
        ("fr", ["en", "de"], "de"),
    ],
)
def test_the_language_is_the_nearest_there_is(care: Care, locale: Any, files: list[str], expected: str) -> None:
    care.write('default_locale = "de"\n' + ENTRY, **{f"own_{file}_txt": OWN for file in files})
    message = care.templates.render(case(locale=locale), START)
    assert (message.template, message.locale) == ("own", expected)


def test_the_first_that_fits_is_chosen(care: Care) -> None:
    table = """
[[first_touch.templates]]
file = "touch/worst"
match = {severities = ["critical"], segments = {plan = ["enterprise", "team"], region = "emea"}}
[[first_touch.templates]]
file = "touch/free"
match = {segments = {plan = "free"}}
[[first_touch.templates]]
file = "touch/high"
match = {severities = ["high"]}
"""
    templates = care.write(table, worst_en_txt=OWN, free_en_txt=OWN, high_en_txt=OWN).templates
    big, free = {"plan": "team", "region": "emea"}, {"plan": "free"}
    chosen = [
        templates.choose(case(severity=severity, segments=segments)).name
        for severity, segments in [
            ("critical", big), ("critical", {"plan": "team"}), ("high", free), ("high", big), ("elevated", UNSET),
        ]
    ]  # fmt: skip
    assert chosen == ["worst", "critical", "free", "high", "elevated"]
    choice = templates.choose(case(severity="high", segments=big))
    assert choice.why == "first_touch.templates[2]; the respondent's locale"
    assert templates.path(choice).endswith("/touch/high.en.txt.j2")


def test_names_of_files_tell_the_locale() -> None:
    names = ("a/b.c.de-AT.txt.j2", "x.zh_Hant_TW.txt.j2", "x.txt.j2", "x.de.j2", "x.12.txt.j2")
    assert [locale_of(name) for name in names] == ["de-AT", "zh-Hant-TW", "", "", ""]


# What is wrong with one


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("Subject: x\n{% if %}", ":2: Expected an expression, got 'end of statement block'"),
        ("Subject: x\n\n{{ nmae }}", ":3: 'nmae' is undefined"),
        ("Subject: x\n{{ owner.phone }}", ":2: 'owner' has no attribute 'phone'"),
        ("Subject: x\n{{ segments.plan }}", ":2: 'dict object' has no attribute 'plan'"),
        ("Subject: x\n{{ 1 / 0 }}", ":2: division by zero"),
        ("Subject: x\n{{ ().__class__ }}", ":2: access to attribute '__class__' of 'tuple' object is unsafe."),
        ("Subject: x\n{% include '../../etc/passwd' %}", ":2: ../../etc/passwd"),
        ("Subject: x\n{{ 'long ' * 9999 }}", ": what it renders is longer than 10,000 characters"),
        ("Hello\nthere", ": what it renders does not begin with 'Subject: ...'"),
        ("Subject:\nthere", ": what it renders has no subject"),
        ("Subject: x\n\n", ": what it renders has no text"),
        ("Subject: x\n{{ lipsum() }}", ":2: 'lipsum' is undefined"),
        ("Subject: x\n{{ [1, 2]|random }}", ":2: No filter named 'random'."),
            ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_and_line_when_a_worker_starts(care: Care, text: str, refusal: str) -> None:
    care.write(ENTRY, own_en_txt=text)
    assert care.refusal == f"first_touch.templates: /touch/own.en.txt.j2{refusal}"


def test_a_mistake_in_what_is_imported_is_told_where_it_is(care: Care) -> None:
    text = "Subject: x\n{% import 'touch/parts.j2' as parts %}{{ parts.closing() }}"
    care.write(ENTRY, own_en_txt=text, parts="{% macro closing() %}\n{{ nmae }}{% endmacro %}")
    assert care.refusal == "first_touch.templates: /touch/parts.j2:2: 'nmae' is undefined"


@pytest.mark.parametrize(
    ("table", "refusal"),
    [
        ("compny = 1", "first_touch: there is no key 'compny' here; did you mean company?"),
        ("delay_minutes = -1", "first_touch.delay_minutes: expected a whole number >= 0"),
        ("account_cap = 0", "first_touch.account_cap: expected a whole number >= 1"),
        ('from = "8"', "first_touch.from: '8' is no time of day from 00:00 to 24:00"),
        ('to = "24:01"', "first_touch.to: '24:01' is no time of day from 00:00 to 24:00"),
        ('from = "20:00"\nto = "08:00"', "first_touch: the hours must begin before they end, on the same day"),
        ('zone = "Mars"', "first_touch.zone: 'Mars': no such time zone here; use one like Europe/Berlin, or UTC"),
        ('reply_to = "lee"', "first_touch: reply_to is 'lee': it must be an e-mail address"),
        ('opt_out_url = "javascript:x"', "first_touch.opt_out_url: 'javascript:x' is no address that begins with https:// or http://"),
        ('names = {lee = "a\\nb"}', "first_touch.names.lee: a name is some text on one line"),
        (ENTRY, "first_touch.templates: cannot read /touch: No such file or directory"),
        (ENTRY.replace("touch/own", "../own"), "first_touch.templates[0].file: '../own' is not beside the care file, or below"),
        (ENTRY.replace("touch/own", "/own"), "first_touch.templates[0].file: '/own' is not beside the care file, or below"),
        (ENTRY.replace("touch/own", ""), "first_touch.templates[0].file: '' is not beside the care file, or below"),
        (
            ENTRY + 'match = {severities = [""]}',
            "first_touch.templates[0].match.severities[0]: '' is none of critical, high, elevated",
        ),
        (ENTRY.replace("touch/own", "own"), "first_touch.templates[0].file: there is no /own.LOCALE.txt.j2"),
    ],
)  # fmt: skip
def test_a_table_with_a_mistake_is_refused_in_one_line(care: Care, table: str, refusal: str) -> None:
    assert care.write(table).refusal == refusal


def test_a_company_must_sign(care: Care) -> None:
    care.write()
    (care.folder / "care.toml").write_text("[first_touch]\nenabled = true\n")
    assert care.refusal == "first_touch.company: missing: messages are signed with it"


def test_a_message_must_be_there_in_a_language_for_everybody(care: Care) -> None:
    care.write(ENTRY, own_fr_txt=OWN)
    assert care.refusal == "first_touch.templates[0].file: /touch/own is in fr, not in the default_locale en"


def test_a_file_that_is_no_text_is_refused(care: Care) -> None:
    care.write(ENTRY, own_en_txt=OWN)
    (care.folder / "touch" / "own.de.txt.j2").write_bytes(b"Subject: \xff")
    assert care.refusal == "first_touch.templates: /touch/own.de.txt.j2 is not UTF-8"


def test_one_that_fails_for_a_case_is_replaced_by_the_shipped_one(care: Care) -> None:
    text = "Subject: Own\n{% if score == 0 %}{{ 1 // score }}{% endif %}text"
    templates = care.write(ENTRY, own_en_txt=text).templates
    worst = case(responses=[msgspec.structs.replace(CASE.responses[0], score=0)])
    assert templates.render(CASE, START).template == "own"
    message = templates.render(worst, START)
    assert (message.failed, message.template) == ("own", "critical")
    assert message._replace(failed="") == care.write().templates.render(worst, START)


def test_a_subject_is_one_line_of_bounded_length(care: Care) -> None:
    text = "Subject: {% for n in range(99) %}\u2028\x07long {% endfor %}.\r\nBcc: all@acme.example\n\ntext"
    message = care.write(ENTRY, own_en_txt=text).templates.render(CASE, START)
    assert message.subject.isprintable()
    assert len(message.subject) <= SUBJECT_CHARS
    assert message.text.startswith("Bcc: all@acme.example\n\ntext")
    assert len(message.text) <= TEXT_CHARS


# The settings


def test_it_is_off_unless_it_is_switched_on(tmp_path: Path) -> None:
    (tmp_path / "care.toml").write_text('[first_touch]\ncompany = "x"\n')
    assert first_touch(read_care(str(tmp_path / "care.toml"))) is None
    assert first_touch(read_care("")) is None


def test_the_table_becomes_the_agents_settings(care: Care) -> None:
    table = """
delay_minutes = 10
cooldown_days = 60
account_cap = 3
daily_cap = 90
latest_h = 6
from = "09:30"
to = "24:00"
zone = "Europe/Berlin"
reply_to = "success@vendor.example"
send_by = "mail"

[sinks.mail]
kind = "email"
host = "smtp.vendor.example"
sender = "npstream@vendor.example"
"""
    found = first_touch(read_care(str(care.write(table).folder / "care.toml")))
    assert found is not None
    assert (found.delay_minutes, found.cooldown_days, found.account_cap, found.daily_cap, found.latest_h) == (10, 60, 3, 90, 6)
    assert (found.hours.first, found.hours.end, found.reply_to) == (570, 1440, "success@vendor.example")
    at = parse_time("2026-03-02T06:00:00.000Z")
    assert found.hours.next(at, None) == found.hours.next(at, "No/Such_Zone") == at + 2 * HOUR + 30 * MINUTE
    assert found.hours.next(at, "Asia/Kolkata") == at
    assert found.render(CASE, START).subject == "Thank you for being frank with us"


def test_without_the_package_it_says_what_to_install(care: Care, monkeypatch: pytest.MonkeyPatch) -> None:
    care.write()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    monkeypatch.delitem(sys.modules, "npstream.care.touch_templates", raising=False)
    assert care.refusal == "first messages need jinja2, which is not there: pip install 'npstream[care]'"


def test_the_documented_settings_are_those_that_there_are() -> None:
    from npstream.care.first_touch import _Table

    page = (Path(__file__).parents[2] / "docs" / "first-touch.md").read_text(encoding="utf-8")
    table = page.partition("## Settings")[2].partition("\n## ")[0]
    documented = [
        name for line in table.splitlines() if line.startswith("| `") for name in re.findall(r"`(\w+)`", line.split("|")[1])
    ]
    assert sorted(documented) == sorted(msgspec.structs.fields(_Table)[n].encode_name for n in range(len(documented)))
