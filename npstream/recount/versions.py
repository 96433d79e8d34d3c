"""A response that comes again: what holds, given everything that came of it.

The highest version holds. If that is a retraction, the response is taken back. Otherwise it keeps, if it has no segments
of its own, those of the highest version below it that has some. What it has from its account beside them is what was told last.

Choices made here where the contract leaves one (no test depends on them):
- A tie of versions with different content is decided by a hash that the contract does not name: here the first to come wins.
- Whether a version above a retraction keeps the segments of one below it: here it does (`is_doubtful` tells).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from npstream.recount.reading import Arrival


def what_holds(arrivals: Sequence[Arrival]) -> Arrival:
    """The response (or retraction) that holds, with the segments it is counted in; at least one must have come."""
    winner = max(arrivals, key=lambda arrival: arrival.version)
    if winner.retraction:
        return winner
    told = next((arrival.told for arrival in reversed(arrivals) if arrival.told is not None), None)
    if told is not winner.told:
        winner = replace(winner, told=told)
    below = [arrival for arrival in arrivals if arrival.segments and arrival.version <= winner.version]
    if winner.segments or not below:
        return winner
    return replace(winner, segments=max(below, key=lambda arrival: arrival.version).segments)


def add(arrivals: list[Arrival], arrival: Arrival, told: Mapping[str, str] | None) -> None:
    """Add what came. `told` are the segments that it is said to count in: those that are not its own are its account's."""
    arrivals.append(arrival)
    if told is not None:
        own = what_holds(arrivals).segments
        arrivals[-1] = replace(arrival, told={name: value for name, value in told.items() if name not in own})


def is_tie(arrivals: Sequence[Arrival], arrival: Arrival) -> bool:
    """Whether another of the same version has come with something else in it."""
    return any(
        other.version == arrival.version
        and (other.retraction, other.content, other.respondent_id)
        != (arrival.retraction, arrival.content, arrival.respondent_id)
        for other in arrivals
    )


def is_doubtful(arrivals: Sequence[Arrival]) -> bool:
    """Whether what holds has its segments from the other side of a retraction."""
    winner = max(arrivals, key=lambda arrival: arrival.version)
    if winner.retraction or winner.segments:
        return False
    givers = [arrival.version for arrival in arrivals if arrival.segments]
    return any(giver < other.version for giver in givers for other in arrivals if other.retraction)
