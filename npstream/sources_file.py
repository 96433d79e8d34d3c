"""The file that says how each survey platform's payloads are read: docs/sources.md.

mappings = ["helpdesk.toml"]                    # adapters of one's own, beside this file

[domains]
"globex.example" = "globex"                     # e-mail domain = account

[sources.typeform]
zone = "Europe/Berlin"
[sources.typeform.surveys.lT4Z3j]
score_fields = ["recommend"]
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import Struct

from npstream.settings_sources import SettingsError, nearest
from npstream.zones import zone_named
from schemas.vendors import ADAPTERS
from schemas.vendors.adapter import Adapter, SourceSettings, SurveySettings
from schemas.vendors.mapping import MappingAdapter
from schemas.vendors.mapping_file import MappingInvalid, read_mapping


class _Survey(Struct, forbid_unknown_fields=True):
    score_fields: tuple[str, ...] = ()
    comment_fields: tuple[str, ...] = ()


class _Source(Struct, forbid_unknown_fields=True):
    """As `SourceSettings`, with the zone as text; what is left out has its default."""

    zone: str = ""
    account: str = ""
    account_properties: tuple[str, ...] = SourceSettings().account_properties
    respondent_properties: tuple[str, ...] = SourceSettings().respondent_properties
    segment_properties: tuple[str, ...] = SourceSettings().segment_properties
    score_fields: tuple[str, ...] = ()
    comment_fields: tuple[str, ...] = ()
    surveys: dict[str, _Survey] = {}


class _File(Struct, forbid_unknown_fields=True):
    mappings: list[str] = []
    domains: dict[str, str] = {}
    sources: dict[str, _Source] = {}


@dataclass(frozen=True)
class Sources:
    """What the file says; without one, what there is by itself."""

    adapters: Mapping[str, Adapter] = field(default_factory=lambda: ADAPTERS)
    settings: Mapping[str, SourceSettings] = field(default_factory=dict)
    domains: Mapping[str, str] = field(default_factory=dict)


def read_sources(name: str) -> Sources:
    """The file of this name; "" is none. Raises SettingsError."""
    if not name:
        return Sources()
    path = Path(name)
    try:
        file = msgspec.convert(tomllib.loads(_text(path)), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(f"sources_file {path}: {error}") from error
    adapters = {**ADAPTERS, **{one.NAME: one for one in map(read_adapter, (path.parent / own for own in file.mappings))}}
    for source in file.sources:
        if source not in adapters:
            raise SettingsError(f"sources_file {path}: sources.{source}: no adapter has this name{nearest(source, adapters)}")
    return Sources(
        adapters,
        {source: _settings(given, f"sources_file {path}: sources.{source}") for source, given in file.sources.items()},
        {domain.strip().lower().removeprefix("@"): account for domain, account in file.domains.items()},
    )


def read_adapter(path: Path) -> MappingAdapter:
    """The adapter that a mapping file describes. Raises SettingsError."""
    try:
        return MappingAdapter(read_mapping(_text(path)))
    except MappingInvalid as error:
        raise SettingsError(f"mapping {path}: {error}") from error


def _settings(given: _Source, place: str) -> SourceSettings:
    try:
        zone = zone_named(given.zone) if given.zone else None
    except ValueError as error:
        raise SettingsError(f"{place}.zone is {error}") from error
    try:
        return SourceSettings(
            zone=zone,
            account=given.account,
            account_properties=given.account_properties,
            respondent_properties=given.respondent_properties,
            segment_properties=given.segment_properties,
            score_fields=given.score_fields,
            comment_fields=given.comment_fields,
            surveys={name: SurveySettings(one.score_fields, one.comment_fields) for name, one in given.surveys.items()},
        )
    except ValueError as error:
        raise SettingsError(f"{place}.{error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise SettingsError(f"cannot read {path}: {reason}") from error
