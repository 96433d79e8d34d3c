"""The tables [sinks.NAME] of the care file: one line for each mistake, and no secret in any of them."""

import re
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

import pytest

from npstream.care.file import CareFile, read_care
from npstream.care.sinks import (
    KINDS,
    AlertmanagerTable,
    EmailTable,
    PagerDutyTable,
    SlackTable,
    WebhookTable,
    kind_of,
    open_sinks,
    outreach_sink,
    sink_tables,
)
from npstream.notifying.overview import overview
from npstream.settings_sources import SettingsError
from npstream.terminal import console

PLANTED = "planted-secret"
EMAIL = 'kind = "email"\nhost = "mail.vendor.example"\nsender = "npstream@vendor.example"\n'
PAGE = (Path(__file__).parents[2] / "docs" / "delivery.md").read_text(encoding="utf-8")


def care(folder: Path, text: str) -> CareFile:
    file = folder / "care.toml"
    file.write_text(text, encoding="utf-8")
    return read_care(str(file))


def test_secrets_may_stand_in_the_file_in_a_variable_or_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "mounted").write_text("from-file\n", encoding="utf-8")
    signing = b64encode(b"key").decode()
    found = open_sinks(
        care(
            tmp_path,
            f"""
            [sinks.one]
            kind = "slack"
            url = {{ env = "SLACK_URL" }}
            [sinks.two]
            kind = "pagerduty"
            routing_key = {{ file = "mounted" }}
            [sinks.three]
            kind = "webhook"
            url = "https://crm.example/hook"
            secret = {{ value = "whsec_{signing}" }}
            """,
        ),
        {"SLACK_URL": "https://hooks.slack.example/x"},
    )
    one, two, three = found.values()
    assert isinstance(one, SlackTable)
    assert one.url == "https://hooks.slack.example/x"
    assert isinstance(two, PagerDutyTable)
    assert two.routing_key == "from-file"
    assert isinstance(three, WebhookTable)
    assert three.secret == f"whsec_{signing}"
    assert "from-file" not in repr(found)


def test_a_worker_needs_no_secrets_to_know_which_sinks_there_are(tmp_path: Path) -> None:
    tables = sink_tables(care(tmp_path, '[sinks.one]\nkind = "slack"\nurl = { env = "NOT_SET" }'))
    assert {name: kind_of(table) for name, table in tables.items()} == {"one": "slack"}


MISTAKES = [
    ('sinks = 3', "sinks: write a table for each"),
    ('[sinks]\none = 3', "sinks.one: expected"),
    ('[sinks.One]\nkind = "slack"\nurl = "https://x"', "sinks.One: a sink's name is of a-z"),
    ('[sinks.one]\nurl = "https://x"', "sinks.one: kind is '': it must be one of alertmanager, slack"),
    ('[sinks.one]\nkind = "slak"', "did you mean slack?"),
    ('[sinks.one]\nkind = "slack"', "sinks.one: url is missing"),
    ('[sinks.one]\nkind = "slack"\nurl = "https://x"\nchannel = "y"', "sinks.one: there is no key 'channel' here"),
    ('[sinks.one]\nkind = "slack"\nurl = "https://x"\nat_once = 0', "sinks.one.at_once: expected a whole number >= 1"),
    ('[sinks.one]\nkind = "slack"\nurl = "https://x"\ngive_up_after_s = -1', "sinks.one.give_up_after_s: expected"),
    ('[sinks.one]\nkind = "slack"\nurl = "planted-secret"', "sinks.one: url: write scheme and host"),
    ('[sinks.one]\nkind = "slack"\nurl = { env = "BAD_URL" }', "sinks.one: url: write scheme and host"),
    ('[sinks.one]\nkind = "slack"\nurl = { env = "NOT_SET" }', "sinks.one.url: the variable NOT_SET is not set"),
    ('[sinks.one]\nkind = "slack"\nurl = { file = "nowhere" }', "sinks.one.url: cannot read the file "),
    ('[sinks.one]\nkind = "slack"\nurl = { evn = "X" }', "sinks.one.url: there is no key 'evn' here"),
    ('[sinks.one]\nkind = "slack"\nurl = { env = "A", file = "b" }', "sinks.one.url: give one of value, env and file"),
    ('[sinks.one]\nkind = "webhook"\nurl = "https://x"\nsecret = "planted-secret!"', "sinks.one: secret: it must be base64"),
    ('[sinks.one]\nkind = "pagerduty"\nrouting_key = ""', "sinks.one: routing_key is empty"),
    ('[sinks.one]\nkind = "alertmanager"\nurl = "http://x"\nusername = "u"\ntoken = "planted-secret"', "or token, not both"),
    (f'[sinks.one]\n{EMAIL}to = ["csm"]', "sinks.one: to: 'csm' is no address"),
    ('[sinks.one]\nkind = "email"\nhost = "h"\nsender = "Us"', "sinks.one: sender is 'Us': write an address"),
    (f'[sinks.one]\n{EMAIL}tls = "none"\nusername = "u"\npassword = "planted-secret"', "the password would be readable"),
    (f'[sinks.one]\n{EMAIL}username = "u"', "sinks.one: give username and password, or neither"),
    (f'[sinks.one]\n{EMAIL}tls = "ssl"', "sinks.one.tls: 'ssl' is none of"),
    (f'[sinks.one]\n{EMAIL}port = 0', "sinks.one.port: expected"),
    (f'[sinks.one]\n{EMAIL}[first_touch]\nsend_by = "onn"', "first_touch.send_by: there is no sink 'onn'; did you mean one?"),
    ('[sinks.one]\nkind = "slack"\nurl = "https://x"\n[first_touch]\nsend_by = "one"', "one is no sink of kind email"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), MISTAKES)
def test_mistakes_are_one_line_that_shows_no_secret(tmp_path: Path, text: str, words: str) -> None:
    environ: Mapping[str, str] = {"BAD_URL": PLANTED}

    def read() -> None:
        given = care(tmp_path, text)
        open_sinks(given, environ)
        outreach_sink(given)

    with pytest.raises(SettingsError) as raised:
        read()
    message = str(raised.value)
    assert words in message
    assert len(message.splitlines()) == 1
    assert PLANTED not in message
    assert "care.toml" in message


def test_first_messages_are_sent_by_the_sink_that_the_file_names(tmp_path: Path) -> None:
    assert outreach_sink(care(tmp_path, f'[sinks.mail]\n{EMAIL}[first_touch]\nsend_by = "mail"')) == "mail"
    assert outreach_sink(care(tmp_path, f"[sinks.mail]\n{EMAIL}[first_touch]\ncap = 3")) is None
    assert outreach_sink(CareFile()) is None


def test_what_is_shown_of_sinks_has_no_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = open_sinks(
        care(
            tmp_path,
            f"""
            [sinks.slack]
            kind = "slack"
            url = "https://hooks.slack.example/services/{PLANTED}"
            [sinks.hook]
            kind = "webhook"
            url = "https://crm.example/{PLANTED}"
            secret = "{b64encode(PLANTED.encode()).decode()}"
            [sinks.am]
            kind = "alertmanager"
            url = "http://user:{PLANTED}@alertmanager:9093"
            [sinks.pd]
            kind = "pagerduty"
            routing_key = "{PLANTED}"
            [sinks.mail]
            {EMAIL}
            username = "u"
            password = "{PLANTED}"
            to = ["csm@vendor.example"]
            to_owner = true
            """,
        )
    )
    console().print(overview(found, "mail"))
    shown = capsys.readouterr().out
    assert PLANTED not in shown
    assert b64encode(PLANTED.encode()).decode() not in shown
    for words in ("https://hooks.slack.example", "http://alertmanager:9093", "mail.vendor.example", "sends them"):
        assert words in shown


def test_the_file_that_is_shown_is_one(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    for name in re.findall(r'file = "([^"]+)"', shown):
        secret = tmp_path / Path(name).name
        secret.write_text(b64encode(b"from-a-file").decode(), encoding="utf-8")
        shown = shown.replace(name, str(secret))
    environ = dict.fromkeys(re.findall(r'env = "([^"]+)"', shown), "https://from-a-variable")
    found = open_sinks(care(tmp_path, shown), environ)
    assert {kind_of(table) for table in found.values()} == set(KINDS)


def test_every_field_is_documented() -> None:
    told = set(re.findall(r"`(\w+)`", PAGE))
    for table in (AlertmanagerTable, SlackTable, PagerDutyTable, WebhookTable, EmailTable):
        assert set(table.__struct_fields__) <= told, table
