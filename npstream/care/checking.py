"""What `npstream check` says of the care file: the same mistakes that stop a worker at its start, before it starts."""

import os
from collections.abc import Mapping

from npstream.care.alerts import alerts_settings
from npstream.care.cases import cases_settings
from npstream.care.comments import read_comments
from npstream.care.file import CareFile, read_care
from npstream.care.first_touch import first_touch
from npstream.care.risk import risk_settings
from npstream.care.sinks import open_sinks, outreach_sink, sink_tables
from npstream.findings import Finding, Status
from npstream.settings import Settings
from npstream.settings_sources import SettingsError

SUBJECT = "care file"


def care_findings(settings: Settings, environ: Mapping[str, str] = os.environ) -> list[Finding]:
    """One for the file; if it is right, another where `npstream notify` would not find a secret here."""
    try:
        care = read_care(settings.care_file)
        age = settings.alert_max_age_days
        cases_settings(care, age)
        read_comments(care)
        risk_settings(care, settings.windows_days, settings.headline_days, age)
        routes = len(alerts_settings(care).routes)
        messages = first_touch(care) is not None
        sinks = len(sink_tables(care))
        outreach_sink(care)
    except SettingsError as error:
        return [Finding(Status.FAILED, SUBJECT, str(error))]
    if care.path is None:
        return [Finding(Status.OK, SUBJECT, "none is set: cases are kept by the defaults, and nobody is alerted")]
    told = f"{care.path}: {_many(routes, 'route')}, {_many(sinks, 'sink')}, first messages {'on' if messages else 'off'}"
    return [Finding(Status.OK, SUBJECT, told), *_secrets(care, environ)]


def _secrets(care: CareFile, environ: Mapping[str, str]) -> list[Finding]:
    try:
        open_sinks(care, environ)
    except SettingsError as error:
        return [Finding(Status.WARNING, "sinks", str(error), "npstream notify needs it where it runs")]
    return []


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
