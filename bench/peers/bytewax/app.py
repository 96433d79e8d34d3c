"""The peers' work as a Bytewax dataflow: two stateful steps, keyed by respondent and by account, and a snapshot each second."""

import pathlib
from datetime import timedelta
from typing import Any, Final

import bytewax.operators as op
import orjson
from bytewax._bytewax import cli_main
from bytewax.connectors.kafka import KafkaSinkMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow, Stream
from bytewax.operators import KeyedStream
from bytewax.recovery import RecoveryConfig, init_db_dir

from bench.peers.telling import Work, tell

KEPT_DAYS: Final = 90
DAY_S: Final = 86_400
EPOCH: Final = timedelta(seconds=1)
"""Between two snapshots."""
FETCHED: Final = 5000
PRODUCER: Final = {"linger.ms": "50", "queue.buffering.max.messages": "1000000", "batch.size": "500000"}
LAST_CATEGORY, DAY_COUNTS = "last_category", "day_counts"
"""The stateful steps: snapshots are found by these names."""

Response = dict[str, Any]
Days = dict[int, list[int]]
"""Promoters, passives and detractors by UTC day."""

work = Work.told()


class Progress:
    """Whether it has told that it began."""

    began = False


def decode(message: Any) -> Response:
    """A response with its category."""
    if not Progress.began:
        tell("began")
        Progress.began = True
    response: Response = orjson.loads(message.value)
    score = response["score"]
    response["category"] = "detractor" if score <= 6 else "passive" if score <= 8 else "promoter"
    return response


def compare(before: tuple[str, int] | None, response: Response) -> tuple[tuple[str, int], list[Response]]:
    """With the respondent's answer before. A first one is no change."""
    now = response["category"]
    changes = []
    if before is not None and before[0] != now:
        change = {
            "response_id": response["response_id"],
            "respondent_id": response["respondent_id"],
            "account_id": response["account_id"],
            "segment": response["segment"],
            "from": before[0],
            "to": now,
            "score": response["score"],
            "responded_at": response["responded_at"],
        }
        changes.append(change)
    return (now, response["score"]), changes


def count(days: Days | None, response: Response) -> tuple[Days, list[Response]]:
    """In the account's table of the last 90 days of event time."""
    days = {} if days is None else days
    day = response["responded_at"] // DAY_S
    counts = days.get(day)
    if counts is None:
        counts = days[day] = [0, 0, 0]
        oldest = max(days) - KEPT_DAYS + 1
        for old in [old for old in days if old < oldest]:
            del days[old]
    counts[("promoter", "passive", "detractor").index(response["category"])] += 1
    return days, []


def detractor(response: Response) -> Response | None:
    """The event of a detractor."""
    if response["category"] != "detractor":
        return None
    return {
        "response_id": response["response_id"],
        "respondent_id": response["respondent_id"],
        "account_id": response["account_id"],
        "segment": response["segment"],
        "score": response["score"],
        "comment": response["comment"],
        "responded_at": response["responded_at"],
    }


def send(name: str, events: Stream[Response], topic: str) -> None:
    """Write events to a topic, keyed by account."""
    messages = op.map(
        f"encode_{name}", events, lambda event: KafkaSinkMessage(event["account_id"].encode(), orjson.dumps(event))
    )
    kop.output(name, messages, brokers=[work.bootstrap], topic=topic, add_config=PRODUCER)


flow = Dataflow("nps")
raw = kop.input("responses", flow, brokers=[work.bootstrap], topics=[work.source], tail=False, batch_size=FETCHED)
responses = op.map("decode", raw.oks, decode)
by_respondent: KeyedStream[Response] = op.key_on("by_respondent", responses, lambda response: response["respondent_id"])
by_account: KeyedStream[Response] = op.key_on("by_account", responses, lambda response: response["account_id"])
send("changes", op.key_rm("changed", op.stateful_flat_map(LAST_CATEGORY, by_respondent, compare)), work.changes)
op.stateful_flat_map(DAY_COUNTS, by_account, count)
send("detractors", op.filter_map("only_detractors", responses, detractor), work.detractors)


if __name__ == "__main__":
    snapshots = pathlib.Path(work.folder)
    init_db_dir(snapshots, 1)
    cli_main(flow, workers_per_process=1, epoch_interval=EPOCH, recovery_config=RecoveryConfig(snapshots))
    tell("ended")
