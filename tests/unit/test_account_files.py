"""CRM facts from files: what columns mean, what a row changes, and which files are refused, with all their faults."""

import json
from pathlib import Path
from typing import Any

import pytest

from npstream.account_changes import changes, usable
from npstream.account_files import Row, Rows, read_accounts
from npstream.failures import UserError


@pytest.fixture
def file(tmp_path: Path) -> Any:
    """Write a file, and read it."""

    def read(text: str | bytes, **columns: str) -> Rows:
        path = tmp_path / "crm"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_accounts(str(path), columns)

    return read


def test_columns_are_found_by_what_crm_exports_call_them(file: Any) -> None:
    rows = file(
        "Customer ID,Company,CSM,Support tier,ARR,Renewal,TimeZone,Emails,Email domain,Plan,segments.team,Mood\n"
        "acme,Acme Tools,lee@vendor.example,gold,48000.50,2026-11-30,Europe/Vienna,"
        '"u-1@acme.example; u-2@acme.example",acme.example acme.test,pro,a,fine\n'
    )
    assert rows.ignored == ("Mood",)
    assert rows.rows == [
        Row(
            "line 2",
            "acme",
            {
                "name": "Acme Tools",
                "owner": "lee@vendor.example",
                "tier": "gold",
                "value": 48000.5,
                "renewal_date": "2026-11-30",
                "time_zone": "Europe/Vienna",
                "contacts": ["u-1@acme.example", "u-2@acme.example"],
                "domains": ["acme.example", "acme.test"],
            },
            {"plan": "pro", "team": "a"},
        )
    ]


@pytest.mark.parametrize(
    "text",
    [
        "account_id;tier\nacme;gold\nglobex;iron\n",
        "\ufeffaccount_id\ttier\r\nacme\tgold\r\n\r\nglobex\tiron\r\n",
        '[{"account_id": "acme", "tier": "gold"}, {"account_id": "globex", "tier": "iron"}]',
        '{"account_id": "acme", "tier": "gold"}\n\n{"id": "other", "account_id": "globex", "tier": "iron"}\n',
    ],
)
def test_csv_json_and_json_lines_say_the_same(file: Any, text: str) -> None:
    assert [(row.account_id, row.fields) for row in file(text).rows] == [
        ("acme", {"tier": "gold"}),
        ("globex", {"tier": "iron"}),
    ]


def test_one_object_is_one_account(file: Any) -> None:
    (row,) = file('{"id": 7, "segments": {"plan": "pro", "team": null}, "value": 12}').rows
    assert row == Row("element 1", "7", {"value": 12}, {"plan": "pro", "team": None})


def test_a_map_comes_before_names(file: Any) -> None:
    rows = file("id,owner,hero,vertical\nacme,nobody,lee,retail\n", hero="owner", vertical="segments.industry")
    assert rows.rows == [Row("line 2", "acme", {"owner": "lee"}, {"industry": "retail"})]
    assert rows.ignored == ("owner",)


@pytest.mark.parametrize(
    ("text", "columns", "words"),
    [
        ("", {}, "there is no account in it"),
        ("account_id\n", {}, "there is no account in it"),
        ("name,tier\nAcme,gold\n", {}, "no column for account_id among name, tier; name it with --map COLUMN=account_id"),
        (
            "account_id,tier\nacme,gold\n",
            {"hero": "owner"},
            "--map names a column 'hero', but the columns are account_id, tier",
        ),
        ("account_id,tier\nacme,gold\n", {"tier": "mood"}, "--map tier=mood: no such field"),
        ("account_id,tier,tier\nacme,a,b\n", {}, "several columns are called tier"),
        ("account_id,tier\nacme,gold,more\n", {}, "line 2 has 3 cells, the header 2"),
        ('account_id,tier\nacme,"gold\n', {}, "is a quotation mark left open?"),
        ("account_id,tier\nacme,gold\nacme,iron\n", {}, "line 3: acme stands in line 2 too"),
        ("account_id,tier\n,gold\n", {}, "line 2: account_id: missing"),
        ("account_id,value\nacme,48.000 EUR\n", {}, "line 2: value: '48.000 EUR' is no number"),
        (b"account_id,name\nacme,M\xfcller\n", {}, "not UTF-8"),
        ('{"account_id": "acme"}\n{"account_id"\n', {}, "line 2 is no JSON"),
        ('{"account_id"\n', {}, "line 1 is no JSON"),
        ('[{"account_id": "acme"}, 7]', {}, "element 2 is no JSON object"),
        ('{"account_id": ["acme"]}', {}, "element 1: account_id: no text"),
        ('{"account_id": "acme", "segments": "pro"}', {}, "element 1: segments: no object"),
    ],
)
def test_a_file_that_cannot_be_understood_is_refused_in_one_line(
    file: Any, text: str | bytes, columns: dict[str, str], words: str
) -> None:
    with pytest.raises(UserError) as refused:
        file(text, **columns)
    assert words in str(refused.value).splitlines()[0]


def test_all_faults_are_named_up_to_a_few(file: Any) -> None:
    with pytest.raises(UserError) as refused:
        file("account_id,value\n" + "".join(f"a-{n},much\n" for n in range(30)))
    lines = str(refused.value).splitlines()
    assert len(lines) == 12
    assert lines[10].endswith("and 20 faults more")
    assert lines[11].endswith("nothing was sent: mend the file, and load it again")


KNOWN = {"acme": {"name": "Acme", "tier": "gold", "segments": {"plan": "pro", "team": "a"}, "of_others": 1}}


def row(account_id: str = "acme", segments: dict[str, Any] | None = None, **fields: Any) -> Row:
    return Row("line 2", account_id, fields, {} if segments is None else segments)


@pytest.mark.parametrize(
    ("change", "kind", "differences", "after"),
    [
        (row(tier="gold"), "unchanged", [], KNOWN["acme"]),
        (
            row(tier="iron"),
            "changed",
            [("tier", "gold", "iron")],
            {"name": "Acme", "tier": "iron", "segments": {"plan": "pro", "team": "a"}, "of_others": 1},
        ),
        (
            row(tier=None, segments={"team": None, "plan": "free"}),
            "changed",
            [("tier", "gold", None), ("segments.plan", "pro", "free"), ("segments.team", "a", None)],
            {"name": "Acme", "segments": {"plan": "free"}, "of_others": 1},
        ),
        (
            Row("line 2", "acme", {}, None),
            "changed",
            [("segments.plan", "pro", None), ("segments.team", "a", None)],
            {"name": "Acme", "tier": "gold", "of_others": 1},
        ),
        (row("globex", owner="lee"), "new", [("owner", None, "lee")], {"owner": "lee"}),
    ],
)
def test_a_row_changes_the_fields_that_it_has(
    change: Row, kind: str, differences: list[tuple[str, Any, Any]], after: dict[str, Any]
) -> None:
    (found,) = changes("crm.csv", [change], [], KNOWN)
    assert (found.kind, found.differences(), found.after) == (kind, differences, after)
    assert found.sends == (kind != "unchanged")
    assert json.loads(found.value or b"") == after
    assert usable(found.value) == after


def test_a_deletion_is_a_tombstone_and_none_for_what_is_not_there() -> None:
    found = changes("", [], ["acme", "globex", "acme"], KNOWN)
    assert [(one.account_id, one.kind, one.sends, one.value) for one in found] == [
        ("acme", "deleted", True, None),
        ("globex", "not there", False, b"{}"),
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (row(time_zone="Europe/Atlantis"), "time_zone: 'Europe/Atlantis' is no name in the IANA database"),
        (row(renewal_date="30.11.2026"), "renewal_date: "),
        (row(segments={"Plan": "pro"}), "segments: "),
        (row(contacts=["x" * 400] * 5000), "bytes, more than the"),
        (row("globex"), "it is to be deleted as well"),
    ],
)
def test_what_scoring_would_bury_is_refused_before_anything_is_sent(change: Row, words: str) -> None:
    with pytest.raises(UserError) as refused:
        changes("crm.csv", [row("initech", tier="gold"), change], ["globex"], KNOWN)
    assert f"crm.csv: line 2, {change.account_id}: " in str(refused.value)
    assert words in str(refused.value)
