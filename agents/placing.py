"""Which account a response belongs to, where its payload names none, and where that can be found out.

The account is the first of these that is there: the header nps-account; what the settings say for the source; what they say
for the respondent's e-mail domain; the account whose contact the respondent is; the account that has the respondent's domain;
what the settings say for all.

Contacts and domains are known at their own partitions alone. So a response from elsewhere is sent there: to the partition of
its contact, and from there to that of its domain. A header says how far it has come, so that it never goes round. A dead letter
does not have it: sent again, once the facts have come, it begins anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agents.contacts import Contacts, contact_of, domain_contact
from streams.processor import Headers, State, partition_of

PLACED_HEADER: Final = "nps-placed"
"""1 on a record that was sent to the partition of its contact, 2 on one that was sent to that of its domain."""


class Elsewhere(Exception):
    """Another partition has to be asked."""

    def __init__(self, contact: str, step: int) -> None:
        super().__init__(contact)
        self.contact = contact
        self.step = step
        """For the header."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the settings say of accounts."""

    of_source: str | None
    domains: Mapping[str, str]
    last: str | None


class Placing:
    """Finds the account of one record's responses."""

    __slots__ = ("_accounts", "_alone", "_contacts", "_header", "_partition", "_partitions", "_step")

    def __init__(self, state: State, contacts: Contacts) -> None:
        self._contacts = contacts
        self._partition = state.partition
        self._partitions = state.partitions

    def begin(self, alone: bool, step: int, account: str | None, accounts: Accounts) -> None:
        """Go on to a record, with one response `alone` or with several; how far it has come, and the account of its header."""
        self._alone = alone
        self._step = step
        self._header = account
        self._accounts = accounts

    def account(self, respondent: Any) -> str | None:
        """The account of a response that names none; None: nobody knows. Raises `Elsewhere`, also for one of several responses
        that is not known here, so that each becomes what it would be by itself; and `Unusable` for a contact of several."""
        settled = self._header or self._accounts.of_source or self._accounts.domains.get(domain_of(respondent))
        contact = None if settled else contact_of(respondent)
        if contact is None:
            return settled or self._accounts.last
        domain = domain_of(contact)
        wanted = (contact, domain_contact(domain)) if domain else (contact,)
        for step, one in enumerate(wanted, 1):
            if step < self._step:
                continue  # asked before it was sent here
            if step > self._step and partition_of(one.encode(), self._partitions) != self._partition:
                raise Elsewhere(one, step)
            account = self._contacts.account(one)
            if account is not None:
                return account
        if self._accounts.last is None and not self._alone:
            raise Elsewhere(wanted[-1], len(wanted))
        return self._accounts.last


def domain_of(respondent: Any) -> str:
    """What follows the @ of an e-mail address, in lower case; nothing for any other id."""
    return respondent.rpartition("@")[2].strip().lower() if isinstance(respondent, str) and "@" in respondent else ""


def step_of(headers: Mapping[str, bytes | None]) -> int:
    """How far a record has come, by its headers."""
    return {b"1": 1, b"2": 2}.get(headers.get(PLACED_HEADER) or b"", 0)


def marked(headers: Headers, step: int) -> Headers:
    """The headers of a record that goes on to another partition."""
    return [*((name, value) for name, value in headers if name != PLACED_HEADER), (PLACED_HEADER, b"%d" % step)]
