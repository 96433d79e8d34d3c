"""The sources file: how each survey platform's payloads are read, and the line that tells of a mistake in it."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from npstream.settings_sources import SettingsError
from npstream.sources_file import read_sources
from schemas.vendors import ADAPTERS
from schemas.vendors.adapter import SurveySettings

MAPPING = """
name = "helpdesk"
recognise = "ticket"
[fields]
response_id = "ticket.id"
score = "ticket.rating"
responded_at = "ticket.closed"
"""


def written(folder: Path, text: str, **others: str) -> str:
    for name, content in others.items():
        (folder / f"{name}.toml").write_text(content)
    file = folder / "sources.toml"
    file.write_text(text)
    return str(file)


def test_without_a_file_there_are_the_built_in_adapters_and_their_defaults() -> None:
    assert read_sources("").adapters == ADAPTERS
    assert read_sources("").settings == {}


def test_it_says_how_a_source_and_its_surveys_are_read(tmp_path: Path) -> None:
    sources = read_sources(
        written(
            tmp_path,
            """
            [domains]
            "@Globex.example" = "globex"
            [sources.typeform]
            zone = "Europe/Berlin"
            account = "acme"
            account_properties = ["Customer No"]
            [sources.typeform.surveys.f1]
            score_fields = ["recommend"]
            """,
        )
    )
    typeform = sources.settings["typeform"]
    assert (typeform.zone, typeform.account) == (ZoneInfo("Europe/Berlin"), "acme")
    assert typeform.account_properties == ("customer_no",)
    assert typeform.surveys == {"f1": SurveySettings(("recommend",))}
    assert typeform.of_survey("f1").score_fields == ("recommend",)
    assert typeform.of_survey("f2").score_fields == ()
    assert sources.domains == {"globex.example": "globex"}


def test_mappings_of_ones_own_stand_beside_the_file_and_after_the_built_in_ones(tmp_path: Path) -> None:
    sources = read_sources(
        written(tmp_path, 'mappings = ["helpdesk.toml"]\n[sources.helpdesk]\naccount = "a"', helpdesk=MAPPING)
    )
    assert list(sources.adapters) == [*ADAPTERS, "helpdesk"]
    assert sources.settings["helpdesk"].account == "a"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("x", "sources_file FILE: "),
        ("[sources.typeform]\nzones = 'UTC'", "sources_file FILE: Object contains unknown field `zones` - at `$.sources[...]`"),
        ("[sources.typform]", "sources_file FILE: sources.typform: no adapter has this name; did you mean typeform?"),
        (
            "[sources.typeform]\nzone = 'Mars/Base'",
            "sources_file FILE: sources.typeform.zone is 'Mars/Base': no such time zone",
        ),
        (
            "[sources.typeform]\nsegment_properties = ['a long name that goes on and on and on and on']",
            "sources_file FILE: sources.typeform.segment_properties: ",
        ),
        ("mappings = ['none.toml']", "cannot read FOLDER/none.toml: No such file or directory"),
        ("mappings = ['bad.toml']", "mapping FOLDER/bad.toml: fields.score: 'a[' is no JMESPath: "),
    ],
)
def test_a_mistake_is_one_line_that_names_the_file_and_the_place(tmp_path: Path, text: str, complaint: str) -> None:
    file = written(tmp_path, text, bad='name = "bad"\n[fields]\nscore = "a["\n')
    with pytest.raises(SettingsError) as raised:
        read_sources(file)
    message = str(raised.value)
    assert message.replace(file, "FILE").replace(str(tmp_path), "FOLDER").startswith(complaint)
    assert "\n" not in message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*none\.toml: No such file or directory"):
        read_sources(str(tmp_path / "none.toml"))
