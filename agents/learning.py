"""Takes over what `nps.accounts` says of accounts.

The last record of an account counts, with a tombstone as one that says nothing. A faulty one is a dead letter, and changes
nothing. So is one that came to another partition than its account's: a response is sent home, since it has a version, but of
facts the last to arrive counts, and what is sent on might overtake what is newer.
"""

from agents import keys
from agents.accounts import Accounts
from agents.burying import bury
from agents.facts import encode_facts, kept
from agents.responses import identity
from schemas.accounts import read_facts
from schemas.dead_letters import Reason, Unusable
from streams.processor import Outbox, Record, State, partition_of


def learn(record: Record, accounts: Accounts, state: State, outbox: Outbox) -> None:
    """One record of nps.accounts."""
    stage = "decode"
    try:
        account_id = _account_of(record)
        stage = "validate"
        facts = None if record.value is None else kept(read_facts(record.value))
        stage = "score"
        if partition_of(account_id.encode(), state.partitions) != state.partition:
            raise Unusable(
                Reason.STRAY,
                f"key: partition {record.partition} is not its home: facts must be sent with the partitioner murmur2",
            )
    except Unusable as error:
        bury(record, stage, error, outbox)
        return
    account = accounts.get(account_id)
    if facts == account.facts:
        outbox.count("account_facts", "unchanged")
        return
    account.facts = facts
    if facts is None:
        state.delete(keys.FACTS + account.name)
    else:
        state.put(keys.FACTS + account.name, encode_facts(facts))
    outbox.count("account_facts", "deleted" if record.value is None else "changed")


def _account_of(record: Record) -> str:
    try:
        return identity("key", None if record.key is None else record.key.decode())
    except UnicodeDecodeError as error:
        raise Unusable(Reason.BAD_ID, "key: no text in UTF-8") from error
