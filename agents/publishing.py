"""Sends tables that have changed: rollups of accounts, and cells of segments."""

from collections.abc import Sequence
from operator import itemgetter

from agents.accounts import Account
from agents.cells import Respondents, write_key, write_respondents, write_responses
from agents.ledger import Ledger
from agents.rollup import windows_json
from agents.windows import FOREVER, Table
from schemas import topics
from schemas.times import format_day
from streams.processor import Outbox, Record


class Publishing:
    """Writes a ledger's changed tables to the state, and sends them."""

    def __init__(self, ledger: Ledger, outbox: Outbox) -> None:
        self._ledger = ledger
        self._outbox = outbox

    def changes(self, batch: Sequence[Record]) -> None:
        """All that the records of a batch have changed: each table once, in the order of the last changes, as of then."""
        ledger = self._ledger
        ledger.settle()
        for account, number in sorted(ledger.changed_accounts.items(), key=itemgetter(1)):
            self.account(account, batch[number].timestamp)
        # Days before respondents, so that rollups never see respondents of a segment that has no responses yet.
        days = [(number, segment, day) for (segment, day), number in ledger.changed_days.items()]
        segments = [(number, segment, FOREVER) for segment, number in ledger.changed_segments.items()]
        for number, segment, day in sorted(days + segments):
            table = ledger.segments.used(segment)
            if day == FOREVER:
                self.segment(segment, table, batch[number].timestamp)
            else:
                value = write_responses(table.of_day(ledger.state, day))
                self._send_cell(segment, day, value, batch[number].timestamp)

    def account(self, account: Account, timestamp: int) -> None:
        """Send an account's rollup, a tombstone if there is nothing to show, and write its table to the state."""
        table = self._ledger.accounts.table(account, 0)
        if table.shows:
            as_of, windows = format_day(table.as_of).encode(), windows_json(self._ledger.spans, table.sums)
            value = b'{"account_id":%b,"as_of":"%b","windows":%b}' % (account.json, as_of, windows)
            table.published = True
            self._outbox.send(topics.ACCOUNT_ROLLUPS, account.name, value, timestamp)
        elif table.published:
            table.published = False
            self._outbox.send(topics.ACCOUNT_ROLLUPS, account.name, None, timestamp)
        table.save(self._ledger.state)

    def segment(self, segment: str, table: Table, timestamp: int) -> None:
        """Send the cell of a segment's respondents, a tombstone if there are none, and write its table to the state."""
        spans = self._ledger.spans
        now = table.sums[spans.kind :]
        if any(now) or any(table.eve):
            table.published = True
            self._send_cell(segment, None, write_respondents(spans, Respondents(table.as_of, now, table.eve)), timestamp)
        elif table.published:
            table.published = False
            self._send_cell(segment, None, None, timestamp)
        table.save(self._ledger.state)

    def _send_cell(self, segment: str, day: int | None, value: bytes | None, timestamp: int) -> None:
        state = self._ledger.state
        key = write_key(state.partition, state.incarnation, segment, day)
        self._outbox.send(topics.CELLS, key, value, timestamp, route=segment.encode())
