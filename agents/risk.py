"""Risk: which accounts are in danger, and by what sign. docs/risk.md says what raises which alert.

Signs are a respondent whose category fell, an account whose NPS fell or is low or that has no promoters left, and a respondent
who used to answer and is silent. Each is told once, and then has a cool-down. The rules are in `agents.risk_rules`,
`agents.account_standing` and `agents.silence`; here is which record goes to which of them.

Keys of the state: F<account> (`agents.account_alerts`), A<account> how it stands, R and D (`agents.silence`), C
(`agents.cooldowns`), X (`agents.lately_erased`), T how far the passes of a day have come (`agents.risk_passes`).
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from msgspec import UNSET

from agents.account_alerts import FACTS, AccountAlerts
from agents.account_standing import SEVERITIES, decode_standing, encode_standing, follow
from agents.announcements import traceparent
from agents.cooldowns import Cooldowns
from agents.directory import MOST_BYTES
from agents.facts import encode_facts, kept
from agents.forgetting import forgotten_in
from agents.lately_erased import mark_erased, short_hash, shortened, was_erased
from agents.risk_passes import Passes
from agents.risk_rules import DOWNGRADES, RiskSettings, is_old
from agents.risk_sources import NEVER, Changed, Stats, TablesReader, read_changed, read_scored
from agents.silence import Silences
from schemas import topics
from schemas.accounts import read_facts
from schemas.alerts import RiskKind
from schemas.dead_letters import Unusable
from streams.processor import DAY_MS, Outbox, Record, State, StreamTime, partition_of

STANDING: Final = b"A"
"""A<account>: how it stood with its last rollup."""
UNREADABLE: Final = "risk_unreadable"
"""Counts records of our own topics that cannot be read."""


class Risk:
    """The processor that raises account alerts.

    Facts and erasures lead, and do not move the clock: in a state that is made anew all of them come first.
    """

    name = "risk"
    sources = (topics.SCORED, topics.CHANGES, topics.ACCOUNT_ROLLUPS, topics.ACCOUNTS, topics.ERASURES)
    leading = (topics.ACCOUNTS, topics.ERASURES)
    patient = True
    """Who is silent may have answered during an outage."""

    def __init__(self, settings: RiskSettings | None = None) -> None:
        self.settings = settings = settings or RiskSettings()
        self._reader = TablesReader(settings.headline_days, settings.recent_days, settings.counting == "respondents")
        self._looks_at_tables = not settings.kinds.isdisjoint(SEVERITIES)

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """Take in the records in order."""
        alerts = AccountAlerts(self.settings, state, outbox)
        silences = Silences(self.settings, state) if "silence" in self.settings.kinds else None
        for record in batch:
            topic = record.topic
            if topic == topics.ACCOUNTS:
                _learn(record, state)
            elif topic == topics.ERASURES:
                _forget(record, state, Silences(self.settings, state))
            else:
                at = now.at(record.timestamp)
                if topic == topics.SCORED:
                    readable = silences is None or _heard(record, silences)
                elif topic == topics.CHANGES:
                    readable = "downgrade" not in self.settings.kinds or self._changed(record, state, alerts, at)
                else:
                    readable = not self._looks_at_tables or self._rolled(record, state, alerts, at)
                if not readable:
                    outbox.count(UNREADABLE)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """What a new day brings: silences, and the end of what the state need not hold any longer."""
        outbox.more |= Passes(self.settings, state, AccountAlerts(self.settings, state, outbox)).advance(now)

    def _changed(self, record: Record, state: State, alerts: AccountAlerts, now: int) -> bool:
        """A category change, at `now` in ms. Returns whether it could be read."""
        read = read_changed(record.value)
        if read is None:
            return False
        changed, at = read
        severity = None if changed.to is None else DOWNGRADES.get((changed.before, changed.to))
        if severity is None or changed.cause != "response":
            return True
        if is_old(at // DAY_MS, now // DAY_MS, self.settings.alert_max_age_days):
            return True
        account, respondent = changed.account_id.encode(), short_hash(changed.account_id, changed.respondent_id)
        if not was_erased(state, account, respondent):
            trace = traceparent(record.headers)
            alerts.send(
                "downgrade",
                severity,
                account,
                respondent,
                (changed.respondent_id, changed.response_id, at, changed.before, changed.to),
                now,
                record.timestamp,
                None if trace is None else trace[1],
                **_told_of(changed),
            )
        return True

    def _rolled(self, record: Record, state: State, alerts: AccountAlerts, now: int) -> bool:
        """An account's rollup, at `now` in ms. Returns whether it could be read."""
        account = record.key
        if account is None or not _is_account(account):
            return False
        key = STANDING + account
        if record.value is None:
            if state.get(key) is not None:
                state.delete(key)
            return True
        tables = self._reader.read(record.value)
        if tables is None:
            return False
        known = state.get(key)
        before = None if known is None else decode_standing(known)
        cools = partial(alerts.cools, account=account, respondent=b"", now=now)
        standing, told = follow(before, tables, now // DAY_MS, self.settings, cools)
        for kind in told:
            stats = tables.headline
            counts = (stats.promoters, stats.passives, stats.detractors)
            cause = (tables.as_of, record.timestamp, self.settings.headline_days, counts)
            alerts.send(kind, SEVERITIES[kind], account, b"", cause, now, record.timestamp, **self._figures(kind, stats))
        if standing != before:
            state.put(key, encode_standing(standing))
        return True

    def _figures(self, kind: RiskKind, stats: Stats) -> dict[str, Any]:
        """What an alert tells of a window."""
        figures = {name: getattr(stats, name) for name in ("nps", "previous_nps", "low", "high")}
        figures["window"] = f"{self.settings.headline_days}d"
        if kind == "nps_below":
            figures["threshold"] = self.settings.threshold
        return {name: UNSET if value is None else value for name, value in figures.items()}


def _heard(record: Record, silences: Silences) -> bool:
    """A scored response. Returns whether it could be read."""
    read = read_scored(record.value)
    if read is None:
        return False
    scored, at = read
    if at != NEVER and scored.respondent_id is not UNSET:
        silences.take(scored, scored.respondent_id, at)
    return True


def _told_of(changed: Changed) -> dict[str, Any]:
    """What an alert tells of a category change."""
    return {
        "respondent_id": changed.respondent_id,
        "before": changed.before,
        "to": changed.to,
        "score": changed.score,
        "previous_score": changed.previous_score,
        "segments": changed.segments,
    }


def _learn(record: Record, state: State) -> None:
    """What the CRM says of an account. A faulty record, and one at another partition than its account's, changes nothing:
    scoring makes a dead letter of it (`agents.learning`), and one is enough."""
    account = record.key
    if account is None or not _is_account(account) or partition_of(account, state.partitions) != state.partition:
        return
    try:
        facts = None if record.value is None else kept(read_facts(record.value))
    except Unusable:
        return
    key = FACTS + account
    if facts is not None:
        state.put(key, encode_facts(facts))
    elif state.get(key) is not None:
        state.delete(key)


def _forget(record: Record, state: State, silences: Silences) -> None:
    """Let go of a respondent whom the list of the erased names."""
    forgotten = forgotten_in(record, state)
    if forgotten is not None:
        account, respondent = forgotten.account_id.encode(), shortened(forgotten.hashed)
        silences.forget(account, respondent)
        Cooldowns(state).forget(account, respondent)
        mark_erased(state, account, respondent, record.timestamp)


def _is_account(key: bytes) -> bool:
    """Whether a key may be an account_id."""
    if not 0 < len(key) <= MOST_BYTES:
        return False
    try:
        key.decode()
    except UnicodeDecodeError:
        return False
    return True
