"""Whose response it is where the payload names no account: the contacts of the CRM's accounts decide."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.contacts import contact_key
from agents.intake import Intake, IntakeSettings
from agents.placing import PLACED_HEADER
from schemas import topics
from schemas.codec import dumps
from schemas.dead_letters import original_headers
from streams.processor import partition_of
from streams.test_driver import TestDriver

NOW = 1_772_357_400_000  # 2026-03-01T09:30:00Z
PARTITIONS = 4
MAX = "max@globex.example"
DOMAIN = "@globex.example"
"""Of four partitions they have different ones."""


def driver(settings: IntakeSettings | None = None, partitions: int = PARTITIONS) -> TestDriver:
    return TestDriver([Intake(settings) if settings else Intake()], now=NOW, partitions=partitions)


def knows(driver: TestDriver, contact: str, account: str, gone: bool = False) -> None:
    value = None if gone else dumps({"contact": contact, "account_id": account})
    driver.pipe(
        topics.CONTACTS, contact_key(contact, account), value, partition=partition_of(contact.encode(), driver.partitions)
    )
    driver.run()


def nameless(respondent: str | None = MAX, number: int = 1) -> dict[str, Any]:
    given = {"response_id": f"r-{number}", "score": 3, "responded_at": "2026-03-01T09:30:00.000Z"}
    return given | ({"respondent_id": respondent} if respondent else {})


def answers(driver: TestDriver, payload: Any, partition: int = 0, **headers: bytes) -> None:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    driver.pipe(topics.RAW, None, dumps(payload), headers=named, partition=partition)
    driver.run()


def accounts(driver: TestDriver) -> list[str]:
    return sorted(json.loads(sent.value or b"")["account_id"] for sent in driver.sent(topics.RESPONSES))


def letters(driver: TestDriver) -> list[dict[str, str]]:
    return [{name: value.decode() for name, value in sent.headers} for sent in driver.sent(topics.DEAD_LETTERS)]


@pytest.mark.parametrize("partition", range(PARTITIONS))
def test_a_contact_of_one_account_has_it_wherever_the_response_arrives(partition: int) -> None:
    here = driver()
    knows(here, MAX, "globex")
    answers(here, nameless(" Max@Globex.example"), partition)
    assert accounts(here) == ["globex"]
    assert not letters(here)


def test_it_goes_to_the_partition_of_its_contact_and_then_of_its_domain_as_it_came_and_no_further() -> None:
    here = driver()
    homes = [partition_of(asked.encode(), PARTITIONS) for asked in (MAX, DOMAIN)]
    answers(
        here, nameless(), next(p for p in range(PARTITIONS) if p not in homes), traceparent=b"00-1", nps_source=b"canonical"
    )
    came, first, second = sorted(here.sent(topics.RAW), key=lambda record: dict(record.headers).get(PLACED_HEADER, b""))
    for sent, asked, home, step in ((first, MAX, homes[0], b"1"), (second, DOMAIN, homes[1], b"2")):
        assert (sent.partition, sent.key, sent.value, sent.timestamp) == (home, asked.encode(), came.value, came.timestamp)
        assert list(sent.headers) == [*came.headers, (PLACED_HEADER, step)]
    (letter,) = letters(here)
    assert letter["nps-reason"] == "no account"


@pytest.mark.parametrize("partition", range(PARTITIONS))
@pytest.mark.parametrize("partitions", [1, PARTITIONS])
def test_an_address_that_is_nobodys_contact_belongs_to_the_account_that_has_its_domain(partition: int, partitions: int) -> None:
    here = driver(partitions=partitions)
    knows(here, DOMAIN, "globex")
    answers(here, nameless(), partition % partitions)
    assert accounts(here) == ["globex"]


def test_a_contact_comes_before_its_domain() -> None:
    here = driver()
    knows(here, DOMAIN, "globex")
    knows(here, MAX, "acme")
    answers(here, nameless())
    assert accounts(here) == ["acme"]


@pytest.mark.parametrize("step", [b"1", b"2"])
def test_one_that_was_sent_and_still_is_elsewhere_does_not_go_round_for_ever(step: bytes) -> None:
    """As after a replay with another key."""
    here = driver()
    homes = [partition_of(asked.encode(), PARTITIONS) for asked in (MAX, DOMAIN)]
    answers(here, nameless(), next(p for p in range(PARTITIONS) if p not in homes), nps_placed=step)
    assert len(here.sent(topics.RAW)) == 3 - int(step)
    assert [letter["nps-reason"] for letter in letters(here)] == ["no account"]


def test_a_dead_letter_is_placed_when_it_is_sent_again_after_the_facts_have_come() -> None:
    here = driver()
    answers(here, nameless())
    (letter,) = here.sent(topics.DEAD_LETTERS)
    knows(here, MAX, "globex")
    here.pipe(topics.RAW, letter.key, letter.value, headers=original_headers(letter.headers))
    here.run()
    assert accounts(here) == ["globex"]


def test_a_contact_of_several_accounts_is_nobodys() -> None:
    here = driver()
    knows(here, MAX, "globex")
    knows(here, MAX, "acme")
    answers(here, nameless())
    (letter,) = letters(here)
    assert letter["__connect.errors.exception.message"] == "account_id: the respondent is a contact of 2 accounts; name one"
    knows(here, MAX, "acme", gone=True)
    answers(here, nameless(number=2))
    assert accounts(here) == ["globex"]


@pytest.mark.parametrize(
    ("settings", "headers", "account"),
    [
        (IntakeSettings(account="house"), {}, "globex"),
        (IntakeSettings(domains={"globex.example": "by-domain"}), {}, "by-domain"),
        (IntakeSettings(), {"nps_account": b"by-header"}, "by-header"),
    ],
)
def test_contacts_come_after_headers_and_domains_and_before_the_account_of_all(
    settings: IntakeSettings, headers: dict[str, bytes], account: str
) -> None:
    here = driver(settings)
    knows(here, MAX, "globex")
    answers(here, nameless(), **headers)
    assert accounts(here) == [account]


def test_an_anonymous_response_is_not_sent_anywhere() -> None:
    here = driver()
    answers(here, nameless(None))
    assert len(here.sent(topics.RAW)) == 1
    assert [letter["nps-reason"] for letter in letters(here)] == ["no account"]


def test_the_responses_of_a_list_are_placed_one_by_one() -> None:
    here = driver()
    for number in range(8):
        knows(here, f"u{number}@globex.example", f"account-{number}")
    own = {**nameless(number=9), "account_id": "acme"}
    answers(here, [*(nameless(f"u{number}@globex.example", number) for number in range(8)), own])
    assert accounts(here) == ["account-0", *(f"account-{number}" for number in range(1, 8)), "acme"]


@pytest.mark.parametrize("known", [0, 3])
def test_of_a_list_those_that_nobody_knows_are_dead_letters_each_by_itself(known: int) -> None:
    here = driver()
    for number in range(known):
        knows(here, f"u{number}@globex.example", "globex")
    answers(here, [nameless(f"u{number}@globex.example", number) for number in range(8)])
    assert accounts(here) == ["globex"] * known
    assert [letter["nps-reason"] for letter in letters(here)] == ["no account"] * (8 - known)


def test_of_a_list_with_one_faulty_response_none_is_sent_anywhere() -> None:
    here = driver()
    answers(here, [nameless(f"u{number}@globex.example", number) for number in range(8)] + [{**nameless(), "score": 11}])
    assert len(here.sent(topics.RAW)) == 1
    assert [letter["nps-reason"] for letter in letters(here)] == ["bad score"]


@pytest.mark.parametrize("key", [None, b"", b"x", b"[]", b'["a"]', b'["a", ""]', b'["a", 7]', b'{"a": "b"}'])
def test_what_is_no_entry_is_a_dead_letter(key: bytes | None) -> None:
    here = driver(partitions=1)
    here.pipe(topics.CONTACTS, key, b"{}")
    here.run()
    assert len(letters(here)) == 1


Entries = list[tuple[str, str, bool]]
ENTRIES = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.booleans()), max_size=12)


@given(ENTRIES)
def test_whose_contact_somebody_is_follows_from_the_last_entry_of_each_key(entries: Entries) -> None:
    here = driver(partitions=1)
    for contact, account, gone in entries:
        knows(here, contact, account, gone)
    here.restart()
    for contact in "ab":
        answers(here, nameless(contact, number=ord(contact)))
    last = {(contact, account): gone for contact, account, gone in entries}
    owners = [[account for (one, account), gone in last.items() if one == contact and not gone] for contact in "ab"]
    assert accounts(here) == sorted(owned[0] for owned in owners if len(owned) == 1)
    assert len(letters(here)) == sum(len(owned) != 1 for owned in owners)
