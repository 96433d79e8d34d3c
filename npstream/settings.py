"""Every setting, in one typed place: name with unit, default and its reason, what is allowed, and what contradicts what.

docs/settings.md is made from this table. A setting's name in the environment is NPSTREAM_ and the name in capitals.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path
from typing import Any, Self

from npstream.settings_sources import (
    CONFIG_VARIABLE,
    DEFAULT_FILE,
    PREFIX,
    SettingsError,
    Source,
    as_text,
    declared,
    gather,
    nearest,
    setting,
)
from npstream.zones import zone_named
from schemas.topics import BY_NAME, PARTITIONS, RESPONSES
from streams.connection import Connection

AGENTS = ("intake", "directory", "scoring", "rollups", "care")
"""The units of agents there are, in the order of the flow. Care hosts all that act on an account's responses."""
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
"""Those that a user name and a password are enough for."""
APP_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""What Kafka allows in a topic's name; 100 characters leave room for what we add to it."""
BROKER_BATCH_LIMIT = 1_000_000
"""A produced batch must stay under the broker's message.max.bytes, 1,048,588 by default, its framing included."""


@dataclass(frozen=True)
class Settings:
    """All settings of a process; never changed, `override` makes another. Raises SettingsError where two contradict."""

    bootstrap: str = setting(
        "127.0.0.1:9092", "brokers to ask first, host:port with commas; Kafka's usual local address", group="connection"
    )
    security_protocol: str = setting(
        "PLAINTEXT",
        "PLAINTEXT is for trying things out; a cluster worth its name wants SASL_SSL or SSL",
        choices=("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"),
    )
    sasl_mechanism: str | None = setting(None, "how to log in, with a SASL_ protocol; empty without", choices=SASL_MECHANISMS)
    sasl_username: str | None = setting(None, "user name, with a SASL_ protocol")
    sasl_password: str | None = setting(None, "password, with a SASL_ protocol; best given in the environment", secret=True)
    ssl_ca_file: str | None = setting(
        None, "PEM file of the authority that signed the brokers' certificates; empty: the system's"
    )
    ssl_cert_file: str | None = setting(None, "PEM file of the client's certificate, where the brokers ask for one")
    ssl_key_file: str | None = setting(None, "PEM file of the client's key; empty: it is in ssl_cert_file")
    ssl_key_password: str | None = setting(
        None, "password of that key, if it has one; best given in the environment", secret=True
    )

    app_id: str = setting(
        "npstream",
        "prefix of consumer groups, transactional ids and changelogs: never change it once there is data",
        group="app",
    )
    agents: tuple[str, ...] = setting(AGENTS, "which agents a worker runs; all, unless they are scaled apart", choices=AGENTS)
    partitions: int = setting(
        PARTITIONS,
        "partitions of every topic: enough for a dozen workers, few enough for one; fixed for life",
        least=1,
        most=10_000,
    )
    replication: int = setting(
        -1, "copies of each new topic; -1 leaves it to the broker's default.replication.factor", least=-1, most=100
    )

    guarantee: str = setting(
        "auto",
        "auto: exactly once where the broker has transactions (its API versions decide, nothing else), otherwise the fallback; "
        "transactions: refuse a broker that has none",
        choices=("auto", "transactions"),
        group="engine",
    )
    session_timeout_ms: int = setting(
        10_000,
        "a worker that is silent for so long loses its partitions; shorter is a quicker take-over, longer outlasts a pause",
        least=1000,
    )
    heartbeat_ms: int = setting(
        3000, "how often a worker says that it lives: three times per session, so that two may be lost", least=100
    )
    transaction_timeout_ms: int = setting(
        15_000,
        "longest transaction; an open one holds back all readers of its topics, and the broker's own limit is 15 minutes",
        least=1000,
        most=900_000,
    )
    compression: str = setting(
        "zstd",
        "how batches are compressed: zstd leaves an eighth of them for a thirtieth of the work; every client that "
        "reads the events must know the codec; a broker without transactions gets them plain",
        choices=("none", "gzip", "snappy", "lz4", "zstd"),
    )
    batch_max_bytes: int = setting(
        1_000_000,
        "source records taken into one transaction, at most: a transaction and a table cost the same however many it holds; "
        "at low load batches are as small as what has arrived",
        least=1024,
        most=BROKER_BATCH_LIMIT,
    )
    linger_ms: int = setting(
        0,
        "least time between two beginnings of transactions of a task, unless a full batch has come: each costs the "
        "same whatever it holds; 0 where cores are to spare, 40 where they are busy",
        least=0,
        most=10_000,
    )
    rollups_linger_ms: int = setting(
        200,
        "the same for rollups: tables of segments are looked at, and nothing is done at once because of them",
        least=0,
        most=10_000,
    )
    care_linger_ms: int = setting(
        100,
        "the same for care: an alert goes through it twice, and people take longer than that to look",
        least=0,
        most=10_000,
    )
    inbox_max_bytes: int = setting(
        4 * 1024 * 1024,
        "what a task may hold that is not yet processed, before its partition is paused: four batches",
        least=1024,
    )
    tick_interval_ms: int = setting(
        1000, "how often a task looks at the clock; days are long, a second is soon enough", least=10
    )
    open_timeout_ms: int = setting(
        60_000,
        "how long a task may wait for the last owner's transaction to end; outlasts its time-out and the broker's sweep",
        least=1000,
    )
    retry_max_s: float = setting(
        10.0, "longest pause between two attempts while the broker is away: soon enough after it is back", least=0.1
    )
    give_up_after_s: float = setting(
        300.0,
        "a worker whose task fails for so long stops with the reason; the rolling restart of a cluster is shorter",
        least=1,
    )
    state_store: str = setting(
        "memory",
        "where tasks keep their state: memory is fastest; disk is for what outgrows it, and restores only what it missed "
        "(docs/state.md)",
        choices=("memory", "disk"),
    )
    state_folder: str | None = setting(
        None, "folder for state_store disk, on a disk of this machine; workers of one machine may share it"
    )
    state_memory_bytes: int = setting(
        256 * 1024 * 1024,
        "with state_store disk: cache and write buffers of all tasks of a worker together; more is fewer reads of the disk",
        least=16 * 1024 * 1024,
    )
    accept_gaps: bool = setting(
        False, "go on where retention deleted records before they were read: they are lost, so it is asked for"
    )
    uvloop: bool = setting(True, "run on uvloop, the faster event loop")
    gc_threshold: int = setting(
        200_000,
        "allocations between two runs of the garbage collector: each walks the live state, so Python's 700 is far too often",
        least=700,
    )
    processes: int = setting(
        1,
        "processes of one worker command: each uses one core and shares the partitions with the others; as many as there are "
        "cores to use, one for each partition at most",
        least=1,
    )

    windows_days: tuple[int, ...] = setting(
        (7, 30, 90, 365), "lengths of the rolling windows: a week, a month, a quarter, a year", least=1, group="scoring"
    )
    headline_days: int = setting(
        90, "the window whose NPS stands in events, gauges and lists: a quarter is what is reported", least=1
    )
    grace_days: int = setting(7, "history kept beyond twice the longest window, for responses that arrive late", least=0)
    alert_max_age_days: int | None = setting(
        14,
        "older responses count, and bring no detractor, promoter or category change: so a backfill of years alerts nobody; "
        "0 or empty: no limit",
        least=0,
    )
    source_zone: str = setting("UTC", "time zone of vendor times that name none, such as Europe/Berlin")
    default_account: str = setting("", "account of a response that names none; empty: it is a dead letter")
    sources_file: str = setting(
        "", "TOML file that says how each survey platform's payloads are read, with mappings of your own (docs/sources.md)"
    )

    care_file: str = setting(
        "",
        "TOML file that says how customers are cared for: due times of cases, whom to alert, first messages, themes of "
        "comments (docs/cases.md); empty: the defaults, and nobody is alerted or written to",
        group="care",
    )

    surveymonkey_url: str = setting(
        "https://api.surveymonkey.com",
        "where SurveyMonkey's API is: https://api.eu.surveymonkey.com for data in Europe",
        group="fetch",
    )
    surveymonkey_token: str | None = setting(
        None, "access token of an app of SurveyMonkey's, which may read responses and surveys", secret=True
    )
    qualtrics_url: str = setting("", "where Qualtrics' API is: https://DATACENTER.qualtrics.com")
    qualtrics_token: str | None = setting(
        None, "token of a user of Qualtrics, who may read the surveys' responses", secret=True
    )
    fetch_per_minute: int = setting(
        100, "calls of a vendor's API, at most: SurveyMonkey allows 120 a minute to a private app", least=1
    )
    fetch_http_port: int = setting(9466, "port of the metrics of npstream fetch; 0 takes a free one", least=0, most=65_535)

    notify_http_port: int = setting(
        9467, "port of the metrics of npstream notify; 0 takes a free one", least=0, most=65_535, group="notify"
    )

    http_host: str = setting(
        "127.0.0.1", "where metrics and health are served: loopback, since there is no log-in", group="metrics"
    )
    http_port: int = setting(
        9464, "port of metrics and health, the usual one of Prometheus exporters; 0 takes a free one", least=0, most=65_535
    )
    segment_gauges: int = setting(100, "segments shown as NPS gauges: each is a time series, and segments are many", least=0)
    log_level: str = setting(
        "info", "what is logged: info is what an operator acts on", choices=("debug", "info", "warning", "error", "critical")
    )
    log_format: str = setting("text", "text for eyes, json (one object a line) for collectors", choices=("text", "json"))

    gateway_host: str = setting(
        "127.0.0.1",
        "where `npstream gateway` takes webhooks: loopback, since what speaks TLS with the world stands before it",
        group="gateway",
    )
    gateway_port: int = setting(8080, "port of the gateway; 0 takes a free one", least=0, most=65_535)
    gateway_file: str | None = setting(
        None, "TOML file that says which vendor signs how, and which account is whose (docs/gateway.md)"
    )
    gateway_secrets: str | None = setting(
        None,
        "secrets of vendors, beside those of gateway_file: VENDOR=SECRET with commas between them, a vendor may come twice; "
        "best given in the environment",
        secret=True,
    )
    gateway_tokens: str | None = setting(
        None,
        "bearer tokens of POST /v1/responses, beside those of gateway_file, with commas between them; best given in the "
        "environment",
        secret=True,
    )
    gateway_max_body_bytes: int = setting(
        BROKER_BATCH_LIMIT,
        "longest body that is taken: what a broker takes as one record by default, less what Kafka adds to it",
        least=1024,
        most=BROKER_BATCH_LIMIT,
    )
    gateway_in_flight_bytes: int = setting(
        64 * 1024 * 1024,
        "bodies held until Kafka has acknowledged them, of all requests together; beyond it requests are refused with 503, so "
        "that a burst costs no more memory",
        least=1024 * 1024,
    )
    gateway_rate_per_s: float = setting(
        1000.0,
        "requests a vendor may make per second in the long run, then 429; gateway_file has others for single ones",
        least=0.1,
    )
    gateway_burst: int = setting(
        2000, "requests a vendor may make at once after a quiet time: two seconds of its rate", least=1
    )
    gateway_timeout_ms: int = setting(
        5000,
        "how long Kafka may take to acknowledge, then 503; vendors hang up by themselves after some seconds",
        least=100,
        most=60_000,
    )

    sources: Mapping[str, Source] = field(default_factory=dict, repr=False, compare=False)
    """Where each value that is not the default came from; not a setting."""

    def __post_init__(self) -> None:
        problems = list(_contradictions(self))
        if problems:
            raise SettingsError("\n".join(problems))

    @classmethod
    def load(
        cls, flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None, file: Path | None = None
    ) -> Self:
        """From flags, then the environment (None: this process's), then a file, then the defaults.

        `file` of None means NPSTREAM_CONFIG, or ./npstream.toml if it exists. Raises SettingsError.
        """
        environ = os.environ if environ is None else environ
        values, sources = gather(cls, flags or {}, environ, file or _named_file(environ))
        return cls(**values, sources=sources)

    def override(self, **flags: Any) -> Self:
        """These settings with the flags that a command was given; None means not given. Raises SettingsError."""
        given = {name: value for name, value in flags.items() if value is not None}
        values, sources = gather(type(self), given, {}, None)
        return replace(self, **values, sources={**self.sources, **sources})

    def source_of(self, name: str) -> Source:
        """Where a setting's value came from. Raises SettingsError for a name that is no setting."""
        if name not in declared(type(self)):
            raise SettingsError(f"{name} is no setting{nearest(name, declared(type(self)))}")
        return self.sources.get(name, Source.DEFAULT)

    def connection(self) -> Connection:
        """What every Kafka client is made from."""
        return Connection(
            bootstrap=self.bootstrap,
            security_protocol=self.security_protocol,
            sasl_mechanism=self.sasl_mechanism,
            sasl_username=self.sasl_username,
            sasl_password=self.sasl_password,
            ssl_ca_file=self.ssl_ca_file,
            ssl_cert_file=self.ssl_cert_file,
            ssl_key_file=self.ssl_key_file,
            ssl_key_password=self.ssl_key_password,
        )

    def environment(self) -> dict[str, str]:
        """All settings as variables: what another process has to be given to have the same."""
        return {PREFIX + name.upper(): as_text(getattr(self, name)) for name in declared(type(self))}

    def zone(self) -> tzinfo:
        """`source_zone` as a time zone. Raises SettingsError if there is none of that name."""
        try:
            return zone_named(self.source_zone)
        except ValueError as error:
            raise SettingsError(f"source_zone is {error}") from error


def _named_file(environ: Mapping[str, str]) -> Path | None:
    named = environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    return Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None


def _contradictions(s: Settings) -> Iterator[str]:
    """Each pair of settings that cannot both be meant, with both names."""
    yield from _connection_contradictions(s)
    if not APP_ID.fullmatch(s.app_id):
        yield f"app_id is {s.app_id!r}: it must be 1 to 100 of the characters A-Z a-z 0-9 . _ -"
    if len(set(s.agents)) != len(s.agents):
        yield f"agents is {','.join(s.agents)}: name each agent once"
    if s.replication == 0:
        yield "replication is 0: it must be at least 1, or -1 for the broker's default"
    if s.heartbeat_ms * 3 > s.session_timeout_ms:
        yield (
            f"heartbeat_ms {s.heartbeat_ms} is more than a third of session_timeout_ms {s.session_timeout_ms}: "
            f"use at most {s.session_timeout_ms // 3}, so that two lost heartbeats do not end the session"
        )
    if s.processes > s.partitions:
        yield f"processes {s.processes} is more than partitions {s.partitions}: each needs one, or has nothing to do"
    if s.batch_max_bytes > s.inbox_max_bytes:
        yield (
            f"batch_max_bytes {s.batch_max_bytes} is more than inbox_max_bytes {s.inbox_max_bytes}, "
            "which must hold a batch: raise the latter"
        )
    if s.transaction_timeout_ms >= s.open_timeout_ms:
        yield (
            f"open_timeout_ms {s.open_timeout_ms} is not longer than transaction_timeout_ms {s.transaction_timeout_ms}: "
            "a task could not wait for the end of a crashed worker's transaction; raise the former"
        )
    if s.retry_max_s > s.give_up_after_s:
        yield f"retry_max_s {s.retry_max_s:g} is more than give_up_after_s {s.give_up_after_s:g}: it would try once"
    if s.state_store == "disk" and s.state_folder is None:
        yield "state_store disk needs state_folder, which is empty: name a folder on a disk of this machine"
    if s.state_store == "memory" and s.state_folder is not None:
        yield "state_folder is set, but state_store memory keeps nothing there: use state_store disk, or leave it empty"
    if s.gateway_max_body_bytes > s.gateway_in_flight_bytes // 2:
        yield (
            f"gateway_max_body_bytes {s.gateway_max_body_bytes} is more than half of gateway_in_flight_bytes "
            f"{s.gateway_in_flight_bytes}: one body would keep out all others; raise the latter"
        )
    yield from _window_contradictions(s)
    try:
        s.zone()
    except SettingsError as error:
        yield str(error)


def _connection_contradictions(s: Settings) -> Iterator[str]:
    if not s.bootstrap.strip():
        yield "bootstrap is empty: name a broker, like 127.0.0.1:9092"
    log_in = {"sasl_mechanism": s.sasl_mechanism, "sasl_username": s.sasl_username, "sasl_password": s.sasl_password}
    for name, value in log_in.items():
        if s.security_protocol.startswith("SASL") and value is None:
            yield f"security_protocol {s.security_protocol} needs {name}, which is empty"
        if not s.security_protocol.startswith("SASL") and value is not None:
            yield f"{name} is set, but security_protocol {s.security_protocol} does not log in: use SASL_SSL or SASL_PLAINTEXT"
    files = {"ssl_ca_file": s.ssl_ca_file, "ssl_cert_file": s.ssl_cert_file, "ssl_key_file": s.ssl_key_file}
    for name, path in files.items():
        if path is None:
            continue
        if "SSL" not in s.security_protocol:
            yield f"{name} is set, but security_protocol {s.security_protocol} does not encrypt: use SASL_SSL or SSL"
        elif not Path(path).is_file():
            yield f"{name} is {path!r}: there is no such file"
    for name, value in (("ssl_key_file", s.ssl_key_file), ("ssl_key_password", s.ssl_key_password)):
        if value is not None and s.ssl_cert_file is None:
            yield f"{name} is set without ssl_cert_file: a key needs its certificate"


def _window_contradictions(s: Settings) -> Iterator[str]:
    if list(s.windows_days) != sorted(set(s.windows_days)):
        yield f"windows_days is {_listed(s.windows_days)}: list each length once, the shortest first"
    if s.headline_days not in s.windows_days:
        yield f"headline_days {s.headline_days} is not in windows_days {_listed(s.windows_days)}: choose one of them, or add it"
    history = 2 * max(s.windows_days) + s.grace_days
    kept = BY_NAME[RESPONSES].retention_days
    if kept is not None and history > kept:
        yield (
            f"windows_days {_listed(s.windows_days)} and grace_days {s.grace_days} need a history of {history} days, "
            f"and {RESPONSES} keeps {kept}: use a longest window of at most {(kept - s.grace_days) // 2}"
        )


def _listed(days: tuple[int, ...]) -> str:
    return ",".join(map(str, days))
