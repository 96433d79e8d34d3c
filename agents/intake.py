"""Intake: whatever survey platforms send becomes canonical responses, or a dead letter that says why not.

Every record of the source topic becomes its responses or exactly one dead letter, never both: of a list with one faulty
response none is taken. Nothing here depends on other records, so there is no state and nothing that time brings.
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
from schemas.vendors.adapter import Adapter, SourceSettings
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

    sources: Mapping[str, SourceSettings] = field(default_factory=dict)
    """By adapter's name; one that is not named has the defaults."""
    zone: tzinfo = UTC
    """Zone of vendors' times that come without one, unless their source says another. Canonical ones must have one."""
    account: str = ""
    """The account of a response that neither its payload nor the header names; empty: it is a dead letter."""
    max_responses_per_record: int = 1_000
    """Longest list of responses in one record: some 300 KB, within a broker's usual bound for a record."""

    def __post_init__(self) -> None:
        for name in self.sources:
            if name not in ADAPTERS:
                raise ValueError(f"sources: no adapter is named {name!r}; there are {', '.join(ADAPTERS)}")
        if self.max_responses_per_record < 1:
            raise ValueError(f"max_responses_per_record: {self.max_responses_per_record} is less than 1")


class Intake:
    """The processor between `nps.responses.raw` and `nps.responses`."""

    name = "intake"
    sources = (topics.RAW,)

    def __init__(self, settings: IntakeSettings = IntakeSettings()) -> None:
        self.settings = settings
        self._account = settings.account or None
        self._sources = {name: settings.sources.get(name, SourceSettings()) for name in ADAPTERS}
        self._zones = {
            name: (self._sources[name].zone or settings.zone) if adapter.VENDOR_TIMES else None
            for name, adapter in ADAPTERS.items()
        }

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        adapted: Counter[str] = Counter()
        for record in batch:
            stage = "decode"
            try:
                headers = dict(record.headers) if record.headers else {}
                payloads = self._payloads(record.value, headers)
                stage = "adapt"
                adapter = _adapter(headers, payloads[0])
                source = adapter.NAME
                drafts = [draft for payload in payloads for draft in adapter.adapt(payload, self._sources[source])]
                stage = "validate"
                responses = _responses(drafts, source, self._zones[source], _text(headers, ACCOUNT_HEADER) or self._account)
            except Unusable as error:
                _bury(record, stage, error.reason, error, outbox)
                continue
            except MemoryError:
                raise  # says something of this worker, nothing of the record
            except Exception as error:
                # An adapter reads what others wrote: what it does not foresee must not stop the partition for ever.
                _bury(record, stage, Reason.FAULT, error, outbox)
                continue
            adapted[source] += len(responses)
            passed_on: Headers = [header for header in record.headers if header[0] == TRACEPARENT] if headers else ()
            for response in responses:
                key = response["account_id"].encode()
                outbox.send(topics.RESPONSES, key, dumps(response), record.timestamp, passed_on)
        for source, amount in adapted.items():
            outbox.count("adapted", source, amount=amount)

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


def _adapter(headers: Mapping[str, bytes | None], payload: Any) -> Adapter:
    """The adapter that the header names, else the one that knows the shape."""
    name = _text(headers, SOURCE_HEADER)
    if name is not None:
        named = ADAPTERS.get(name.lower())
        if named is None:
            raise Unusable(Reason.UNKNOWN_VENDOR, f"{SOURCE_HEADER}: no adapter is named {name!r:.60}")
        return named
    recognised = recognise(payload)
    if recognised is None:
        raise Unusable(Reason.UNKNOWN_SHAPE, f"no adapter knows this shape, and no header {SOURCE_HEADER} names one")
    return recognised


def _responses(
    drafts: Sequence[Mapping[str, Any]], source: str, zone: tzinfo | None, account: str | None
) -> list[dict[str, Any]]:
    """The canonical responses of all drafts; where there are several, the index of a faulty one is in the message."""
    if len(drafts) == 1:
        return [canonical(drafts[0], source, zone, account)]
    responses = []
    for index, draft in enumerate(drafts):
        try:
            responses.append(canonical(draft, source, zone, account))
        except Unusable as error:
            raise Unusable(error.reason, f"[{index}].{error}") from error
    return responses


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
