"""As many hostile records as are asked for, in chunks, until something happens that must not."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.hostile.care_flow import care_flow
from tests.hostile.decoders import DECODERS
from tests.hostile.flow import Outcome, flow
from tests.hostile.records import Hostile, Records

CHUNK: Final = 300
"""Records of one test driver: enough to meet each other, few enough to be tried one by one when something happens."""
LANES: Final = ("raw", "raw", "raw", "response", "cell", "erasure", "facts", "care", "care")
"""What the chunks are, in turn."""
DECODED_EVERY: Final = 100
"""One in so many records goes through every decoder, with some of other kinds: they take forty times as long as the agents."""
BESIDE: Final = ("changelog", "state", "committed", "file", "settings")
"""Those kinds."""
DAYS_EVERY: Final = 8
"""After one in so many chunks a day passes."""
SHOWN: Final = 300
"""Most bytes of a record's key, and of its value, that a message shows."""


Flow = Callable[..., Outcome]
"""Takes a chunk through some agents."""


class Harm(Exception):
    """What must not happen, in one line: the seed, the record, and what it did."""


@dataclass
class Report:
    """What a run has come to."""

    outcome: Outcome = field(default_factory=Outcome)
    decoded: int = 0
    """Records that went through every decoder."""

    def add(self, other: "Report") -> None:
        """Add up."""
        self.outcome.add(other.outcome)
        self.decoded += other.decoded


def run(records: int, seed: int) -> Iterator[Report]:
    """Take so many records, and report after each chunk. Raises Harm."""
    report, source = Report(), Records(seed)
    for number in range(-(-records // CHUNK)):
        lane = LANES[number % len(LANES)]
        make, through = source.kinds[lane], care_flow if lane == "care" else flow
        chunk = [make() for _ in range(min(CHUNK, records - number * CHUNK))]
        days = int(number % DAYS_EVERY == 0)
        _take(chunk, days, seed, report, through)
        for index in range(0, len(chunk), DECODED_EVERY):
            _decode(chunk[index], seed, report)
            for kind in BESIDE:
                _decode(source.kinds[kind](), seed, report)
        yield report


def _take(chunk: Sequence[Hostile], days: int, seed: int, report: Report, through: Flow) -> None:
    """The chunk through the agents. Raises Harm with the record that does it."""
    try:
        report.outcome.add(through(chunk, days=days))
    except Exception as error:
        culprit = _line(_culprit(chunk, days, through))
        raise Harm(f"seed {seed}: {type(error).__name__}: {error}: {culprit}".replace("\n", " ")) from error


def _culprit(chunk: Sequence[Hostile], days: int, through: Flow) -> Hostile | None:
    """The last record of the shortest beginning of a chunk that does harm: found by halves, since harm stays done."""
    low, high = 0, len(chunk)
    while low < high:
        middle = (low + high) // 2
        try:
            through(chunk[: middle + 1], days=days)
            low = middle + 1
        except Exception:
            high = middle
    return chunk[low] if low < len(chunk) else None


def _decode(record: Hostile, seed: int, report: Report) -> None:
    report.decoded += 1
    for decoder in DECODERS:
        try:
            decoder.read(record)
        except decoder.may_raise:
            continue
        except Exception as error:
            raise Harm(f"seed {seed}: decoder {decoder.name}: {type(error).__name__}: {error}: {_line(record)}") from error


def _line(record: Hostile | None) -> str:
    """A record in one line."""
    if record is None:
        return "no record alone"
    shown = record._replace(
        key=None if record.key is None else record.key[:SHOWN], value=None if record.value is None else record.value[:SHOWN]
    )
    return f"{shown!r} ({len(record.value or b''):,} bytes)"
