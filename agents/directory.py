"""Directory: whose contact somebody is, from what `nps.accounts` says of each account.

For each contact and each e-mail domain of an account there is an entry in `nps.contacts`, at the partition of the contact,
where intake looks it up (`agents.placing`). What an account's facts no longer name is taken away.

A faulty record, and one at another partition than its account's, changes nothing: scoring makes a dead letter of it
(`agents.learning`), and one is enough.

Key of the state: the account, with all its contacts as they were sent.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from agents.contacts import contact_key, contact_of, domain_contact
from agents.stored import decoder
from schemas import topics
from schemas.accounts import AccountFacts, read_facts
from schemas.codec import dumps
from schemas.dead_letters import Unusable
from schemas.events import MAX_ID_CHARS
from streams.processor import Outbox, Record, State, StreamTime, partition_of

MOST_BYTES: Final = 4 * MAX_ID_CHARS
"""Of an account_id in UTF-8."""

_encode = msgspec.msgpack.Encoder().encode
_decode = decoder(list[str])


class Directory:
    """The processor between `nps.accounts` and `nps.contacts`."""

    name = "directory"
    sources = (topics.ACCOUNTS,)

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """Take over the records in order."""
        for record in batch:
            try:
                contacts = set() if record.value is None else contacts_in(read_facts(record.value))
            except Unusable:
                continue
            key = record.key or b""
            if 0 < len(key) <= MOST_BYTES and partition_of(key, state.partitions) == state.partition:
                _replace(key, contacts, state, record.timestamp, outbox)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Time brings nothing."""


def contacts_in(facts: AccountFacts) -> set[str]:
    """The contacts that an account's facts name, its domains among them."""
    people = (contact_of(contact) for contact in facts.contacts or ())
    domains = (domain_contact(domain) for domain in facts.domains or ())
    return {contact for contact in (*people, *domains) if contact is not None}


def _replace(account: bytes, contacts: set[str], state: State, timestamp: int, outbox: Outbox) -> None:
    """Send what differs from before."""
    try:
        account_id = account.decode()
    except UnicodeDecodeError:
        return
    known = state.get(account)
    before = set() if known is None else set(_decode(known))
    for contact in sorted(before - contacts):
        outbox.send(topics.CONTACTS, contact_key(contact, account_id), None, timestamp, route=contact.encode())
    for contact in sorted(contacts - before):
        value = dumps({"contact": contact, "account_id": account_id})
        outbox.send(topics.CONTACTS, contact_key(contact, account_id), value, timestamp, route=contact.encode())
    if contacts:
        state.put(account, _encode(sorted(contacts)))
    elif known is not None:
        state.delete(account)
