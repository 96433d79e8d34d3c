"""CRM facts: what nps.accounts says of an account. Whoever keeps the facts sends all of them whenever one has changed, under
the account_id as the key; a tombstone takes them back.

Every field is optional, unknown ones are ignored, and what is null or empty is as good as absent; nothing else is coerced,
since anybody may write to the topic.
"""

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from schemas.codec import loads
from schemas.dead_letters import Reason, Unusable
from schemas.events import AccountBrief, Day, Id, Owner, Segments, Text, Tier, YearlyValue
from schemas.times import parse_day

MAX_CONTACTS: Final = 10_000
"""Most contacts of an account: their addresses fill half of the largest record that a broker takes by default."""
MAX_DOMAINS: Final = 100
"""Most e-mail domains of an account: one that has more is a provider whose customers write from there."""
DOMAIN_PATTERN: Final = r"^[^@\s]{1,253}$"
"""What follows the @ of an address; 253 characters are the longest name in the DNS (RFC 1035)."""
ZONE_PATTERN: Final = r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$"
"""What a name in the IANA time zone database looks like. Which names there are differs from one machine to the next, and must
not decide what a record means."""


class AccountFacts(Struct, kw_only=True, omit_defaults=True):
    """What is known of an account besides its responses. A tombstone takes all of it back.

    The key is the account_id. The last record of an account counts as a whole: a field that it does not have is not known.
    """

    name: Text | UnsetType = UNSET
    owner: Owner | UnsetType = UNSET
    tier: Tier | UnsetType = UNSET
    value: YearlyValue | UnsetType = UNSET
    segments: (
        Annotated[Segments, Meta(description="dimension to value, for responses that do not name the dimension themselves")]
        | UnsetType
    ) = UNSET
    renewal_date: Annotated[Day, Meta(description="the day on which the contract ends or goes on")] | UnsetType = UNSET
    time_zone: (
        Annotated[str, Meta(pattern=ZONE_PATTERN, max_length=100, description="IANA name", examples=["Europe/Berlin"])]
        | UnsetType
    ) = UNSET
    contacts: (
        Annotated[
            list[Id], Meta(max_length=MAX_CONTACTS, description="e-mail addresses or respondent_ids of the account's people")
        ]
        | UnsetType
    ) = UNSET
    domains: (
        Annotated[
            list[Annotated[str, Meta(pattern=DOMAIN_PATTERN)]],
            Meta(max_length=MAX_DOMAINS, description="e-mail domains of the account's people", examples=[["acme.example"]]),
        ]
        | UnsetType
    ) = UNSET

    def brief(self) -> AccountBrief | None:
        """What events carry of it; None if that is nothing."""
        brief = AccountBrief(name=self.name, owner=self.owner, tier=self.tier, value=self.value)
        return None if brief == AccountBrief() else brief


_FIELDS: Final = frozenset(AccountFacts.__struct_fields__)
_REASONS: Final = {"segments": Reason.BAD_SEGMENT, "renewal_date": Reason.BAD_TIME, "time_zone": Reason.BAD_TIME}
"""Why a record with a fault in this field cannot be used; in any other one it is of the wrong type."""
_PLACE: Final = re.compile(r"\$\.(\w+)")


def read_facts(value: bytes) -> AccountFacts:
    """The facts in a record's value. Raises `Unusable` with the name of the faulty field, and nothing of what is in it."""
    fields = loads(value)
    if type(fields) is not dict:
        raise Unusable(Reason.WRONG_TYPE, "the record is no JSON object")
    given = {name: fields[name] for name in _FIELDS & fields.keys() if fields[name] is not None and fields[name] != ""}
    if type(given.get("segments")) is dict:
        given["segments"] = _named(given["segments"])
    try:
        facts = msgspec.convert(given, AccountFacts)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        found = _PLACE.search(where)
        field = found[1] if found else "the record"
        raise Unusable(_REASONS.get(field, Reason.WRONG_TYPE), f"{field}: {what.lower()}") from None
    if facts.renewal_date is not UNSET:
        try:
            parse_day(facts.renewal_date)
        except ValueError as error:
            raise Unusable(Reason.BAD_TIME, f"renewal_date: {error}") from error
    return facts


def _named(segments: dict[str, Any]) -> dict[str, Any]:
    return {dimension: value for dimension, value in segments.items() if value is not None and value != ""}
