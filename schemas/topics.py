"""Every topic that npstream reads or writes, in one table. Topic creation, checks, the AsyncAPI document and the docs come
from here, so that they cannot disagree."""

from dataclasses import dataclass
from enum import Enum

DAY_S = 86_400
"""Seconds of a UTC day."""

MAX_MESSAGE_BYTES = 2 * 1024 * 1024
"""What we write may be somewhat larger than what came in, which is at most 1 MB by the broker's default: a dead letter carries
its reason beside the record, and one that the broker refused would stop its partition."""

PARTITIONS = 12
"""Partitions of every topic unless set otherwise: enough for a dozen workers, few enough for one. Fixed for life, since a
key's partition is where its state is."""

COMPACTION_LAG_DAYS = 7
"""Longest time after which the broker must compact what was superseded, where it may be of a person: without a bound, which is
Kafka's default, erased data would stay in a log's files until enough else is written."""

RAW = "nps.responses.raw"
RESPONSES = "nps.responses"
SCORED = "nps.responses.scored"
CHANGES = "nps.category.changes"
DETRACTORS = "nps.detractors"
PROMOTERS = "nps.promoters"
CELLS = "nps.segments.cells"
ACCOUNT_ROLLUPS = "nps.rollups.accounts"
SEGMENT_ROLLUPS = "nps.rollups.segments"
DEAD_LETTERS = "nps.responses.dlq"
INCOMPLETE = "nps.responses.incomplete"
CONTACTS = "nps.contacts"
ERASURES = "nps.erasures"
ACCOUNTS = "nps.accounts"
CASE_COMMANDS = "nps.case.commands"
CASE_REJECTIONS = "nps.case.rejections"
CASE_EVENTS = "nps.case.events"
CASES = "nps.cases"
ACCOUNT_ALERTS = "nps.account.alerts"
ALERTS = "nps.alerts"
DELIVERIES = "nps.deliveries"
PREFERENCES = "nps.preferences"
OUTREACH = "nps.outreach"
COMMENTS = "nps.comments"
THEMES_CELLS = "nps.themes.cells"
ACCOUNT_THEMES = "nps.themes.accounts"
SEGMENT_THEMES = "nps.themes.segments"


class CleanUp(Enum):
    """What the broker does with old records."""

    DELETE = "delete"
    COMPACT = "compact"
    COMPACT_DELETE = "compact,delete"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: its name, what its key is, the schema of its values, and how long they stay."""

    name: str
    key: str
    holds: str
    schema: str | None
    """Name of the type in `schemas` that its values have; None where values are anything."""
    clean_up: CleanUp
    retention_days: int | None = None
    """None: as long as the key lives (compacted)."""
    internal: bool = False
    compaction_lag_days: int | None = None
    """How long what was superseded may stay; None: as long as the broker likes."""

    @property
    def config(self) -> dict[str, str]:
        """The broker's topic configuration; retention in ms."""
        settings = {"cleanup.policy": self.clean_up.value}
        if self.name != RAW:
            settings["max.message.bytes"] = str(MAX_MESSAGE_BYTES)
        if self.retention_days is not None:
            settings["retention.ms"] = str(self.retention_days * DAY_S * 1000)
        if self.compaction_lag_days is not None:
            settings["max.compaction.lag.ms"] = str(self.compaction_lag_days * DAY_S * 1000)
        return settings


TOPICS: tuple[Topic, ...] = (
    Topic(RAW, "any", "what a survey platform sends; header nps-source names the vendor", None, CleanUp.DELETE, 14),
    Topic(RESPONSES, "account_id", "canonical responses, corrections and retractions", "Response", CleanUp.DELETE, 800),
    Topic(SCORED, "account_id", "each accepted response, its category, what it changed", "Scored", CleanUp.DELETE, 30),
    Topic(CHANGES, "account_id", "a respondent's present category changed", "CategoryChange", CleanUp.DELETE, 30),
    Topic(
        DETRACTORS,
        "account_id",
        "a detractor appeared, came back, said more, or was withdrawn",
        "Detractor",
        CleanUp.DELETE,
        30,
    ),
    Topic(PROMOTERS, "account_id", "a promoter appeared or came again", "Promoter", CleanUp.DELETE, 30),
    Topic(
        CELLS,
        "source partition|incarnation|dimension=value|day",
        "cumulative cells of a segment",
        "Cell",
        CleanUp.COMPACT_DELETE,
        800,
        internal=True,
    ),
    Topic(ACCOUNT_ROLLUPS, "account_id", "the account's rolling tables", "AccountRollup", CleanUp.COMPACT),
    Topic(SEGMENT_ROLLUPS, "dimension=value", "the segment's rolling tables", "SegmentRollup", CleanUp.COMPACT),
    Topic(
        DEAD_LETTERS,
        "as it came",
        "what could not be used, byte for byte, with the reason in headers",
        None,
        CleanUp.DELETE,
        14,
    ),
    Topic(
        INCOMPLETE,
        "as it came",
        "payloads that carry ids alone: what they stand for has to be fetched from the vendor",
        None,
        CleanUp.DELETE,
        14,
    ),
    Topic(
        CONTACTS,
        "[contact, account_id]",
        "which account somebody is a contact of, at the partition of the contact",
        "Contact",
        CleanUp.COMPACT,
        internal=True,
        compaction_lag_days=COMPACTION_LAG_DAYS,
    ),
    Topic(
        ERASURES,
        "account_id|respondent_hash",
        "commands to erase a respondent, and the hashed list of those that were erased",
        "Erased",
        CleanUp.COMPACT,
        compaction_lag_days=COMPACTION_LAG_DAYS,
    ),
    Topic(
        ACCOUNTS,
        "account_id",
        "CRM facts: name, owner, tier, value, segments, renewal date, time zone, contacts, domains",
        "AccountFacts",
        CleanUp.COMPACT,
        compaction_lag_days=COMPACTION_LAG_DAYS,
    ),
    Topic(CASE_COMMANDS, "account_id", "what somebody does about a case", "CaseCommand", CleanUp.DELETE, 30),
    Topic(CASE_REJECTIONS, "account_id", "commands that changed nothing, and why", "CaseRejection", CleanUp.DELETE, 30),
    Topic(CASE_EVENTS, "account_id", "what happened to a case, with all of the case", "CaseEvent", CleanUp.DELETE, 800),
    Topic(
        CASES,
        "account_id|case_id",
        "each case as it stands",
        "Case",
        CleanUp.COMPACT,
        compaction_lag_days=COMPACTION_LAG_DAYS,
    ),
    Topic(ACCOUNT_ALERTS, "account_id", "an account is at risk", "AccountAlert", CleanUp.DELETE, 30),
    Topic(ALERTS, "account_id", "what is to be delivered to which sink", "Alert", CleanUp.DELETE, 14),
    Topic(DELIVERIES, "account_id", "what became of each attempt to deliver", "Delivery", CleanUp.DELETE, 90),
    Topic(
        PREFERENCES,
        "account_id|respondent_id",
        "who wants no messages, at the partition of the account_id",
        "Preference",
        CleanUp.COMPACT,
        compaction_lag_days=COMPACTION_LAG_DAYS,
    ),
    Topic(OUTREACH, "account_id", "messages to respondents, for a mail system to send", "Outreach", CleanUp.DELETE, 30),
    Topic(COMMENTS, "account_id", "what a comment is about, and how it sounds", "Comment", CleanUp.DELETE, 30),
    Topic(
        THEMES_CELLS,
        "source partition|incarnation|dimension=value|day",
        "cumulative cells of a segment's comments",
        "ThemesCell",
        CleanUp.COMPACT_DELETE,
        800,
        internal=True,
    ),
    Topic(ACCOUNT_THEMES, "account_id", "what the account's comments are about, rolling", "AccountThemes", CleanUp.COMPACT),
    Topic(
        SEGMENT_THEMES, "dimension=value", "what the segment's comments are about, rolling", "SegmentThemes", CleanUp.COMPACT
    ),
)

BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}
