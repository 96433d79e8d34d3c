"""The directory: whose contact somebody is follows from the last facts of each account."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.directory import Directory
from schemas import topics
from schemas.codec import dumps
from streams.processor import partition_of
from streams.test_driver import TestDriver

NOW = 1_772_357_400_000
PARTITIONS = 4


def driver() -> TestDriver:
    return TestDriver([Directory()], now=NOW, partitions=PARTITIONS)


def learns(driver: TestDriver, account: str, facts: Any, partition: int | None = None) -> None:
    value = facts if isinstance(facts, bytes) or facts is None else dumps(facts)
    driver.pipe(topics.ACCOUNTS, account.encode(), value, partition=partition)
    driver.run()


def entries(driver: TestDriver) -> set[tuple[str, str]]:
    """Contact and account of all entries that there are."""
    found = {key: json.loads(value) for key, value in driver.table(topics.CONTACTS).items()}
    assert all(json.loads(key) == [entry["contact"], entry["account_id"]] for key, entry in found.items())
    return {(entry["contact"], entry["account_id"]) for entry in found.values()}


def test_contacts_and_domains_are_listed_as_they_are_looked_up() -> None:
    here = driver()
    learns(here, "globex", {"contacts": ["Ines@Globex.example", "u-17"], "domains": ["Globex.example"], "name": "Globex"})
    assert entries(here) == {("ines@globex.example", "globex"), ("u-17", "globex"), ("@globex.example", "globex")}


def test_each_entry_is_at_the_partition_of_its_contact() -> None:
    here = driver()
    learns(here, "globex", {"contacts": [f"u{number}@globex.example" for number in range(20)]})
    sent = here.sent(topics.CONTACTS)
    assert len({record.partition for record in sent}) == PARTITIONS
    for record in sent:
        assert record.partition == partition_of(json.loads(record.key or b"")[0].encode(), PARTITIONS)


def test_only_what_differs_is_sent() -> None:
    here = driver()
    learns(here, "globex", {"contacts": ["a", "b"]})
    learns(here, "globex", {"contacts": ["b", "c"], "tier": "gold"})
    sent = [(json.loads(record.key or b"")[0], record.value is None) for record in here.sent(topics.CONTACTS)]
    assert sorted(sent) == [("a", False), ("a", True), ("b", False), ("c", False)]
    assert entries(here) == {("b", "globex"), ("c", "globex")}


def test_a_tombstone_takes_all_entries_of_an_account_away_and_no_others() -> None:
    here = driver()
    learns(here, "globex", {"contacts": ["a"]})
    learns(here, "acme", {"contacts": ["a"]})
    learns(here, "globex", None)
    assert entries(here) == {("a", "acme")}


@pytest.mark.parametrize("faulty", [b"{", b"[]", b'{"contacts": 7}', b'{"contacts": [""]}'])
def test_a_faulty_record_changes_nothing(faulty: bytes) -> None:
    here = driver()
    learns(here, "globex", {"contacts": ["a"]})
    learns(here, "globex", faulty)
    assert entries(here) == {("a", "globex")}


def test_a_record_at_another_partition_than_its_accounts_changes_nothing() -> None:
    here = driver()
    learns(here, "globex", {"contacts": ["a"]}, partition=(partition_of(b"globex", PARTITIONS) + 1) % PARTITIONS)
    assert entries(here) == set()


FACTS = st.one_of(st.none(), st.fixed_dictionaries({"contacts": st.lists(st.sampled_from("abcd"), max_size=4)}))


@given(st.lists(st.tuples(st.sampled_from(["globex", "acme"]), FACTS), max_size=10), st.integers(0, 10))
def test_the_entries_are_those_of_the_last_facts_of_each_account(told: list[tuple[str, Any]], restart: int) -> None:
    here = driver()
    for number, (account, facts) in enumerate(told):
        if number == restart:
            here.restart()
        learns(here, account, facts)
    last = dict(told)
    assert entries(here) == {(contact, account) for account, facts in last.items() if facts for contact in facts["contacts"]}
