"""The pages of the vendors and of mappings: every adapter has one, they name what is read, and their examples are run."""

import re
from datetime import UTC
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from schemas.codec import loads
from schemas.dead_letters import Reason, Unusable
from schemas.validation import canonical
from schemas.vendors import ADAPTERS, MAPPINGS
from schemas.vendors.adapter import Incomplete, SourceSettings, SurveySettings
from schemas.vendors.mapping import MappingAdapter
from schemas.vendors.mapping_file import Field, FieldName, Ignored, MappingFile, read_mapping
from tests.adapting import read
from tests.payloads import FORMS, NAMES, form, payload

DOCS = Path(__file__).parents[2] / "docs"
MAPPINGS_PAGE = (DOCS / "mappings.md").read_text(encoding="utf-8")
VENDORS = [name for name in ADAPTERS if name != "canonical"]
SETTINGS = {
    "formbricks": SourceSettings(surveys={payload("formbricks")["data"]["surveyId"]: SurveySettings(("recommend",), ("why",))})
}
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
PARTS = ("There", "Here", "What becomes what", "What is not read")


def page(vendor: str) -> str:
    return (DOCS / "vendors" / f"{vendor}.md").read_text(encoding="utf-8")


def part(text: str, title: str) -> str:
    return re.split(r"^## ", text.partition(f"\n## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_every_vendor_has_a_page_and_every_page_a_vendor() -> None:
    assert sorted(path.stem for path in (DOCS / "vendors").glob("*.md")) == sorted(VENDORS)
    overview = (DOCS / "payloads.md").read_text(encoding="utf-8")
    assert [name for name in VENDORS if f"| `{name}` |" not in overview or f"(vendors/{name}.md)" not in overview] == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_page_has_the_four_parts(vendor: str) -> None:
    assert tuple(re.findall(r"^## (.*)$", page(vendor), re.MULTILINE)) == PARTS
    assert f"https://YOUR-HOST/webhooks/{vendor}" in part(page(vendor), "There")
    assert f"`{vendor}=" in part(page(vendor), "Here")


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_page_names_every_field_that_the_vendors_fixtures_fill(vendor: str) -> None:
    given = [payload(name) for name in NAMES if name.partition("_")[0] == vendor]
    given += [form(name) for name in FORMS if name.partition("_")[0] == vendor]
    filled = {name for one in given for name in _filled(vendor, one)}
    assert "score" in filled
    named = set(re.findall(r"`(\w+)`", part(page(vendor), "What becomes what")))
    assert filled - named - {"source", "kind"} == set()


def _filled(vendor: str, given: Any) -> set[str]:
    """The fields of what becomes of a payload, if anything does."""
    try:
        return {name for found in read(given, vendor, SETTINGS.get(vendor, SourceSettings()), account="acme") for name in found}
    except (Unusable, Incomplete):
        return set()


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_reasons_that_a_page_names_are_reasons(vendor: str) -> None:
    named = re.findall(r"\((?:`([a-z ]+)`)\)", part(page(vendor), "What is not read"))
    assert set(named) <= {reason.value for reason in Reason}


def test_every_key_of_a_mapping_file_is_documented_and_no_other() -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", part(MAPPINGS_PAGE, "The file"), re.MULTILINE))
    assert documented == {field.name for kind in (MappingFile, Ignored) for field in msgspec.structs.fields(kind)}
    fields = part(MAPPINGS_PAGE, "Fields")
    assert set(re.findall(r"^\| `(\w+)` \|", fields, re.MULTILINE)) == {one.name for one in msgspec.structs.fields(Field)}
    assert [name for name in get_args(FieldName) if f"`{name}`" not in fields] == []


EXAMPLES = re.findall(r"```toml\n(.*?)```\n\n```json\n(.*?)```\n\nbecomes\n\n```json\n(.*?)```", MAPPINGS_PAGE, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=[read_mapping(text).name for text, _, _ in EXAMPLES])
def test_the_examples_of_mappings_make_what_they_say(example: tuple[str, str, str]) -> None:
    text, given, expected = example
    adapter = MappingAdapter(read_mapping(text))
    drafts = adapter.adapt(loads(given.encode()), SourceSettings(zone=None))
    found = [canonical(draft, adapter.NAME, UTC, None) for draft in drafts]
    wanted = loads(expected.encode())
    assert found == (wanted if isinstance(wanted, list) else [wanted])


def test_there_are_three_examples() -> None:
    assert len(EXAMPLES) == 3


def test_the_page_counts_the_built_in_mappings() -> None:
    assert len(MAPPINGS) == 5
    assert "Five of the vendors" in " ".join(MAPPINGS_PAGE.split())


def test_the_links_of_the_pages_lead_to_files() -> None:
    pages = [DOCS / "mappings.md", DOCS / "payloads.md", *sorted((DOCS / "vendors").glob("*.md"))]
    links = [
        (path, link) for path in pages for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
    ]
    assert [(path.name, link) for path, link in links if not (path.parent / link).exists()] == []
    assert len(links) > len(pages)
