"""Sends tables that have changed: rollups of accounts, and cells of segments."""

from collections.abc import Sequence

from agents.cells import Respondents, write_key, write_respondents, write_responses
from agents.ledger import RESPONDENTS, Ledger
from agents.rollup import windows_json
from agents.windows import Table
from schemas import topics
from schemas.codec import dumps
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
        for account_id, number in sorted(ledger.changed_accounts.items(), key=lambda change: change[1]):
            name = account_id.encode()
            self.account(account_id, name, ledger.accounts.used(name), batch[number].timestamp)
        cells = sorted((number, segment, day == RESPONDENTS, day) for (segment, day), number in ledger.changed_cells.items())
        for number, segment, is_respondents, day in cells:  # days first: rollups then never see respondents without responses
            table = ledger.segments.used(segment.encode())
            if is_respondents:
                self.respondents(segment, table, batch[number].timestamp)
            else:
                value = write_responses(table.of_day(ledger.state, day))
                self._send_cell(segment, day, value, batch[number].timestamp)
        for segment in {segment: None for _, segment, _, _ in cells}:
            ledger.segments.used(segment.encode()).save(ledger.state)

    def account(self, account_id: str, name: bytes, table: Table, timestamp: int) -> None:
        """Send an account's rollup, a tombstone if it is empty, and write its table to the state."""
        if not table.empty:
            value = b'{"account_id":%b,"as_of":"%b","windows":%b}' % (
                dumps(account_id),
                format_day(table.as_of).encode(),
                windows_json(self._ledger.spans, table.sums),
            )
            table.published = True
            self._outbox.send(topics.ACCOUNT_ROLLUPS, name, value, timestamp)
        elif table.published:
            table.published = False
            self._outbox.send(topics.ACCOUNT_ROLLUPS, name, None, timestamp)
        table.save(self._ledger.state)

    def respondents(self, segment: str, table: Table, timestamp: int) -> None:
        """Send the cell of a segment's respondents, a tombstone if there are none."""
        spans = self._ledger.spans
        now = table.sums[spans.kind :]
        if any(now) or any(table.eve):
            table.published = True
            self._send_cell(segment, None, write_respondents(spans, Respondents(table.as_of, now, table.eve)), timestamp)
        elif table.published:
            table.published = False
            self._send_cell(segment, None, None, timestamp)

    def _send_cell(self, segment: str, day: int | None, value: bytes | None, timestamp: int) -> None:
        state = self._ledger.state
        key = write_key(state.partition, state.incarnation, segment, day)
        self._outbox.send(topics.CELLS, key, value, timestamp, route=segment.encode())
