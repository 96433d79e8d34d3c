"""docs/comments.md says what is so: its examples are run."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from agents.themes_matching import MAX_CHARS, ThemeMatcher
from npstream.care.comments import MOST_THEMES, read_comments, shipped_themes
from npstream.care.file import CareFile, read_care
from npstream.care.sentiment import INSTALL
from npstream.commands.comments import command
from npstream.invocation import Invocation

TEXT = (Path(__file__).parents[2] / "docs" / "comments.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```toml\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
ROWS = re.findall(r"^\| `([^|`]+)` \| ([^|]*) \| ([^|]*) \|$", TEXT.partition("| a keyword |")[2], re.MULTILINE)


def test_the_care_file_of_the_docs_is_one(tmp_path: Path) -> None:
    file = tmp_path / "care.toml"
    file.write_text(BLOCKS[0], encoding="utf-8")
    analysis = read_comments(read_care(str(file)))
    assert set(analysis.themes) == {*shipped_themes(), "mobile"}
    assert analysis.analyser("アプリが遅い", "ja").themes == ("mobile",)
    assert analysis.analyser("Per seat! And no Android app", "en").themes == ("mobile", "pricing")


def test_the_analyser_of_the_docs_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "our_package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    source = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)[0]
    (folder / "comments.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "care.toml"
    file.write_text(BLOCKS[1], encoding="utf-8")
    assert read_comments(read_care(str(file))).analyser("300 €", "en") == (("pricing",), None)


def test_the_example_prints_what_the_docs_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    block = TEXT.partition("    $ npstream comments try")[2].partition("    $ npstream")[0]
    arguments, *lines = block.splitlines()
    assert arguments.strip() == '"The exports are slow!" --locale en'
    result = CliRunner().invoke(command, ["try", "The exports are slow!", "--locale", "en"], obj=Invocation())
    assert [line.strip() for line in lines if line.strip()] == [line for line in result.output.splitlines() if line]


@pytest.mark.parametrize(("keyword", "matched", "others"), ROWS[:5])
def test_keywords_match_what_the_docs_say(keyword: str, matched: str, others: str) -> None:
    language = "de" if "*" in keyword and "slow" not in keyword else "en"
    matcher = ThemeMatcher({"it": {language: [keyword]}})
    for said in matched.partition(":")[0].split(", "):
        assert matcher.themes_of(said, language) == ("it",)
    for said in re.findall(r'"([^"]+)"', others) or others.split():
        assert matcher.themes_of(said, language) == ()


def test_the_docs_name_every_shipped_theme_and_every_bound() -> None:
    assert all(f"`{theme}`" in TEXT for theme in shipped_themes())
    assert f"{MAX_CHARS:,} characters" in TEXT
    assert f"At most {MOST_THEMES} themes" in TEXT
    assert INSTALL in TEXT
    assert read_comments(CareFile()).analyser("it crashes all the time", "en").sentiment == 0.0
