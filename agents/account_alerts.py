"""Sends account alerts, each with its cool-down.

The id of an alert is a hash of the account, the kind and what caused it, never of when that was noticed: so the same cause has
the same alert whenever it is read, and who has seen an id has seen the alert.
"""

import hashlib
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from agents.cooldowns import Cooldowns
from agents.facts import Facts, decode_facts
from agents.responses import by_dimension
from agents.risk_rules import RiskSettings
from schemas import topics
from schemas.alerts import AccountAlert, RiskKind
from schemas.cloudevents import ACCOUNT_ALERT, SOURCE, event_headers
from schemas.events import Severity
from schemas.times import format_time
from streams.processor import DAY_MS, Outbox, State

FACTS: Final = b"F"
"""F<account>: its CRM facts, as far as alerts tell of them."""
ID_BYTES: Final = 8
"""Of an alert's id: among a million alerts two are alike once in 40 million cases."""

_encode = msgspec.json.Encoder().encode
_pack = msgspec.msgpack.Encoder().encode


class AccountAlerts:
    """What a batch or a tick raises."""

    __slots__ = ("_cooldowns", "_outbox", "_settings", "_state")

    def __init__(self, settings: RiskSettings, state: State, outbox: Outbox) -> None:
        self._settings = settings
        self._state = state
        self._outbox = outbox
        self._cooldowns = Cooldowns(state)

    def cools(self, kind: RiskKind, account: bytes, respondent: bytes, now: int) -> bool:
        """Whether the same was raised not long ago, at `now` in ms. `respondent`: a hash, empty where it is of the account."""
        return self._cooldowns.holds(kind, account, respondent, now)

    def send(
        self,
        kind: RiskKind,
        severity: Severity,
        account: bytes,
        respondent: bytes,
        cause: tuple[Any, ...],
        now: int,
        timestamp: int,
        traceparent: bytes | None = None,
        **fields: Any,
    ) -> None:
        """Raise an alert at `now`, unless its cool-down lasts. `cause` is what it follows from, `timestamp` that of the record
        which brought it, both times in ms; `fields` are those of `AccountAlert` that tell more. Without segments among them it
        has those of the account."""
        if self._cooldowns.holds(kind, account, respondent, now):
            return
        until = now + self._settings.cooldown_days[kind] * DAY_MS
        self._cooldowns.begin(kind, account, respondent, now, until)
        account_id = account.decode()
        name = hashlib.blake2b(_pack((account_id, kind, *cause)), digest_size=ID_BYTES).hexdigest()
        facts = self._facts(account)
        if facts is not None:
            if facts.pairs and fields.get("segments", UNSET) is UNSET:
                fields["segments"] = by_dimension(facts.pairs)
            if facts.brief:
                fields["account"] = Raw(facts.brief)
        alert = AccountAlert(
            account_id=account_id,
            alert_id=f"a-{name}",
            kind=kind,
            severity=severity,
            raised_at=format_time(now),
            until=format_time(until),
            **fields,
        )
        headers = event_headers(ACCOUNT_ALERT, SOURCE, alert.alert_id, now, traceparent)
        self._outbox.send(topics.ACCOUNT_ALERTS, account, _encode(alert), timestamp, headers)
        self._outbox.count("account_alerts", kind, severity)

    def _facts(self, account: bytes) -> Facts | None:
        value = self._state.get(FACTS + account)
        return None if value is None else decode_facts(value)
