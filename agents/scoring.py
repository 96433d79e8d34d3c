"""Scores responses: categories, histories, rolling tables of accounts, and the events that make people act.

`process` treats each record by itself, in order, and sends what changed in tables once at the end of the batch: events are
those of one record after another wherever batches begin and end, and of tables the last value counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from agents import keys, rollover
from agents.acceptance import Acceptance
from agents.accounts import Account
from agents.burying import bury
from agents.erasing import Erasing, touch
from agents.learning import learn
from agents.ledger import Ledger
from agents.publishing import Publishing
from agents.responses import Said, decode, read
from agents.strays import STRAY_HEADER, is_marked, never_home
from agents.versions import digest_of, merged, same_content, upgraded
from agents.windows import Spans, check_windows
from schemas import topics
from schemas.dead_letters import Reason, Unusable
from schemas.vendors import ADAPTERS
from streams.processor import DAY_MS, Outbox, Record, State, StreamTime, partition_of


@dataclass(frozen=True)
class ScoringSettings:
    """What can be set. Windows and grace are fixed for the life of the state: another length counts from another history."""

    windows_days: tuple[int, ...] = (7, 30, 90, 365)
    """Lengths of the rolling windows, ascending: a week to notice, a year to judge by."""
    headline_days: int = 90
    """The window whose NPS of responses stands for an account in events: a quarter is what most report."""
    grace_days: int = 7
    """Days that the history is longer than twice the longest window."""
    alert_max_age_days: int | None = 14
    """Responses of a day further back bring no detractor, promoter or category change: a fortnight is when calling back still
    makes sense, and longer than an outage of whoever sends them. 0 or None: there is no limit."""
    sources: tuple[str, ...] = tuple(ADAPTERS)
    """Sources that are metric labels of their own; all others are `other`, since anybody can write anything there."""
    roll_accounts: int = 500
    """Accounts or segments rolled in one tick: some 50 ms of work."""
    sweep_keys: int = 2_000
    """Responses or respondents looked through in one tick for what is beyond the history: some 10 ms of work."""

    def __post_init__(self) -> None:
        Spans(self.windows_days, self.grace_days)
        if self.headline_days not in self.windows_days:
            raise ValueError(f"headline_days: {self.headline_days} is none of windows_days {self.windows_days}")
        if self.alert_max_age_days is not None and self.alert_max_age_days < 0:
            raise ValueError(f"alert_max_age_days: {self.alert_max_age_days} is less than 0")
        for name in ("roll_accounts", "sweep_keys"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not positive")


class Scoring:
    """From `nps.responses` to scored responses, changes, detractors, promoters, account rollups and segment cells; whoever
    `nps.erasures` names is erased; and what `nps.accounts` says fills the segments that responses do not name.

    Facts count as known when a response is first counted, and stay with it. In which order two topics are read is no one's
    promise, so which of two facts that is follows from the state alone, never from the topics: a batch that is lost may be
    decided otherwise when it comes again, of which nothing was seen. Facts do not move the clock: in a state that is made anew
    all of them come first, and everything would be counted as of today.
    """

    name = "scoring"
    version = 2
    sources = (topics.RESPONSES, topics.ERASURES, topics.ACCOUNTS)
    leading = (topics.ERASURES, topics.ACCOUNTS)
    """A state that is made anew must know who was erased before it reads what they said. It counts with the facts of now, since
    those of then are compacted away; without leading it would count most of it with none."""

    def __init__(self, settings: ScoringSettings | None = None) -> None:
        self.settings = settings or ScoringSettings()
        self.spans = Spans(self.settings.windows_days, self.settings.grace_days)
        self._headline = self.settings.windows_days.index(self.settings.headline_days)
        self._labels = {source: source for source in self.settings.sources}

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """Score the records in order."""
        check_windows(state, self.spans, self.name)
        ledger = Ledger(self.spans, self._headline, state)
        acceptance = Acceptance(ledger, outbox, self.settings.alert_max_age_days)
        erasing = Erasing(ledger, state, outbox)
        partition, partitions = state.partition, state.partitions
        for number, record in enumerate(batch):
            ledger.number = number
            if record.topic == topics.ACCOUNTS:
                learn(record, ledger.accounts, state, outbox)
                continue
            day = now.at(record.timestamp) // DAY_MS
            if day != ledger.day:
                erasing.sweep()
                ledger.turn_to(day)
            if record.topic == topics.ERASURES:
                erasing.take(batch, number, now.ms)
                continue
            if erasing.pending:
                erasing.sweep()
            stage = "decode"
            try:
                if record.value is None:
                    raise Unusable(Reason.EMPTY, "the record has no value")
                fields = decode(record.value)
                stage = "validate"
                said = read(fields, record.timestamp)
                account = ledger.accounts.get(said.given.account_id)
                if partition_of(account.name, partitions) != partition:
                    stage = "score"
                    _send_home(record, account, outbox)
                    continue
            except Unusable as error:
                bury(record, stage, error, outbox)
                continue
            if account.erased and said.respondent_id and erasing.drops(account, said.given.response_id, said.respondent_id):
                continue
            self._accept(record, account, said, acceptance, ledger, outbox)
        erasing.sweep()
        Publishing(ledger, outbox).changes(batch)
        ledger.trim()

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Roll quiet accounts and segments over to a new day, and let go of what is beyond the history."""
        check_windows(state, self.spans, self.name)
        ledger = Ledger(self.spans, self._headline, state)
        ledger.turn_to(now // DAY_MS)
        outbox.more |= rollover.advance(
            ledger, Publishing(ledger, outbox), now, self.settings.roll_accounts, self.settings.sweep_keys
        )
        touch(state, now, outbox)
        ledger.trim()

    def upgrade(self, version: int, key: bytes, value: bytes) -> bytes:
        """Version 1 knew nothing of facts."""
        return upgraded(value) if key.startswith(keys.RESPONSE) else value

    def _accept(
        self, record: Record, account: Account, said: Said, acceptance: Acceptance, ledger: Ledger, outbox: Outbox
    ) -> None:
        """One usable record that is at home: does it change what is known?"""
        key = account.response_key(said.given.response_id)
        before = ledger.known(key)
        digest = digest_of(said)
        after = merged(before, said, digest, ledger.day)
        if after is None:
            outbox.count("erased" if before is not None and before.erased else "duplicates")
            return
        if before is not None and same_content(before, after):
            outbox.count("duplicates")
            ledger.remember(key, after)
            return
        acceptance.begin(record, account, said, key, digest)
        if before is not None and ledger.counts(before):
            acceptance.amend(before, after)
        elif after.live:
            acceptance.arrive(after, self._labels.get(said.given.source or "", "other"))
        else:
            acceptance.mark(after)


def _send_home(record: Record, account: Account, outbox: Outbox) -> None:
    """Send a record to the partition of its account, once. Raises `Unusable` for one that was sent already."""
    if is_marked(record):
        raise never_home(record)
    headers = [*record.headers, (STRAY_HEADER, b"1")]
    outbox.send(topics.RESPONSES, account.name, record.value, record.timestamp, headers)
    outbox.count("strays")
