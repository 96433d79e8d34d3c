"""The table first_touch of the care file: docs/first-touch.md.

[first_touch]
enabled = true
company = "Vendor Inc."
[[first_touch.templates]]
file = "first-touch/enterprise"                  # enterprise.en.txt.j2, enterprise.de.txt.j2, ... beside the care file
match = { severities = ["critical"], segments = { plan = ["enterprise"] } }
"""

import re
from collections.abc import Callable
from datetime import tzinfo
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct

from agents.outreach_hours import MessageHours
from agents.outreach_rules import FirstTouchSettings
from npstream.care.clock import minute_of_day, zone_at
from npstream.care.file import CareFile
from npstream.care.sinks import outreach_sink
from npstream.care.touch_files import SourceFile, Unreadable, files_beside, languages
from npstream.care.touch_view import Words
from npstream.settings_sources import SettingsError
from npstream.zones import zone_named
from schemas.events import DIMENSION_PATTERN, Severity

if TYPE_CHECKING:
    from npstream.care.touch_templates import Own, Templates

TABLE: Final = "first_touch"
REMEMBERED_ZONES: Final = 1_000
"""Names of zones in memory: there are some 600, and accounts may name what is none."""
NO_COMPANY: Final = "[company]"
"""Stands for it in a preview, as long as it is not set."""
_URL: Final = re.compile(r"https?://[!-~]+")

AtLeastOne = Annotated[int, Meta(ge=1)]


class _Match(Struct, forbid_unknown_fields=True, frozen=True):
    """Whom a message is for; what is left out is all."""

    severities: list[Severity] = []
    segments: dict[Annotated[str, Meta(pattern=DIMENSION_PATTERN)], str | list[str]] = {}


class _Template(Struct, forbid_unknown_fields=True, frozen=True):
    file: str
    match: _Match = _Match()


class _Table(Struct, forbid_unknown_fields=True, frozen=True):
    enabled: bool = False
    company: str = ""
    delay_minutes: Annotated[int, Meta(ge=0, le=1440)] = 5
    cooldown_days: Annotated[int, Meta(ge=0)] = 30
    account_cap: AtLeastOne = 20
    daily_cap: AtLeastOne = 2_000
    latest_h: AtLeastOne = 12
    begins: str = msgspec.field(default="08:00", name="from")
    ends: str = msgspec.field(default="20:00", name="to")
    zone: str = "UTC"
    default_locale: str = "en"
    reply_to: str = ""
    opt_out_url: str = ""
    send_by: str = ""
    """The sink that sends them: a matter of `npstream notify`; the worker only sees that there is one of this name."""
    names: dict[str, str] = {}
    templates: list[_Template] = []


def first_touch(care: CareFile) -> FirstTouchSettings | None:
    """How first messages are sent; None if none are. Raises SettingsError, also for a mistake in a template."""
    table = care.table(TABLE, _Table)
    if not table.enabled:
        return None
    if not table.company.strip():
        raise care.wrong(f"{TABLE}.company", "missing: messages are signed with it")
    outreach_sink(care)  # or the worker would send what nobody delivers
    templates = first_touch_templates(care)
    try:
        return FirstTouchSettings(
            render=templates.render,
            delay_minutes=table.delay_minutes,
            cooldown_days=table.cooldown_days,
            account_cap=table.account_cap,
            daily_cap=table.daily_cap,
            latest_h=table.latest_h,
            reply_to=table.reply_to,
            hours=MessageHours(_minute(care, "from", table.begins), _minute(care, "to", table.ends), _zones(care, table.zone)),
        )
    except ValueError as error:
        raise care.wrong(TABLE, str(error)) from None


def first_touch_templates(care: CareFile) -> "Templates":
    """The templates, compiled and each rendered once, whether messages are switched on or not. Raises SettingsError."""
    table = care.table(TABLE, _Table)
    try:
        from npstream.care.touch_templates import TemplateInvalid, Templates
    except ModuleNotFoundError as error:
        raise SettingsError(f"first messages need {error.name}, which is not there: pip install 'npstream[care]'") from error
    if table.opt_out_url and not _URL.fullmatch(table.opt_out_url):
        raise care.wrong(f"{TABLE}.opt_out_url", f"{table.opt_out_url!r} is no address that begins with https:// or http://")
    for owner, name in table.names.items():
        if not name.strip() or not name.isprintable():
            raise care.wrong(f"{TABLE}.names.{owner}", "a name is some text on one line")
    names = {owner: name.strip() for owner, name in table.names.items()}
    words = Words(" ".join(table.company.split()) or NO_COMPANY, table.opt_out_url, names)
    try:
        files = files_beside(care.folder, [_file(care, n, one).parent for n, one in enumerate(table.templates)])
        own = [_own(care, number, one, files, table.default_locale) for number, one in enumerate(table.templates)]
        templates = Templates(words, _zones(care, table.zone), own, files, table.default_locale)
        templates.check()
    except (TemplateInvalid, Unreadable) as error:
        raise care.wrong(f"{TABLE}.templates", str(error)) from None
    return templates


def _own(care: CareFile, number: int, given: _Template, files: dict[str, SourceFile], default: str) -> "Own":
    from npstream.care.touch_templates import LAST_LOCALE, Own

    place, file = f"{TABLE}.templates[{number}]", _file(care, number, given)
    found = languages(str(file), files)
    if not found:
        raise care.wrong(f"{place}.file", f"there is no {care.folder / file}.LOCALE.txt.j2")
    if not {default.replace("_", "-").lower(), LAST_LOCALE} & found.keys():
        known = ", ".join(sorted(found))
        raise care.wrong(f"{place}.file", f"{care.folder / file} is in {known}, not in the default_locale {default}")
    segments = {
        dimension: frozenset([values] if isinstance(values, str) else values)
        for dimension, values in given.match.segments.items()
    }
    return Own(file.name, found, place, frozenset(given.match.severities), segments)


def _file(care: CareFile, number: int, given: _Template) -> PurePosixPath:
    file = PurePosixPath(given.file)
    if not file.name or file.is_absolute() or ".." in file.parts:
        raise care.wrong(f"{TABLE}.templates[{number}].file", f"{given.file!r} is not beside the care file, or below")
    return file


def _minute(care: CareFile, name: str, text: str) -> int:
    """The minute of the day that HH:MM is."""
    minute = minute_of_day(text)
    if minute is None:
        raise care.wrong(f"{TABLE}.{name}", f"{text!r} is no time of day from 00:00 to 24:00")
    return minute


def _zones(care: CareFile, fallback: str) -> Callable[[str | None], tzinfo]:
    """The zone of a name: the fallback's, where an account has none, or one that is not known here."""
    otherwise = zone_at(care, f"{TABLE}.zone", fallback)

    @lru_cache(maxsize=REMEMBERED_ZONES)
    def zone(name: str | None) -> tzinfo:
        if name is None:
            return otherwise
        try:
            return zone_named(name)
        except ValueError:
            return otherwise

    return zone
