"""Everything that reads bytes of others, by itself, and the one exception that it may raise."""

import io
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import orjson

from agents import cells, responses
from agents.scoring import Scoring
from agents.windows import Spans
from npstream import dead_letters, record_view
from npstream.board import ORDERS, Board
from npstream.failures import UserError
from npstream.files import Input, Labels
from npstream.tables_view import Pulse, page, screen
from schemas import codec, topics
from schemas.dead_letters import Unusable
from schemas.validation import canonical
from schemas.vendors import ADAPTERS, recognise
from schemas.vendors.adapter import SourceSettings
from streams.changelog import ChangelogUnreadable, Meta, Position
from streams.execution import Execution
from streams.state import Identity
from streams.test_driver import Sent
from tests.hostile.records import Hostile

SETTINGS: Final = SourceSettings()
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
        drafts = ADAPTERS[name].adapt(codec.loads(record.value or b""), SETTINGS)
        return [codec.dumps(canonical(draft, name, None, "acme")) for draft in drafts]

    return read


def _restore(record: Hostile) -> object:
    return Execution.restored([Scoring()], Identity(0, 1, "a"), {record.key or b"": record.value or b""})


DECODERS: Final = (
    Decoder("codec", lambda record: codec.loads(record.value or b""), Unusable),
    Decoder("recognise", lambda record: recognise(codec.loads(record.value or b"")), Unusable),
    *(Decoder(f"adapter {name}", _adapt(name), Unusable) for name in ADAPTERS),
    Decoder("responses", lambda record: responses.read(responses.decode(record.value or b""), record.timestamp), Unusable),
    Decoder("cell key", lambda record: cells.read_key(record.key), Unusable),
    Decoder("cell key in the value", lambda record: cells.read_key(record.value), Unusable),
    Decoder("cell responses", lambda record: cells.read_responses(record.value or b""), Unusable),
    Decoder("cell respondents", lambda record: cells.read_respondents(SPANS, record.value or b""), Unusable),
    Decoder("meta", lambda record: Meta.decode(record.value or b""), ChangelogUnreadable),
    Decoder("position", lambda record: Position.decode(record.value or b""), ChangelogUnreadable),
    Decoder("changelog", _restore, ChangelogUnreadable),
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
