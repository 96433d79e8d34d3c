"""Intake: whatever survey platforms send becomes canonical responses, or a dead letter that says why not.

Every record of the raw topic becomes one of these, never two of them, and of a list with one faulty response none is taken:
- its responses;
- exactly one dead letter;
- the same record again, on its way to be completed: one that carries ids alone, for what they stand for to be fetched, or one
  that names no account, to the partition that knows its respondent (`agents.placing`). A list is sent there one by one.

But for contacts nothing here depends on other records, and time brings nothing.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, Final

from agents.burying import bury
from agents.contacts import Contacts
from agents.placing import PLACED_HEADER, Accounts, Elsewhere, Placing, marked, step_of
from schemas import forms, topics
from schemas.cloudevents import TRACEPARENT
from schemas.codec import dumps, loads
from schemas.dead_letters import Reason, Unusable
from schemas.validation import canonical
from schemas.vendors import ADAPTERS, recognise
from schemas.vendors.adapter import Adapter, Draft, Incomplete, SourceSettings
from schemas.vendors.canonical import NAME as CANONICAL
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
    """The account of a response that nothing else names; empty: it is a dead letter."""
    max_responses_per_record: int = 1_000
    """Longest list of responses in one record: some 300 KB, within a broker's usual bound for a record."""

    def __post_init__(self) -> None:
        for name in self.sources:
            if name not in self.adapters:
                raise ValueError(f"sources: no adapter is named {name!r}; there are {', '.join(self.adapters)}")
        if self.max_responses_per_record < 1:
            raise ValueError(f"max_responses_per_record: {self.max_responses_per_record} is less than 1")


class _Source:
    """One vendor's payloads under the settings."""

    def __init__(self, adapter: Adapter, own: SourceSettings, settings: IntakeSettings) -> None:
        self.name = adapter.NAME
        self.zone = (own.zone or settings.zone) if adapter.VENDOR_TIMES else None
        self.accounts = Accounts(own.account or None, settings.domains, settings.account or None)
        self._adapter = adapter
        self._settings = own

    def drafts(self, payloads: Sequence[Any]) -> Sequence[Draft]:
        """Those of all payloads. Raises `Unusable`, `Incomplete`."""
        return [draft for payload in payloads for draft in self._adapter.adapt(payload, self._settings)]


_Placed = tuple[dict[str, Any], Elsewhere | None]
"""A canonical response; or one without an account, and where it has to be asked for."""


class Intake:
    """The processor between `nps.responses.raw` and `nps.responses`."""

    name = "intake"
    sources = (topics.RAW, topics.CONTACTS)
    leading = (topics.CONTACTS,)
    """A state that is made anew must know whose contact somebody is before it reads what they said."""

    def __init__(self, settings: IntakeSettings = IntakeSettings()) -> None:
        self.settings = settings
        self._sources = {
            name: _Source(adapter, settings.sources.get(name, SourceSettings()), settings)
            for name, adapter in settings.adapters.items()
        }

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """Read the records in order."""
        adapted: Counter[str] = Counter()
        contacts = Contacts(state)
        placing = Placing(state, contacts)
        for record in batch:
            stage = "decode"
            try:
                if record.topic == topics.CONTACTS:
                    contacts.take(record)
                    continue
                headers = dict(record.headers) if record.headers else {}
                payloads = self._payloads(record.value, headers)
                stage = "adapt"
                source = self._source(headers, payloads[0])
                drafts = source.drafts(payloads)
                stage = "validate"
                account = _text(headers, ACCOUNT_HEADER)
                placing.begin(len(drafts) == 1, step_of(headers), account, source.accounts)
                placed = _placed(drafts, source, placing)
            except Incomplete:
                _send_to_fetch(record, source.name, outbox)
                continue
            except Unusable as error:
                bury(record, stage, error, outbox, ours=PLACED_HEADER)
                continue
            except MemoryError:
                raise  # says something of this worker, nothing of the record
            except Exception as error:
                # An adapter reads what others wrote: what it does not foresee must not stop the partition for ever.
                bury(record, stage, error, outbox, ours=PLACED_HEADER)
                continue
            passed_on: Headers = [header for header in record.headers if header[0] == TRACEPARENT] if headers else ()
            for response, elsewhere in placed:
                if elsewhere is None:
                    key = response["account_id"].encode()
                    outbox.send(topics.RESPONSES, key, dumps(response), record.timestamp, passed_on)
                    adapted[source.name] += 1
                else:
                    _send_on(record, elsewhere, None if len(placed) == 1 else response, passed_on, outbox)
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

    def _source(self, headers: Mapping[str, bytes | None], payload: Any) -> _Source:
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


def _placed(drafts: Sequence[Draft], source: _Source, placing: Placing) -> Sequence[_Placed]:
    """The responses of all drafts; where there are several, the index of a faulty one is in the message."""
    if len(drafts) == 1:
        return (_place(drafts[0], source, placing),)
    placed = []
    for index, draft in enumerate(drafts):
        try:
            placed.append(_place(draft, source, placing))
        except Unusable as error:
            raise Unusable(error.reason, f"[{index}].{error}") from error
    return placed


def _place(draft: Draft, source: _Source, placing: Placing) -> _Placed:
    """The response of a draft. Raises `Unusable`."""
    if draft.get("account_id") not in (None, ""):
        return canonical(draft, source.name, source.zone, None), None
    try:
        return canonical(draft, source.name, source.zone, placing.account(draft.get("respondent_id"))), None
    except Elsewhere as elsewhere:
        response = canonical(draft, source.name, source.zone, account="?")
        del response["account_id"]
        return response, elsewhere


def _send_to_fetch(record: Record, source: str, outbox: Outbox) -> None:
    """Send a record that carries ids alone to be fetched, as it came, with the name of its vendor."""
    headers = [*((name, value) for name, value in record.headers if name != SOURCE_HEADER), (SOURCE_HEADER, source.encode())]
    outbox.send(topics.INCOMPLETE, record.key, record.value, record.timestamp, headers, route=record.partition)
    outbox.count("incomplete", source)


def _send_on(record: Record, elsewhere: Elsewhere, response: dict[str, Any] | None, passed_on: Headers, outbox: Outbox) -> None:
    """Send a response without an account where it has to be asked for; None: it is all there is in the record, which goes on as
    it came."""
    key = elsewhere.contact.encode()
    if response is None:
        outbox.send(topics.RAW, key, record.value, record.timestamp, marked(record.headers, elsewhere.step))
    else:
        headers = marked([*passed_on, (SOURCE_HEADER, CANONICAL.encode())], elsewhere.step)
        outbox.send(topics.RAW, key, dumps(response), record.timestamp, headers)


def _is_form(headers: Mapping[str, bytes | None]) -> bool:
    kind = _text(headers, CONTENT_TYPE_HEADER)
    return kind is not None and forms.is_form(kind)


def _text(headers: Mapping[str, bytes | None], name: str) -> str | None:
    """A header's text without surrounding white space; None where it is absent or empty."""
    value = headers.get(name)
    return value.decode(errors="replace").strip() or None if value else None
