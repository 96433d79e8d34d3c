"""Days, times of day and time zones as they are written in the care file."""

import re
from datetime import tzinfo
from typing import Final

from agents.business_hours import DAY_MINUTES
from npstream.care.file import CareFile
from npstream.zones import zone_named

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def minute_of_day(text: str) -> int | None:
    """Minutes after midnight of HH:MM, 1440 of 24:00, the end of the day; None if it is no time of day."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    return DAY_MINUTES if found[1] is None else int(found[1]) * 60 + int(found[2])


def zone_at(care: CareFile, place: str, name: str) -> tzinfo:
    """The zone of this name, which stands at a place of the file. Raises SettingsError."""
    try:
        return zone_named(name)
    except ValueError as error:
        raise care.wrong(place, str(error)) from None
