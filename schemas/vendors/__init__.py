"""Survey platforms' payloads, one adapter a file, all alike: see `schemas.vendors.adapter`. Those in TOML are mappings
(`schemas.vendors.mapping_file`)."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any, Final

from schemas.vendors import canonical, delighted, qualtrics, surveymonkey, typeform
from schemas.vendors.adapter import Adapter
from schemas.vendors.mapping import MappingAdapter
from schemas.vendors.mapping_file import read_mapping

MAPPINGS: Final = ("wootric", "asknicely", "retently", "formbricks", "posthog")
"""Adapters that are mapping files beside this module."""


def _mapped(name: str) -> MappingAdapter:
    return MappingAdapter(read_mapping(files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")))


_ADAPTERS: Final[tuple[Adapter, ...]] = (
    canonical,
    delighted,
    typeform,
    surveymonkey,
    qualtrics,
    *map(_mapped, MAPPINGS),
)
ADAPTERS: Final[Mapping[str, Adapter]] = {adapter.NAME: adapter for adapter in _ADAPTERS}
"""Every adapter by the name that header nps-source gives it, in the order in which they are asked."""


def recognise(payload: Any, adapters: Mapping[str, Adapter] = ADAPTERS) -> Adapter | None:
    """The adapter whose shape a payload has; None if it is nobody's."""
    for adapter in adapters.values():
        if adapter.recognises(payload):
            return adapter
    return None
