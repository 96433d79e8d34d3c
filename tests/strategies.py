"""Hypothesis strategies for what survey platforms do to us: few accounts, respondents and response ids, so that duplicates,
corrections, retractions, late, future and expired responses, strays, clock jumps and bad records meet each other often.

Profiles: "default" is small enough for every test run; HYPOTHESIS_PROFILE=thorough searches for longer.

Versions of one response are distinct wherever its content is, since the contract leaves ties to an unnamed hash; the
generator gives every arrival its own timestamp, and every `updated_at` its own odd millisecond.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from npstream.recount.reading import DAY_MS, format_time
from schemas import topics
from schemas.erasures import entry_key, respondent_hash

settings.register_profile(
    "default",
    max_examples=25,
    deadline=None,  # the machine may be busy: nothing here asserts on time
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),  # explaining failures takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=1500)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

START = int(datetime(2026, 3, 1, 9, 30, tzinfo=UTC).timestamp() * 1000)
"""The wall clock of every test at its start, ms UTC."""

ACCOUNTS = ("acme", "globex", "a|b=c/d:e;f", "ünïcode ☃ 𝄞", "x" * 300, "\x00nul\x1f", "-1")
RESPONDENTS = (None, "u-1", "u-1", "u-1", "ü|1=2/3@☃")
RESPONSE_IDS = ("r-1", "r-2", "r-10", "r|3=a/b", "ř☃", "\x00r")
VALUES = ("smb", "enterprise", "a=b|c/d", "été ☃")
DIMENSIONS = ("plan", "region", "segment")

GOOD = {"response_id": "bad-1", "account_id": "acme", "score": 3, "responded_at": "2026-03-01T09:30:00.000Z"}


def _bad(**changes: Any) -> bytes:
    return json.dumps({name: value for name, value in (GOOD | changes).items() if value is not ...}).encode()


BAD_VALUES: tuple[bytes, ...] = (
    b"",
    b"no json",
    b"\xff\xfe",
    b'{"response_id": "r-1"',
    b"[]",
    b"null",
    b'"acme"',
    b"{}",
    b"[" * 5000,
    _bad(response_id=...),
    _bad(response_id=7),
    _bad(account_id=...),
    _bad(account_id=["acme"]),
    _bad(score=...),
    _bad(score=None),
    _bad(score=True),
    _bad(score="9"),
    _bad(score=9.0),
    _bad(score=9.5),
    _bad(score=11),
    _bad(score=-1),
    _bad(responded_at=...),
    _bad(responded_at="2026-03-01T09:30:00"),
    _bad(responded_at="yesterday"),
    _bad(responded_at="2026-02-30T09:30:00Z"),
    _bad(responded_at=True),
    _bad(updated_at="2026-03-01"),
    _bad(comment=7),
    _bad(segments="plan"),
    _bad(segments={"Plan": "smb"}),
    _bad(segments={"": "smb"}),
    _bad(segments={"d" * 41: "smb"}),
    _bad(segments={f"d{i}": "smb" for i in range(21)}),
    b'{"kind": "retraction", "account_id": "acme"}',
    b'{"kind": "retraction", "response_id": "r-1"}',
)


@dataclass(frozen=True)
class Arriving:
    """A record on its way to nps.responses: `after_ms` the one before it. A partition of None is the home."""

    value: bytes | None
    key: bytes | None
    after_ms: int = 1
    partition: int | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    topic: str = topics.RESPONSES


@dataclass(frozen=True)
class Round:
    """Some records arrive, some batches are lost to crashes, the rest is processed, time passes."""

    arriving: Sequence[Arriving]
    batch: int = 500
    lost_batches: Sequence[int] = ()
    """Sizes of batches that are processed and abandoned first."""
    restart: bool = False
    pass_ms: int = 0


@dataclass
class _Made:
    """What the generator has made so far, to repeat and to correct."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    retracted: set[tuple[str, str]] = field(default_factory=set)
    count: int = 0


batches = st.one_of(st.sampled_from((1, 7, 500)), st.integers(1, 40))

response_days = st.one_of(
    st.just(0),
    st.sampled_from((0, 0, 0, 1, 1, 2, 3)),
    st.sampled_from((5, 6, 7, 8, 13, 14, 29, 30, 31, 60, 89, 90, 91, 179, 180, 364, 365, 366, 729, 730)),
)
"""How many days before its arrival somebody responded: around the edges of windows, inside the history."""

SMALL_WINDOWS = (2, 5)
SMALL_HEADLINE, SMALL_GRACE = 5, 1
"""Windows with a history of 11 days, so that responses leave it while others still arrive."""

small_days = st.sampled_from((0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 8, 20))
SMALL_JUMPS = (0, 60_000, DAY_MS, 3 * DAY_MS, 6 * DAY_MS, 20 * DAY_MS)


@st.composite
def bodies(
    draw: st.DrawFn,
    now: int,
    accounts: Sequence[str] = ACCOUNTS,
    days: st.SearchStrategy[int] = response_days,
) -> dict[str, Any]:
    """A response as a JSON object. It was responded to some days before `now` (ms, UTC), at one of a few times of day, so that
    responses of the same moment are common, and those at the first and the last of a day."""
    body: dict[str, Any] = {
        "response_id": draw(st.sampled_from(RESPONSE_IDS)),
        "account_id": draw(st.sampled_from(accounts)),
        "score": draw(st.one_of(st.sampled_from((3, 9)), st.integers(0, 10))),
    }
    midnight = (now // DAY_MS - draw(days)) * DAY_MS
    responded_at = midnight + draw(st.sampled_from((8 * 3_600_000, 8 * 3_600_000, 8 * 3_600_000, 0, DAY_MS - 1)))
    form = draw(st.integers(0, 5))
    body["responded_at"] = responded_at if form == 0 else format_time(responded_at)
    for name, values in (
        ("respondent_id", st.sampled_from(RESPONDENTS)),
        ("comment", st.sampled_from((None, None, "Why?", "änders"))),
        ("source", st.sampled_from((None, "typeform"))),
        ("unknown", st.sampled_from((None, {"nested": [1]}))),
    ):
        value = draw(values)
        if value is not None:
            body[name] = value
    segments = draw(st.dictionaries(st.sampled_from(DIMENSIONS[:2]), st.sampled_from(VALUES), max_size=2))
    if segments:
        body["segments"] = segments
    if draw(st.integers(0, 4)) == 0:
        body["segment"] = draw(st.sampled_from(VALUES))
    return body


@st.composite
def _arriving(
    draw: st.DrawFn,
    made: _Made,
    now: int,
    strays_of: int,
    accounts: Sequence[str],
    days: st.SearchStrategy[int],
    gaps: Sequence[int],
    erasures: bool,
    facts: bool,
) -> Arriving:
    """One record: mostly a response, new or of an id seen before; else a repeat, a retraction, a bad or a hopeless one."""
    made.count += 1
    if erasures and draw(st.integers(0, 5)) == 0:
        return draw(_erasure(made, strays_of, accounts, gaps))
    if facts and draw(st.integers(0, 4)) == 0:
        return draw(_facts(strays_of, accounts, gaps))
    kind = draw(st.integers(0, 19))
    if kind == 0:
        value = draw(st.sampled_from(BAD_VALUES))
        return Arriving(value, b"acme", draw(st.integers(1, 5)), None)
    if kind <= 3 and made.bodies:
        body = dict(draw(st.sampled_from(made.bodies)))
        if kind == 3:
            _give_version(draw, made, body, now)
    elif kind <= 6:
        anew = [(account, response) for account in accounts for response in RESPONSE_IDS]
        seen = [(one["account_id"], one["response_id"]) for one in made.bodies]
        account_id, response_id = draw(st.sampled_from(seen or anew) | st.sampled_from(anew))
        body = {"kind": "retraction", "account_id": account_id, "response_id": response_id}
        made.retracted.add((account_id, response_id))
        _give_version(draw, made, body, now)
    else:
        if kind == 7:
            days = st.sampled_from((-3, -2, 800, 1500))  # in the future, or beyond any history
        body = draw(bodies(now, accounts, days))
        if kind == 7 and draw(st.integers(0, 3)):
            body["response_id"] = f"old-{made.count}"
        _make_distinct(draw, made, body)
        if (body["account_id"], body["response_id"]) in made.retracted and "segment" not in body:
            body.setdefault("segments", {"plan": "smb"})  # whether older segments outlive a retraction is not told
        _give_version(draw, made, body, now)
        made.bodies.append(body)
    partition = None
    if strays_of and draw(st.integers(0, 5)) == 0:
        partition = draw(st.integers(0, strays_of - 1))
    after = draw(st.sampled_from(gaps))
    return Arriving(json.dumps(body, ensure_ascii=False).encode(), body["account_id"].encode(), after, partition)


@st.composite
def _erasure(draw: st.DrawFn, made: _Made, strays_of: int, accounts: Sequence[str], gaps: Sequence[int]) -> Arriving:
    """A command to erase somebody, seen before or not, under the account's key or under that of the list's entry, which may
    lead to any partition; or something that is none."""
    body = {"account_id": draw(st.sampled_from(accounts)), "respondent_id": draw(st.sampled_from(RESPONDENTS[1:]))}
    counts = draw(st.sampled_from((None, "keep", "remove", "remove", "neither")))
    if counts is not None:
        body["counts"] = counts
    key = body["account_id"].encode()
    partition = None
    if draw(st.booleans()):
        key = entry_key(body["account_id"], respondent_hash(body["account_id"], body["respondent_id"]))
        partition = draw(st.integers(0, strays_of - 1)) if strays_of else 0
    return Arriving(json.dumps(body).encode(), key, draw(st.sampled_from(gaps)), partition, topic=topics.ERASURES)


@st.composite
def _facts(draw: st.DrawFn, strays_of: int, accounts: Sequence[str], gaps: Sequence[int]) -> Arriving:
    """CRM facts of an account, which may come to any partition; a tombstone; or something that is neither."""
    kind = draw(st.integers(0, 9))
    segments = st.dictionaries(st.sampled_from((*DIMENSIONS, "tier")), st.sampled_from((*VALUES, "crm")), max_size=3)
    body: dict[str, Any] = {"segments": draw(segments)}
    for name, values in (("owner", ("csm-1", "csm-2")), ("value", (0, 1200, 99.5))):
        if draw(st.booleans()):
            body[name] = draw(st.sampled_from(values))
    value = b"" if kind == 0 else _bad(segments="plan") if kind == 1 else json.dumps(body, ensure_ascii=False).encode()
    partition = draw(st.integers(0, strays_of - 1)) if strays_of and draw(st.integers(0, 4)) == 0 else None
    tombstone = kind in (2, 3)
    key = draw(st.sampled_from(accounts)).encode()
    return Arriving(None if tombstone else value, key, draw(st.sampled_from(gaps)), partition, topic=topics.ACCOUNTS)


def _make_distinct(draw: st.DrawFn, made: _Made, body: dict[str, Any]) -> None:
    """Whether a response with another respondent and nothing else new is a duplicate is not told: make more of it new."""
    others = made.contents.setdefault((body["account_id"], body["response_id"]), [])
    same_respondent = draw(st.integers(0, 3)) > 0
    if others and same_respondent:
        body.pop("respondent_id", None)
        body |= {name: others[-1][name] for name in ("respondent_id",) if name in others[-1]}
    if any(one.get("respondent_id") != body.get("respondent_id") for one in others):
        body["comment"] = f"Said {made.count}"
    others.append(body)


def _give_version(draw: st.DrawFn, made: _Made, body: dict[str, Any], now: int) -> None:
    ago = draw(st.sampled_from((None, None, 0, 0, 1, 5, 40)))
    if ago is not None:
        body["updated_at"] = format_time((now - ago * DAY_MS) // 100_000 * 100_000 + 50_000 + made.count)


@st.composite
def rounds(
    draw: st.DrawFn,
    partitions: int = 1,
    strays: bool = False,
    crashes: bool = True,
    most_rounds: int = 4,
    sizes: Sequence[int] = (0, 3, 8, 16),
    jumps: Sequence[int] = (0, 60_000, DAY_MS, 2 * DAY_MS, 8 * DAY_MS, 40 * DAY_MS, 100 * DAY_MS),
    days: st.SearchStrategy[int] = response_days,
    gaps: Sequence[int] = (1, 1, 1, 1, 60_000, 3_600_000, 30 * 3_600_000),
    erasures: bool = False,
    facts: bool = False,
) -> list[Round]:
    """Rounds of arrivals from START on, `gaps` ms apart: 30 hours ahead of the wall clock a task's clock is capped. A jump in
    ms is added to what the arrivals took, so that time never goes back."""
    made, now, found = _Made(), START, []
    accounts = draw(st.sampled_from((ACCOUNTS[:1], ACCOUNTS[2:3], ACCOUNTS[:2], ACCOUNTS[1:])))
    for _ in range(draw(st.integers(1, most_rounds))):
        arriving = []
        for _ in range(draw(st.sampled_from(sizes))):
            arriving.append(draw(_arriving(made, now, partitions if strays else 0, accounts, days, gaps, erasures, facts)))
            now += arriving[-1].after_ms
        jump = draw(st.sampled_from(jumps))
        lost = draw(st.lists(batches, max_size=2)) if crashes else []
        took = sum(one.after_ms for one in arriving)
        found.append(Round(arriving, draw(batches), lost, crashes and draw(st.booleans()), took + jump))
        now += jump
    return found


@st.composite
def reorderable(draw: st.DrawFn, partitions: int = 1) -> tuple[list[Arriving], list[Arriving]]:
    """A set of responses and retractions with distinct versions, all inside the history, in two orders. Those of one response
    differ in score and share their respondent, and all of them have segments or none has."""
    made: dict[tuple[str, str], dict[str, Any]] = {}
    arriving = []
    for number in range(draw(st.integers(2, 24))):
        body = draw(bodies(START, ACCOUNTS[:3]))
        del_segments = draw(st.booleans())
        identity = (body["account_id"], body["response_id"])
        first = made.setdefault(identity, body)
        if first is not body:
            body.pop("respondent_id", None)
            body |= {name: first[name] for name in ("respondent_id",) if name in first}
            if not ({"segments", "segment"} & first.keys()):
                body.pop("segments", None)
                body.pop("segment", None)
            elif not ({"segments", "segment"} & body.keys()):
                body["segments"] = {"plan": "smb"}
        elif del_segments:
            body.pop("segments", None)
            body.pop("segment", None)
        if draw(st.integers(0, 5)) == 0:
            body = {"kind": "retraction", "account_id": identity[0], "response_id": identity[1]}
        body["updated_at"] = format_time(START - draw(st.integers(0, 50)) * DAY_MS - number)
        arriving.append(Arriving(json.dumps(body).encode(), identity[0].encode()))
    return arriving, draw(st.permutations(arriving))
