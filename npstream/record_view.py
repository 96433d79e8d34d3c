"""One record as a line for people, as JSON for programs, and as a page when it is looked at alone. No I/O here."""

import base64
from collections.abc import Mapping
from typing import Any, Final

import orjson
from rich.text import Text

from npstream.lines import NOTHING, printable, signed
from npstream.tables_view import SEVERITIES
from schemas import topics
from schemas.codec import loads
from schemas.dead_letters import ERROR_PREFIX, REASON_HEADER, Unusable
from schemas.times import LATEST_MS, format_time
from streams.processor import Headers, Record

CATEGORIES: Final = {"promoter": "green", "passive": "bright_black", "detractor": "red"}
"""Colour of each category."""
HEX_BYTES: Final = 16
"""Bytes in a line of a hexadecimal dump."""
DUMP_BYTES: Final = 4096
"""Most bytes that a dump shows: what a record is can be seen from its beginning."""

Event = Mapping[str, Any]


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
    else:
        body = {
            topics.DETRACTORS: _detractor,
            topics.PROMOTERS: _promoter,
            topics.CHANGES: _change,
            topics.SCORED: _scored,
        }[record.topic](event)
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


def _detractor(event: Event) -> Text:
    severity = str(event.get("severity", ""))
    row = event.get("consecutive", 1)
    again = f" \N{MULTIPLICATION SIGN}{row}" if isinstance(row, int) and row > 1 else ""
    style = SEVERITIES.get(severity, "")
    word = "withdrawn" if event.get("withdrawn") else severity
    return _told(event, Text(f"{_score(event)} {word}{again}".ljust(16), "dim" if event.get("withdrawn") else style))


def _promoter(event: Event) -> Text:
    word = "withdrawn" if event.get("withdrawn") else "first time" if event.get("first") else "again"
    return _told(event, Text(f"{_score(event)} {word}".ljust(16), "green"))


def _change(event: Event) -> Text:
    before, after = str(event.get("from") or "nothing"), str(event.get("to") or "nothing")
    arrow = Text(f"{before:>9} \N{RIGHTWARDS ARROW} {after:<9}", CATEGORIES.get(after, "dim"))
    return _told(event, Text.assemble(arrow, f"  {event.get('cause', '')!s:<10}"))


def _scored(event: Event) -> Text:
    category = str(event.get("category") or "")
    what = Text.assemble(
        (f"{_score(event)} {category:<9}", CATEGORIES.get(category, "dim")), f"  {event.get('change', '')!s:<10}"
    )
    return _told(event, what)


def _told(event: Event, what: Text) -> Text:
    """What happened, to which account, what was said, by whom, and the account's NPS where it is told."""
    comment = (
        f"  \N{LEFT DOUBLE QUOTATION MARK}{event['comment']}\N{RIGHT DOUBLE QUOTATION MARK}" if event.get("comment") else ""
    )
    score = event.get("account_nps")
    nps = f"  NPS {signed(score)}" if isinstance(score, int | float) else ""
    return Text.assemble(
        what,
        f"  {event.get('account_id', '')}",
        comment,
        (f"  {event.get('respondent_id') or 'anonymous'}{nps}", "dim"),
    )


def _score(event: Event) -> str:
    return f"{event.get('score', '')!s:>2}"


def _event(value: bytes | None) -> Event | None:
    try:
        event = loads(value or b"")
    except Unusable:
        return None
    if not isinstance(event, dict):
        return None
    # What is shown in a line is text or a number; anybody may write anything, at any depth.
    return {name: member for name, member in event.items() if not isinstance(member, list | dict)}


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
