"""Intake: whatever survey platforms send becomes canonical responses, or a dead letter that says why not.

Every record of the source topic becomes its responses or exactly one dead letter, never both: of a list with one faulty
response none is taken. A record that carries ids alone goes on as it came, for what they stand for to be fetched; it comes back
as another record. Nothing here depends on other records, so there is no state and nothing that time brings.

The account of a response is the first of these that is there: what its payload says; the header nps-account; what the settings
say for its source; what they say for its respondent's e-mail domain; what they say for all.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final

from schemas import forms, topics
from schemas.cloudevents import TRACEPARENT
from schemas.codec import dumps, loads
from schemas.dead_letters import Reason, Unusable, dead_letter_headers
from schemas.validation import canonical
from schemas.vendors import ADAPTERS, recognise
from schemas.vendors.adapter import Adapter, Draft, Incomplete, SourceSettings
from streams.processor import Headers, Outbox, Record, State, StreamTime

SOURCE_HEADER: Final = "nps-source"
"""Names the adapter; without it the payload's shape decides."""
ACCOUNT_HEADER: Final = "nps-account"
"""The account of a payload that names none."""
CONTENT_TYPE_HEADER: Final = "content-type"
"""Says that a payload is form-encoded; without it, it is JSON."""


@dataclass(frozen=True, slots=True)
class IntakeSettings:
    """How raw records are read."""

    adapters: Mapping[str, Adapter] = field(default_factory=lambda: ADAPTERS)
    """By name, in the order in which they are asked for payloads without a header."""
    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    """By adapter's name; one that is not named has the defaults."""
    domains: Mapping[str, str] = field(default_factory=dict)
    """Accounts by e-mail domain, in lower case."""
    zone: tzinfo = UTC
    """Zone of vendors' times that come without one, unless their source says another. Canonical ones must have one."""
    account: str = ""
    """The account of a response that neither its payload nor the header names; empty: it is a dead letter."""
    max_responses_per_record: int = 1_000
    """Longest list of responses in one record: some 300 KB, within a broker's usual bound for a record."""

    def __post_init__(self) -> None:
        for name in self.sources:
            if name not in self.adapters:
                raise ValueError(f"sources: no adapter is named {name!r}; there are {', '.join(self.adapters)}")
        if self.max_responses_per_record < 1:
            raise ValueError(f"max_responses_per_record: {self.max_responses_per_record} is less than 1")


class Intake:
    """The processor between `nps.responses.raw` and `nps.responses`."""

    name = "intake"
    sources = (topics.RAW,)

    def __init__(self, settings: IntakeSettings = IntakeSettings()) -> None:
        self.settings = settings
        self._sources = {
            name: _Source(adapter, settings.sources.get(name, SourceSettings()), settings)
            for name, adapter in settings.adapters.items()
        }

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        adapted: Counter[str] = Counter()
        for record in batch:
            stage = "decode"
            try:
                headers = dict(record.headers) if record.headers else {}
                payloads = self._payloads(record.value, headers)
                stage = "adapt"
                source = self._source(headers, payloads[0])
                drafts = source.drafts(payloads)
                stage = "validate"
                responses = source.responses(drafts, _text(headers, ACCOUNT_HEADER))
            except Incomplete:
                _pass_on(record, source.name, outbox)
                continue
            except Unusable as error:
                _bury(record, stage, error.reason, error, outbox)
                continue
            except MemoryError:
                raise  # says something of this worker, nothing of the record
            except Exception as error:
                # An adapter reads what others wrote: what it does not foresee must not stop the partition for ever.
                _bury(record, stage, Reason.FAULT, error, outbox)
                continue
            adapted[source.name] += len(responses)
            passed_on: Headers = [header for header in record.headers if header[0] == TRACEPARENT] if headers else ()
            for response in responses:
                key = response["account_id"].encode()
                outbox.send(topics.RESPONSES, key, dumps(response), record.timestamp, passed_on)
        for name, amount in adapted.items():
            outbox.count("adapted", name, amount=amount)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Time brings nothing."""

    def _payloads(self, value: bytes | None, headers: Mapping[str, bytes | None]) -> Sequence[Any]:
        """What a record holds: one payload, or those of a list."""
        if not value:
            raise Unusable(Reason.EMPTY, "the record has no value")
        if headers and _is_form(headers):
            return (forms.loads_form(value),)
        payload = loads(value)
        if type(payload) is not list:
            return (payload,)
        if not payload:
            raise Unusable(Reason.EMPTY, "the list holds no response")
        most = self.settings.max_responses_per_record
        if len(payload) > most:
            raise Unusable(Reason.TOO_LARGE, f"a list of {len(payload)} responses: at most {most} are accepted in one record")
        return payload

    def _source(self, headers: Mapping[str, bytes | None], payload: Any) -> "_Source":
        """The one that the header names, else the one whose adapter knows the shape."""
        name = _text(headers, SOURCE_HEADER)
        if name is not None:
            named = self._sources.get(name.lower())
            if named is None:
                raise Unusable(Reason.UNKNOWN_VENDOR, f"{SOURCE_HEADER}: no adapter is named {name!r:.60}")
            return named
        recognised = recognise(payload, self.settings.adapters)
        if recognised is None:
            raise Unusable(Reason.UNKNOWN_SHAPE, f"no adapter knows this shape, and no header {SOURCE_HEADER} names one")
        return self._sources[recognised.NAME]


class _Source:
    """One vendor's payloads under the settings."""

    def __init__(self, adapter: Adapter, own: SourceSettings, settings: IntakeSettings) -> None:
        self.name = adapter.NAME
        self._adapter = adapter
        self._settings = own
        self._zone = (own.zone or settings.zone) if adapter.VENDOR_TIMES else None
        self._account = own.account or None
        self._domains = settings.domains
        self._last_account = settings.account or None

    def drafts(self, payloads: Sequence[Any]) -> Sequence[Draft]:
        """Those of all payloads. Raises `Unusable`, `Incomplete`."""
        return [draft for payload in payloads for draft in self._adapter.adapt(payload, self._settings)]

    def responses(self, drafts: Sequence[Draft], account: str | None) -> Sequence[dict[str, Any]]:
        """The canonical responses of all drafts; `account` is that of the header. Of several, the index of a faulty
        one is in the message."""
        if len(drafts) == 1:
            return (self._response(drafts[0], account),)
        responses = []
        for index, draft in enumerate(drafts):
            try:
                responses.append(self._response(draft, account))
            except Unusable as error:
                raise Unusable(error.reason, f"[{index}].{error}") from error
        return responses

    def _response(self, draft: Draft, account: str | None) -> dict[str, Any]:
        account = account or self._account
        if account is None and self._domains:
            account = self._domains.get(_domain_of(draft.get("respondent_id")))
        return canonical(draft, self.name, self._zone, account or self._last_account)


def _domain_of(respondent: Any) -> str:
    """What follows the @ of an e-mail address; nothing for any other id."""
    return respondent.rpartition("@")[2].strip().lower() if isinstance(respondent, str) and "@" in respondent else ""


def _pass_on(record: Record, source: str, outbox: Outbox) -> None:
    """Send a record that carries ids alone to be fetched, as it came, with the name of its vendor."""
    headers = [*((name, value) for name, value in record.headers if name != SOURCE_HEADER), (SOURCE_HEADER, source.encode())]
    outbox.send(topics.INCOMPLETE, record.key, record.value, record.timestamp, headers, route=record.partition)
    outbox.count("incomplete", source)


def _is_form(headers: Mapping[str, bytes | None]) -> bool:
    kind = _text(headers, CONTENT_TYPE_HEADER)
    return kind is not None and kind.partition(";")[0].strip().lower() == forms.CONTENT_TYPE


def _text(headers: Mapping[str, bytes | None], name: str) -> str | None:
    """A header's text without surrounding white space; None where it is absent or empty."""
    value = headers.get(name)
    return value.decode(errors="replace").strip() or None if value else None


def _bury(record: Record, stage: str, reason: Reason, error: Exception, outbox: Outbox) -> None:
    """Send a record to the dead letters as it came, to the partition of its own number."""
    headers = dead_letter_headers(record, stage, reason, error, str(error))
    outbox.send(topics.DEAD_LETTERS, record.key, record.value, record.timestamp, headers, route=record.partition)
    outbox.count("dead_letters", reason.value)
