"""Where a response counts: in its account, in its segments, and in its respondent's history. Putting one in and taking it out
are exact opposites, so that corrections, retractions and late arrivals need no rules of their own.

What happens in an account is done at once, since events tell of it. What happens in segments is gathered and done at the end
of the batch, or of the day: many responses of a batch share their segments, day and category, and much cancels out.
"""

from collections import defaultdict

from agents import keys
from agents.accounts import Account, Accounts
from agents.categories import CATEGORY_OF
from agents.history import History
from agents.latest import Entry
from agents.responses import Pairs
from agents.statistics import nps
from agents.tables import Tables
from agents.versions import Known, decode_known, encode_known, erased
from agents.windows import FOREVER, Spans, Table
from schemas.times import format_day
from streams.processor import DAY_MS, State


class _Gathered:
    """What a batch has brought so far for the same segments and one day."""

    __slots__ = ("changed", "counted", "held", "responses")

    def __init__(self) -> None:
        self.responses = [0, 0, 0]
        """Responses by category."""
        self.held: defaultdict[tuple[int, int], int] = defaultdict(int)
        """Respondents' responses by the day of the next one and category."""
        self.changed = 0
        """The number of the last record that changed something."""
        self.counted: int | None = None
        """The same of the responses."""


class Ledger:
    """The counts and histories of one task during one batch or tick, and what of them has changed."""

    def __init__(self, spans: Spans, headline: int, state: State) -> None:
        """`headline`: which of the windows is the headline one."""
        self.spans = spans
        self.state = state
        self.accounts = Accounts(spans, state)
        self.segments = Tables(spans, state, keys.SEGMENT, keys.SEGMENT_DAYS, keep_eve=True)
        self.changed_accounts: dict[Account, int] = {}
        """Accounts whose tables have changed, with the number of the last record that changed them."""
        self.changed_segments: dict[str, int] = {}
        """The same of segments."""
        self.changed_days: dict[tuple[str, int], int] = {}
        """The same of the days of segments, as far as responses were counted."""
        self.day, self.today = -1, ""
        """The UTC day on which the record is processed, as a number and as text."""
        self.since = 0
        """The first ms of the history."""
        self.number = 0
        """Of the record, within its batch."""
        self._headline = (spans.base(0, 0, headline), spans.days[headline])
        """Where the sums of the headline window are, and its days."""
        self._reach = 2 * spans.longest
        """A response this many days old is neither in a window nor in one before."""
        self._long: dict[bytes, History] = {}
        """Histories that are to be saved, by their keys."""
        self._gathered: defaultdict[tuple[Pairs, int], _Gathered] = defaultdict(_Gathered)
        """What is to be done for segments, by these and the day."""

    def turn_to(self, day: int) -> None:
        """Go on to another UTC day: that on which the next record is processed."""
        self.settle()
        self.day, self.today = day, format_day(day)
        self.since = (day - self.spans.history_days + 1) * DAY_MS

    def known(self, key: bytes) -> Known | None:
        """What is known of a response, by its key; None if it was never heard of, or not for the length of the history."""
        value = self.state.get(key)
        if value is None:
            return None
        known = decode_known(value)
        return None if self.forgets(known) else known

    def forgets(self, known: Known) -> bool:
        """Whether it is time to forget a response: any record that could still count against it is beyond the history."""
        return self.day - max(known.heard, known.responded_at // DAY_MS) > self.spans.history_days

    def remember(self, key: bytes, known: Known) -> None:
        """Keep what is known of a response, by its key."""
        self.state.put(key, encode_known(known))

    def history(self, account: Account, respondent_id: str) -> History:
        """A respondent's responses within the history. `keep` it, whether changed or not."""
        name = respondent_id.encode()
        key = account.respondents + name
        if self._long and key in self._long:
            return self._long[key]
        return History(self.state, key, account.parts + name, self.since)

    def keep(self, history: History) -> None:
        """Save a history: a long one with the batch, or a test that sends all in one name would load and save it each time."""
        if history.long:
            self._long[history.key] = history
        else:
            self._long.pop(history.key, None)
            history.save()

    def counts(self, known: Known) -> bool:
        """Whether a response is there and within the history."""
        return known.live and known.responded_at >= self.since

    def account_nps(self, account: Account) -> float | None:
        """The headline NPS of an account as it stands now, None while there are no responses in the window."""
        promoters, passives, detractors = self._table(account).headline(*self._headline)
        total = promoters + passives + detractors
        return nps(promoters, total, detractors) if total else None

    def put(self, account: Account, entry: Entry, known: Known, history: History | None) -> None:
        """Count a response; without a history it is anonymous."""
        day, category = entry.at // DAY_MS, CATEGORY_OF[entry.score]
        segments = known.counted
        before = after = followed = None
        if history is not None:
            before, after = history.add(entry, segments)
            known.earlier = before.response_id if before is not None and history.grows else None
            followed = history.followed
        if self.day - day >= self._reach:
            return
        table = self._table(account)
        until = FOREVER if after is None else after.at // DAY_MS
        if history is not None and after is None:
            table.enter(self.state, day, category)
        else:
            table.count(self.state, day, category, 1)
            if history is not None:
                table.hold(self.state, day, until, category, 1)
        if segments:
            gathered = self._gathered[segments, day]
            gathered.changed = gathered.counted = self.number
            gathered.responses[category] += 1
            if history is not None:
                gathered.held[until, category] += 1
        if before is not None and until != day:
            self._follow(account, table, before, until, day, followed)

    def take(self, account: Account, entry: Entry, known: Known, history: History | None) -> None:
        """Take a response out again."""
        day, category = entry.at // DAY_MS, CATEGORY_OF[entry.score]
        before = after = None
        if history is not None:
            before, after = history.remove(entry)
        if self.day - day >= self._reach:
            return
        table, segments = self._table(account), known.counted
        until = FOREVER if after is None else after.at // DAY_MS
        table.count(self.state, day, category, -1)
        if history is not None:
            table.hold(self.state, day, until, category, -1)
        if segments:
            gathered = self._gathered[segments, day]
            gathered.changed = gathered.counted = self.number
            gathered.responses[category] -= 1
            if history is not None:
                gathered.held[until, category] -= 1
        if before is not None and until != day:
            self._follow(account, table, before, day, until)

    def erase(self, account: Account, respondent_id: str, remove: bool) -> None:
        """Forget a respondent, as far as the history goes; with `remove` the responses no longer count."""
        history = self.history(account, respondent_id)
        for entry in reversed(history.entries()):
            key = account.response_key(entry.response_id)
            known = self.known(key) if remove else None
            if known is not None:
                self.take(account, entry, known, history)
            self.mark_erased(key)
        self._long.pop(history.key, None)
        history.delete()

    def mark_erased(self, key: bytes) -> None:
        """Leave of a response no more than that there was one."""
        if self.known(key) is None:
            self.state.delete(key)
        else:
            self.remember(key, erased(self.day))

    def mark_unknown(self, key: bytes) -> None:
        """Leave such a mark of a response of which nothing is known."""
        if self.known(key) is None:
            self.remember(key, erased(self.day))

    def settle(self) -> None:
        """Do what was gathered: save long histories, and count in segments. Call it before tables of segments are read."""
        for history in self._long.values():
            history.save()
        self._long.clear()
        if not self._gathered:
            return
        state, tables, day = self.state, self.segments, self.day
        for (segments, of), gathered in self._gathered.items():
            for segment in segments:
                table = tables.at(segment, day)
                for category, amount in enumerate(gathered.responses):
                    if amount:
                        table.count(state, of, category, amount)
                for (until, category), amount in gathered.held.items():
                    if amount:
                        table.hold(state, of, until, category, amount)
                self.changed_segments[segment] = max(gathered.changed, self.changed_segments.get(segment, 0))
                if gathered.counted is not None:
                    self.changed_days[segment, of] = max(gathered.counted, self.changed_days.get((segment, of), 0))
        self._gathered.clear()

    def trim(self) -> None:
        """Let go of what is decoded, if it is much. Call it when all is published."""
        self.accounts.trim()
        self.segments.trim()

    def _table(self, account: Account) -> Table:
        """An account's table as of the record's day, about to be changed."""
        self.changed_accounts[account] = self.number
        table = account.table
        return table if table is not None and table.as_of >= self.day else self.accounts.table(account, self.day)

    def _follow(
        self, account: Account, table: Table, entry: Entry, was: int, until: int, segments: Pairs | None = None
    ) -> None:
        """A response, which counts in these segments if they are at hand, is followed on another day than it was."""
        day, category = entry.at // DAY_MS, CATEGORY_OF[entry.score]
        if self.day - day >= self._reach:
            return
        if segments is None:
            known = self.known(account.response_key(entry.response_id))
            if known is None:
                raise KeyError("a response is in a history, but nothing is known of it")  # no ids: this would reach the log
            segments = known.counted
        gathered = None
        if segments:
            gathered = self._gathered[segments, day]
            gathered.changed = self.number
        for end, amount in ((was, -1), (until, 1)):
            if end > day:
                table.hold(self.state, day, end, category, amount)
                if gathered is not None:
                    gathered.held[end, category] += amount
