"""How a command gets at its settings, and runs: settings are read when a command asks for them, so help needs none."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from npstream.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Invocation:
    """What stood before the command on the command line."""

    flags: dict[str, Any] = field(default_factory=dict)
    config: Path | None = None

    @functools.cached_property
    def settings(self) -> Settings:
        """The settings of this process. Raises SettingsError."""
        return Settings.load(self.flags, file=self.config)


def pass_settings(function: Callable[Concatenate[Settings, P], R]) -> Callable[P, R]:
    """Give a command the settings as its first argument; they are loaded before its body runs."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        invocation = click.get_current_context().ensure_object(Invocation)
        return function(invocation.settings, *args, **kwargs)

    return run


def run_async(settings: Settings, main: Coroutine[Any, Any, R]) -> R:
    """Run to the end, on uvloop if the settings say so and it is installed."""
    with asyncio.Runner(loop_factory=_loop_factory(settings)) as runner:
        return runner.run(main)


def _loop_factory(settings: Settings) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not settings.uvloop:
        return None
    try:
        import uvloop
    except ModuleNotFoundError:  # it is not for Windows; everything works without
        return None
    return uvloop.new_event_loop
