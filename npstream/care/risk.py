"""The table `risk` of the care file: docs/risk.md."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from agents.risk_rules import KINDS, LONGEST_COOLDOWN_DAYS, MOST_ANSWERS, MOST_FACTOR, Counting, RiskSettings, recent_window
from npstream.care.file import CareFile
from schemas.alerts import RiskKind

Days = Annotated[int, Meta(ge=0, le=LONGEST_COOLDOWN_DAYS)]

_DEFAULTS: Final = RiskSettings()


class CooldownTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """risk.cooldown_days: of each kind how long the same is not raised again."""

    downgrade: Days = _DEFAULTS.cooldown_days["downgrade"]
    nps_fell: Days = _DEFAULTS.cooldown_days["nps_fell"]
    nps_below: Days = _DEFAULTS.cooldown_days["nps_below"]
    no_promoters: Days = _DEFAULTS.cooldown_days["no_promoters"]
    silence: Days = _DEFAULTS.cooldown_days["silence"]


class RiskTable(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What may be set; each means what it does in `agents.risk_rules.RiskSettings`."""

    kinds: tuple[RiskKind, ...] = KINDS
    counting: Counting = _DEFAULTS.counting
    threshold: Annotated[float, Meta(ge=-100, le=100)] = _DEFAULTS.threshold
    min_responses: Annotated[int, Meta(ge=1)] = _DEFAULTS.min_responses
    silence_responses: Annotated[int, Meta(ge=2, le=MOST_ANSWERS)] = _DEFAULTS.silence_responses
    silence_factor: Annotated[float, Meta(ge=1, le=MOST_FACTOR)] = _DEFAULTS.silence_factor
    silence_min_days: Days = _DEFAULTS.silence_min_days
    cooldown_days: CooldownTable = CooldownTable()


def risk_settings(
    care: CareFile, windows_days: Sequence[int], headline_days: int, alert_max_age_days: int | None
) -> RiskSettings:
    """What the agent `risk` decides by: the care file's table, and the settings that it shares with scoring. Raises
    SettingsError."""
    table = care.table("risk", RiskTable)
    twice = next((kind for kind in table.kinds if table.kinds.count(kind) > 1), None)
    if twice is not None:
        raise care.wrong("risk.kinds", f"{twice} is named twice")
    cooldown_days: dict[RiskKind, Any] = {kind: getattr(table.cooldown_days, kind) for kind in KINDS}
    return RiskSettings(
        kinds=frozenset(table.kinds),
        counting=table.counting,
        headline_days=headline_days,
        recent_days=recent_window(windows_days, headline_days, alert_max_age_days),
        threshold=table.threshold,
        min_responses=table.min_responses,
        silence_responses=table.silence_responses,
        silence_factor=table.silence_factor,
        silence_min_days=table.silence_min_days,
        alert_max_age_days=alert_max_age_days,
        cooldown_days=cooldown_days,
    )
