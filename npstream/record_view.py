"""One record as a line for people, as JSON for programs, and as a page when it is looked at alone. No I/O here."""

import base64
from typing import Any, Final

import orjson
from rich.text import Text

from npstream import care_lines, event_lines
from npstream.lines import NOTHING, printable
from schemas import topics
from schemas.codec import loads
from schemas.dead_letters import ERROR_PREFIX, REASON_HEADER, Unusable
from schemas.times import LATEST_MS, format_time
from streams.processor import Headers, Record

HEX_BYTES: Final = 16
"""Bytes in a line of a hexadecimal dump."""
DUMP_BYTES: Final = 4096
"""Most bytes that a dump shows: what a record is can be seen from its beginning."""


def position(record: Record) -> str:
    """TOPIC-PARTITION-OFFSET, which names a record."""
    return f"{record.topic}-{record.partition}-{record.offset}"


def when(timestamp: int) -> str:
    """A record's time; the bare number of ms where it is none that anybody means."""
    return format_time(max(timestamp, 0)) if timestamp < LATEST_MS else f"{timestamp} ms"


def as_json(record: Record) -> dict[str, Any]:
    """Everything about a record. A value that is no JSON is its text, and its base64 if it is no UTF-8 either."""
    document: dict[str, Any] = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": when(record.timestamp),
        "key": None if record.key is None else record.key.decode(errors="replace"),
        "headers": [[name, "" if value is None else value.decode(errors="replace")] for name, value in record.headers],
    }
    if record.value is None:
        return {**document, "value": None}
    try:
        value = loads(record.value)
        orjson.dumps(value)  # what may be read is deeper than what can be written
        return {**document, "value": value}
    except (Unusable, TypeError):
        pass
    try:
        return {**document, "value": record.value.decode()}
    except UnicodeDecodeError:
        return {**document, "value_base64": base64.b64encode(record.value).decode()}


def as_line(record: Record, today: str = "") -> Text:
    """A record of one of our topics in one line: when, what happened, to which account, what was said, by whom. With `today`,
    a UTC day like 2026-03-01, times are short: of today the time, of other days the day."""
    event = _event(record.value)
    if record.topic == topics.DEAD_LETTERS:
        body = _dead_letter(record)
    elif event is None:
        body = Text(f"{len(record.value or b''):,} bytes that are no JSON object", "dim")
    elif record.topic in care_lines.LINES:
        body = care_lines.LINES[record.topic](event)
    else:
        body = event_lines.LINES[record.topic](event_lines.plain(event))
    line = Text.assemble((_moment(record, today), "dim"), "  ", body, no_wrap=True, overflow="ellipsis")
    line.plain = printable(line.plain)
    return line


def as_page(record: Record) -> list[Text]:
    """A record alone: where and when, key, headers, and the value as readable as it can be."""
    lines = [
        Text(position(record), "bold"),
        _named("time", when(record.timestamp)),
        _named("key", NOTHING if record.key is None else record.key.decode(errors="backslashreplace")),
    ]
    for name, value in record.headers:
        lines.append(_named(name, "" if value is None else value.decode(errors="backslashreplace")))
    if record.value is None:
        return [*lines, Text(), Text("no value", "dim")]
    lines += [_named("size", f"{len(record.value):,} bytes"), Text()]
    try:
        pretty = orjson.dumps(loads(record.value), option=orjson.OPT_INDENT_2).decode()
        return [*lines, *(Text(printable(part)) for part in pretty.split("\n"))]
    except (Unusable, TypeError):
        return [*lines, *_dump(record.value)]


def text_header(headers: Headers, name: str) -> str:
    """The last header of a name, which is the one that we added; empty without one."""
    for header, value in reversed(headers):
        if header == name:
            return (value or b"").decode(errors="replace")
    return ""


def error_header(record: Record, name: str) -> str:
    """What a dead letter says of its end: topic, partition, offset, stage, exception.message."""
    return text_header(record.headers, ERROR_PREFIX + name)


def source_position(record: Record) -> str:
    """Where a dead letter came from."""
    return "-".join(error_header(record, name) or "?" for name in ("topic", "partition", "offset"))


def _moment(record: Record, today: str) -> str:
    moment = when(record.timestamp)
    if not today:
        return moment[:19].replace("T", " ")
    return f"{moment[11:19] if moment[:10] == today else moment[:10]:<10}"


def _dead_letter(record: Record) -> Text:
    return Text.assemble(
        (f"{text_header(record.headers, REASON_HEADER):<15}", "red"),
        (f"{record.partition}-{record.offset}".ljust(9), "dim"),
        error_header(record, "exception.message"),
    )


def _event(value: bytes | None) -> Any:
    """The members of a JSON object; None for anything else."""
    try:
        event = loads(value or b"")
    except Unusable:
        return None
    return event if isinstance(event, dict) else None


def _named(name: str, value: str) -> Text:
    return Text.assemble((f"{printable(name)}: ", "dim"), printable(value))


def _dump(value: bytes) -> list[Text]:
    """Text as it is, other bytes as numbers and letters."""
    try:
        text = value[:DUMP_BYTES].decode()
        if all(c.isprintable() or c in "\r\n\t" for c in text):
            lines = [Text(printable(part)) for part in text.splitlines()]
            return lines + _rest(value)
    except UnicodeDecodeError:
        pass
    rows = (value[start : start + HEX_BYTES] for start in range(0, min(len(value), DUMP_BYTES), HEX_BYTES))
    dump = [
        Text(f"{number * HEX_BYTES:08x}  {row.hex(' '):<{HEX_BYTES * 3}} {_letters(row)}") for number, row in enumerate(rows)
    ]
    return dump + _rest(value)


def _letters(row: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)


def _rest(value: bytes) -> list[Text]:
    left = len(value) - DUMP_BYTES
    return [Text(f"... {left:,} bytes more", "dim")] if left > 0 else []
