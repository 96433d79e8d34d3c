"""Draws results: how fast, for how much processor time, in how much memory. Ratios, since only they can be compared."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib

matplotlib.use("Agg")  # no screen is needed
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from bench.results import FAUST, KSTREAMS, Results, Spread, cpu_s_per_million, peak_rss_mb, rate

INK, PALE_INK, GRID = "#1f2933", "#616e7c", "#e4e7eb"
OURS, JVM, PYTHON, LIMIT = "#1769aa", "#d97706", "#6b9e3f", "#9aa5b1"
"""A colour for each family."""
FAMILIES = {
    KSTREAMS: JVM,
    f"{KSTREAMS}-rocksdb": JVM,
    "aiokafka": PYTHON,
    "quix": PYTHON,
    "bytewax": PYTHON,
    FAUST: PYTHON,
    "limit": LIMIT,
}
"""Of lines that are not npstream's."""
LEGEND = (
    ("npstream, exactly once", OURS),
    ("on the JVM, at least once", JVM),
    ("in Python, at least once", PYTHON),
    ("the limit: nothing but reading and decoding", LIMIT),
)
WIDTH_IN, ROW_IN, MARGIN_IN = 13.0, 0.4, 2.0
DPI = 150
HEADROOM = 1.5
"""Times the longest bar: room for its label."""


class Panel(NamedTuple):
    """One figure of every line."""

    title: str
    figure: Callable[[str], Spread | None]
    label: Callable[[str, float], str]
    """What to write beside the median of a line."""
    logarithmic: bool = False
    """Then there are dots: the length of a bar would say nothing."""


def draw(results: Results, file: Path) -> None:
    """Write a PNG. Lines that were measured with the highest rate first."""
    names = sorted(results.lines(), key=lambda name: -_median(results.spread(name, rate)))
    height = MARGIN_IN + ROW_IN * len(names)
    figure = Figure(figsize=(WIDTH_IN, height), facecolor="white")
    panels = _panels(results)
    grid = figure.subplots(1, len(panels), sharey=True, gridspec_kw={"width_ratios": [1.35, 1, 1]})
    figure.subplots_adjust(left=0.25, right=0.985, top=1 - 1.2 / height, bottom=0.72 / height, wspace=0.06)
    for axes, panel in zip(grid, panels, strict=True):
        _panel(axes, panel, names)
    if KSTREAMS in results.baselines():
        grid[0].axvline(1, color=JVM, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
    grid[0].set_yticks(range(len(names)), [results.titles[name] for name in names], fontsize=10.5, color=INK)
    grid[0].invert_yaxis()
    figure.text(0.012, 1 - 0.32 / height, message(results), fontsize=15, fontweight="bold", color=INK, va="center")
    _legend(figure, 1 - 0.66 / height)
    figure.text(0.012, 0.2 / height, _foot(results), fontsize=8, color=PALE_INK, va="center")
    figure.savefig(file, dpi=DPI)


def _panels(results: Results) -> Sequence[Panel]:
    speed = Panel("responses/s", lambda name: results.spread(name, rate), lambda _, value: f"{value:,.0f}")
    if KSTREAMS in results.baselines():
        speed = Panel(
            f"responses/s, {results.titles[KSTREAMS]} = 1",
            lambda name: results.ratio(name, KSTREAMS, rate),
            lambda name, value: f"{value:.2f}   {_median(results.spread(name, rate)):,.0f}/s",
        )
    return (
        speed,
        Panel("CPU s a million responses, logarithmic", lambda name: results.spread(name, cpu_s_per_million), _number, True),
        Panel("peak memory, MB", lambda name: results.spread(name, peak_rss_mb), _number),
    )


def _panel(axes: Axes, panel: Panel, names: Sequence[str]) -> None:
    axes.set_title(panel.title, fontsize=10.5, color=INK, loc="left", pad=6)
    spreads = {row: spread for row, name in enumerate(names) if (spread := panel.figure(name)) is not None}
    least, most = min(s.least for s in spreads.values()), max(s.most for s in spreads.values())
    if panel.logarithmic:
        axes.set_xscale("log")
        axes.minorticks_off()
        axes.set_xlim(least / 1.6, most * (most / least) ** 0.3)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_xlim(0, most * HEADROOM)
    for row, spread in spreads.items():
        colour = FAMILIES.get(names[row], OURS)
        if panel.logarithmic:
            axes.plot(spread.median, row, "o", markersize=9, color=colour, zorder=3)
            axes.plot([spread.least, spread.most], [row, row], color=colour, linewidth=2.5, zorder=2)
        else:
            axes.barh(row, spread.median, height=0.62, color=colour, zorder=2)
            axes.plot([spread.least, spread.most], [row, row], color=INK, linewidth=1.1, zorder=3)
        axes.annotate(
            panel.label(names[row], spread.median), (spread.most, row),
            xytext=(8, 0), textcoords="offset points", va="center", fontsize=9.5, color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )  # fmt: skip
    axes.grid(axis="x", color=GRID, zorder=0)
    axes.tick_params(length=0, labelsize=8.5, colors=PALE_INK)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)


def _legend(figure: Figure, y: float) -> None:
    x = 0.014
    for title, colour in LEGEND:
        figure.text(x, y, "■", fontsize=11, color=colour, va="center")
        figure.text(x + 0.014, y, title, fontsize=9.5, color=INK, va="center")
        x += 0.036 + 0.0055 * len(title)


def message(results: Results) -> str:
    """What the picture says, for the first of npstream's lines."""
    ours = next((name for name in results.lines() if name not in FAMILIES), None)
    if ours is None:
        return "Beside each other"
    parts = [
        f"{ratio.median:.1f} times {results.titles[baseline]}"
        for baseline in results.baselines()
        if (ratio := results.ratio(ours, baseline, rate)) is not None
    ]
    return f"{results.titles[ours]}: {' and '.join(parts)}, and exactly once" if parts else results.titles[ours]


def _foot(results: Results) -> str:
    about = results.machine
    shown = [about[name] for name in ("Processor", "Memory", "Kafka", "Taken") if name in about]
    shown.append(f"commit {about.get('Commit', 'unknown')}")
    return f"Median of the rounds ({len(results.rounds)}), lines from least to most. " + "; ".join(shown)


def _number(_: str, value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}"


def _median(spread: Spread | None) -> float:
    return 0.0 if spread is None else spread.median
