"""The types of what travels, field by field: they document, validate and become the published JSON Schemas.

Times are RFC 3339 strings in UTC with milliseconds, days are `2026-03-01`. Optional fields are left out when empty. Readers
ignore fields that they do not know, so that a field can be added. Fast paths may write plain dicts; the tests hold their
output against these types.
"""

from typing import Annotated, Final, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

MAX_ID_CHARS: Final = 500
"""Longest id: ids are part of state keys, and real ones (UUIDs, e-mail addresses) are far shorter."""
MAX_COMMENT_BYTES: Final = 65_536
"""Longest comment in UTF-8: a text of ten pages. Longer ones are a document sent by mistake."""
MAX_SEGMENTS: Final = 20
"""Most dimension=value pairs of a response: each one is a cell to count in."""
MAX_SEGMENT_VALUE_CHARS: Final = MAX_ID_CHARS
"""Longest value of a segment: with its dimension it is the key of a table."""
DIMENSION_PATTERN: Final = r"^[a-z0-9_]{1,40}$"
"""What the name of a dimension looks like: usable in a topic key and as a metric label as it is."""

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARS)]
Time = Annotated[
    str,
    Meta(
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
        description="RFC 3339, UTC, milliseconds",
        examples=["2026-03-01T09:30:00.000Z"],
        extra_json_schema={"format": "date-time"},
    ),
]
Day = Annotated[
    str,
    Meta(pattern=r"^\d{4}-\d\d-\d\d$", description="a UTC day", examples=["2026-03-01"], extra_json_schema={"format": "date"}),
]
Score = Annotated[int, Meta(ge=0, le=10, description="the answer to how likely one is to recommend")]
Category = Literal["detractor", "passive", "promoter"]
"""0-6 detractor, 7-8 passive, 9-10 promoter."""
Severity = Literal["critical", "high", "elevated"]
"""0-2 critical, 3-4 high, 5-6 elevated."""
Dimension = Annotated[str, Meta(pattern=DIMENSION_PATTERN)]
SegmentValue = Annotated[str, Meta(min_length=1, max_length=MAX_SEGMENT_VALUE_CHARS)]
Text = Annotated[str, Meta(min_length=1)]
Owner = Annotated[Id, Meta(description="who looks after the account, e.g. an e-mail address", examples=["csm@vendor.example"])]
Tier = Annotated[Id, Meta(description="how much care the account gets", examples=["gold"])]
YearlyValue = Annotated[
    Annotated[int, Meta(ge=0)] | Annotated[float, Meta(ge=0)],
    Meta(description="what the account is worth a year, in any one currency"),
]
Source = Annotated[Id, Meta(description="the adapter that read it, or what a canonical response names itself")]
Segments = Annotated[dict[Dimension, SegmentValue], Meta(max_length=MAX_SEGMENTS, description="dimension to value")]
Count = Annotated[int, Meta(ge=0)]
Counts = Annotated[list[Count], Meta(min_length=3, max_length=3, description="promoters, passives, detractors")]
Nps = Annotated[float, Meta(ge=-100, le=100, description="one decimal, half away from zero")]


class Response(Struct, kw_only=True, omit_defaults=True):
    """One answer of a respondent. It may come again: the version is `updated_at`, else when it first arrived.

    A correction is the same response_id with other content; one without segments keeps the old ones. Without respondent_id it
    is anonymous and counted in `responses` alone.
    """

    response_id: Id
    account_id: Id
    score: Score
    responded_at: Time
    respondent_id: Id | UnsetType = UNSET
    updated_at: Time | UnsetType = UNSET
    comment: Text | UnsetType = UNSET
    segments: Segments | UnsetType = UNSET
    survey_id: Id | UnsetType = UNSET
    source: Source | UnsetType = UNSET
    channel: Id | UnsetType = UNSET
    locale: Id | UnsetType = UNSET


class Retraction(Struct, kw_only=True, omit_defaults=True):
    """Takes a response back, also when it arrives before it."""

    kind: Literal["retraction"]
    response_id: Id
    account_id: Id
    updated_at: Time | UnsetType = UNSET
    source: Source | UnsetType = UNSET


class Scored(Struct, kw_only=True, omit_defaults=True):
    """A response as accepted, with the segments that it was counted in, its category, and what it changed.

    A retraction tells the identity and version; the category is that of what was taken back, and left out if that was never
    seen.
    """

    response_id: Id
    account_id: Id
    score: Score | UnsetType = UNSET
    responded_at: Time | UnsetType = UNSET
    respondent_id: Id | UnsetType = UNSET
    updated_at: Time | UnsetType = UNSET
    comment: Text | UnsetType = UNSET
    segments: Segments | UnsetType = UNSET
    survey_id: Id | UnsetType = UNSET
    source: Source | UnsetType = UNSET
    channel: Id | UnsetType = UNSET
    locale: Id | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    previous_category: Category | UnsetType = UNSET
    previous_score: Score | UnsetType = UNSET
    as_of: Annotated[Day, Meta(description="the UTC day on which it was counted")]
    change: Literal["new", "correction", "retraction", "late", "expired"]


class AccountBrief(Struct, kw_only=True, omit_defaults=True):
    """Whose account it is, and how much there is to lose: from `nps.accounts`, as known when the event was sent."""

    name: Text | UnsetType = UNSET
    owner: Owner | UnsetType = UNSET
    tier: Tier | UnsetType = UNSET
    value: YearlyValue | UnsetType = UNSET


class CategoryChange(Struct, kw_only=True, omit_defaults=True, rename={"before": "from"}):
    """A respondent's present category is another one than before. `to` is null when no response is left; then there is neither
    score nor direction."""

    account_id: Id
    respondent_id: Id
    response_id: Id
    before: Category
    to: Category | None
    score: Score | UnsetType = UNSET
    previous_score: Score | UnsetType = UNSET
    direction: Literal["up", "down"] | UnsetType = UNSET
    cause: Literal["response", "correction", "retraction"]
    changed_at: Time
    segments: Segments | UnsetType = UNSET
    account: AccountBrief | UnsetType = UNSET


AccountNps = Annotated[Nps, Meta(description="the account's headline NPS after this response; left out without responses")]


class Detractor(Struct, kw_only=True, omit_defaults=True):
    """A detractor appeared, came back, said more or other, or was withdrawn."""

    account_id: Id
    respondent_id: Id | UnsetType = UNSET
    response_id: Id
    score: Score
    severity: Severity
    comment: Text | UnsetType = UNSET
    revision: Annotated[Count, Meta(description="0 for the first event of a response, one more for each later one")]
    consecutive: Annotated[Count, Meta(description="detractor responses of the respondent in a row, this one included")]
    responded_at: Time
    locale: Id | UnsetType = UNSET
    segments: Segments | UnsetType = UNSET
    account_nps: AccountNps | UnsetType = UNSET
    withdrawn: Annotated[Literal[True], Meta(description="a correction or retraction took it back")] | UnsetType = UNSET
    account: AccountBrief | UnsetType = UNSET


class Promoter(Struct, kw_only=True, omit_defaults=True):
    """A promoter appeared or came again."""

    account_id: Id
    respondent_id: Id | UnsetType = UNSET
    response_id: Id
    score: Annotated[int, Meta(ge=9, le=10)]
    comment: Text | UnsetType = UNSET
    revision: Count
    consecutive: Annotated[Count, Meta(description="promoter responses of the respondent in a row, this one included")]
    responded_at: Time
    segments: Segments | UnsetType = UNSET
    account_nps: AccountNps | UnsetType = UNSET
    first: Annotated[Literal[True], Meta(description="the respondent's first promoter response")] | UnsetType = UNSET
    account: AccountBrief | UnsetType = UNSET


class WindowStats(Struct, kw_only=True, omit_defaults=True):
    """Counts and score of one window. An empty one has zero counts and no nps, low, high, change, significant or band."""

    promoters: Count
    passives: Count
    detractors: Count
    total: Count
    nps: Nps | UnsetType = UNSET
    low: Annotated[Nps, Meta(description="lower end of the 95 % interval (adjusted Wald)")] | UnsetType = UNSET
    high: Annotated[Nps, Meta(description="upper end of the 95 % interval (adjusted Wald)")] | UnsetType = UNSET
    previous_nps: Annotated[Nps, Meta(description="of the window before this one")] | UnsetType = UNSET
    change: Annotated[float, Meta(ge=-200, le=200, description="nps less previous_nps")] | UnsetType = UNSET
    significant: Annotated[bool, Meta(description="the change is more than chance at 95 %")] | UnsetType = UNSET
    band: Literal["needs work", "good", "favourable", "excellent", "world class"] | UnsetType = UNSET


class Window(Struct):
    """One window, counted in both ways."""

    responses: Annotated[WindowStats, Meta(description="each response")]
    respondents: Annotated[WindowStats, Meta(description="each respondent's latest response in the window")]


WindowName = Annotated[str, Meta(pattern=r"^[1-9]\d*d$")]
Windows = Annotated[dict[WindowName, Window], Meta(description="by length: a window of N days, 90d, ends with the day as_of")]


class AccountRollup(Struct):
    """An account's rolling tables. A tombstone when all its windows, and those before them, are empty."""

    account_id: Id
    as_of: Day
    windows: Windows


class SegmentRollup(Struct):
    """A segment's rolling tables, over all accounts. A tombstone when all its windows, and those before them, are empty."""

    dimension: Dimension
    value: SegmentValue
    as_of: Day
    windows: Windows


CellWindows = dict[
    WindowName, Annotated[list[Counts], Meta(min_length=2, max_length=2, description="the window, the one before")]
]


class CellRespondents(Struct):
    """Respondents by window: as they stand on the day `as_of`, and as they stood when the day before it ended."""

    as_of: Day
    now: CellWindows
    eve: CellWindows


class Cell(Struct, kw_only=True, omit_defaults=True):
    """What one source partition has counted for a segment: what it stands at, never a difference. Internal.

    The key says of which source partition, incarnation and segment it is, and ends with the day whose responses it counts,
    or with `respondents`. A tombstone means no counts.
    """

    responses: Counts | UnsetType = UNSET
    respondents: CellRespondents | UnsetType = UNSET


KeptCounts = Annotated[
    Literal["keep", "remove"],
    Meta(description="keep: what the respondent said stays counted, without a name; remove: it no longer counts"),
]
RespondentHash = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of account and respondent")]


class Erasure(Struct, kw_only=True, omit_defaults=True):
    """A command: forget a respondent of an account. Any system may send one. It is replaced by an entry of the list, `Erased`.

    Its key should be the entry's, account_id|respondent_hash: of two commands with one key, compaction may drop the first.
    """

    account_id: Id
    respondent_id: Id
    counts: KeptCounts = "keep"
    requested_at: Time | UnsetType = UNSET


class Erased(Struct, kw_only=True):
    """An entry of the list: a respondent that was forgotten. Who keeps responses or events elsewhere erases them there too.

    Responses of the respondent from the offset `position` of nps.responses on, in the account's partition, are dropped; those
    before it were there when it happened.
    """

    account_id: Id
    respondent_hash: RespondentHash
    counts: KeptCounts
    erased_at: Time
    position: Count


class Contact(Struct, kw_only=True):
    """An entry of the list of contacts: a response by this contact that names no account is this account's, unless it is a
    contact of several. Internal: it is made from the facts in nps.accounts."""

    contact: Id
    account_id: Id
