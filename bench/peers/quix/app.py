"""The peers' work with Quix Streams: a stateful function on a dataframe keyed by account."""

from typing import Any, Final

from quixstreams import Application, State

from bench.peers.telling import Work, tell

KEPT_DAYS: Final = 90
DAY_S: Final = 86_400
COMMIT_INTERVAL_S: Final = 1.0
CONSUMER: Final = {"fetch.wait.max.ms": 100, "queued.min.messages": 100_000}
PRODUCER: Final = {"linger.ms": 50, "queue.buffering.max.messages": 1_000_000, "batch.size": 500_000}
DAYS: Final = "days"
"""The key of an account's days. A respondent's is its id: a state belongs to one account."""

work = Work.told()
app = Application(
    broker_address=work.bootstrap,
    consumer_group=work.group,
    auto_offset_reset="earliest",
    commit_interval=COMMIT_INTERVAL_S,
    state_dir=work.folder,
    loglevel="WARNING",
    consumer_extra_config=CONSUMER,
    producer_extra_config=PRODUCER,
)
responses = app.topic(work.source, value_deserializer="json", key_deserializer="str")
changes = app.topic(work.changes, value_serializer="json", key_serializer="str")
detractors = app.topic(work.detractors, value_serializer="json", key_serializer="str")


class Progress:
    """How many responses were processed."""

    processed = 0


def score(response: dict[str, Any], state: State) -> list[dict[str, Any]]:
    """One response: the events that it brings."""
    if not Progress.processed:
        tell("began")
    events = []
    now = category(response["score"])
    respondent = response["respondent_id"]
    before = state.get(respondent)
    state.set(respondent, [now, response["score"]])
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
        events.append(change)
    days = state.get(DAYS, {})
    counts = days.setdefault(str(response["responded_at"] // DAY_S), [0, 0, 0])
    counts[("promoter", "passive", "detractor").index(now)] += 1
    if len(days) > KEPT_DAYS:
        oldest = max(map(int, days)) - KEPT_DAYS + 1
        days = {day: counts for day, counts in days.items() if int(day) >= oldest}
    state.set(DAYS, days)
    if now == "detractor":
        event = {
            "response_id": response["response_id"],
            "respondent_id": response["respondent_id"],
            "account_id": response["account_id"],
            "segment": response["segment"],
            "score": response["score"],
            "comment": response["comment"],
            "responded_at": response["responded_at"],
        }
        events.append(event)
    Progress.processed += 1
    if Progress.processed == work.responses:
        app.stop()
    return events


def category(score: int) -> str:
    """What a score is called."""
    return "detractor" if score <= 6 else "passive" if score <= 8 else "promoter"


if __name__ == "__main__":
    scored = app.dataframe(responses).apply(score, stateful=True, expand=True)
    scored.to_topic(
        lambda value, key, timestamp, headers: changes if "from" in value else detractors,
        key=lambda value: value["account_id"],
    )
    app.run()  # until it is stopped: then it has flushed and committed
    tell("ended")
