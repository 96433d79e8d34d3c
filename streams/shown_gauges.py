"""Gauges that tasks show. A gauge is of one task: what tells of a partition must not stay when the partition goes to another
process, or whoever adds up would count it twice."""

from collections.abc import Mapping
from typing import Final

from prometheus_client import Gauge

from streams.phase import Phase
from streams.task_name import TaskName

AWAY: Final = (Phase.BROKEN, Phase.SUSPENDED, Phase.REFUSED, Phase.CLOSED)
"""Phases of a task that does not work on its partition: somebody else may."""

Name = tuple[str, ...]
"""A metric, and its labels."""


class UnknownFact(KeyError):
    """A processor counted or showed what nobody declared: the message names it."""


class ShownGauges:
    """What each task has shown last. While it is away that is hidden, and shown again if it goes on where it was: a processor
    need not say again what it has said."""

    def __init__(self, declared: Mapping[str, Gauge]) -> None:
        self._declared = declared
        self._of: dict[TaskName, dict[Name, float]] = {}

    def show(self, task: TaskName, values: Mapping[Name, float | None]) -> None:
        """Set gauges; None removes one. Raises UnknownFact."""
        shown = self._of.setdefault(task, {})
        for name, value in values.items():
            if name[0] not in self._declared:
                raise UnknownFact(f"gauge {name[0]} is not declared")
            if value is not None:
                shown[name] = value
                self._set(name, value)
            elif shown.pop(name, None) is not None:
                self._remove(name)

    def forget(self, task: TaskName) -> None:
        """Its state was restored: its processors say all of it again."""
        self._of.pop(task, None)

    def phase(self, task: TaskName, phase: Phase) -> None:
        """A task goes away, or goes on."""
        shown = self._of.get(task, {})
        if phase is Phase.RUNNING:
            for name, value in shown.items():
                self._set(name, value)
        elif phase in AWAY:
            for name in shown:
                self._remove(name)
            if phase is Phase.CLOSED:
                self.forget(task)

    def _set(self, name: Name, value: float) -> None:
        gauge = self._declared[name[0]]
        (gauge.labels(*name[1:]) if len(name) > 1 else gauge).set(value)

    def _remove(self, name: Name) -> None:
        gauge = self._declared[name[0]]
        if name[1:] in gauge._metrics:
            gauge.remove(*name[1:])
