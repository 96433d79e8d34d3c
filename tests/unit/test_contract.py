"""The published contract: it is what the golden files say, it is well formed, and what is sent fits it."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agents.intake import Intake
from schemas import cloudevents, topics
from schemas.cloudevents import event_headers
from schemas.contract import CLOUD_EVENTS, TYPES, asyncapi, json_schemas
from schemas.dead_letters import ERROR_PREFIX, STAGES, Reason, dead_letter_headers
from schemas.examples import EXAMPLES
from schemas.topics import TOPICS
from schemas.vendors import ADAPTERS
from streams.test_driver import Sent, TestDriver
from tests.golden_files import FOLDER, check_golden
from tests.json_schema import errors

NOW = 1_772_357_400_000  # 2026-03-01T09:30:00Z
DOCS = Path(__file__).parents[2] / "docs" / "payloads.md"
DOCUMENT = asyncapi()
SCHEMAS = json_schemas()

ALLOWED: Mapping[str, tuple[set[str], set[str]]] = {
    # Of AsyncAPI 3.0.0: the fields that an object must have, and those that it may have.
    "root": ({"asyncapi", "info"}, {"id", "servers", "defaultContentType", "channels", "operations", "components"}),
    "info": ({"title", "version"}, {"description", "termsOfService", "contact", "license", "tags", "externalDocs"}),
    "channel": (
        set(),
        {"address", "messages", "title", "summary", "description", "servers", "parameters", "tags", "bindings", "x-internal"},
    ),
    "operation": (
        {"action", "channel"},
        {"title", "summary", "description", "security", "tags", "bindings", "traits", "messages", "reply"},
    ),
    "message": (
        set(),
        {"headers", "payload", "correlationId", "contentType", "name", "title", "summary", "description", "tags", "bindings"}
        | {"externalDocs", "examples", "traits"},
    ),
}


def component(name: str) -> dict[str, Any]:
    """A schema of the AsyncAPI document, with what it refers to."""
    return {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from references(one)


def resolve(document: Any, reference: str) -> Any:
    assert reference.startswith("#/")
    for part in reference[2:].split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document


# ------------------------------------------------------------------------------------------------------------- golden files


def test_the_asyncapi_document_is_the_golden_one() -> None:
    check_golden("contract/asyncapi.json", DOCUMENT)


def test_the_json_schemas_are_the_golden_ones() -> None:
    for name, schema in SCHEMAS.items():
        check_golden(f"contract/{name}.schema.json", schema)
    assert {path.name for path in (FOLDER / "contract").glob("*.schema.json")} == {f"{name}.schema.json" for name in SCHEMAS}


# ------------------------------------------------------------------------------------------------------------- well formed


def test_every_object_has_the_fields_that_asyncapi_gives_it() -> None:
    objects = [
        ("root", DOCUMENT),
        ("info", DOCUMENT["info"]),
        *(("channel", channel) for channel in DOCUMENT["channels"].values()),
        *(("operation", operation) for operation in DOCUMENT["operations"].values()),
        *(("message", message) for message in DOCUMENT["components"]["messages"].values()),
    ]
    for kind, one in objects:
        required, optional = ALLOWED[kind]
        assert required <= one.keys() <= required | optional, kind
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {operation["action"] for operation in DOCUMENT["operations"].values()} == {"send", "receive"}
    assert DOCUMENT["components"].keys() <= {"schemas", "messages"}
    for name in (*DOCUMENT["components"]["schemas"], *DOCUMENT["components"]["messages"]):
        assert re.fullmatch(r"[\w.-]+", name)


@pytest.mark.parametrize("document", [DOCUMENT, *SCHEMAS.values()], ids=["asyncapi", *SCHEMAS])
def test_every_reference_leads_somewhere(document: Any) -> None:
    for reference in references(document):
        assert resolve(document, reference) is not None


def test_nothing_is_published_that_nobody_refers_to() -> None:
    used = set(references(DOCUMENT))
    for kind in ("schemas", "messages"):
        assert [name for name in DOCUMENT["components"][kind] if f"#/components/{kind}/{name}" not in used] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_json_schema_is_one_and_its_example_fits(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert errors(SCHEMAS[name], EXAMPLES[name]) == []
    assert errors(component(name), EXAMPLES[name]) == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_refuses_something(name: str) -> None:
    for field in EXAMPLES[name]:
        assert errors(SCHEMAS[name], EXAMPLES[name] | {field: [[]]}) != [], field


# --------------------------------------------------------------------------------------------------------------- the topics


def test_every_topic_is_a_channel_as_the_table_has_it() -> None:
    assert list(DOCUMENT["channels"]) == [topic.name for topic in TOPICS]
    for topic in TOPICS:
        channel = DOCUMENT["channels"][topic.name]
        assert channel["address"] == topic.name
        assert topic.key in channel["description"]
        kafka = channel["bindings"]["kafka"]
        settings = {name: str(value) for name, value in kafka["topicConfiguration"].items() if name != "cleanup.policy"}
        settings["cleanup.policy"] = ",".join(kafka["topicConfiguration"]["cleanup.policy"])
        assert settings == topic.config
        assert kafka["partitions"] == topics.PARTITIONS
        assert channel.get("x-internal", False) == topic.internal
        if topic.schema is not None:
            assert channel["messages"][topic.schema] == {"$ref": f"#/components/messages/{topic.schema}"}


def test_every_topic_has_an_operation() -> None:
    channels = [operation["channel"]["$ref"].removeprefix("#/channels/") for operation in DOCUMENT["operations"].values()]
    assert channels == [topic.name for topic in TOPICS]


def test_every_type_is_the_value_of_a_topic() -> None:
    named = {topic.schema for topic in TOPICS} - {None}
    assert {kind.__name__ for kind in TYPES} == named | {"Retraction", "Erasure"}


def test_every_adapter_and_every_reason_is_published() -> None:
    headers = DOCUMENT["components"]["schemas"]
    assert headers["PayloadHeaders"]["properties"]["nps-source"]["enum"] == list(ADAPTERS)
    assert headers["DeadLetterHeaders"]["properties"]["nps-reason"]["enum"] == [reason.value for reason in Reason]


# -------------------------------------------------------------------------------------------------------------- what is sent


def text_headers(headers: Any) -> dict[str, str]:
    return {name: value.decode() for name, value in headers}


@pytest.mark.parametrize("name", CLOUD_EVENTS)
@pytest.mark.parametrize("trace", [None, b"00-1-2-01"])
def test_the_headers_of_an_event_fit_their_schema(name: str, trace: bytes | None) -> None:
    schema = component(f"{name}Headers")
    headers = text_headers(event_headers(CLOUD_EVENTS[name], cloudevents.SOURCE, "id-1", NOW, trace))
    assert headers == {
        "ce_specversion": "1.0",
        "ce_id": "id-1",
        "ce_type": CLOUD_EVENTS[name],
        "ce_source": "npstream",
        "ce_time": "2026-03-01T09:30:00.000Z",
        "content-type": "application/json",
        **({"traceparent": "00-1-2-01"} if trace else {}),
    }
    assert errors(schema, headers) == []
    assert all(
        errors(schema, {n: v for n, v in headers.items() if n != left_out}) for left_out in headers.keys() - {"traceparent"}
    )


def test_every_type_of_event_is_published() -> None:
    assert set(CLOUD_EVENTS.values()) == set(cloudevents.TYPES)


def test_the_headers_of_a_dead_letter_fit_their_schema() -> None:
    record = Sent(topics.RAW, 1, 2, NOW, None, b"x", ())
    for reason in Reason:
        headers = text_headers(dead_letter_headers(record, "decode", reason, None, "why"))
        assert errors(component("DeadLetterHeaders"), headers) == []
        del headers[ERROR_PREFIX + "stage"]
        assert errors(component("DeadLetterHeaders"), headers) != []


# ------------------------------------------------------------------------------------------------------------------ the docs


def test_the_docs_name_every_reason_and_every_adapter() -> None:
    text = DOCS.read_text(encoding="utf-8")
    letters = text.partition("## Dead letters")[2]
    rows = re.findall(r"^\| `([a-z ]+)` \| ([a-z, ]+) \|", letters, re.MULTILINE)
    assert sorted(code for code, _ in rows) == sorted(reason.value for reason in Reason)
    assert {stage for _, stages in rows for stage in stages.split(", ")} <= {*STAGES, "any"}
    for name in ADAPTERS:
        assert f"`{name}`" in text


def test_the_examples_in_the_docs_are_read() -> None:
    blocks = re.findall(r"^```json\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    driver = TestDriver([Intake()], now=NOW)
    for block in blocks:
        driver.pipe(topics.RAW, None, block.encode())
    driver.run()
    assert driver.facts == {("adapted", "canonical"): len(blocks)}
    assert len(blocks) == 2
