"""`npstream notify --test SINK`: one delivery that is no alert, to see what a sink makes of it."""

import asyncio
from pathlib import Path
from typing import Final

import aiohttp

from npstream import clock
from npstream.care.sinks import AnyTable
from npstream.failures import CheckFailed
from npstream.notifying.answers import Away, Refused, Taken
from npstream.notifying.orders import Order, alert_order
from npstream.notifying.sinks.registry import sink_of
from schemas.alerts import Alert, AlertItem
from schemas.times import format_time

OPEN_MS: Final = 300_000
"""How long it is open where a sink keeps alerts."""


def trial_order(sink: str, now_ms: int) -> Order:
    """A delivery that says that it is a test."""
    now, then = format_time(now_ms), format_time(now_ms + OPEN_MS)
    title = "A test by npstream notify --test: nothing is to be done"
    alert = Alert(
        delivery_id=f"test-{now_ms}",
        account_id="npstream-test",
        sink=sink,
        route="test",
        dedup_key=f"npstream-test-{sink}",
        status="firing",
        severity="elevated",
        title=title,
        created_at=now,
        caused_at=now,
        expires_at=then,
        items=[
            AlertItem(
                key="npstream-test",
                kind="case",
                what="opened",
                headline=title,
                severity="elevated",
                starts_at=now,
                ends_at=then,
                case_id="npstream-test",
            )
        ],
    )
    return alert_order(alert)


async def try_sink(name: str, table: AnyTable, folder: Path) -> Taken:
    """Deliver it once; what the sink answered. Raises CheckFailed with what it said instead."""
    now_ms = clock.now_ms()
    async with aiohttp.ClientSession() as session:
        sink = sink_of(name, table, session, folder)
        try:
            async with asyncio.timeout(table.timeout_s):
                return await sink.deliver(trial_order(name, now_ms), now_ms)
        except (Away, Refused) as error:
            raise CheckFailed(f"sink {name}: {error}; check its table in the care file") from error
        except TimeoutError as error:
            raise CheckFailed(
                f"sink {name}: does not answer within {table.timeout_s:g} s; check its table in the care file"
            ) from error
