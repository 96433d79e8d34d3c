"""Tells of detractors as they appear, with aiokafka, until Ctrl-C or SIGTERM.

python detractors_aiokafka.py --bootstrap 127.0.0.1:9092 --group my-alerts
"""

import argparse
import asyncio
import json
import signal
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import CommitFailedError

REMEMBERED = 100_000
"""Ids kept in memory, some 13 MB."""


def handle(event_id: str, event: dict[str, Any]) -> None:
    """Your part. After a crash it may run again for the same event: make it so that the second time changes nothing, for
    instance with the event's id as the key of what it writes."""
    who = f"{event.get('respondent_id', 'somebody')} of {event['account_id']}"
    if event.get("withdrawn"):
        print(f"{who} is no detractor after all ({event['response_id']})", flush=True)
    elif event["revision"] > 0:
        print(f"{who} now gives a {event['score']}, {event['severity']}: {event.get('comment', '')}", flush=True)
    else:
        print(f"{who} gave a {event['score']}, {event['severity']}: {event.get('comment', '')}", flush=True)


async def consume(bootstrap: str, group: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    consumer = AIOKafkaConsumer(
        "nps.detractors",
        bootstrap_servers=bootstrap,
        group_id=group,
        isolation_level="read_committed",  # the default shows events that a worker took back
        enable_auto_commit=False,  # by itself it would commit what is not handled yet
        auto_offset_reset="earliest",
    )
    handled: dict[str, None] = {}  # the ids of the last events, the oldest first
    async with consumer:
        while not stop.is_set():
            batches = await consumer.getmany(timeout_ms=500, max_records=500)
            for record in (record for records in batches.values() for record in records):
                event_id = dict(record.headers)["ce_id"].decode()
                if event_id not in handled:
                    handle(event_id, json.loads(record.value))
                    handled[event_id] = None
                    if len(handled) > REMEMBERED:
                        del handled[next(iter(handled))]
            if batches:
                try:
                    await consumer.commit()
                except CommitFailedError:
                    print("another member has some of these partitions now, and handles their last events again", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    parser.add_argument("--group", default="detractors-aiokafka")
    arguments = parser.parse_args()
    asyncio.run(consume(arguments.bootstrap, arguments.group))
