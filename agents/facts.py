"""CRM facts of an account, as scoring keeps them: the segments that fill what its responses do not name, and what events tell.

Nothing else of a record of nps.accounts is in the state: contacts are people, and scoring has no use for them.
"""

from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta

from agents.responses import REMEMBERED_SEGMENTS, Pairs
from agents.stored import decoder
from schemas.accounts import AccountFacts
from schemas.events import MAX_SEGMENTS


class Facts(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What is kept of an account's facts."""

    pairs: tuple[Annotated[str, Meta(pattern="=")], ...]
    """Its segments as `dimension=value`, by dimension."""
    brief: bytes
    """`schemas.events.AccountBrief` as JSON; empty if there is none."""


_json = msgspec.json.Encoder().encode
decode_facts = decoder(Facts)
encode_facts = msgspec.msgpack.Encoder().encode


def kept(facts: AccountFacts) -> Facts | None:
    """What is kept of facts; None if that is nothing."""
    segments = facts.segments or {}
    brief = facts.brief()
    if not segments and brief is None:
        return None
    return Facts(tuple(f"{dimension}={segments[dimension]}" for dimension in sorted(segments)), _json(brief) if brief else b"")


@lru_cache(maxsize=REMEMBERED_SEGMENTS)
def together(own: Pairs, facts: Pairs) -> Pairs:
    """The pairs that a response counts in: its own, and per dimension those of its account's facts where it has none; of these
    the first ones by dimension, up to the most that are counted."""
    named = {pair.partition("=")[0] for pair in own}
    more = [pair for pair in facts if pair.partition("=")[0] not in named]
    return tuple(sorted((*own, *more[: MAX_SEGMENTS - len(own)])))
