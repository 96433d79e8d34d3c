"""One partition of a lane: its deliveries under way, and what of them can be recorded.

What is read goes through these steps:
1. Read. What is for other sinks, and what is superseded, is passed over; what nobody can read is a dead letter.
2. Open the book, before the first delivery: nobody else records in this partition from now on, and what is recorded already is
   not delivered again.
3. Deliver. Several at once, those of an account in order.
4. Record. Whatever is done up to the first that is not, its outcomes and the offset after it, in one transaction. While it is
   being written others are delivered: so few are recorded together at low load, and many at high.
A crash between a sink's answer and the end of 4 repeats the delivery under the same id; a sink that knows ids sees it
once. A failed attempt is recorded as well, while its delivery goes on.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from npstream.notifying.book import Book, Entry
from npstream.notifying.delivering import Closing, Delivering, Progress
from npstream.notifying.metrics import NotifyMetrics
from npstream.notifying.orders import Order, Reading
from npstream.notifying.record import Attempt, dead_letter, delivery_record
from schemas.dead_letters import Unusable
from streams.processor import Record

MOST: Final = 500
"""Records that are held: more than are delivered while a transaction is written, and little memory."""
RECORD_S: Final = 2.0
"""At the end, how long the last outcomes may take to be written."""


@dataclass(slots=True)
class Item:
    """A record, from when it was read until it is recorded."""

    record: Record
    order: Order | None = None
    """None: passed over."""
    unusable: Unusable | None = None
    begun: bool = False
    ended: Attempt | None = None
    progress: Progress = field(default_factory=Progress)

    @property
    def done(self) -> bool:
        """Nothing is left to do but to record it."""
        return self.order is None or self.ended is not None

    def entries(self, sink: str) -> Iterator[Entry]:
        """What is to be written of it now; it is given once."""
        failed, self.progress.failed = self.progress.failed, []
        offset = self.record.offset
        if self.unusable is not None:
            yield Entry(offset, dead_letter(self.record, self.unusable))
        if self.order is not None:
            for attempt in [*failed, *([self.ended] if self.ended else [])]:
                yield Entry(offset, delivery_record(self.record, self.order, sink, attempt))
            if self.ended is not None and self.ended.outcome == "failed" and self.ended.cause is not None:
                yield Entry(offset, dead_letter(self.record, self.ended.cause))


class Partition:
    """What is read of one partition. `run` must run as long as records are added."""

    def __init__(self, delivering: Delivering, reading: Reading, book: Book, metrics: NotifyMetrics) -> None:
        self._delivering = delivering
        self._reading = reading
        self._book = book
        self._metrics = metrics
        self._sink = delivering.sink.name
        self._items: deque[Item] = deque()
        """From the first that is not recorded."""
        self._unopened: list[Item] = []
        """Orders that wait for the book to be opened."""
        self._open = False
        self._queues: dict[str, deque[Item]] = {}
        """Orders by account, the first under way."""
        self._chains: dict[str, asyncio.Task[None]] = {}
        """What delivers them."""
        self._refreshes: dict[str, Item] = {}
        """The last refresh of each thing, if it is one."""
        self._again: list[Item] = []
        """Those of which an attempt has failed since something was recorded."""
        self._news = asyncio.Event()
        self._ending = False
        self.passed = 0
        """Where to go on, if all that was read is recorded or passed over; 0 before."""
        self.kept = 0
        """What the group knows of that."""

    @property
    def is_full(self) -> bool:
        """No more is to be read for now."""
        return len(self._items) >= MOST

    @property
    def has_room(self) -> bool:
        """Reading may go on."""
        return len(self._items) <= MOST // 2

    @property
    def bookmark(self) -> int | None:
        """An offset that the group should know, though nothing is to be written: so far all was for other sinks."""
        return self.passed if not self._items and self.passed > max(self.kept, self._book.floor) else None

    def add(self, records: Sequence[Record]) -> None:
        """What was read next."""
        for record in records:
            # 1. Read.
            item = self._read(record)
            self._items.append(item)
            if item.order is not None:
                self._supersede(item.order, item)
                self._unopened.append(item)
                self._metrics.waits(self._sink, 1)
        self._news.set()

    async def run(self) -> None:
        """Until `close`. Raises UserError for what the broker refuses for good."""
        while True:
            await self._news.wait()
            self._news.clear()
            ending = self._ending
            if self._unopened and not ending:
                # 2. Open.
                if not self._open:
                    await self._book.open()
                    self._open = True
                self._forget_below(self._book.floor)
            for account in [account for account, chain in self._chains.items() if chain.done()]:
                chain = self._chains.pop(account)
                if not chain.cancelled():
                    chain.result()
            if not ending:
                self._launch()
            # 4. Record.
            await self._record()
            if ending:
                return

    async def close(self, running: "asyncio.Task[None]", grace_s: float) -> None:
        """Let what is under way end, for `grace_s` at most; record what is done; let go of everything. `running` runs `run`."""
        self._unopened.clear()
        chains = list(self._chains.items())
        for account, chain in chains:
            queue = self._queues.get(account, ())
            for item in queue:
                item.progress.closing = True
            if not (queue and queue[0].progress.attempting):
                chain.cancel()
        tasks = [chain for _, chain in chains]
        if tasks:
            await asyncio.wait(tasks, timeout=grace_s)
            for chain in tasks:
                chain.cancel()
            await asyncio.wait(tasks)
        self._ending = True
        self._news.set()
        await asyncio.wait({running}, timeout=RECORD_S)
        running.cancel()
        await asyncio.wait({running})
        self._metrics.waits(self._sink, -sum(1 for item in self._items if not item.done))
        await self._book.close()
        if not running.cancelled() and (error := running.exception()) is not None:
            raise error

    def _read(self, record: Record) -> Item:
        try:
            return Item(record, self._reading(record))
        except Unusable as unusable:
            return Item(record, unusable=unusable)

    def _supersede(self, order: Order, item: Item) -> None:
        """Of what is only told again, the last is enough."""
        before = self._refreshes.pop(order.dedup_key, None)
        if before is not None and not before.begun and before.order is not None:
            before.order = None
            self._metrics.ended(self._sink, "superseded")
            self._metrics.waits(self._sink, -1)
        if order.refresh:
            self._refreshes[order.dedup_key] = item

    def _forget_below(self, floor: int) -> None:
        """What is below the floor is recorded already."""
        for item in self._unopened:
            if item.record.offset < floor and item.order is not None:
                item.order = None
                self._metrics.waits(self._sink, -1)

    def _launch(self) -> None:
        # 3. Deliver.
        unopened, self._unopened = self._unopened, []
        for item in unopened:
            if item.order is None:
                continue
            account = item.order.account_id
            if account in self._queues:
                self._queues[account].append(item)
                continue
            self._queues[account] = deque([item])
            self._chains[account] = asyncio.create_task(self._chain(account))

    async def _chain(self, account: str) -> None:
        """The orders of an account, one after the other."""
        queue = self._queues[account]
        try:
            while queue:
                item = queue[0]
                item.begun = True
                if item.order is not None:
                    item.ended = await self._delivering.deliver(item.order, item.progress, partial(self._tried, item))
                    self._done(item.order, item)
                queue.popleft()
        except Closing:
            return
        finally:
            del self._queues[account]
            self._news.set()

    def _tried(self, item: Item) -> None:
        self._again.append(item)
        self._news.set()

    def _done(self, order: Order, item: Item) -> None:
        if self._refreshes.get(order.dedup_key) is item:
            del self._refreshes[order.dedup_key]
        self._metrics.waits(self._sink, -1)
        self._news.set()

    async def _record(self) -> None:
        done: list[Item] = []
        for item in self._items:
            if not item.done:
                break
            done.append(item)
        entries = [entry for item in done for entry in item.entries(self._sink)]
        again, self._again = self._again, []
        entries += [entry for item in again if not item.done for entry in item.entries(self._sink)]
        upto = done[-1].record.offset + 1 if done else max(self.passed, self._book.floor)
        if entries:
            await self._book.write(entries, upto)
            self._open = True
        for _ in done:
            self._items.popleft()
        self.passed = max(self.passed, upto)
