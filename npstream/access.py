"""What each agent does with which topic: the permissions it needs, which `npstream check` asks for."""

from collections.abc import Iterable
from dataclasses import dataclass

from schemas import topics


@dataclass(frozen=True, slots=True)
class Access:
    """The topics that an agent reads and writes, besides its changelog."""

    reads: frozenset[str]
    writes: frozenset[str]


ACCESS: dict[str, Access] = {
    "intake": Access(
        reads=frozenset({topics.RAW, topics.CONTACTS}),
        # the raw topic too: a response without an account is sent to the partition of its contact
        writes=frozenset({topics.RAW, topics.RESPONSES, topics.DEAD_LETTERS, topics.INCOMPLETE}),
    ),
    "directory": Access(
        reads=frozenset({topics.ACCOUNTS}),
        writes=frozenset({topics.CONTACTS}),
    ),
    "scoring": Access(
        reads=frozenset({topics.RESPONSES, topics.ERASURES, topics.ACCOUNTS}),
        # its own sources too: what came to the wrong partition is sent home, and the list of the erased replaces the commands
        writes=frozenset(
            {
                topics.RESPONSES,
                topics.SCORED,
                topics.CHANGES,
                topics.DETRACTORS,
                topics.PROMOTERS,
                topics.CELLS,
                topics.ACCOUNT_ROLLUPS,
                topics.DEAD_LETTERS,
                topics.ERASURES,
            }
        ),
    ),
    "rollups": Access(
        reads=frozenset({topics.CELLS, topics.THEMES_CELLS}),
        writes=frozenset({topics.SEGMENT_ROLLUPS, topics.SEGMENT_THEMES, topics.DEAD_LETTERS}),
    ),
    "care": Access(
        reads=frozenset(
            {
                topics.SCORED,
                topics.CHANGES,
                topics.DETRACTORS,
                topics.ACCOUNT_ROLLUPS,
                topics.ACCOUNTS,
                topics.ERASURES,
                topics.CASE_COMMANDS,
                topics.CASE_EVENTS,
                topics.ACCOUNT_ALERTS,
                topics.PREFERENCES,
            }
        ),
        # two of its sources too: a command or preference that came to another partition than its account's is sent home
        writes=frozenset(
            {
                topics.CASE_COMMANDS,
                topics.CASE_REJECTIONS,
                topics.CASE_EVENTS,
                topics.CASES,
                topics.ACCOUNT_ALERTS,
                topics.ALERTS,
                topics.PREFERENCES,
                topics.OUTREACH,
                topics.COMMENTS,
                topics.THEMES_CELLS,
                topics.ACCOUNT_THEMES,
                topics.DEAD_LETTERS,
            }
        ),
    ),
}


def access_of(agents: Iterable[str]) -> Access:
    """What these agents need together."""
    needed = [ACCESS[agent] for agent in agents]
    return Access(
        reads=frozenset().union(*(access.reads for access in needed)),
        writes=frozenset().union(*(access.writes for access in needed)),
    )
