"""A naive recount of npstream's outputs from the records of nps.responses: a specification that can be run.

It shares no code with what it verifies, and prefers being obvious to being fast: 100,000 responses take some seconds.

- `events(records, ...)`: what each record brings, one by one: scored responses, category changes, detractors, promoters, dead
  letters, strays. Compare with `stream_differences(recounted.scored, sent)` and so on; an empty list means equal.
- `account_tables(records, as_of)` and `segment_tables(records, as_of)`: the rolling tables of any day, from scratch. Compare
  with `table_differences(tables, last_values)`.

Both take the erasures that happened meanwhile, as `erasures_by_account` orders them, and what `told_by` scored events says of
the segments that responses have from their accounts.

Records are anything with partition, offset, timestamp (ms, UTC), key, value and headers.
"""

from npstream.recount.erasures import Erasure, Erasures
from npstream.recount.erasures import by_account as erasures_by_account
from npstream.recount.events import ALERT_MAX_AGE, DeadLetter, Events, Stray, events, is_marked
from npstream.recount.expected import ABSENT, Expected, stream_differences, table_differences
from npstream.recount.facts import Facts, Told, told_by
from npstream.recount.reading import format_day, home_of
from npstream.recount.tables import WINDOWS, account_tables, held_responses, segment_tables

__all__ = [
    "ABSENT",
    "ALERT_MAX_AGE",
    "WINDOWS",
    "DeadLetter",
    "Erasure",
    "Erasures",
    "Events",
    "Expected",
    "Facts",
    "Stray",
    "Told",
    "account_tables",
    "erasures_by_account",
    "events",
    "format_day",
    "held_responses",
    "home_of",
    "is_marked",
    "segment_tables",
    "stream_differences",
    "table_differences",
    "told_by",
]
