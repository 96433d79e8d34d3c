"""Everything that reads bytes of others, by itself, and the one exception that it may raise."""

import io
from collections.abc import Callable
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final, NamedTuple

import orjson

from agents import cells, incarnations, keys, responses, rollups, sources
from agents.facts import decode_facts
from agents.history import History
from agents.rollups import Rollups
from agents.scoring import Scoring
from agents.versions import decode_known
from agents.windows import Spans, Table, check_windows
from npstream import dead_letters, record_view, recount, verification
from npstream.account_changes import usable
from npstream.account_files import parse_accounts
from npstream.board import ORDERS, Board
from npstream.failures import UserError
from npstream.files import Input, Labels
from npstream.settings import Settings
from npstream.settings_sources import SettingsError, declared
from npstream.tables_view import Pulse, page, screen
from schemas import codec, topics
from schemas.accounts import read_facts
from schemas.dead_letters import Unusable
from schemas.validation import canonical
from schemas.vendors import ADAPTERS, recognise
from schemas.vendors.adapter import Incomplete, SourceSettings, SurveySettings
from schemas.vendors.requests import FETCHED, requests_for
from streams.changelog import ChangelogUnreadable, Meta, Position
from streams.draft import Kept
from streams.execution import Execution
from streams.processor import Outbox, Processor, State, UnfitState
from streams.state import Identity
from streams.test_driver import Sent
from tests.hostile.records import NOW, Hostile
from tests.hostile.stored import damaged, in_place, of_care

SETTINGS: Final = SourceSettings(surveys={"sv0000000000000000000001": SurveySettings(score_fields=("recommend",))})
SCORING: Final = Scoring()
ROLLUPS: Final = Rollups()
SPANS: Final = Spans((7, 30, 90, 365), 7)
TODAY: Final = "2026-03-01"
WIDTH: Final = 120
FILES: Final = ("a.csv", "a.tsv", "a.jsonl", "a.json", "a.json.gz", "a")
"""Names of files, which say what is in them."""


class Nothing(Exception):
    """For what may raise nothing at all."""


class _Bytes(io.RawIOBase):
    """A file in memory, without a buffer of its own, like those of the disk."""

    def __init__(self, data: bytes) -> None:
        self._left = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._left.readinto(buffer)


class Decoder(NamedTuple):
    """One reader of hostile bytes."""

    name: str
    read: Callable[[Hostile], object]
    may_raise: type[Exception] = Nothing


def sent(record: Hostile, topic: str | None = None) -> Sent:
    """The record as a command finds it."""
    return Sent(topic or record.topic, 0, 42, record.timestamp, record.key, record.value, tuple(record.headers))


def show_json(record: Hostile) -> object:
    """What `npstream tail --json` writes."""
    return orjson.dumps(record_view.as_json(sent(record)))


def show_lines(record: Hostile) -> None:
    """What `npstream tail` writes, whatever the topic."""
    for topic in (topics.SCORED, topics.CHANGES, topics.DETRACTORS, topics.PROMOTERS, topics.DEAD_LETTERS):
        record_view.as_line(sent(record, topic), TODAY)


def show_board(record: Hostile) -> None:
    """What `npstream top` shows."""
    board = Board(90)
    board.take([sent(record, topic) for topic in (topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS, topics.DETRACTORS)])
    for order in ORDERS:
        orjson.dumps(board.snapshot(order), option=orjson.OPT_INDENT_2)
    page(board, ORDERS[0], Pulse(), "here", TODAY, WIDTH, 20)
    screen(board, ORDERS[0], Pulse(1.0, 1), "here", TODAY, WIDTH, 30)


def read_files(record: Hostile) -> None:
    """What `npstream produce` sends, whatever the file is called; each form is refused by itself."""
    refused: UserError | None = None
    for name in FILES:
        try:
            for _ in Input(name, _Bytes(record.value or b""), None, Labels(account="acme")):
                pass
        except UserError as error:
            refused = error
    if refused is not None:
        raise refused


def _letter(record: Hostile) -> None:
    letter = sent(record, topics.DEAD_LETTERS)
    dead_letters.reason_of(letter)
    dead_letters.source_of(letter)
    record_view.source_position(letter)
    back = dead_letters.sent_back(letter, "acme")
    if (back.key, back.value) != (record.key, record.value):
        raise AssertionError("a dead letter does not go back as it came")


def _adapt(name: str) -> Callable[[Hostile], object]:
    def read(record: Hostile) -> object:
        try:
            drafts = ADAPTERS[name].adapt(codec.loads(record.value or b""), SETTINGS)
        except Incomplete as error:
            return [request for vendor in FETCHED for request in requests_for(vendor, error.ids)]
        return [codec.dumps(canonical(draft, name, None, "acme")) for draft in drafts]

    return read


def _restore(record: Hostile) -> object:
    return Execution.restored([SCORING], Identity(0, 1, "a"), {record.key or b"": record.value or b""})


def _stored(read: Callable[[State], object], key: bytes | None = None) -> Callable[[Hostile], object]:
    return lambda record: in_place(record.value or b"", read, key)


def _tick(processor: Processor) -> Callable[[State], object]:
    return lambda state: processor.tick(NOW, state, Outbox(Kept().send))


def _damaged(name: str) -> Callable[[Hostile], object]:
    go_on = damaged(name)
    return lambda record: go_on(record.key, record.value or b"")


def read_settings(record: Hostile) -> None:
    """A settings file, and one setting of the environment."""
    with NamedTemporaryFile(suffix=".toml") as file:
        file.write(record.value or b"")
        file.flush()
        Settings.load({}, {}, Path(file.name))


def read_variable(record: Hostile) -> None:
    """One of the settings, given in the environment."""
    names, value = list(declared(Settings)), record.value or b""
    Settings.load({}, {f"NPSTREAM_{names[len(value) % len(names)].upper()}": value.decode(errors="replace")})


def recounted(record: Hostile) -> object:
    """What `npstream verify` expects of a record of `nps.responses`."""
    return recount.events([sent(record, topics.RESPONSES)], SPANS.days, 90, 7, partitions=1, wall=lambda _: NOW)


def verified(record: Hostile) -> object:
    """What `npstream verify` says of a record in each of the topics that it compares."""
    outputs = {topic: [sent(record, topic)] for topic in verification.OUTPUTS}
    return verification.verify(verification.Seen([], outputs, {0: 0}, {}, NOW), SPANS.days, 90, 7)


DECODERS: Final = (
    Decoder("codec", lambda record: codec.loads(record.value or b""), Unusable),
    Decoder("recognise", lambda record: recognise(codec.loads(record.value or b"")), Unusable),
    *(Decoder(f"adapter {name}", _adapt(name), Unusable) for name in ADAPTERS),
    Decoder("responses", lambda record: responses.read(responses.decode(record.value or b""), record.timestamp), Unusable),
    Decoder("cell key", lambda record: cells.read_key(record.key), Unusable),
    Decoder("cell key in the value", lambda record: cells.read_key(record.value), Unusable),
    Decoder("cell responses", lambda record: cells.read_responses(record.value or b""), Unusable),
    Decoder("cell respondents", lambda record: cells.read_respondents(SPANS, record.value or b""), Unusable),
    Decoder("facts", lambda record: read_facts(record.value or b""), Unusable),
    Decoder("state: facts", lambda record: decode_facts(record.value or b""), UnfitState),
    Decoder("accounts load", lambda record: parse_accounts("a", record.value or b"", {}), UserError),
    Decoder("accounts list", lambda record: usable(record.value)),
    Decoder("meta", lambda record: Meta.decode(record.value or b""), ChangelogUnreadable),
    Decoder("position", lambda record: Position.decode(record.value or b""), ChangelogUnreadable),
    Decoder("changelog", _restore, ChangelogUnreadable),
    Decoder("state: a history", _stored(lambda state: History(state, b"k", b"p", 0)), UnfitState),
    Decoder("state: a response", lambda record: decode_known(record.value or b""), UnfitState),
    Decoder("state: a table", _stored(lambda state: Table.load(SPANS, state, b"k", b"p")), UnfitState),
    Decoder("state: days of a table", _stored(lambda state: Table(SPANS, b"k", b"p", 0).count(state, 0, 0, 1)), UnfitState),
    Decoder("state: windows", _stored(lambda state: check_windows(state, SPANS, "scoring")), UnfitState),
    *(
        Decoder(f"state: {key!r} in a tick of {processor.name}", _stored(_tick(processor), key), UnfitState)
        for processor, key in (
            (SCORING, keys.TICKS),
            (ROLLUPS, rollups.TICKS),
            (ROLLUPS, incarnations.CHANGES),
            (ROLLUPS, sources.GAUGED),
        )
    ),
    Decoder(
        "state: a segment", _stored(lambda state: sources.Segments(SPANS, state).at("plan=smb", 0), b"Mplan=smb"), UnfitState
    ),
    *(Decoder(f"state: {name} goes on", _damaged(name), UnfitState) for name in of_care()),
    Decoder("verify: the source", recounted),
    Decoder("verify: the results", verified),
    Decoder("settings file", read_settings, SettingsError),
    Decoder("settings of the environment", read_variable, SettingsError),
    Decoder("tail --json", show_json),
    Decoder("tail", show_lines),
    Decoder("dlq show", lambda record: record_view.as_page(sent(record))),
    Decoder("dlq replay", _letter),
    Decoder("dlq position", lambda record: dead_letters.Position.parse((record.value or b"").decode("latin-1")), UserError),
    Decoder("dlq reason", lambda record: dead_letters.parse_reason((record.value or b"").decode("latin-1")), UserError),
    Decoder("top", show_board),
    Decoder("files", read_files, UserError),
)
BY_NAME: Final = {decoder.name: decoder for decoder in DECODERS}
