"""The protocol, broken on purpose: one rule of it at a time, by a patch of the code that runs. Nothing else differs."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import pytest

from streams import opening
from streams.broker import Broker, Ends, Written
from streams.changelog import POSITION
from streams.checking import OpeningRules
from streams.disk import advanced
from streams.draft import Draft, Kept
from streams.execution import Batch, Execution
from streams.opening import Suspended
from streams.outbox import RecordBatch, TransactionalWriter
from streams.phase import Phase
from streams.processor import Processor, Record
from streams.task import Task
from streams.task_name import TaskName
from tests.model.broker import ModelBroker
from tests.model.clock import EPOCH_MS
from tests.model.disk import ModelTaskDisk


def skip_fencing(patch: pytest.MonkeyPatch) -> None:
    """Opens a task without taking over its transactional id."""
    patch.setattr(ModelBroker, "_epoch", lambda self, transactional_id: self.cluster.epoch(transactional_id))


class PositionsApart(TransactionalWriter):
    """Commits positions in a transaction of their own."""

    def draft(self) -> Draft:  # type: ignore[override]
        return Kept()

    async def write(self, draft: Draft) -> Written:
        assert isinstance(draft, Kept)
        first, positions = super().draft(), super().draft()
        for event in draft.events:
            first.send(*event)
        for key, value in draft.changes:
            (positions if key.startswith(POSITION) else first).change(key, value)
        written = await super().write(first)
        return written if positions.empty else await super().write(positions)


def position_outside_the_transaction(patch: pytest.MonkeyPatch) -> None:
    """Commits positions in a transaction of their own, after the outputs and the state."""
    patch.setattr(ModelBroker, "transactional_writer", PositionsApart)


class CommitsInSpiteOfFailures(TransactionalWriter):
    """Waits for no produce, as aiokafka's commit does not."""

    async def _produce(self, batches: Iterable[RecordBatch]) -> int | None:
        for batch in batches:
            (await batch.send()).exception()
        return None


def commit_after_a_failed_produce(patch: pytest.MonkeyPatch) -> None:
    """Commits whatever became of the produces."""
    patch.setattr(ModelBroker, "transactional_writer", CommitsInSpiteOfFailures)


def restore_without_the_stable_end(patch: pytest.MonkeyPatch) -> None:
    """Restores up to the last stable offset, and does not wait until that is the end."""

    async def unsettled(name: TaskName, broker: Broker, rules: OpeningRules) -> Ends:
        start, stable, _ = await broker.ends(name.changelog, name.partition)
        return Ends(start, stable, stable)

    patch.setattr(opening, "_settle", unsettled)


def position_that_goes_back(patch: pytest.MonkeyPatch) -> None:
    """Takes records below the position for new ones."""

    def all_of_them(self: Execution, processor: Processor, records: Sequence[Record], of_one_topic: bool) -> Sequence[Record]:
        return records

    patch.setattr(Execution, "_fresh", all_of_them)


def batch_of_an_earlier_epoch(patch: pytest.MonkeyPatch) -> None:
    """Takes in what was fetched before the last opening."""
    accept = Task.accept

    def any_epoch(self: Task, epoch: int, records: Sequence[Record]) -> None:
        accept(self, self._epoch, records)

    patch.setattr(Task, "accept", any_epoch)


class _AnyEnd(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


def suspended_state_although_somebody_wrote(patch: pytest.MonkeyPatch) -> None:
    """Takes a suspended state, or what a disk has of it, to be right, wherever the changelog ends now."""
    keep, bring_up = Task._keep, opening.bring_up

    async def bring_up_nothing(*args: Any) -> tuple[dict[bytes, bytes], int]:
        copy = next(arg for arg in args if isinstance(arg, ModelTaskDisk))
        return (await bring_up(*args)) if copy.checkpoint is None else (dict(copy.checkpoint.progress), 0)

    def keep_for_ever(self: Task) -> None:
        if self._changelog_end is not None:
            self._changelog_end = _AnyEnd(self._changelog_end)
        keep(self)

    patch.setattr(Task, "_keep", keep_for_ever)
    patch.setattr(opening, "bring_up", bring_up_nothing)


def memory_trusted_after_a_failure(patch: pytest.MonkeyPatch) -> None:
    """Takes a failed batch to be not written, and opens again with the state in memory."""
    drop = Task._drop

    def drop_and_keep(self: Task, phase: Phase | None) -> None:
        execution, meta = self._execution, self._meta
        drop(self, phase)
        if execution is not None and meta is not None:
            execution.abandon()
            self._suspended = Suspended(execution, meta, _AnyEnd())

    patch.setattr(Task, "_drop", drop_and_keep)


def copy_before_the_commit(patch: pytest.MonkeyPatch) -> None:
    """Lets the disk have a batch before it is committed."""
    write = Task._write

    async def disk_first(self: Task, batch: Batch, began: float, waited: float) -> None:
        execution = self._running
        disk = execution._disk
        if disk is not None and disk.checkpoint is not None and not batch.empty:
            for state in execution._states.values():
                state._store.apply(state._staged)
            disk.advance(advanced(disk.checkpoint, None, EPOCH_MS, dict(execution._progress(batch))))
        await write(self, batch, began, waited)

    patch.setattr(Task, "_write", disk_first)


DISK_BUGS: Final = (copy_before_the_commit, suspended_state_although_somebody_wrote)
"""What is broken where state lies on disk."""

BUGS: Final[dict[str, Callable[[pytest.MonkeyPatch], None]]] = {
    plant.__name__.replace("_", "-"): plant
    for plant in (
        skip_fencing,
        position_outside_the_transaction,
        commit_after_a_failed_produce,
        restore_without_the_stable_end,
        position_that_goes_back,
        batch_of_an_earlier_epoch,
        suspended_state_although_somebody_wrote,
        memory_trusted_after_a_failure,
    )
}
"""By name: what breaks the protocol when it is called."""
