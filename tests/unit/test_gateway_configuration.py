"""Who may send what: from gateway_file and the environment, with one line for each mistake, and no secret in any of them."""

from pathlib import Path

import pytest

from npstream.commands import gateway as command
from npstream.failures import UserError
from npstream.gateway.configuration import Credential, Rules, rules
from npstream.gateway.overview import overview
from npstream.gateway.signatures import SCHEMES
from npstream.invocation import Invocation
from npstream.settings import Settings
from npstream.settings_sources import SettingsError
from npstream.terminal import console
from schemas.vendors import ADAPTERS

PLANTED = "planted-secret"


def read(folder: Path, text: str = "", environ: dict[str, str] | None = None, **settings: str) -> Rules:
    file = folder / "gateway.toml"
    file.write_text(text, encoding="utf-8")
    return rules(Settings(gateway_file=str(file), **settings), environ or {})  # type: ignore[arg-type]


def test_without_a_file_every_vendor_is_known_and_closed() -> None:
    found = rules(Settings(), {})
    assert set(found.vendors) == set(ADAPTERS)
    assert all(vendor.closed for vendor in found.vendors.values())
    assert found.tokens == ()


def test_secrets_may_stand_in_the_file_in_a_variable_or_in_a_file_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "mounted").write_text("from-file\n", encoding="utf-8")
    found = read(
        tmp_path,
        f"""
        [vendors.typeform]
        account = "globex"
        secrets = ["plain", {{ env = "OLD_ONE" }}, {{ file = "{tmp_path / "mounted"}", account = "initech" }}]
        """,
        {"OLD_ONE": "from-env"},
    )
    assert found.vendors["typeform"].credentials == (
        Credential("plain", "globex"),
        Credential("from-env", "globex"),
        Credential("from-file", "initech"),
    )


def test_the_settings_add_secrets_and_tokens_without_any_file() -> None:
    found = rules(Settings(gateway_secrets="typeform=new, typeform=old,delighted=a=b", gateway_tokens="one, two"), {})
    assert [one.secret for one in found.vendors["typeform"].credentials] == ["new", "old"]
    assert [one.secret for one in found.vendors["delighted"].credentials] == ["a=b"]
    assert [one.secret for one in found.tokens] == ["one", "two"]


def test_a_secret_of_the_settings_gets_the_account_of_the_file(tmp_path: Path) -> None:
    found = read(tmp_path, '[vendors.typeform]\naccount = "globex"', gateway_secrets="typeform=s")
    assert found.vendors["typeform"].credentials == (Credential("s", "globex"),)


USUAL = """
typeform      typeform
surveymonkey  surveymonkey
wootric       wootric
formbricks    standard
qualtrics     qualtrics
delighted     shared
of-my-own     shared
"""


@pytest.mark.parametrize("case", USUAL.strip().splitlines())
def test_a_vendor_has_the_scheme_that_it_signs_with_unless_the_file_says_another(case: str, tmp_path: Path) -> None:
    name, scheme = case.split()
    assert read(tmp_path, f"[vendors.{name}]").vendors[name].scheme is SCHEMES[scheme]
    assert read(tmp_path, f'[vendors.{name}]\nscheme = "shared"').vendors[name].scheme is SCHEMES["shared"]


def test_open_is_said_in_so_many_words(tmp_path: Path) -> None:
    found = read(tmp_path, '[vendors.posthog]\nscheme = "open"\naccount = "globex"').vendors["posthog"]
    assert (found.open, found.closed, found.account) == (True, False, "globex")


MISTAKES = [
    ("[vendors.typeform]\nsecret = 'planted-secret'", "Object contains unknown field `secret`"),
    ("[vendors.typeform]\nsecrets = 'planted-secret'", "Expected `array`, got `str`"),
    ("[vendors.typeform]\nsecrets = [7]", "Expected `str | object`, got `int`"),
    ("[vendors.typeform]\nsecrets = ['']", "vendors.typeform: a secret has one of value, env and file, and it is not empty"),
    (
        "[vendors.typeform]\nsecrets = [{ value = 'planted-secret', env = 'A' }]",
        "vendors.typeform: a secret has one of value, env and file",
    ),
    ("[vendors.typeform]\nsecrets = [{ env = 'NOT_THERE' }]", "vendors.typeform: the variable NOT_THERE is not set, or empty"),
    ("[vendors.typeform]\nsecrets = [{ file = 'none' }]", "cannot read the secret in none: No such file or directory"),
    ("[vendors.typeform]\nscheme = 'typefrom'", "there is no scheme 'typefrom'; there are typeform, surveymonkey"),
    ("[vendors.typeform]\nscheme = 'typefrom'", "did you mean typeform?"),
    ("[vendors.posthog]\nscheme = 'open'\nsecrets = ['planted-secret']", "vendors.posthog: it is open and has secrets"),
    ("[vendors.surveymonkey]\nsecrets = ['planted-secret']", "vendors.surveymonkey: secret 1 is not CLIENT_ID&SECRET"),
    ("[vendors.formbricks]\nsecrets = ['planted-secret!']", "vendors.formbricks: secret 1 is no base64"),
    ("[vendors.delighted]\nsecrets = ['planted-secret and blanks']", "vendors.delighted: secret 1 is not of printable ASCII"),
    ("[vendors.'Up per']", "vendors.Up per: a vendor's name is of a-z, 0-9, - and _"),
    ("[vendors.typeform]\nrate_per_s = 0.0", "vendors.typeform: rate_per_s must be more than 0"),
    ("[vendors.typeform]\nrate_per_s = nan", "vendors.typeform: rate_per_s must be more than 0"),
    ("[vendors.typeform]\nburst = 0", "vendors.typeform: burst must be at least 1"),
    ("[[tokens]]\nvalue = 'planted-secret and blanks'", "tokens: one of them is not of printable ASCII"),
    ("= no toml", "is no TOML"),
]


@pytest.mark.parametrize(("text", "words"), MISTAKES)
def test_a_mistake_in_the_file_is_one_line_that_shows_no_secret(text: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, text)
    (line,) = str(caught.value).splitlines()
    assert words in line
    assert PLANTED not in line


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, "[vendors.typeform]\nburst = 0\n[vendors.wootric]\nscheme = 'x'", gateway_secrets="planted-secret,=b")
    assert len(str(caught.value).splitlines()) == 4
    assert PLANTED not in str(caught.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(SettingsError, match=r"cannot read gateway_file nowhere\.toml: No such file"):
        rules(Settings(gateway_file="nowhere.toml"), {})


def test_neither_a_representation_nor_the_overview_shows_a_secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = read(
        tmp_path,
        "[vendors.delighted]\nsecrets = ['planted-secret', { value = 'planted-secret2', account = 'globex' }]\n"
        "[vendors.posthog]\nscheme = 'open'",
        gateway_tokens="planted-secret3",
    )
    console().print(overview(found))
    shown = capsys.readouterr().out
    assert PLANTED not in shown + repr(found)
    rows = {cells[0]: cells[1:] for line in shown.splitlines() if (cells := line.split())}
    assert rows["/webhooks/delighted"][-2:] == ["2", "globex"]
    assert rows["/webhooks/posthog"][:2] == ["open:", "anybody"]
    assert rows["/webhooks/typeform"][0] == "closed:"
    assert rows["/v1/responses"][-2:] == ["1", "-"]


def test_without_its_packages_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PACKAGES", ("os", "no_such_package"))
    with pytest.raises(UserError, match=r"the gateway needs no_such_package: pip install 'npstream\[gateway\]'"):
        command.command.main(["--check"], standalone_mode=False, obj=Invocation())
