"""Settings: where they come from, what is refused, and that every one is documented."""

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npstream import settings_docs
from npstream.settings import AGENTS, Settings
from npstream.settings_sources import SettingsError, Source, as_text, declared, default_of, parse

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"


def load(flags: dict[str, object] | None = None, environ: dict[str, str] | None = None, file: Path | None = None) -> Settings:
    return Settings.load(flags or {}, environ or {}, file)


def refusal(flags: dict[str, object] | None = None, environ: dict[str, str] | None = None, file: Path | None = None) -> str:
    with pytest.raises(SettingsError) as caught:
        load(flags, environ, file)
    return str(caught.value)


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    return tmp_path / "npstream.toml"


@pytest.fixture(autouse=True)
def no_file_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_flag_wins_over_the_environment_which_wins_over_the_file_which_wins_over_the_default(toml: Path) -> None:
    toml.write_text('app_id = "file"\nhttp_port = 1\nsegment_gauges = 2\n', encoding="utf-8")
    settings = load({"app_id": "flag"}, {"NPSTREAM_APP_ID": "env", "NPSTREAM_HTTP_PORT": "3"}, toml)
    assert (settings.app_id, settings.http_port, settings.segment_gauges, settings.partitions) == ("flag", 3, 2, 12)
    sources = [settings.source_of(name) for name in ("app_id", "http_port", "segment_gauges", "partitions")]
    assert sources == [Source.FLAG, Source.ENVIRONMENT, Source.FILE, Source.DEFAULT]


def test_the_file_is_the_named_one_else_the_one_of_the_environment_else_npstream_toml(tmp_path: Path) -> None:
    for name in ("flag", "env", "npstream"):
        (tmp_path / f"{name}.toml").write_text(f'app_id = "{name}"\n', encoding="utf-8")
    environ = {"NPSTREAM_CONFIG": str(tmp_path / "env.toml")}
    assert load(environ=environ, file=tmp_path / "flag.toml").app_id == "flag"
    assert load(environ=environ).app_id == "env"
    assert load().app_id == "npstream"


def test_a_command_overrides_with_the_flags_that_it_was_given() -> None:
    settings = load(environ={"NPSTREAM_APP_ID": "nps"}).override(http_port=0, agents="intake", partitions=None)
    assert (settings.app_id, settings.http_port, settings.agents, settings.partitions) == ("nps", 0, ("intake",), 12)
    assert settings.source_of("http_port") is Source.FLAG
    assert settings.source_of("app_id") is Source.ENVIRONMENT
    assert settings.source_of("partitions") is Source.DEFAULT
    with pytest.raises(SettingsError, match="http_port"):
        settings.override(http_port=70_000)


VALUES = [
    # written as               setting            read as
    ("7, 30,90", "windows_days", (7, 30, 90)),
    ("intake,rollups", "agents", ("intake", "rollups")),
    ("yes", "accept_gaps", True),
    ("OFF", "uvloop", False),
    ("0.5", "retry_max_s", 0.5),
    (5, "retry_max_s", 5.0),
    ("", "ssl_ca_file", None),
    ("", "default_account", ""),
]


@pytest.mark.parametrize(("written", "name", "expected"), VALUES)
def test_values_are_read_as_the_setting_s_type(written: object, name: str, expected: object) -> None:
    value = parse(declared(Settings)[name], written)
    assert value == expected
    assert type(value) is type(expected)


REFUSED = [
    # setting              value            what the line says
    ("partitions", "twelve", "partitions is 'twelve': it must be a whole number"),
    ("partitions", "", "partitions is '': it must be a whole number"),
    ("partitions", "1.5", "partitions is '1.5': it must be a whole number"),
    ("partitions", 1.0, "partitions is 1.0: it must be a whole number"),
    ("partitions", True, "partitions is True: it must be a whole number"),
    ("partitions", "0", "partitions is '0': it must be at least 1"),
    ("http_port", "65536", "http_port is '65536': it must be at most 65535"),
    ("retry_max_s", "nan", "retry_max_s is 'nan': it must be at least 0.1"),
    ("uvloop", "maybe", "uvloop is 'maybe': it must be true or false"),
    ("uvloop", 1, "uvloop is 1: it must be true or false"),
    ("app_id", 5, "app_id is 5: it must be text"),
    ("windows_days", "", "windows_days is '': it must be whole numbers, with commas between them"),
    ("windows_days", "7,x", "windows_days is '7,x': it must be whole numbers, with commas between them"),
    ("windows_days", [7, "x"], "windows_days is [7, 'x']: it must be whole numbers, with commas between them"),
    ("agents", "intake,skoring", "agents is 'intake,skoring': it must be intake or directory or scoring or rollups or care"),
    ("log_level", "INFO", "log_level is 'INFO': it must be debug or info or warning or error or critical (written info)"),
    ("transaction_timeout_ms", "900001", "transaction_timeout_ms is '900001': it must be at most 900000"),
    ("transaction_timeout_ms", "999", "transaction_timeout_ms is '999': it must be at least 1000"),
]


@pytest.mark.parametrize(("name", "value", "line"), REFUSED)
def test_a_value_of_a_wrong_type_or_beyond_its_bounds_is_refused(name: str, value: object, line: str) -> None:
    assert refusal({name: value}) == line


CONTRADICTIONS = [
    # settings                                                                            the names in the line
    ({"heartbeat_ms": 3334}, ("heartbeat_ms", "session_timeout_ms")),
    ({"session_timeout_ms": 8999}, ("heartbeat_ms", "session_timeout_ms")),
    ({"headline_days": 60}, ("headline_days", "windows_days")),
    ({"windows_days": "7,30"}, ("headline_days", "windows_days")),
    ({"windows_days": "30,7,90"}, ("windows_days",)),
    ({"windows_days": "7,90,90"}, ("windows_days",)),
    ({"windows_days": "90,397"}, ("windows_days", "grace_days")),
    ({"grace_days": 71}, ("windows_days", "grace_days")),
    ({"inbox_max_bytes": 500_000}, ("batch_max_bytes", "inbox_max_bytes")),
    ({"transaction_timeout_ms": 60_000}, ("open_timeout_ms", "transaction_timeout_ms")),
    ({"retry_max_s": 400}, ("retry_max_s", "give_up_after_s")),
    (
        {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_password": "p"},
        ("security_protocol", "sasl_username"),
    ),
    (
        {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "u"},
        ("security_protocol", "sasl_password"),
    ),
    ({"security_protocol": "SASL_SSL", "sasl_username": "u", "sasl_password": "p"}, ("security_protocol", "sasl_mechanism")),
    ({"sasl_username": "u"}, ("sasl_username", "security_protocol")),
    ({"ssl_ca_file": "ca.pem"}, ("ssl_ca_file", "security_protocol")),
    ({"security_protocol": "SSL", "ssl_ca_file": "nowhere.pem"}, ("ssl_ca_file", "nowhere.pem")),
    ({"replication": 0}, ("replication",)),
    ({"state_store": "disk"}, ("state_store", "state_folder")),
    ({"state_folder": "/var/lib/npstream"}, ("state_folder", "state_store")),
    ({"app_id": "a b"}, ("app_id",)),
    ({"app_id": ""}, ("app_id",)),
    ({"agents": "intake,intake"}, ("agents",)),
    ({"source_zone": "Europe/Berlni"}, ("source_zone", "Europe/Berlni")),
    ({"source_zone": "../etc/passwd"}, ("source_zone",)),
    ({"bootstrap": " "}, ("bootstrap",)),
]


@pytest.mark.parametrize(("flags", "names"), CONTRADICTIONS)
def test_settings_that_contradict_each_other_are_refused_in_one_line_with_their_names(
    flags: dict[str, object], names: tuple[str, ...]
) -> None:
    message = refusal(flags)
    assert "\n" not in message
    assert [name for name in names if name not in message] == []


AT_THE_EDGE = [
    {"heartbeat_ms": 3333},
    {"windows_days": "90,396"},
    {"grace_days": 70},
    {"batch_max_bytes": 500_000, "inbox_max_bytes": 500_000},
    {"transaction_timeout_ms": 59_999},
    {"retry_max_s": 300},
    {"replication": -1},
    {"state_store": "disk", "state_folder": "/var/lib/npstream"},
    {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": "u", "sasl_password": "p"},
]


@pytest.mark.parametrize("flags", AT_THE_EDGE)
def test_settings_that_just_fit_are_taken(flags: dict[str, object]) -> None:
    settings = load(flags)
    assert all(settings.source_of(name) is Source.FLAG for name in flags)


def test_an_unknown_variable_is_refused_with_the_nearest_name() -> None:
    assert refusal(environ={"NPSTREAM_BOOTSTRP": "x"}) == "NPSTREAM_BOOTSTRP names no setting; did you mean NPSTREAM_BOOTSTRAP?"


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest_name(toml: Path) -> None:
    toml.write_text("partitons = 4\n", encoding="utf-8")
    assert refusal(file=toml) == f"partitons in {toml} is no setting; did you mean partitions?"


def test_all_mistakes_are_told_at_once_a_line_each() -> None:
    message = refusal({"partitions": "x"}, {"NPSTREAM_HTTP_PORT": "y", "NPSTREAM_QQQQ": "z"})
    assert sorted(line.split()[0] for line in message.splitlines()) == ["NPSTREAM_HTTP_PORT", "NPSTREAM_QQQQ", "partitions"]


def test_variables_of_the_test_suite_are_left_alone() -> None:
    assert load(environ={"NPSTREAM_TEST_BOOTSTRAP": "127.0.0.1:1"}) == Settings()


@pytest.mark.parametrize("content", [b"app_id = ", b"\xff\xfe", b"[connection]\nbootstrap = 'x'\n"])
def test_a_file_that_is_no_flat_toml_is_refused_by_name(toml: Path, content: bytes) -> None:
    toml.write_bytes(content)
    message = refusal(file=toml)
    assert str(toml) in message
    assert "\n" not in message


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot read the settings file" in refusal(file=tmp_path / "missing.toml")


def test_a_secret_is_never_shown(toml: Path) -> None:
    secret = "hunter2-and-more"
    login = {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "u", "sasl_password": secret}
    settings = load(login)
    shown = [
        repr(settings.connection()),
        str(settings_docs.as_json(settings)),
        *(settings_docs.shown(settings, name) for name in declared(Settings)),
        refusal({"sasl_password": secret}),
    ]
    assert [text for text in shown if secret in text] == []
    assert settings_docs.shown(settings, "sasl_password") == settings_docs.MASK
    assert settings.connection().aiokafka["sasl_plain_password"] == secret


def test_the_repr_of_settings_hides_secrets() -> None:
    settings = load(
        {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "u", "sasl_password": "hunter2"}
    )
    assert "hunter2" not in repr(settings)


def test_a_name_that_is_no_setting_has_no_source() -> None:
    with pytest.raises(SettingsError, match="did you mean partitions"):
        Settings().source_of("partition")


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().partitions = 4  # type: ignore[misc]


def text_of(name: str) -> st.SearchStrategy[object]:
    """Any value that the setting allows, by its declaration."""
    facts = declared(Settings)[name]
    least, most = facts.metadata["least"], facts.metadata["most"]
    default = default_of(facts)
    if facts.metadata["choices"]:
        choice = st.sampled_from(facts.metadata["choices"])
        return st.lists(choice, min_size=1, unique=True).map(tuple) if isinstance(default, tuple) else choice
    match default:
        case bool():
            return st.booleans()
        case int():
            return st.integers(int(least), None if most is None else int(most))
        case float():
            return st.floats(float(least), allow_nan=False)
        case tuple():
            return st.lists(st.integers(int(least), 10**6), min_size=1).map(tuple)
        case _:
            return st.text(min_size=1)


@given(st.data())
def test_every_value_written_as_text_is_read_back_as_it_was(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(declared(Settings))))
    value = data.draw(text_of(name))
    assert parse(declared(Settings)[name], as_text(value)) == value


def test_another_process_can_be_given_the_same_settings() -> None:
    settings = load({"agents": "rollups,scoring", "sasl_password": None, "retry_max_s": 0.123456789, "accept_gaps": True})
    assert load(environ=settings.environment()) == settings
    assert load(environ=Settings().environment()) == Settings()


def test_more_processes_than_partitions_are_refused_with_both_names() -> None:
    assert refusal({"processes": 5, "partitions": 4}).startswith("processes 5 is more than partitions 4: ")
    assert load({"processes": 4, "partitions": 4}).processes == 4


def test_the_page_about_settings_is_the_one_made_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_docs.markdown(), "run: npstream settings --markdown > docs/settings.md"


def test_every_setting_has_a_reason_a_group_and_a_line_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    grouped = [name for names in settings_docs.groups().values() for name in names]
    assert grouped == list(declared(Settings))
    assert [name for name in grouped if f"| `{name}` | `NPSTREAM_{name.upper()}` |" not in page] == []
    assert [name for name, facts in declared(Settings).items() if len(facts.metadata["help"]) < 15] == []
    assert [f.name for f in dataclasses.fields(Settings) if f.name not in grouped] == ["sources"]


def test_every_number_that_measures_something_has_its_unit_in_its_name() -> None:
    counts = {"partitions", "processes", "replication", "http_port", "gc_threshold", "segment_gauges"}
    counts |= {"gateway_port", "gateway_burst", "fetch_http_port", "fetch_per_minute", "notify_http_port"}
    numbers = {name for name, facts in declared(Settings).items() if type(default_of(facts)) in (int, float)}
    assert {name for name in numbers - counts if not name.endswith(("_ms", "_s", "_bytes", "_days"))} == set()


def test_the_agents_run_by_default_are_all_of_them() -> None:
    assert Settings().agents == AGENTS
