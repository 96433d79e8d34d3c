"""Time zones by their names."""

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_named(name: str) -> tzinfo:
    """The zone of an IANA name; UTC also where no time-zone database is installed. Raises ValueError if there is none here."""
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{name!r}: no such time zone here; use one like Europe/Berlin, or UTC") from error
