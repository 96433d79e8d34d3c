"""The smallest records that have done harm, each with what it is given to. They stay when the fault is mended: then each is a
dead letter, or whatever is documented, like any other record."""

from collections.abc import Callable
from typing import Final

import orjson

from schemas import topics
from schemas.examples import EXAMPLES as PUBLISHED
from schemas.topics import BY_NAME as BY_TOPIC
from streams.partitioner import partition_of
from tests.hostile.care_flow import care_flow
from tests.hostile.decoders import BY_NAME
from tests.hostile.flow import flow
from tests.hostile.records import NOW, Hostile

GOOD: Final = b'"response_id":"r","account_id":"acme","score":9,"responded_at":"2026-03-01T09:30:00Z"'
RETRACTION: Final = b'{"kind":"retraction","response_id":"r","account_id":"acme"}'
MOST: Final = b"18446744073709551615"
YEAR_33658: Final = 10**15
"""Microseconds sent as milliseconds."""
DEEP: Final = b"[" * 300 + b"]" * 300


def _record(topic: str, value: bytes, timestamp: int = NOW, key: bytes = b"acme") -> Hostile:
    return Hostile(topic, key, value, [], timestamp, 0)


def _flow(*records: Hostile) -> Callable[[], object]:
    return lambda: flow(records)


def _read(decoder: str, value: bytes, timestamp: int = NOW, key: bytes = b"acme") -> Callable[[], object]:
    """Through one decoder; what it may raise is no harm."""

    def read() -> None:
        try:
            BY_NAME[decoder].read(_record(topics.DEAD_LETTERS, value, timestamp, key))
        except BY_NAME[decoder].may_raise:
            return

    return read


def _cell(value: bytes, day: bytes = b"2026-03-01", timestamp: int = NOW, segment: bytes = b"plan=smb") -> Hostile:
    return _record(topics.CELLS, b'{"responses":[%b,0,0]}' % value, timestamp, b"0|a|%b|%b" % (segment, day))


def _care(topic: str, text: bytes, **changes: object) -> Callable[[], object]:
    """An example of a topic of care, with a number of 65 bits in the place of one, or whatever else it is given."""
    value = orjson.dumps(PUBLISHED[BY_TOPIC[topic].schema or ""] | changes).replace(b"48000", text)
    record = _record(topic, value)._replace(partition=partition_of(b"acme", 2))
    return lambda: care_flow([record])


EXAMPLES: Final[dict[str, Callable[[], object]]] = {
    "deep segments beside a null": _flow(_record(topics.RESPONSES, b'{%b,"comment":null,"segments":%b}' % (GOOD, DEEP))),
    "a time beyond a double": _flow(_record(topics.RESPONSES, b'{%b,"updated_at":1%b}' % (GOOD, b"0" * 400))),
    "a retraction of the year 33658": _flow(_record(topics.RESPONSES, RETRACTION, YEAR_33658)),
    "a raw retraction of the year 33658": _flow(_record(topics.RAW, RETRACTION, YEAR_33658)),
    "a correction of the year 33658": _flow(
        _record(topics.RESPONSES, b"{%b}" % GOOD), _record(topics.RESPONSES, b"{%b}" % GOOD.replace(b"9,", b"3,"), YEAR_33658)
    ),
    "a first record of the first day of 1970": _flow(_record(topics.RESPONSES, RETRACTION, 0)),
    "a cell before 1970": _flow(_cell(b"1", b"1969-12-31", 0)),
    "counts beyond 64 bits": _flow(_cell(MOST), _cell(MOST, b"2026-02-28")),
    "a cell whose rollup is longer than a record may be": _flow(_cell(b"1", segment=b"plan=" + b"\0" * 400_000)),
    "a changelog key of a processor in no UTF-8": _read("changelog", b"", key=b"s\xff\0x"),
    "a changelog position of a topic in no UTF-8": _read("changelog", b"1 1 1", key=b"pscoring\0\xff"),
    "tail --json of deep JSON": _read("tail --json", DEEP),
    "tail --json of the year 33658": _read("tail --json", b"1", YEAR_33658),
    "tail of the year 33658": _read("tail", b"1", YEAR_33658),
    "dlq show of the year 33658": _read("dlq show", b"1", YEAR_33658),
    "tail of deep JSON": _read("tail", b'{"account_id":%b}' % (b"[" * 1_000 + b"]" * 1_000)),
    "verify of a time beyond a double": _read("verify: the source", b'{%b,"updated_at":1e400}' % GOOD),
    "verify of a day that is none": _read("verify: the results", b'{"account_id":"a","as_of":"2026-99-99","windows":{}}'),
    "a settings file of deep arrays": _read("settings file", b"agents = " + DEEP * 10),
    "a settings file with a number of 5,000 digits": _read("settings file", b"partitions = " + b"9" * 5_000),
    "a history in the state without responses": _read("state: a history", b"\x93\x90\x90\x00"),
    "top with windows that are a list": _read("top", b'{"windows":[]}'),
    "top with a total that is text": _read("top", b'{"windows":{"90d":{"responses":{"total":"x"}}}}'),
    "top without an NPS": _read("top", b'{"windows":{"90d":{"responses":{"total":5}}}}'),
    "top with a row that is text": _read("top", b'{"windows":{},"consecutive":"x"}'),
    "a file with a deep array": _read("files", b"[%b]" % DEEP),
    "a CSV file with a time beyond 64 bits": _read("files", b"response_id,score,responded_at\nr,9,99999999999999999999\n"),
    "a CSV file with a time of 5,000 digits": _read("files", b"response_id,score,responded_at\nr,9,%b\n" % (b"9" * 5_000)),
    "an account alert of a value of 65 bits": _care(topics.ACCOUNT_ALERTS, b"18446744073709551616"),
    "a case event of a value of 65 bits": _care(topics.CASE_EVENTS, b"18446744073709551616"),
    "a scored response of a segment without a name": _care(topics.SCORED, b"", segments={"": "x"}),
    "a scored response without milliseconds": _care(topics.SCORED, b"", responded_at="1970-01-01T00:00:00Z"),
    "an erasure of a hash that is none": lambda: care_flow(
        [_record(topics.ERASURES, b'{"account_id":"acme","respondent_hash":"x"}')._replace(partition=partition_of(b"acme", 2))]
    ),
    "a nested payload": _flow(_record(topics.RAW, DEEP)),
    "a nested response": _flow(_record(topics.RESPONSES, DEEP)),
}
