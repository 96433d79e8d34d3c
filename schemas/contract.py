"""The published contract: an AsyncAPI 3 document and JSON Schemas, made of the topic table and the event types, so that they
cannot disagree with what is sent.

Source: the AsyncAPI specification 3.0.0, its Kafka bindings 0.5.0, JSON Schema 2020-12, the Kafka binding of CloudEvents 1.0.
"""

from typing import Any, Final

import msgspec
from msgspec import Struct

from schemas import accounts, alerts, cases, cloudevents, comments, events, outreach, topics
from schemas.dead_letters import ERROR_PREFIX, REASON_HEADER, STAGES, Reason
from schemas.examples import EXAMPLES
from schemas.topics import TOPICS, Topic
from schemas.vendors import ADAPTERS

CONTRACT_VERSION: Final = "1.3.0"
"""Version of the contract: a new field is a minor one, anything that an existing reader could trip over a major one."""

TYPES: Final[tuple[type[Struct], ...]] = (
    events.Response,
    events.Retraction,
    events.Scored,
    events.CategoryChange,
    events.Detractor,
    events.Promoter,
    events.AccountRollup,
    events.SegmentRollup,
    events.Cell,
    events.Erasure,
    events.Erased,
    events.Contact,
    accounts.AccountFacts,
    cases.CaseCommand,
    cases.CaseRejection,
    cases.CaseEvent,
    cases.Case,
    alerts.AccountAlert,
    alerts.Alert,
    alerts.Delivery,
    outreach.Preference,
    outreach.Outreach,
    comments.Comment,
    comments.ThemesCell,
    comments.AccountThemes,
    comments.SegmentThemes,
)
"""What the values of topics are."""

CLOUD_EVENTS: Final = {
    "Scored": cloudevents.SCORED,
    "CategoryChange": cloudevents.CATEGORY_CHANGE,
    "Detractor": cloudevents.DETRACTOR,
    "Promoter": cloudevents.PROMOTER,
    "CaseEvent": cloudevents.CASE_EVENT,
    "CaseRejection": cloudevents.CASE_REJECTION,
    "AccountAlert": cloudevents.ACCOUNT_ALERT,
    "Alert": cloudevents.ALERT,
    "Delivery": cloudevents.DELIVERY,
    "Outreach": cloudevents.OUTREACH,
    "Comment": cloudevents.COMMENT,
}
"""The `ce_type` of the types that are sent as CloudEvents."""

_BESIDE: Final = {topics.RESPONSES: ("Retraction",), topics.ERASURES: ("Erasure",)}
"""What the values of a topic may be, besides the type that the topic table names."""

_RECEIVED: Final = (topics.RAW, topics.ERASURES, topics.ACCOUNTS, topics.CASE_COMMANDS, topics.PREFERENCES)
"""What others send to npstream."""

BINDING_VERSION: Final = "0.5.0"

Json = dict[str, Any]


def json_schemas() -> dict[str, Json]:
    """A self-contained JSON Schema (2020-12) for each type, by its name."""
    found = {}
    for kind in TYPES:
        schema = _tidy(msgspec.json.schema(kind))
        definitions = schema.pop("$defs")
        root = definitions.pop(kind.__name__)
        found[kind.__name__] = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **root,
            **({"$defs": definitions} if definitions else {}),
            "examples": [EXAMPLES[kind.__name__]],
        }
    return found


def asyncapi() -> Json:
    """The AsyncAPI 3.0.0 document: every topic with its key, headers, values, clean-up and retention."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "npstream",
            "version": CONTRACT_VERSION,
            "description": "Survey responses in; rolling Net Promoter Scores, and the events that make people act, out. "
            "Read with isolation.level=read_committed, and take a ce_id that you have seen for a repeat. "
            "The partition of a key is murmur2 of its bytes; the number of partitions never changes.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in TOPICS},
        "operations": dict(_operation(topic) for topic in TOPICS),
        "components": {"messages": _messages(), "schemas": _components()},
    }


def _channel(topic: Topic) -> Json:
    configuration: Json = {"cleanup.policy": topic.clean_up.value.split(",")}
    for entry in ("retention.ms", "max.compaction.lag.ms", "max.message.bytes"):
        if entry in topic.config:
            configuration[entry] = int(topic.config[entry])
    return {
        "address": topic.name,
        "description": f"{topic.holds}. Key: {topic.key}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _message_names(topic)},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topics.PARTITIONS,
                "topicConfiguration": configuration,
                "bindingVersion": BINDING_VERSION,
            }
        },
        **({"x-internal": True} if topic.internal else {}),
    }


def _operation(topic: Topic) -> tuple[str, Json]:
    """What npstream does with a topic: it receives raw payloads, commands and CRM facts, and sends everything else."""
    action = "receive" if topic.name in _RECEIVED else "send"
    name = action + "".join(part.capitalize() for part in topic.name.split(".")[1:])
    return name, {"action": action, "channel": {"$ref": f"#/channels/{topic.name}"}, "summary": topic.holds}


def _message_names(topic: Topic) -> tuple[str, ...]:
    if topic.name in (topics.RAW, topics.INCOMPLETE):
        return ("Payload",)
    if topic.name == topics.DEAD_LETTERS:
        return ("DeadLetter",)
    if topic.schema is None:
        raise ValueError(f"{topic.name}: the topic table names no schema, and the contract has no message for it")
    return (topic.schema, *_BESIDE.get(topic.name, ()))


def _messages() -> Json:
    messages: Json = {
        "Payload": {
            "name": "Payload",
            "title": "What a survey platform sends",
            "summary": "A vendor's webhook body, a canonical response, or a list of one of them.",
            "headers": {"$ref": "#/components/schemas/PayloadHeaders"},
            "payload": {"description": "any JSON"},
        },
        "DeadLetter": {
            "name": "DeadLetter",
            "title": "What could not be used",
            "summary": "Key, value and headers as they came, and why it could not be used.",
            "headers": {"$ref": "#/components/schemas/DeadLetterHeaders"},
            "payload": {"description": "any bytes"},
        },
    }
    for topic in TOPICS:
        for name in _message_names(topic):
            if name in messages:
                continue
            event = name in CLOUD_EVENTS
            messages[name] = {
                "name": name,
                "title": CLOUD_EVENTS.get(name, name),
                "contentType": "application/json",
                **({"headers": {"$ref": f"#/components/schemas/{name}Headers"}} if event else {}),
                "payload": {"$ref": f"#/components/schemas/{name}"},
                "bindings": {"kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": BINDING_VERSION}},
                "examples": [{"name": name, "payload": EXAMPLES[name]}],
            }
    return messages


def _components() -> Json:
    _, schemas = msgspec.json.schema_components(TYPES, ref_template="#/components/schemas/{name}")
    headers = {f"{name}Headers": _event_headers(ce_type) for name, ce_type in CLOUD_EVENTS.items()}
    return {
        **_tidy(schemas),
        **headers,
        "PayloadHeaders": _headers(
            {
                "nps-source": _text("the vendor whose payload it is; without it the shape tells", enum=list(ADAPTERS)),
                "nps-account": _text("the account of responses that name none"),
                cloudevents.TRACEPARENT: _text("W3C Trace Context, passed on"),
            },
        ),
        "DeadLetterHeaders": _headers(
            {
                ERROR_PREFIX + "topic": _text("where it came from"),
                ERROR_PREFIX + "partition": _text("its partition there"),
                ERROR_PREFIX + "offset": _text("its offset there"),
                ERROR_PREFIX + "stage": _text("where it was given up", enum=list(STAGES)),
                ERROR_PREFIX + "exception.class.name": _text("what was raised"),
                ERROR_PREFIX + "exception.message": _text("which field, and what was expected of it"),
                REASON_HEADER: _text("why, as a code that keeps its meaning", enum=[reason.value for reason in Reason]),
            },
            optional=(),
        ),
    }


def _event_headers(ce_type: str) -> Json:
    """The headers that `schemas.cloudevents.event_headers` makes."""
    return _headers(
        {
            "ce_specversion": _text("CloudEvents 1.0", const="1.0"),
            "ce_id": _text("follows from what caused the event: a repeat has the same"),
            "ce_type": _text("what happened", const=ce_type),
            "ce_source": _text("who says so", const=cloudevents.SOURCE),
            "ce_time": {**_text("when it happened, RFC 3339"), "format": "date-time"},
            "content-type": _text("of the value", const="application/json"),
            cloudevents.TRACEPARENT: _text("W3C Trace Context of what caused it, where it came with one"),
        },
        optional=(cloudevents.TRACEPARENT,),
    )


def _headers(properties: Json, optional: tuple[str, ...] | None = None) -> Json:
    """Headers by name; required are all but the optional ones, or none where that is None."""
    required = [] if optional is None else [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _text(description: str, **more: Any) -> Json:
    return {"type": "string", "description": description, **more}


def _tidy(schema: Any) -> Any:
    """Descriptions come from docstrings: one line each, whatever their indentation in the source."""
    if isinstance(schema, dict):
        return {
            name: " ".join(value.split()) if name == "description" and isinstance(value, str) else _tidy(value)
            for name, value in schema.items()
        }
    return [_tidy(value) for value in schema] if isinstance(schema, list) else schema
