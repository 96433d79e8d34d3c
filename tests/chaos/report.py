"""Verdicts as tables, for a terminal and for docs/reliability.md. No I/O in here."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.chaos.schedule import Fault

Verdict = Mapping[str, Any]
"""As `tests.chaos.run.Verdict.as_json` gives it."""

SHOWN: Final = 200
"""Characters of what is wrong in a line of a table."""


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that is not below this share of the values (nearest rank); nan of none."""
    if not values:
        return math.nan
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def line(verdict: Verdict) -> str:
    """One run, for who waits for the next."""
    wrong = verdict["wrong"]
    outcome = "as demanded" if not wrong else f"WRONG: {wrong[0][:SHOWN]}"
    return (
        f"seed {verdict['seed']:>3}: {sum(verdict['faults'].values()):>2} faults, {verdict['records']:>7,} records, "
        f"{sum(verdict['compared'].values()):>7,} compared, {verdict['seconds']:>4.0f} s, load {verdict['load']:.1f}: {outcome}"
    )


def markdown(verdicts: Sequence[Verdict]) -> str:
    """All runs, in tables."""
    return "\n".join([*_runs(verdicts), "", *_faults(verdicts), "", *_recoveries(verdicts)]) + "\n"


def _runs(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "| seed | faults | records sent | records and rows compared | differences, or anything else that is wrong | load |"
    yield "|---:|---:|---:|---:|---:|---:|"
    for one in verdicts:
        compared = sum(one["compared"].values())
        yield (
            f"| {one['seed']} | {sum(one['faults'].values())} | {one['records']:,} | {compared:,} "
            f"| {len(one['wrong'])} | {one['load']:.1f} |"
        )
    yield (
        f"| **all** | **{sum(sum(one['faults'].values()) for one in verdicts):,}** "
        f"| **{sum(one['records'] for one in verdicts):,}** "
        f"| **{sum(sum(one['compared'].values()) for one in verdicts):,}** "
        f"| **{sum(len(one['wrong']) for one in verdicts)}** | |"
    )


def _faults(verdicts: Sequence[Verdict]) -> Iterator[str]:
    times: Counter[str] = Counter()
    for one in verdicts:
        times.update(one["faults"])
    yield "| fault | times |"
    yield "|---|---:|"
    for fault in Fault:
        yield f"| {fault.value} | {times[fault.name]} |"
    yield f"| a partition added to a topic, after each run | {len(verdicts)} |"


def _recoveries(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Of the kills with nothing else going wrong meanwhile."""
    found = [recovery for one in verdicts for recovery in one["recoveries"]]
    whole = [one["processed_s"] for one in found if one["processed_s"] is not None]
    groups = [one["assigned_s"] for one in found if one["processed_s"] is not None]
    own = [everything - group for everything, group in zip(whole, groups, strict=True)]
    yield f"| after kill -9 of a worker, {len(whole)} of {len(found)} | p50 | p99 | longest |"
    yield "|---|---:|---:|---:|"
    rows = {
        "until all its partitions are processed again, s": whole,
        "of this the group's: session time-out and rebalance, s": groups,
        "and ours: fence, settle, restore, check, claim, first batch, s": own,
    }
    for name, values in rows.items():
        yield f"| {name} | {quantile(values, 0.5):.1f} | {quantile(values, 0.99):.1f} | {max(values, default=math.nan):.1f} |"
