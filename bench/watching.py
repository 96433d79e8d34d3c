"""How far a worker is, asked of its /metrics: twice a second at most while it works, ten times around the start and the end.

The clock starts at the last look at which no task of the first agent ran yet, and stops at the first look at which the last
response was counted, which is after its commit. So both errors lengthen the time, each by at most one pause between looks: the
rate is never flattered, and is at most some 0.2 s of the run too low.
"""

import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, Self

from bench.measurement import RunFailed
from bench.processes import Usage

FAST_S = 0.1
"""Pause between looks around the start and the end."""
SLOW_S = 0.5
"""Pause in between: an answer takes the worker some milliseconds."""
QUIET_S = 5.0
"""Rollups are done when they have taken in nothing for so long and no lag is left; the worker measures its lag every 2 s."""
HTTP_TIMEOUT_S = 10.0
"""A worker on a busy machine answers late."""


class Look(NamedTuple):
    """The metrics at one moment."""

    usage: Usage
    running: float
    """Tasks of the first agent that run."""
    responses: float
    """Responses that were accepted, and committed."""
    cells: float
    """Records that rollups have taken in."""
    lag: float
    samples: dict[str, float]
    """Values by series, as in the text."""

    @classmethod
    def of(cls, text: str, first_agent: str, usage: Usage) -> Self:
        """From what /metrics says, in Prometheus' text format."""
        samples = dict(_samples(text.splitlines()))
        return cls(
            usage,
            total(samples, "npstream_tasks", unit=first_agent, phase="running"),
            total(samples, "npstream_responses_total"),
            total(samples, "npstream_batch_records_sum", unit="rollups"),
            total(samples, "npstream_lag_records"),
            samples,
        )

    @property
    def began(self) -> bool:
        """Whether a response may have been taken in."""
        return bool(self.running or self.responses)


class Watch:
    """Looks at one worker."""

    def __init__(self, url: str, first_agent: str, alive: Callable[[], bool], usage: Callable[[], Usage]) -> None:
        self._url = url
        self._first_agent = first_agent
        self._alive = alive
        self._usage = usage

    def until_processed(self, responses: int, rollups: bool, timeout_s: float) -> tuple[Look, Look]:
        """The last look before the first response, and the first one after the last. With `rollups` the last cell counts too.

        Raises RunFailed if the worker ends, is not done in time, or does not tell what it does."""
        deadline = time.monotonic() + timeout_s
        before: Look | None = None
        seen_running = False
        done: Look | None = None
        look: Look | None = None
        while done is None or (rollups and not self._is_quiet(done, look)):
            if not self._alive():
                raise RunFailed("the worker ended before it was done")
            if time.monotonic() > deadline:
                raise RunFailed(f"not done after {timeout_s:.0f} s: {look.responses if look else 0:.0f} responses")
            look = self.look()
            if look is not None:
                seen_running = seen_running or bool(look.running)
                if not look.began:
                    before = look
                elif before is None:
                    raise RunFailed("the worker worked before it could be looked at")
                if look.responses >= responses and (done is None or look.cells != done.cells):
                    done = look
            time.sleep(self._pause(before, look, responses))
        if before is None or not seen_running:
            raise RunFailed("the worker did not tell when its tasks began to run")
        return before, done

    @staticmethod
    def _is_quiet(done: Look, last: Look | None) -> bool:
        return last is not None and last.usage.at - done.usage.at > QUIET_S and not last.lag

    @staticmethod
    def _pause(before: Look | None, last: Look | None, responses: int) -> float:
        """Half of the time that is left at the rate so far, within bounds."""
        if before is None or last is None or not last.responses or last.responses >= responses:
            return FAST_S
        left_s = (responses - last.responses) * (last.usage.at - before.usage.at) / last.responses
        return min(max(left_s / 2, FAST_S), SLOW_S)

    def look(self) -> Look | None:
        """One look; None while nobody answers. Its time is that of the question as long as nothing runs, else of the answer."""
        asked = self._usage()
        try:
            with urllib.request.urlopen(self._url + "/metrics", timeout=HTTP_TIMEOUT_S) as answer:
                look = Look.of(answer.read().decode(), self._first_agent, asked)
        except OSError:
            return None
        return look._replace(usage=self._usage()) if look.began else look


def total(samples: Mapping[str, float], name: str, **labels: str) -> float:
    """The sum of a metric's series with these labels, in whichever order the text has them."""
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    return sum(
        value
        for series, value in samples.items()
        if series.partition("{")[0] == name and all(pair in series for pair in wanted)
    )


def _samples(lines: Iterable[str]) -> Iterator[tuple[str, float]]:
    """Series and value of each line that is no comment."""
    for line in lines:
        if line and not line.startswith("#"):
            series, _, value = line.rpartition(" ")
            yield series, float(value)
