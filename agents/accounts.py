"""The accounts that a task has met lately: their keys, their CRM facts, and their tables, decoded."""

from typing import Final

from agents import keys
from agents.facts import Facts, decode_facts
from agents.windows import Spans, Table
from schemas.codec import dumps
from streams.processor import State

REMEMBERED_ACCOUNTS: Final = 4_000
"""Accounts of a task that stay decoded between batches, each some 2 to 4 KB: with a dozen tasks 200 MB at most. When there are
more, all are let go at the end of a batch; to decode one again costs a tenth of scoring a response."""


class Account:
    """An account's keys in the state, its facts, and its table once it was needed."""

    __slots__ = ("account_id", "erased", "facts", "json", "name", "parts", "respondents", "responses", "table")

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.name = account_id.encode()
        self.json = dumps(account_id)
        self.responses = keys.within(keys.RESPONSE, self.name)
        self.respondents = keys.within(keys.RESPONDENT, self.name)
        self.parts = keys.within(keys.RESPONDENT_PART, self.name)
        self.table: Table | None = None
        self.erased = False
        """Whether any of its respondents is erased."""
        self.facts: Facts | None = None
        """What nps.accounts says of it, if anything."""

    def response_key(self, response_id: str) -> bytes:
        """Where the state has what is known of a response."""
        return self.responses + response_id.encode()


class Accounts:
    """The accounts of one task."""

    __slots__ = ("_known", "_spans", "_state")

    def __init__(self, spans: Spans, state: State) -> None:
        self._spans = spans
        self._state = state
        self._known: dict[str, Account] = state.cache.setdefault(keys.ACCOUNT, {})

    def get(self, account_id: str) -> Account:
        """An account by its id, whether there is anything of it in the state or not."""
        account = self._known.get(account_id)
        if account is None:
            account = self._known[account_id] = Account(account_id)
            account.erased = self._state.get(keys.ANY_ERASED + account.name) is not None
            facts = self._state.get(keys.FACTS + account.name)
            if facts is not None:
                account.facts = decode_facts(facts)
        return account

    def has_table(self, account: Account) -> bool:
        """Whether anything was ever counted for it."""
        return account.table is not None or self._state.get(keys.ACCOUNT + account.name) is not None

    def table(self, account: Account, day: int) -> Table:
        """The account's table as of a day, or of a later one if it is there already; a new one if there was none."""
        table = account.table
        if table is None:
            head_key, days_prefix = keys.ACCOUNT + account.name, keys.ACCOUNT_DAYS + account.name
            table = Table.load(self._spans, self._state, head_key, days_prefix)
            if table is None:
                table = Table(self._spans, head_key, days_prefix, day)
            account.table = table
        if table.as_of < day:
            table.roll(self._state, day)
        return table

    def trim(self) -> None:
        """Let go of what is decoded, if it is much. Call it when all changes are saved."""
        if len(self._known) > REMEMBERED_ACCOUNTS:
            self._known.clear()
