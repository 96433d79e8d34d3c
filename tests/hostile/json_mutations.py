"""What a program that means harm, or is only wrong, writes instead of the JSON that was agreed on."""

from random import Random
from typing import Any, Final

import orjson

DEEP: Final = (260, 500, 1_100)
"""Levels of nesting: beyond what orjson writes (254), between, and beyond what it reads (1,024)."""
DIGITS: Final = 100_000
"""Digits of the longest integer: Python itself refuses to read more than 4,300."""
LONG: Final = 70_000
"""Characters of a long text: more than a comment may have."""
RARELY: Final = 300
"""One in so many replacements is a large one: they take a thousand times as long to make as the others."""


def _nested(levels: int) -> tuple[bytes, ...]:
    return (b"[" * levels + b"]" * levels, b'{"a":' * levels + b"1" + b"}" * levels)


NUMBERS: Final = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e400", b"-1e400", b"1e308", b"-1e308", b"1e-400", b"5e-324", b"-0", b"-0.0"),
    *(b"-1", b"0", b"10", b"10.0", b"9.5", b"9.999999999999999999", b"11", b"2147483648", b"9007199254740993"),
    *(
        b"9223372036854775807",
        b"9223372036854775808",
        b"-9223372036854775809",
        b"18446744073709551616",
        b"1e11",
        b"99999999999",
    ),
    *(b"0x9", b"09", b"+9", b"9.", b".9", b"1_0", b"7258118399999", b"7258118400000", b"253402300800000"),
)
TEXTS: Final = (
    *(b'""', b'" "', b'"9"', b'" 9 "', b'"9.0"', b'"\\u0039"', '"９"'.encode(), '"٩"'.encode(), b'"null"', b'"NaN"', b"'9'"),
    *(b'"\\u0000"', b'"\\ud800"', b'"\\udc00\\ud800"', b'"\\ud83d\\ude00"', b'"\\u202e"', b'"\\u001b[2J"', b'"\\ufeff"'),
    *('"ﬀ İ ß ŉ"'.encode(), b'"a\\u0301"', b'"|=|"', b'"=x"', b'"retraction"', b'"response"', b'"' + b"x" * 600 + b'"'),
)
TIMES: Final = tuple(
    b'"' + text.encode() + b'"'
    for text in (
        *("2026-03-01T09:30:00Z", "2026-03-01T09:30:00.000Z", "2026-03-01 09:30:00", "2026-03-01T09:30:00+0100"),
        *("2026-03-01T24:00:00Z", "2026-03-01T23:59:60Z", "2026-02-29T00:00:00Z", "2026-03-01T09:30:00.999999999999Z"),
        *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1969-12-31T23:59:59.999Z"),
        *("1970-01-01T00:00:00Z", "2199-12-31T23:59:59.999Z", "2200-01-01T00:00:00Z", "2026-W09-7", "20260301T093000Z"),
        *("2026-03-01T09:30:00+99:99", "2026-03-01T09:30:00,000Z", "٢٠٢٦-03-01T09:30:00Z", "noon", "2026-03-01"),
    )
)
OTHERS: Final = (b"null", b"true", b"false", b"{}", b"[]", b"[[]]", b"[null]", b'{"":""}', b'{"a":{"a":1}}', b"[1,2,3]", b"")
SHAPES: Final = tuple(text for levels in DEEP for text in _nested(levels))

LARGE: Final = (
    b"1" + b"0" * 400,  # an integer that no double holds
    b"9" * DIGITS,
    b'"' + b"x" * LONG + b'"',
    b'"' + b"\\u0000" * (LONG // 6) + b'"',
    b"[" + b",".join([b"1"] * 5_000) + b"]",
    b"{" + b",".join(b'"k%d":1' % number for number in range(5_000)) + b"}",
    b'{"' + b"k" * LONG + b'":1}',
    *SHAPES,
)

NAMES: Final = ("", " ", "score", "Score", "kind", "segments", "account_id", "a" * 600, "\0", "é", "a=b|c", "__proto__", "$ref")
"""Names that members come to have."""


def mutate(rng: Random, document: Any) -> bytes:
    """JSON in which up to three values, names or members of a document are others; often no JSON any more.

    The document is changed. Values that JSON libraries refuse to write are put in as text afterwards."""
    replaced: list[bytes] = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        holder, place = _place(rng, document)
        if holder is None:
            continue
        how = rng.randrange(10)
        if how < 7:
            holder[place] = f"~{len(replaced)}~"
            replaced.append(value(rng))
        elif how == 7:
            del holder[place]
        elif how == 8 and isinstance(holder, dict):
            holder[rng.choice(NAMES)] = holder.pop(place)
        elif isinstance(holder, list):
            holder.extend(holder[:1] * rng.randrange(1, 30))
        else:
            holder[rng.choice(NAMES)] = holder[place]
    text = orjson.dumps(document)
    for number, other in enumerate(replaced):
        text = text.replace(b'"~%d~"' % number, other)
    if not rng.randrange(20):
        text = _doubled(rng, text)
    return text


def value(rng: Random) -> bytes:
    """Some value in place of another, as JSON text; as a rule a small one."""
    if not rng.randrange(RARELY):
        return rng.choice(LARGE)
    return rng.choice(rng.choice((NUMBERS, TEXTS, TIMES, OTHERS)))


def _place(rng: Random, document: Any) -> tuple[Any, Any]:
    """Some container of the document, and an index or a name in it; a walk that ends sooner rather than later."""
    holder, place = None, None
    while isinstance(document, dict | list) and document:
        holder = document
        place = rng.choice(list(document)) if isinstance(document, dict) else rng.randrange(len(document))
        document = holder[place]
        if not rng.randrange(4):
            break
    return holder, place


def _doubled(rng: Random, text: bytes) -> bytes:
    """A member that is there already comes once more, first or last."""
    member = b'"%b":%b' % (rng.choice((b"score", b"account_id", b"response_id", b"responded_at", b"segments")), value(rng))
    if rng.randrange(2):
        return text.replace(b"{", b"{" + member + b",", 1)
    return text[:-1] + b"," + member + text[-1:]
