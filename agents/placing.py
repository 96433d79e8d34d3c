"""Which account a response belongs to, where its payload names none, and where that can be found out.

The account is the first of these that is there: the header nps-account; what the settings say for the source; what they say for
the respondent's e-mail domain; the account whose contact the respondent is; what the settings say for all. Contacts are known
at their own partition alone, so a response from elsewhere is sent there, once; a header marks it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from agents.contacts import Contacts, contact_of
from streams.processor import Headers, State, partition_of

PLACED_HEADER: Final = "nps-placed"
"""Marks a record that was sent to the partition of its contact."""


class Elsewhere(Exception):
    """The contact's partition is another one, and has to be asked."""

    def __init__(self, contact: str) -> None:
        super().__init__(contact)
        self.contact = contact


@dataclass(frozen=True, slots=True)
class Accounts:
    """What the settings say of accounts."""

    of_source: str | None
    domains: Mapping[str, str]
    last: str | None


class Placing:
    """Finds the account of one record's responses."""

    __slots__ = ("_accounts", "_alone", "_contacts", "_header", "_partition", "_partitions", "_was_sent")

    def __init__(self, state: State, contacts: Contacts) -> None:
        self._contacts = contacts
        self._partition = state.partition
        self._partitions = state.partitions

    def begin(self, alone: bool, was_sent: bool, account: str | None, accounts: Accounts) -> None:
        """Go on to a record, with one response `alone` or with several; whether it was sent to its contact's partition, and the
        account of its header."""
        self._alone = alone
        self._header = account
        self._accounts = accounts
        self._was_sent = was_sent

    def account(self, respondent: Any) -> str | None:
        """The account of a response that names none; None: nobody knows. Raises `Elsewhere`, also for one of several responses
        that is not known here, so that each becomes what it would be by itself; and `Unusable` for a contact of several."""
        settled = self._header or self._accounts.of_source or self._accounts.domains.get(domain_of(respondent))
        contact = None if settled else contact_of(respondent)
        if contact is None:
            return settled or self._accounts.last
        if not self._was_sent and partition_of(contact.encode(), self._partitions) != self._partition:
            raise Elsewhere(contact)
        account = self._contacts.account(contact) or self._accounts.last
        if account is None and not self._alone:
            raise Elsewhere(contact)
        return account


def domain_of(respondent: Any) -> str:
    """What follows the @ of an e-mail address, in lower case; nothing for any other id."""
    return respondent.rpartition("@")[2].strip().lower() if isinstance(respondent, str) and "@" in respondent else ""


def marked(headers: Headers) -> Headers:
    """The headers of a record that is sent to the partition of its contact."""
    return [*headers, (PLACED_HEADER, b"1")]
