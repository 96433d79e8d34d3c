"""Comments: what they are about, and how they sound. The types of what travels."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.cases import Sentiment, Theme
from schemas.events import (
    Category,
    Count,
    Counts,
    Day,
    Dimension,
    Id,
    Nps,
    Score,
    Segments,
    SegmentValue,
    Text,
    Time,
    WindowName,
)

Tone = Literal["negative", "neutral", "positive"]


class Comment(Struct, kw_only=True, omit_defaults=True):
    """A comment, analysed. A correction replaces what was said of the response before; a retraction, or a correction without a
    comment, has neither comment nor tone."""

    account_id: Id
    response_id: Id
    respondent_id: Id | UnsetType = UNSET
    score: Score | UnsetType = UNSET
    category: Category | UnsetType = UNSET
    responded_at: Time | UnsetType = UNSET
    comment: Text | UnsetType = UNSET
    locale: Id | UnsetType = UNSET
    themes: list[Theme] | UnsetType = UNSET
    sentiment: Sentiment | UnsetType = UNSET
    tone: Tone | UnsetType = UNSET
    segments: Segments | UnsetType = UNSET


class ThemeStats(Struct, kw_only=True, omit_defaults=True):
    """How often, by whom and in which tone a theme was mentioned in a window."""

    promoters: Count
    passives: Count
    detractors: Count
    total: Count
    nps: Annotated[Nps, Meta(description="of those who mention it")] | UnsetType = UNSET
    negative: Count = 0
    neutral: Count = 0
    positive: Count = 0


class CommentWindow(Struct, kw_only=True):
    """One window: all comments, and those of each theme; one without a mention is left out."""

    comments: ThemeStats
    themes: dict[Theme, ThemeStats]


CommentWindows = dict[WindowName, CommentWindow]


class AccountThemes(Struct):
    """What an account's comments are about. A tombstone when all windows are empty."""

    account_id: Id
    as_of: Day
    windows: CommentWindows


class SegmentThemes(Struct):
    """What a segment's comments are about, over all accounts. A tombstone when all windows are empty."""

    dimension: Dimension
    value: SegmentValue
    as_of: Day
    windows: CommentWindows


class ThemesCell(Struct):
    """Comments of one segment, source partition and day so far. A tombstone when there are none."""

    themes: Annotated[
        dict[str, tuple[Counts, Counts]],
        Meta(
            description="by theme, all comments under the empty name: "
            "promoters, passives, detractors; negative, neutral, positive"
        ),
    ]
