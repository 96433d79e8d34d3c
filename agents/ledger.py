"""Where a response counts: in its account, in its segments, and in its respondent's history. Putting one in and taking it out
are exact opposites, so that corrections, retractions and late arrivals need no rules of their own.
"""

from typing import Final

from agents import keys
from agents.categories import CATEGORY_OF
from agents.history import Entry, History
from agents.responses import Segments
from agents.statistics import nps
from agents.tables import Tables
from agents.versions import Known, decode_known, encode_known
from agents.windows import FOREVER, Spans, Table
from streams.processor import DAY_MS, State

RESPONDENTS: Final = -1
"""In place of a day: the cell of a segment that holds its respondents."""
REMEMBERED_ACCOUNTS: Final = 50_000
"""Accounts whose keys are not made anew each time: some 500 bytes each."""


class Account:
    """An account's keys in the state."""

    __slots__ = ("account_id", "name", "parts", "respondents", "responses")

    def __init__(self, account_id: str) -> None:
        self.account_id = account_id
        self.name = account_id.encode()
        self.responses = keys.within(keys.RESPONSE, self.name)
        self.respondents = keys.within(keys.RESPONDENT, self.name)
        self.parts = keys.within(keys.RESPONDENT_PART, self.name)


class Ledger:
    """The counts and histories of one task during one batch or tick, and what of them has changed."""

    def __init__(self, spans: Spans, headline: int, state: State) -> None:
        """`headline`: where the sums of the headline window are."""
        self.spans = spans
        self.headline = headline
        self.state = state
        self.accounts = Tables(spans, state, keys.ACCOUNT, keys.ACCOUNT_DAYS)
        self.segments = Tables(spans, state, keys.SEGMENT, keys.SEGMENT_DAYS, keep_eve=True)
        self.changed_accounts: dict[str, int] = {}
        """Accounts whose tables have changed, with the number of the last record that changed them."""
        self.changed_cells: dict[tuple[str, int], int] = {}
        """The same of the cells, by segment and day, or `RESPONDENTS`."""
        self.day = 0
        self.since = 0
        self._number = 0
        self._accounts: dict[str, Account] = state.cache.setdefault("accounts", {})

    def turn_to(self, number: int, day: int) -> None:
        """Go on to a record, numbered within the batch, and to the UTC day on which it is processed."""
        self._number = number
        if day != self.day:
            self.day = day
            self.since = (day - self.spans.history_days + 1) * DAY_MS

    def account(self, account_id: str) -> Account:
        """The keys of an account."""
        account = self._accounts.get(account_id)
        if account is None:
            account = self._accounts[account_id] = Account(account_id)
        return account

    def known(self, account: Account, response_id: str) -> Known | None:
        """What is known of a response; None if it was never heard of, or not for the length of the history."""
        value = self.state.get(account.responses + response_id.encode())
        if value is None:
            return None
        known = decode_known(value)
        return None if self.forgets(known) else known

    def forgets(self, known: Known) -> bool:
        """Whether it is time to forget a response: any record that could still count against it is beyond the history."""
        return self.day - max(known.heard, known.responded_at // DAY_MS) > self.spans.history_days

    def remember(self, account: Account, response_id: str, known: Known) -> None:
        """Keep what is known of a response."""
        self.state.put(account.responses + response_id.encode(), encode_known(known))

    def history(self, account: Account, respondent_id: str) -> History:
        """A respondent's responses within the history. Save it, whether changed or not."""
        name = respondent_id.encode()
        return History(self.state, account.respondents + name, account.parts + name, self.since)

    def counts(self, known: Known) -> bool:
        """Whether a response is there and within the history."""
        return known.live and known.responded_at >= self.since

    def account_nps(self, account: Account) -> float | None:
        """The headline NPS of an account: that of `headline` as it stands now, None while there are no responses in it."""
        base = self.headline
        sums = self._account_table(account).sums
        promoters, detractors = sums[base], sums[base + 2]
        total = promoters + sums[base + 1] + detractors
        return nps(promoters, total, detractors) if total else None

    def put(self, account: Account, response_id: str, known: Known, history: History | None) -> None:
        """Count a response; without a history it is anonymous."""
        day, category = known.responded_at // DAY_MS, CATEGORY_OF[known.score]
        tables = self._tables(account, known.segments, day)
        self._count(tables, known.segments, day, category, 1)
        if history is not None:
            before, after = history.add(Entry(known.responded_at, response_id, known.score))
            until = after.at // DAY_MS if after is not None else FOREVER
            for table in tables:
                table.hold(self.state, day, until, category, 1)
            if before is not None and until != day:
                self._follow(account, before, until, day)

    def take(self, account: Account, response_id: str, known: Known, history: History | None) -> None:
        """Take a response out again."""
        day, category = known.responded_at // DAY_MS, CATEGORY_OF[known.score]
        tables = self._tables(account, known.segments, day)
        self._count(tables, known.segments, day, category, -1)
        if history is not None:
            before, after = history.remove(Entry(known.responded_at, response_id, known.score))
            until = after.at // DAY_MS if after is not None else FOREVER
            for table in tables:
                table.hold(self.state, day, until, category, -1)
            if before is not None and until != day:
                self._follow(account, before, day, until)

    def trim(self) -> None:
        """Let go of what is decoded, if it is much. Call it when all is published."""
        self.accounts.trim()
        self.segments.trim()
        if len(self._accounts) > REMEMBERED_ACCOUNTS:
            self._accounts.clear()

    def _account_table(self, account: Account) -> Table:
        self.changed_accounts[account.account_id] = self._number
        return self.accounts.at(account.name, self.day)

    def _tables(self, account: Account, segments: Segments, day: int) -> list[Table]:
        """The tables that a response of a day counts in; none once it is in no window, nor in one before."""
        if self.day - day >= 2 * self.spans.longest:
            return []
        tables = [self._account_table(account)]
        for segment in segments:
            tables.append(self.segments.at(segment.encode(), self.day))
            self.changed_cells[segment, RESPONDENTS] = self._number
        return tables

    def _count(self, tables: list[Table], segments: Segments, day: int, category: int, sign: int) -> None:
        if tables:
            for table in tables:
                table.count(self.state, day, category, sign)
            for segment in segments:
                self.changed_cells[segment, day] = self._number

    def _follow(self, account: Account, entry: Entry, was: int, until: int) -> None:
        """A response is followed on another day than it was."""
        known = self.known(account, entry.response_id)
        if known is None:
            raise KeyError(f"response {entry.response_id!r} is in a history, but nothing is known of it")
        day, category = entry.at // DAY_MS, CATEGORY_OF[entry.score]
        for table in self._tables(account, known.segments, day):
            table.hold(self.state, day, was, category, -1)
            table.hold(self.state, day, until, category, 1)
