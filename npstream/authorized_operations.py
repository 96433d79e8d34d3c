"""Requests of Kafka's protocol that tell what the user may do (KIP-430), in versions that aiokafka does not have."""

from collections.abc import Sequence
from enum import IntEnum

from aiokafka.protocol.admin import DescribeGroupsResponse_v3
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

UNKNOWN_OPERATIONS = -(2**31)
"""The bit field of a broker that does not tell."""


class Operation(IntEnum):
    """Codes of AclOperation in the protocol; an answer is a bit field of them."""

    READ = 3
    WRITE = 4
    DESCRIBE = 8


def operations(bits: int) -> frozenset[int] | None:
    """The operations in a bit field; None if the broker did not tell."""
    return None if bits == UNKNOWN_OPERATIONS else frozenset(op for op in Operation if bits >> op & 1)


class MetadataResponseV8(Response):  # type: ignore[misc]  # aiokafka has no types
    """The first version of Metadata that tells what the user may do with a topic; aiokafka ends at version 5."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("brokers", Array(("node_id", Int32), ("host", String("utf-8")), ("port", Int32), ("rack", String("utf-8")))),
        ("cluster_id", String("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
        ("cluster_authorized_operations", Int32),
    )


class MetadataRequestV8(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """Asks for topics by name, with what the user may do with them."""

    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = MetadataResponseV8
    SCHEMA = Schema(
        ("topics", Array(String("utf-8"))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
    )


class TopicOperationsRequest(Request[MetadataRequestV8]):  # type: ignore[misc]  # aiokafka has no types
    """What may this user do with these topics?"""

    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = list(topics)

    def build(self, request_struct_class: type[MetadataRequestV8]) -> MetadataRequestV8:
        """The request on the wire: creates nothing."""
        return request_struct_class(self._topics, False, False, True)


class GroupsRequestV3(RequestStruct):  # type: ignore[misc]  # aiokafka has no types
    """aiokafka's own request of this version reads the answer as one of version 2, without the permissions."""

    API_KEY = 15
    API_VERSION = 3
    RESPONSE_TYPE = DescribeGroupsResponse_v3
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean))


class GroupOperationsRequest(Request[GroupsRequestV3]):  # type: ignore[misc]  # aiokafka has no types
    """What may this user do with this consumer group?"""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[GroupsRequestV3]) -> GroupsRequestV3:
        """The request on the wire."""
        return request_struct_class([self._group], True)
