"""The settings as people read them: a table on the terminal, JSON, and the page docs/settings.md."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from npstream.settings import Settings
from npstream.settings_sources import PREFIX, Source, as_text, declared, default_of, type_name

MASK = "********"
"""Stands for a secret that is set: of the same length for all, so that it tells nothing."""

WIDE_COLUMNS = 100
"""From here on the help has a column of its own that is wide enough to read."""

PAGE_HEAD = """\
# Settings

Made from the table in `npstream/settings.py` by `npstream settings --markdown`; edit it there.

A setting is taken from the first of these that has it:

1. a flag: `--set NAME=VALUE` before the command (`npstream --set http_port=0 worker`), `--bootstrap` and `--config`, and
   flags of the commands;
2. the environment: `NPSTREAM_` and the name in capitals;
3. a TOML file of `name = value` lines: `--config FILE`, else the one that `NPSTREAM_CONFIG` names, else `npstream.toml` in the
   working folder;
4. the default.

An unknown name is refused, with the nearest one suggested, and so are settings that contradict each other. Only variables that
begin with `NPSTREAM_TEST_` are left to the test suite. `npstream settings` shows all values and where each came from.
"""


def groups() -> dict[str, list[str]]:
    """The settings' names by group, both in their order."""
    found: dict[str, list[str]] = {}
    for name, facts in declared(Settings).items():
        if facts.metadata["group"]:
            found[facts.metadata["group"]] = []
        list(found.values())[-1].append(name)
    return found


def shown(settings: Settings, name: str) -> str:
    """A setting's value as text, a secret masked."""
    value = getattr(settings, name)
    if declared(Settings)[name].metadata["secret"]:
        return MASK if value else ""
    return as_text(value)


def as_json(settings: Settings) -> dict[str, dict[str, Any]]:
    """Name to value, source and help, for programs; secrets masked."""
    result: dict[str, dict[str, Any]] = {}
    for name, facts in declared(Settings).items():
        secret = facts.metadata["secret"]
        value = shown(settings, name) or None if secret else getattr(settings, name)
        result[name] = {
            "value": list(value) if isinstance(value, tuple) else value,
            "source": settings.source_of(name).value,
            "help": facts.metadata["help"],
        }
    return result


def table(settings: Settings, columns: int) -> RenderableType:
    """All settings for a terminal of so many columns; what is not the default stands out. A narrow one has the help below."""
    return _wide(settings) if columns >= WIDE_COLUMNS else Group(*_narrow(settings))


def _wide(settings: Settings) -> Table:
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    grid.add_column("Setting", no_wrap=True)
    grid.add_column("Value", overflow="fold", max_width=24)
    grid.add_column("Source", no_wrap=True)
    grid.add_column("What it is for")
    for index, names in enumerate(groups().values()):
        if index:
            grid.add_section()
        for name in names:
            source = settings.source_of(name)
            help_text = declared(Settings)[name].metadata["help"]
            grid.add_row(name, shown(settings, name) or "-", source.value, help_text, style=_style(source))
    return grid


def _narrow(settings: Settings) -> Iterator[RenderableType]:
    for group, names in groups().items():
        yield Text(f"\n{group.capitalize()}", "bold underline")
        for name in names:
            source = settings.source_of(name)
            line = Text(f"{name} = {shown(settings, name) or '-'}", _style(source))
            yield line.append(f"  ({source.value})", "dim")
            yield Padding(Text(declared(Settings)[name].metadata["help"], "dim"), (0, 0, 0, 4))


def _style(source: Source) -> str:
    return "" if source is Source.DEFAULT else "bold"


def markdown() -> str:
    """The page docs/settings.md."""
    lines = [PAGE_HEAD]
    for group, names in groups().items():
        lines += [
            f"## {group.capitalize()}",
            "",
            "| setting | environment | type | default | what it is for |",
            "|---|---|---|---|---|",
        ]
        for name in names:
            facts = declared(Settings)[name]
            default = as_text(default_of(facts))
            allowed = ", ".join(f"`{choice}`" for choice in facts.metadata["choices"])
            limits = _limits(facts.metadata["least"], facts.metadata["most"])
            kind = f"{type_name(facts)}{f': {allowed}' if allowed else ''}{limits}"
            default_shown = f"`{default}`" if default else "empty"
            help_text = facts.metadata["help"] + (" (shown masked)" if facts.metadata["secret"] else "")
            lines.append(f"| `{name}` | `{PREFIX}{name.upper()}` | {kind} | {default_shown} | {help_text} |")
        lines.append("")
    return "\n".join(lines)


def _limits(least: float | None, most: float | None) -> str:
    if least is None:
        return ""
    return f", at least {least:g}" if most is None else f", {least:g} to {most:.15g}"
