"""The list of erased respondents: how a respondent is found on it by who knows the id, and by nobody else.

The hash is SHA-256 over the account_id and the respondent_id, the first with its length before it, so that no two pairs run
together. It has no salt and no key: every worker and every tool must come to the same (docs/decisions/0008-erasure.md).
"""

import hashlib
from typing import Final

LENGTH_BYTES: Final = 4
"""Of the length of an account_id in UTF-8, big-endian."""


def respondent_hash(account_id: str, respondent_id: str) -> str:
    """Which respondent of an account, in lower-case hexadecimal digits."""
    account = account_id.encode()
    return hashlib.sha256(len(account).to_bytes(LENGTH_BYTES, "big") + account + respondent_id.encode()).hexdigest()


def entry_key(account_id: str, hashed: str) -> bytes:
    """The key of an entry of the list, and of the command that asks for it."""
    return f"{account_id}|{hashed}".encode()
