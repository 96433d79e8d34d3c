"""What is wrong in a care file is told at its place, in words of the file and not of Python."""

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from npstream.care.mistakes import mistake


class Due(Struct, forbid_unknown_fields=True):
    hours: float


class One(Struct, forbid_unknown_fields=True, tag_field="kind", tag="one"):
    size: int = 1


class Other(Struct, forbid_unknown_fields=True, tag_field="kind", tag="other"):
    colour: str


class Table(Struct, forbid_unknown_fields=True, rename={"begins": "from"}):
    names: list[str] = []
    begins: str = ""
    sentiment: Literal["auto", "none"] = "auto"
    keep: Annotated[int, Meta(ge=0)] = 1
    on: bool = True
    due: dict[str, Due] = {}
    dues: list[Due] = []
    words: dict[str, dict[str, list[str]]] = {}
    either: str | Due = ""
    sink: One | Other | None = None


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    # what is written                              where                   what is wrong
    ({"nams": []}, "", "there is no key 'nams' here; did you mean names?"),
    ({"form": ""}, "", "there is no key 'form' here; did you mean from?"),
    ({"due": {"late": {"hour": 1}}}, ".due.late", "there is no key 'hour' here; did you mean hours?"),
    ({"due": {"soon": {"hours": 1}, "late": {}}}, ".due.late", "hours is missing"),
    ({"dues": [{"hours": 1}, {"zzz": 1}]}, ".dues[1]", "there is no key 'zzz' here; there are hours"),
    ({"names": "csm"}, ".names", "expected a list, got text"),
    ({"from": 9}, ".from", "expected text, got a whole number"),
    ({"on": "yes"}, ".on", "expected true or false, got text"),
    ({"keep": -1}, ".keep", "expected a whole number >= 0"),
    ({"due": 3}, ".due", "expected a table, got a whole number"),
    ({"words": {"pricing": {"en": "price"}}}, ".words.pricing.en", "expected a list, got text"),
    ({"sentiment": "vader"}, ".sentiment", "'vader' is none of auto, none"),
    ({"either": {"hour": 1}}, ".either", "there is no key 'hour' here; did you mean hours?"),
    ({"either": 3}, ".either", "expected text or a table, got a whole number"),
    ({"sink": {"kind": "other", "colr": "x", "colour": "y"}}, ".sink", "there is no key 'colr' here; did you mean colour?"),
]


@pytest.mark.parametrize(("written", "where", "what"), MISTAKES)
def test_a_mistake_is_told_at_its_place_in_words_of_the_file(written: dict[str, Any], where: str, what: str) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert(written, Table)
    assert mistake(error.value, Table, written) == (where, what)
