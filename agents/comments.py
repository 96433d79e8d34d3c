"""Comments: what each is about, how it sounds, and what the comments of accounts and segments are about over time.

From each scored response with a comment (`nps.responses.scored`) one analysed comment (`nps.comments`); an account's rolling
tables (`nps.themes.accounts`); and cells of segments (`nps.themes.cells`), which `agents.themes` adds up. How a comment is
analysed is not known here: an `agents.analysis.Analyser` says it.

A comment counts as its response was last said: a correction replaces what counted before, a retraction or a correction
without a comment takes it out, and so does one that moves the response beyond scoring's history. Each record says how things
stand, so a repeat changes nothing.

An erased respondent's comments lose their name, and with `remove` they are taken out. The list of the erased is kept, since
nobody promises in which order two topics are read: a comment that was scored before its respondent was erased, and comes
after, counts as if it had come before, and is not sent.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from agents import comment_rollover
from agents.analysis import Analyser, Analysis
from agents.announcements import traceparent
from agents.burying import bury
from agents.categories import CATEGORIES, CATEGORY_OF
from agents.comment_counts import check_windows_days
from agents.comment_keys import ERASED
from agents.comment_tables import CommentTables
from agents.forgetting import forgotten_in
from agents.kept_comments import NOBODY, Kept, KeptComments, short_hash
from agents.tones import TONES, tone_of
from agents.windows import Spans, check_windows
from schemas import topics
from schemas.cloudevents import COMMENT, SOURCE, event_headers
from schemas.comments import Comment
from schemas.dead_letters import Reason, Unusable
from schemas.erasures import entry_key, respondent_hash
from schemas.events import Id, Score, Segments
from schemas.times import LATEST_MS, day_of, format_time, parse_time
from streams.processor import DAY_MS, Outbox, Record, State, StreamTime

KEEP, REMOVE = b"keep", b"remove"
"""What becomes of an erased respondent's counts, as it stands in the state."""
UNKNOWN_TONE: Final = "none"
"""The label of a comment whose sentiment is not known."""
ID_BYTES: Final = 16
"""Of a hash that stands for a record without an id."""

_COMMENT: Final = b'"comment":'
_UNCHANGED: Final = (b'"change":"new"}', b'"change":"late"}')
"""How scored responses end that replace nothing; within a text there would be backslashes before the quotes."""


@dataclass(frozen=True)
class CommentsSettings:
    """What can be set. Windows are fixed for the life of the state."""

    windows_days: tuple[int, ...] = (7, 30, 90, 365)
    """Lengths of the rolling windows, ascending: those of the scores."""
    roll_accounts: int = 500
    """Accounts rolled in one tick: some 50 ms of work."""
    sweep_keys: int = 2_000
    """Comments or cells looked through in one tick for what is beyond the longest window: some 10 ms of work."""

    def __post_init__(self) -> None:
        check_windows_days(self.windows_days)
        for name in ("roll_accounts", "sweep_keys"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not positive")


class _Scored(Struct, gc=False):
    """Of `schemas.events.Scored` what is used here."""

    account_id: Id
    response_id: Id
    change: Literal["new", "correction", "retraction", "late", "expired"]
    score: Score | UnsetType = UNSET
    responded_at: str | UnsetType = UNSET
    respondent_id: Id | UnsetType = UNSET
    comment: str | UnsetType = UNSET
    locale: Id | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    source: str | UnsetType = UNSET
    segments: Segments | UnsetType = UNSET

    @property
    def pairs(self) -> tuple[str, ...]:
        """The segments as dimension=value, sorted."""
        return tuple(sorted(f"{name}={value}" for name, value in (self.segments or {}).items()))


_decode = msgspec.json.Decoder(_Scored).decode
_encode = msgspec.json.Encoder().encode


class Comments:
    """From `nps.responses.scored` to `nps.comments`, `nps.themes.accounts` and `nps.themes.cells`."""

    name = "comments"
    sources = (topics.SCORED, topics.ERASURES)
    leading = (topics.ERASURES,)
    """A state that is made anew must know who was erased before it reads what they said."""

    def __init__(self, analyser: Analyser, settings: CommentsSettings | None = None) -> None:
        """The analyser must not raise, and must find themes of a bounded number: they are labels of a metric."""
        self.settings = settings or CommentsSettings()
        self._analyse = analyser
        self._spans = Spans(self.settings.windows_days, 0)

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """Take the responses in, in order; each table is sent once, as of the last record that changed it."""
        check_windows(state, self._spans, self.name)
        tables = CommentTables(self.settings.windows_days, state)
        kept = KeptComments(state, tables, self._spans.longest)
        for number, record in enumerate(batch):
            tables.number = number
            if record.topic == topics.ERASURES:
                # Erasures do not move the clock: in a state that is made anew all of them come first.
                tables.day = day_of(now.ms)
                _forget(record, state, kept)
                continue
            tables.day = day_of(now.at(record.timestamp))
            value = record.value
            if value is None or (_COMMENT not in value and value.endswith(_UNCHANGED)):
                continue
            try:
                self._take(record, value, state, kept, outbox)
            except Unusable as error:
                bury(record, "validate", error, outbox)
        tables.publish(batch, outbox)

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """Roll quiet accounts over to a new day, and let go of what is beyond the longest window."""
        check_windows(state, self._spans, self.name)
        settings = self.settings
        outbox.more |= comment_rollover.advance(
            settings.windows_days, state, now, settings.roll_accounts, settings.sweep_keys, outbox
        )

    def _take(self, record: Record, value: bytes, state: State, kept: KeptComments, outbox: Outbox) -> None:
        """One scored response. Raises `Unusable` for what scoring has not written."""
        try:
            scored = _decode(value)
            day = -1 if scored.responded_at is UNSET else parse_time(scored.responded_at) // DAY_MS
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise Unusable(Reason.WRONG_TYPE, f"not a scored response: {error}") from error
        account_id, response_id = scored.account_id, scored.response_id
        before = kept.get(account_id, response_id)
        counts = scored.change in ("new", "correction", "late") and scored.score is not UNSET and day >= 0
        if not counts or not scored.comment:
            if before is None:
                return
            if counts and _only_segments_differ(scored, day, before):
                kept.replace(account_id, response_id, before, msgspec.structs.replace(before, segments=scored.pairs))
                return
            kept.replace(account_id, response_id, before, None)
            self._send(record, Comment(account_id=account_id, response_id=response_id), outbox)
            return
        analysis = self._analyse(scored.comment, scored.locale or None)
        tone = tone_of(analysis.sentiment)
        respondent, erased = NOBODY, None
        if scored.respondent_id:
            hashed = respondent_hash(account_id, scored.respondent_id)
            erased = state.get(ERASED + entry_key(account_id, hashed))
            respondent = NOBODY if erased else short_hash(hashed)
        after = None
        if erased != REMOVE:
            category = CATEGORY_OF[scored.score]  # type: ignore[index]  # it counts, so it has one
            after = Kept(day, category, tone, analysis.themes, scored.pairs, respondent)
        kept.replace(account_id, response_id, before, after)
        if erased is None:
            self._tell(record, scored, analysis, tone, outbox)

    def _tell(self, record: Record, scored: _Scored, analysis: Analysis, tone: int | None, outbox: Outbox) -> None:
        """Send an analysed comment."""
        comment = Comment(
            account_id=scored.account_id,
            response_id=scored.response_id,
            respondent_id=scored.respondent_id,
            score=scored.score,
            category=CATEGORIES[CATEGORY_OF[scored.score]],  # type: ignore[index]  # as above
            responded_at=format_time(parse_time(scored.responded_at)),  # whoever wrote it, it is as it was agreed on
            comment=scored.comment,
            locale=scored.locale,
            themes=list(analysis.themes) or UNSET,
            sentiment=UNSET if analysis.sentiment is None else analysis.sentiment,
            tone=UNSET if tone is None else TONES[tone],
            segments=scored.segments,
        )
        self._send(record, comment, outbox)
        outbox.count("comments", UNKNOWN_TONE if tone is None else TONES[tone])
        for theme in analysis.themes:
            outbox.count("comment_themes", theme)

    def _send(self, record: Record, comment: Comment, outbox: Outbox) -> None:
        trace = traceparent(record.headers)
        at = min(max(record.timestamp, 0), LATEST_MS)  # a record may have any timestamp
        headers = event_headers(COMMENT, SOURCE, _event_id(record), at, None if trace is None else trace[1])
        outbox.send(topics.COMMENTS, comment.account_id.encode(), _encode(comment), record.timestamp, headers)


def _forget(record: Record, state: State, kept: KeptComments) -> None:
    """One record of nps.erasures. Of two commands for one respondent the first counts, as in scoring."""
    forgotten = forgotten_in(record, state)
    if forgotten is None:
        return
    key = ERASED + entry_key(forgotten.account_id, forgotten.hashed)
    if state.get(key) is None:
        state.put(key, REMOVE if forgotten.remove else KEEP)
        kept.erase(forgotten.account_id, forgotten.hashed, forgotten.remove)


def _only_segments_differ(scored: _Scored, day: int, before: Kept) -> bool:
    """Whether a correction without a comment tells only of other segments.

    Where an older record brings segments that the newer ones do not name, scoring has not the record at hand that the content
    comes from, and so tells what it knows (`agents.acceptance`): neither comment nor source nor version. A record that has
    taken its comment back has one of these, unless somebody produced it by hand.
    """
    if scored.updated_at is not UNSET or scored.source is not UNSET or scored.pairs == before.segments:
        return False
    return (day, CATEGORY_OF[scored.score]) == (before.day, before.category)  # type: ignore[index]  # only what counts is asked


def _event_id(record: Record) -> str:
    """It follows from that of the scored response, so a repeat has the same."""
    for name, value in record.headers:
        if name == "ce_id":
            return value.decode(errors="replace").removesuffix("-scored") + "-comment"
    return hashlib.blake2b(record.value or b"", digest_size=ID_BYTES).hexdigest() + "-comment"
