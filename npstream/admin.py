"""Looking at a cluster and creating topics. Every call has a bound; what a broker does not answer is None, never a guess.

Made on aiokafka's low-level client, whose `send` is public. Its admin client is not used: there, asking for the description
of a topic that is missing creates the topic where the brokers allow that.
"""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

from aiokafka.client import AIOKafkaClient
from aiokafka.conn import create_conn
from aiokafka.errors import (
    BrokerResponseError,
    IllegalSaslStateError,
    IncompatibleBrokerVersion,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    RequestTimedOutError,
    SaslAuthenticationFailed,
    UnknownError,
    UnsupportedSaslMechanismError,
    for_code,
)
from aiokafka.protocol.admin import (
    ApiVersionRequest,
    CreateTopicsRequest,
    DeleteGroupsRequest,
    DeleteTopicsRequest,
    DescribeConfigsRequest,
    DescribeGroupsRequest,
)
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.transaction import InitProducerIdRequest

from npstream.authorized_operations import UNKNOWN_OPERATIONS, GroupOperationsRequest
from npstream.failures import BrokerUnreachable, CheckFailed, LoginRefused, UserError
from npstream.topic_plan import PlannedTopic
from streams.connection import Connection

T = TypeVar("T")

TIMEOUT_S = 10.0
"""Bound of one call unless the caller says otherwise: a healthy cluster answers within a second."""
APPEAR_TIMEOUT_S = 15.0
"""How long a created topic may take until all its partitions have leaders; a second on a quiet machine."""
POLL_S = 0.1
"""Pause between two looks at something that settles within a second."""
CLOSE_TIMEOUT_S = 2.0
"""Bound of saying good-bye to a broker that may be gone."""

CLIENT_ID = "npstream-admin"
"""How we appear in a broker's log."""
TOPIC_RESOURCE, BROKER_RESOURCE = 2, 4
"""Kinds of resources in DescribeConfigs."""
GROUP_COORDINATOR, TRANSACTION_COORDINATOR = 0, 1
"""Kinds of coordinators in FindCoordinator."""


class Api(IntEnum):
    """Keys of the requests that we ask the broker's support for."""

    PRODUCE = 0
    METADATA = 3
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    END_TXN = 26
    WRITE_TXN_MARKERS = 27
    DESCRIBE_CONFIGS = 32
    LIST_TRANSACTIONS = 66


class Code(IntEnum):
    """Error codes of the protocol that mean something here."""

    NONE = 0
    UNKNOWN_TOPIC = 3
    LEADER_NOT_AVAILABLE = 5
    COORDINATOR_LOADING = 14
    COORDINATOR_NOT_AVAILABLE = 15
    NOT_COORDINATOR = 16
    TOPIC_AUTHORIZATION_FAILED = 29
    GROUP_AUTHORIZATION_FAILED = 30
    CLUSTER_AUTHORIZATION_FAILED = 31
    TOPIC_ALREADY_EXISTS = 36
    INVALID_TRANSACTION_TIMEOUT = 50
    CONCURRENT_TRANSACTIONS = 51
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
    NON_EMPTY_GROUP = 68
    GROUP_ID_NOT_FOUND = 69


SETTLING = frozenset(
    {Code.COORDINATOR_LOADING, Code.COORDINATOR_NOT_AVAILABLE, Code.NOT_COORDINATOR, Code.CONCURRENT_TRANSACTIONS}
)
"""Answers that change by themselves within seconds."""

logging.getLogger("aiokafka").addHandler(logging.NullHandler())
# Without a handler Python prints aiokafka's errors to stderr; what they say stands in our one line. A worker's log gets them.


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """One topic as the cluster has it."""

    name: str
    code: int
    """0, or why the cluster does not show it."""
    partitions: int = 0
    replication: int = 0
    """Copies of the partition that has fewest."""
    leaderless: int = 0
    """Partitions that nobody leads at the moment."""

    @property
    def exists(self) -> bool:
        """Whether it is there and may be seen."""
        return self.code in (Code.NONE, Code.LEADER_NOT_AVAILABLE) and self.partitions > 0


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a broker says about its cluster."""

    cluster_id: str | None
    brokers: int
    versions: Mapping[int, tuple[int, int]]
    """Lowest and highest version of each request it answers, by key."""

    @property
    def transactional(self) -> bool:
        """Whether transactions can be had, by its API versions alone.

        A broker may list the requests of the transactional producer without having transactions (the embedded one does). Those
        that have them list the means to end or to see them, too: Apache Kafka the first, others the second.
        """
        producer = {Api.INIT_PRODUCER_ID, Api.ADD_PARTITIONS_TO_TXN, Api.END_TXN}
        ends = {Api.WRITE_TXN_MARKERS, Api.LIST_TRANSACTIONS}
        return producer <= self.versions.keys() and not ends.isdisjoint(self.versions)


class Admin:
    """One connection to a cluster. Made by `connect`."""

    def __init__(self, client: AIOKafkaClient, connection: Connection, timeout_s: float) -> None:
        self._client = client
        self._connection = connection
        self._timeout_s = timeout_s

    async def cluster(self) -> Cluster:
        """Who answers. Raises BrokerUnreachable."""
        versions = await self._send(ApiVersionRequest())
        metadata = (await self._send(MetadataRequest([], allow_auto_topic_creation=False))).to_object()
        known = {key: (low, high) for key, low, high in versions.api_versions}
        return Cluster(metadata.get("cluster_id"), len(metadata["brokers"]), known)

    async def topics(self, names: Sequence[str]) -> dict[str, FoundTopic]:
        """Each named topic as the cluster has it; none is created by asking. Raises BrokerUnreachable."""
        if not names:
            return {}
        metadata = (await self._send(MetadataRequest(list(names), allow_auto_topic_creation=False))).to_object()
        found = {topic["topic"]: _found(topic) for topic in metadata["topics"]}
        return {name: found.get(name, FoundTopic(name, Code.UNKNOWN_TOPIC)) for name in names}

    async def topic_configs(self, names: Sequence[str]) -> dict[str, dict[str, str] | None]:
        """The configuration of each topic; None where the broker does not tell. Raises BrokerUnreachable."""
        # All entries are asked for: the embedded broker hangs up when they are named.
        resources = [(TOPIC_RESOURCE, name, None) for name in names]
        answers = await self._configs(resources) if resources else {}
        return {name: answers.get(name) for name in names}

    async def broker_config(self) -> dict[str, str] | None:
        """The configuration of one broker; None where it does not tell. Raises BrokerUnreachable."""
        node = self._client.get_random_node()
        return (await self._configs([(BROKER_RESOURCE, str(node), None)], node)).get(str(node))

    async def _configs(self, resources: list[tuple[int, str, None]], node: int | None = None) -> dict[str, dict[str, str]]:
        try:
            answer = (await self._send(DescribeConfigsRequest(resources, False), node)).to_object()
        except Unanswered:
            return {}
        return {
            resource["resource_name"]: {e["config_names"]: e["config_value"] for e in resource["config_entries"]}
            for resource in answer["resources"]
            if resource["error_code"] == Code.NONE
        }

    async def create(self, topics: Iterable[PlannedTopic]) -> list[str]:
        """Create those that are not there yet, and wait until all their partitions are led; return the names of the new ones.

        Raises CheckFailed, a line for each topic that the cluster refused, and BrokerUnreachable.
        """
        wanted = {topic.name: topic for topic in topics}
        if not wanted:
            return []
        requests: list[tuple[Any, ...]] = [
            (t.name, t.partitions, t.replication, [], sorted(t.config.items())) for t in wanted.values()
        ]
        timeout_ms = int(self._timeout_s * 1000)
        answer = (await self._send(CreateTopicsRequest(requests, timeout_ms, False), self._controller())).to_object()
        created, refused = [], []
        for error in answer["topic_errors"]:
            name, code = error["topic"], error["error_code"]
            if code == Code.NONE:
                created.append(name)
            elif code != Code.TOPIC_ALREADY_EXISTS:
                refused.append(f"cannot create {name}: {said(code, error.get('error_message'))}")
        await self._appear(created)
        if refused:
            raise CheckFailed("\n".join(refused))
        return created

    async def _appear(self, names: list[str]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + APPEAR_TIMEOUT_S
        while True:
            found = await self.topics(names)
            waiting = [topic.name for topic in found.values() if not topic.exists or topic.leaderless]
            if not waiting:
                return
            if loop.time() > deadline:
                raise CheckFailed(
                    f"created, but without leaders after {APPEAR_TIMEOUT_S:g} s: {', '.join(waiting)}; look at the brokers"
                )
            await asyncio.sleep(POLL_S)

    async def delete_topic(self, name: str) -> None:
        """Delete a topic, and wait until nobody is shown it any more. Raises CheckFailed, BrokerUnreachable."""
        request = DeleteTopicsRequest([name], int(self._timeout_s * 1000))
        answer = (await self._send(request, self._controller())).to_object()
        for error in answer["topic_error_codes"]:
            if error["error_code"] not in (Code.NONE, Code.UNKNOWN_TOPIC):
                raise CheckFailed(f"cannot delete {name}: {said(error['error_code'])}")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + APPEAR_TIMEOUT_S
        while (await self.topics([name]))[name].code != Code.UNKNOWN_TOPIC:
            if loop.time() > deadline:
                raise CheckFailed(f"{name} was deleted, and is still there after {APPEAR_TIMEOUT_S:g} s; look at the brokers")
            await asyncio.sleep(POLL_S)

    async def group_hosts(self, group: str) -> list[str]:
        """Where each member of a consumer group is. Raises CheckFailed, BrokerUnreachable."""
        hosts: list[str] = []

        async def attempt() -> int:
            node = await self._coordinator(GROUP_COORDINATOR, group)
            (described,) = (await self._send(DescribeGroupsRequest([group]), node)).to_object()["groups"]
            hosts[:] = [member["client_host"].lstrip("/") for member in described["members"]]
            return int(described["error_code"])

        code = await self._settled(attempt)
        if code not in (Code.NONE, Code.GROUP_ID_NOT_FOUND):
            raise CheckFailed(f"cannot look at group {group}: {said(code)}")
        return hosts

    async def delete_group(self, group: str) -> int:
        """Delete a consumer group with its offsets, and return the error code; one with members is not deleted."""

        async def attempt() -> int:
            node = await self._coordinator(GROUP_COORDINATOR, group)
            ((_, code),) = (await self._send(DeleteGroupsRequest([group]), node)).results
            return int(code)

        return await self._settled(attempt)

    async def try_transactional_id(self, transactional_id: str, timeout_ms: int) -> int:
        """Initialise an id, as a worker's first step does, and return the error code. It fences whoever uses the same id."""

        async def attempt() -> int:
            node = await self._coordinator(TRANSACTION_COORDINATOR, transactional_id)
            answer = await self._send(InitProducerIdRequest(transactional_id, timeout_ms), node)
            return int(answer.error_code)

        return await self._settled(attempt)

    async def _settled(self, attempt: Callable[[], Awaitable[int]]) -> int:
        """The error code of an attempt, repeated while a coordinator comes up: a cluster's first use of groups or transactions
        creates the topic they are kept in."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._timeout_s
        while True:
            try:
                code = await attempt()
            except BrokerResponseError as error:
                code = int(error.errno)
            if code not in SETTLING or loop.time() > deadline:
                return code
            await asyncio.sleep(POLL_S)

    async def group_operations(self, group: str) -> tuple[int, int]:
        """An error code, and the bit field of what this user may do with a consumer group. Raises Unanswered."""
        bits = UNKNOWN_OPERATIONS

        async def attempt() -> int:
            nonlocal bits
            node = await self._coordinator(GROUP_COORDINATOR, group)
            answer = await self._send(GroupOperationsRequest(group), node)
            (described,) = answer.to_object()["groups"]
            bits = described["authorized_operations"]
            return int(described["error_code"])

        code = await self._settled(attempt)
        return code, bits

    async def send(self, request: Any) -> dict[str, Any]:
        """Any request of aiokafka's protocol, to any broker; its answer by field names.

        Raises BrokerUnreachable, and Unanswered if the broker does not know the request.
        """
        answer: dict[str, Any] = (await self._send(request)).to_object()
        return answer

    async def _coordinator(self, kind: int, key: str) -> int:
        node: int = await self._bounded(self._client.coordinator_lookup(kind, key))
        await self._bounded(self._client.force_metadata_update())
        return node

    async def _send(self, request: Any, node: int | None = None) -> Any:
        if node is None:
            node = self._client.get_random_node()
            if node is None:
                raise unreachable(self._connection, KafkaConnectionError("it knows no brokers yet"))
        try:
            return await self._bounded(self._client.send(node, request))
        except (IncompatibleBrokerVersion, NotImplementedError) as error:
            raise Unanswered(str(error)) from error
        except (NodeNotReadyError, RequestTimedOutError) as error:
            raise unreachable(self._connection, error) from error
        except KafkaConnectionError as error:
            # Some brokers hang up on what they do not know. One that still talks to us afterwards is such a broker.
            if isinstance(request, ApiVersionRequest):
                raise unreachable(self._connection, error) from error
            await self._send(ApiVersionRequest(), node)
            raise Unanswered(str(error)) from error

    def _controller(self) -> int | None:
        controller = self._client.cluster.controller
        return None if controller is None else int(controller.nodeId)

    async def _bounded(self, call: Awaitable[T]) -> T:
        try:
            return await asyncio.wait_for(call, self._timeout_s)
        except TimeoutError as error:
            raise unreachable(self._connection, error) from error


class Unanswered(Exception):
    """The broker hung up on a request, and answers others: it does not know this one."""


@asynccontextmanager
async def connect(connection: Connection, timeout_s: float = TIMEOUT_S) -> AsyncIterator[Admin]:
    """A connection to a cluster, closed afterwards. `timeout_s` bounds reaching each address, and each call.

    Raises BrokerUnreachable, and streams.connection.ConnectionRefused for TLS files that cannot be read.
    """
    options = connection.aiokafka | {"request_timeout_ms": int(timeout_s * 1000)}
    try:
        client = AIOKafkaClient(**options, client_id=CLIENT_ID)
    except ValueError as error:
        raise UserError(f"bootstrap is {connection.bootstrap!r}: {error}; name brokers like 127.0.0.1:9092") from error
    try:
        try:
            await asyncio.wait_for(client.bootstrap(), timeout_s * len(client.hosts))
        except (TimeoutError, KafkaError, OSError) as error:
            raise unreachable(connection, await _why(client, options, timeout_s)) from error
        yield Admin(client, connection, timeout_s)
    finally:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(client.close(), CLOSE_TIMEOUT_S)


async def _why(client: AIOKafkaClient, options: dict[str, Any], timeout_s: float) -> Exception | str:
    """Why the first address cannot be used: the client only logs it, so it is tried once more."""
    options = {name: value for name, value in options.items() if name != "bootstrap_servers"}
    host, port, _family = client.hosts[0]
    try:
        connection = await asyncio.wait_for(create_conn(host, port, client_id=CLIENT_ID, **options), timeout_s)
    except TimeoutError:
        return "no answer in time"
    except (KafkaError, OSError) as error:
        reason: Exception = error
        return reason
    connection.close()
    return "it answers now: try again"


def unreachable(connection: Connection, reason: Exception | str | None) -> BrokerUnreachable:
    """The error for a cluster that cannot be talked to, in one line that says where to look."""
    where = f"{connection.bootstrap} over {connection.security_protocol}"
    match reason:
        case SaslAuthenticationFailed() | UnsupportedSaslMechanismError() | IllegalSaslStateError():
            return LoginRefused(
                f"the broker at {where} refuses the log-in of {connection.sasl_username}: {said(reason)}; "
                "check sasl_mechanism, sasl_username and sasl_password"
            )
        case ssl.SSLError():
            return LoginRefused(
                f"no TLS with the broker at {where}: {_tls_reason(reason)}; check security_protocol, ssl_ca_file"
            )
        case TimeoutError() | RequestTimedOutError() | None:
            detail = "no answer in time"
        case OSError():
            detail = reason.strerror or str(reason)
        case str():
            detail = reason
        case _:
            detail = said(reason)
    return BrokerUnreachable(f"no broker answers at {where} ({detail}): start it, or check bootstrap and security_protocol")


def _tls_reason(error: ssl.SSLError) -> str:
    """Such as that a certificate has expired, where it is known."""
    return str(getattr(error, "verify_message", "") or error.reason or error)


def said(error: Exception | int, message: str | None = None) -> str:
    """An error, or an error code of the protocol, in words."""
    if isinstance(error, int):
        kind = for_code(error)
        name = kind.__name__.removesuffix("Error")
        words = message or (kind.description if kind is not UnknownError else "")
        return " ".join(f"{name} (error {error}) {words}".split())
    return " ".join(str(error).split()) or type(error).__name__


def _found(topic: Mapping[str, Any]) -> FoundTopic:
    partitions = topic["partitions"]
    return FoundTopic(
        name=topic["topic"],
        code=topic["error_code"],
        partitions=len(partitions),
        replication=min((len(partition["replicas"]) for partition in partitions), default=0),
        leaderless=sum(partition["leader"] < 0 for partition in partitions),
    )
