"""Whose contact somebody is: what intake knows of the CRM's accounts, for payloads that name no account.

`nps.contacts` has an entry for each contact of each account, at the partition of the contact, which is where a response by that
contact is sent to be placed. Key: a JSON list of contact and account_id; a tombstone takes the entry away. An address is one
contact however it was typed.

Key of the state: C<contact>, the accounts that have it, sorted: whatever the order in which they came, the result is the same.
"""

from typing import Any, Final

import msgspec

from agents.stored import decoder
from schemas.codec import dumps, loads
from schemas.dead_letters import Reason, Unusable
from streams.processor import Record, State

CONTACT: Final = b"C"

_encode = msgspec.msgpack.Encoder().encode
_decode = decoder(list[str])


def contact_of(respondent: Any) -> str | None:
    """The contact that a respondent's id is; None for what is no text, or empty."""
    if not isinstance(respondent, str):
        return None
    contact = respondent.strip()
    return (contact.lower() if "@" in contact else contact) or None


def domain_contact(domain: str) -> str:
    """What stands for all addresses of an e-mail domain: "@globex.example"."""
    return "@" + domain.strip().lower().removeprefix("@")


def contact_key(contact: str, account_id: str) -> bytes:
    """The key of an entry in its topic."""
    return dumps([contact, account_id])


class Contacts:
    """The contacts at one task's partition."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def take(self, record: Record) -> None:
        """Take in an entry, or take one away. Raises `Unusable` for what is no entry."""
        contact, account_id = _entry(record.key)
        key = CONTACT + contact.encode()
        accounts = set(self._accounts(contact))
        if record.value is None:
            accounts.discard(account_id)
        else:
            accounts.add(account_id)
        if accounts:
            self._state.put(key, _encode(sorted(accounts)))
        else:
            self._state.delete(key)

    def account(self, contact: str) -> str | None:
        """The account whose contact this is; None without one. Raises `Unusable` where there are several."""
        accounts = self._accounts(contact)
        if len(accounts) > 1:
            raise Unusable(Reason.NO_ACCOUNT, f"account_id: the respondent is a contact of {len(accounts)} accounts; name one")
        return accounts[0] if accounts else None

    def _accounts(self, contact: str) -> list[str]:
        value = self._state.get(CONTACT + contact.encode())
        return [] if value is None else _decode(value)


def _entry(key: bytes | None) -> tuple[str, str]:
    found = loads(key or b"")
    if not isinstance(found, list) or len(found) != 2 or not all(isinstance(part, str) and part for part in found):
        raise Unusable(Reason.BAD_ID, "key: not a JSON list of contact and account_id")
    return found[0], found[1]
