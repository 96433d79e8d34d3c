"""Sends survey responses to npstream, with aiokafka.

python produce_aiokafka.py --bootstrap 127.0.0.1:9092
"""

import argparse
import asyncio
import json
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer

TOPIC = "nps.responses.raw"

now = datetime.now(UTC)
CANONICAL = {
    "response_id": "aiokafka-1",
    "account_id": "acme",
    "respondent_id": "u-17@acme.example",
    "score": 3,
    "responded_at": now.isoformat(),
    "comment": "The export is slow.",
    "segments": {"plan": "enterprise"},
}
DELIGHTED = {  # a webhook's body, as it came; it names no account
    "event_type": "survey_response.created",
    "event_data": {
        "id": "aiokafka-2",
        "survey_type": "nps",
        "score": 1,
        "comment": "Nobody answers.",
        "person": {"id": "4410", "email": "ines.duarte@globex.example"},
        "created_at": int(now.timestamp()),
        "updated_at": int(now.timestamp()),
    },
}


async def send(bootstrap: str) -> None:
    # Idempotence: a record that is sent again because an answer was lost is there once.
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, enable_idempotence=True) as producer:
        # The account is the key: what it says stays in order.
        await producer.send_and_wait(TOPIC, json.dumps(CANONICAL).encode(), key=b"acme")
        headers = [("nps-source", b"delighted"), ("nps-account", b"globex")]
        await producer.send_and_wait(TOPIC, json.dumps(DELIGHTED).encode(), key=b"globex", headers=headers)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    asyncio.run(send(parser.parse_args().bootstrap))
    print("sent 2 responses")
