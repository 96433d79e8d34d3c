"""Sends survey responses to npstream, with confluent-kafka.

python produce_confluent.py --bootstrap 127.0.0.1:9092
"""

import argparse
import json
from datetime import UTC, datetime

from confluent_kafka import KafkaError, Message, Producer

TOPIC = "nps.responses.raw"

now = datetime.now(UTC)
CANONICAL = {
    "response_id": "confluent-1",
    "account_id": "acme",
    "respondent_id": "u-18@acme.example",
    "score": 5,
    "responded_at": now.isoformat(),
    "comment": "The export is slow.",
    "segments": {"plan": "enterprise"},
}
DELIGHTED = {  # a webhook's body, as it came; it names no account
    "event_type": "survey_response.created",
    "event_data": {
        "id": "confluent-2",
        "survey_type": "nps",
        "score": 0,
        "comment": "Nobody answers.",
        "person": {"id": "4411", "email": "joao.reis@globex.example"},
        "created_at": int(now.timestamp()),
        "updated_at": int(now.timestamp()),
    },
}


def delivered(error: KafkaError | None, message: Message) -> None:
    if error is not None:
        raise SystemExit(f"a response was not taken: {error}")


def send(bootstrap: str) -> None:
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            # Idempotence: a record that is sent again because an answer was lost is there once.
            "enable.idempotence": True,
            # Kafka's own choice of partition. librdkafka's default is another: beside clients that follow Kafka's, the
            # responses of one account would be in two partitions, in no order between them.
            "partitioner": "murmur2_random",
        }
    )
    # The account is the key: what it says stays in order.
    producer.produce(TOPIC, json.dumps(CANONICAL).encode(), key=b"acme", on_delivery=delivered)
    headers = [("nps-source", b"delighted"), ("nps-account", b"globex")]
    producer.produce(TOPIC, json.dumps(DELIGHTED).encode(), key=b"globex", headers=headers, on_delivery=delivered)
    producer.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap", default="127.0.0.1:9092")
    send(parser.parse_args().bootstrap)
    print("sent 2 responses")
