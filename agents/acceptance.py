"""What follows when a record is accepted: where its response counts from now on, and which events tell of it.

The rules for events:

- A new present response is a category change if its respondent had a present one of another category, and a detractor or
  promoter event by its own. An anonymous response is always a present one.
- A late response, older than its respondent's present one, and one beyond the history are reported as scored, no more.
- A correction or retraction is a category change of each respondent whose present category differs from before.
- A detractor event stands until it is withdrawn. A correction that leaves the response no detractor, or beyond the history,
  withdraws it, as a retraction does. One that changes severity or comment brings another event while the first one stands;
  while none stands, a correction into a present detractor response brings one.
"""

from typing import Any, NamedTuple

from agents.announcements import Announcements
from agents.categories import CATEGORIES, CATEGORY_OF, DETRACTOR, PROMOTER, SEVERITY_OF
from agents.history import Entry, History
from agents.ledger import Account, Ledger
from agents.responses import Said
from agents.versions import Known
from schemas.times import format_day, format_time
from streams.processor import Outbox, Record


class Accepted(NamedTuple):
    """A record that changes what is known of a response."""

    record: Record
    said: Said
    digest: bytes
    """The hash of its content."""
    source: str
    """The metric label of its source."""


class Acceptance:
    """Counts one accepted record and sends its events."""

    __slots__ = ("_accepted", "_account", "_ledger", "_outbox")

    def __init__(self, ledger: Ledger, outbox: Outbox, account: Account, accepted: Accepted) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._account = account
        self._accepted = accepted

    def mark(self, after: Known) -> None:
        """A retraction of what was not there, or is beyond the history: nothing to take out, but it is remembered."""
        said = self._accepted.said
        self._outbox.count("retractions")
        self._announce(said.version).scored(said.body, None, None, "retraction", format_day(self._ledger.day))
        self._ledger.remember(self._account, said.response_id, after)

    def arrive(self, after: Known) -> None:
        """A response that was not there before, or only beyond the history."""
        after.standing = False
        ledger, outbox, account = self._ledger, self._outbox, self._account
        _, said, _, source = self._accepted
        history = ledger.history(account, after.respondent_id) if after.respondent_id is not None else None
        present = history.present if history is not None else None
        category = CATEGORY_OF[after.score]
        entry = Entry(after.responded_at, said.response_id, after.score)
        if not ledger.counts(after):
            change = "expired"
            outbox.count("expired")
        else:
            ledger.put(account, said.response_id, after, history)
            outbox.count("responses", CATEGORIES[category], source)
            change = "new"
            if present is not None and entry < present:
                change = "late"
                outbox.count("late")
        if history is not None:
            history.save()
        events = self._announce(after.responded_at)
        previous = present.score if present is not None else None
        events.scored(self._body(after), after, previous, change, format_day(ledger.day))
        if change == "new":
            if present is not None and CATEGORY_OF[present.score] != category:
                events.category_change(after.respondent_id or "", present, entry, "response", after)
            if category == DETRACTOR:
                self._tell(events, after, history)
            elif category == PROMOTER:
                row = history.row(entry) if history is not None else 1
                first = history is not None and row == 1 and not history.promoter_before(entry)
                events.promoter(after, said.comment, row, first, ledger.account_nps(account))
        ledger.remember(account, said.response_id, after)

    def amend(self, before: Known, after: Known) -> None:
        """A response that was there is corrected or taken back."""
        ledger, outbox, account = self._ledger, self._outbox, self._account
        response_id = self._accepted.said.response_id
        counts = ledger.counts(after)
        respondents = {
            respondent: ledger.history(account, respondent)
            for respondent in dict.fromkeys((before.respondent_id, after.respondent_id))
            if respondent is not None
        }
        presents = {respondent: history.present for respondent, history in respondents.items()}
        was_present = _is_present(respondents, before, response_id)
        ledger.take(account, response_id, before, _of(respondents, before))
        if counts:
            ledger.put(account, response_id, after, _of(respondents, after))
        for history in respondents.values():
            history.save()

        change = "retraction" if not after.live else "correction" if counts else "expired"
        outbox.count({"retraction": "retractions", "correction": "corrections", "expired": "expired"}[change])
        told = after if after.live else before
        events = self._announce(self._accepted.said.version)
        body = self._body(told)
        if not after.live:
            body |= self._accepted.said.body
        events.scored(body, told, before.score, change, format_day(ledger.day))
        for respondent, history in respondents.items():
            was, now = presents[respondent], history.present
            if was is not None and (now is None or CATEGORY_OF[now.score] != CATEGORY_OF[was.score]):
                cause = "correction" if after.live else "retraction"
                events.category_change(respondent, was, now, cause, told)

        is_detractor = counts and CATEGORY_OF[after.score] == DETRACTOR
        if before.standing and not is_detractor:
            self._withdraw(events, before, after, _of(respondents, before))
        elif is_detractor:
            differs = (
                CATEGORY_OF[before.score] != DETRACTOR
                or SEVERITY_OF[before.score] != SEVERITY_OF[after.score]
                or before.comment != after.comment
            )
            appears = not before.standing and _is_present(respondents, after, response_id) and (differs or not was_present)
            if appears or (before.standing and differs):
                self._tell(events, after, _of(respondents, after))
        ledger.remember(account, response_id, after)

    def _tell(self, events: Announcements, of: Known, history: History | None) -> None:
        """Send a detractor event."""
        said = self._accepted.said
        entry = Entry(of.responded_at, said.response_id, of.score)
        row = history.row(entry) if history is not None else 1
        events.detractor(of, self._comment(of), row, self._ledger.account_nps(self._account))
        of.events += 1
        of.standing = True

    def _withdraw(self, events: Announcements, before: Known, after: Known, history: History | None) -> None:
        """Send that a detractor event no longer holds: as it was told last, with what is left of the row."""
        row = 0
        if history is not None and history.present is not None and CATEGORY_OF[history.present.score] == DETRACTOR:
            row = history.row(history.present)
        events.detractor(before, "", row, self._ledger.account_nps(self._account), withdrawn=True)
        after.events += 1
        after.standing = False

    def _announce(self, happened: int) -> Announcements:
        record, said, digest, _ = self._accepted
        account = self._account
        return Announcements(self._outbox, record, said.account_id, account.name, said.response_id, digest, happened)

    def _is_content(self, known: Known) -> bool:
        """Whether the record decides the content, or only the segments."""
        said = self._accepted.said
        return known.live == said.live and known.version == said.version and self._accepted.digest.startswith(known.stamp)

    def _comment(self, known: Known) -> str:
        return self._accepted.said.comment if self._is_content(known) else ""

    def _body(self, known: Known) -> dict[str, Any]:
        """The fields of the response that an event tells of: as the record says, or as far as they are known."""
        said = self._accepted.said
        if self._is_content(known):
            return said.body
        body: dict[str, Any] = {
            "response_id": said.response_id,
            "account_id": said.account_id,
            "score": known.score,
            "responded_at": format_time(known.responded_at),
        }
        if known.respondent_id is not None:
            body["respondent_id"] = known.respondent_id
        return body


def _of(respondents: dict[str, History], known: Known) -> History | None:
    return None if known.respondent_id is None else respondents[known.respondent_id]


def _is_present(respondents: dict[str, History], known: Known, response_id: str) -> bool:
    history = _of(respondents, known)
    return history is None or (history.present is not None and history.present.response_id == response_id)
