"""What follows when a record is accepted: where its response counts from now on, and which events tell of it.

The rules for events:

- A new present response is a category change if its respondent had a present one of another category, and a detractor or
  promoter event by its own. An anonymous response is always a present one.
- A late response, older than its respondent's present one, and one beyond the history are reported as scored, no more.
- A correction or retraction is a category change of each respondent whose present category differs from before.
- A detractor event stands until it is withdrawn, also when a later response of its respondent has come. A retraction of a
  detractor response withdraws it if it is the present one or an event stands, as does a correction into none, or beyond the
  history. A correction of severity or comment brings another event while the first one stands. While none stands, a
  correction into a present detractor response brings one.
"""

from typing import Any

from agents.announcements import Announcements
from agents.categories import CATEGORIES, CATEGORY_OF, DETRACTOR, PROMOTER, SEVERITY_OF
from agents.history import Entry, History
from agents.ledger import Account, Ledger
from agents.responses import Said, text_of
from agents.versions import Known
from schemas.times import format_day
from streams.processor import Outbox, Record


class Acceptance:
    """Counts accepted records of a batch, one after the other, and sends their events."""

    __slots__ = ("_account", "_digest", "_events", "_ledger", "_outbox", "_record", "_said", "_source")

    def __init__(self, ledger: Ledger, outbox: Outbox) -> None:
        self._ledger = ledger
        self._outbox = outbox
        self._events = Announcements(outbox)

    def begin(self, record: Record, account: Account, said: Said, digest: bytes, source: str) -> None:
        """Go on to a record; `digest` is the hash of its content, `source` the metric label of its source."""
        self._record = record
        self._account = account
        self._said = said
        self._digest = digest
        self._source = source

    def mark(self, after: Known) -> None:
        """A retraction of what was not there, or is beyond the history: nothing to take out, but it is remembered."""
        said = self._said
        self._outbox.count("retractions")
        self._announce(text_of(said.version)).scored(said.body, None, None, "retraction", format_day(self._ledger.day))
        self._ledger.remember(self._account, said.response_id, after)

    def arrive(self, after: Known) -> None:
        """A response that was not there before, or only beyond the history."""
        after.standing = False
        ledger, outbox, account = self._ledger, self._outbox, self._account
        said = self._said
        history = ledger.history(account, after.respondent_id) if after.respondent_id is not None else None
        present = history.present if history is not None else None
        category = CATEGORY_OF[after.score]
        entry = Entry(after.responded_at, said.response_id, after.score)
        if not ledger.counts(after):
            change = "expired"
            outbox.count("expired")
            said.body = self._body(after)
        else:
            ledger.put(account, said.response_id, after, history)
            outbox.count("responses", CATEGORIES[category], self._source)
            change = "new"
            if present is not None and entry < present:
                change = "late"
                outbox.count("late")
        if history is not None:
            history.save()
        events = self._announce(text_of(after.responded_at))
        previous = present.score if present is not None else None
        events.scored(said.body, after, previous, change, format_day(ledger.day))
        if change == "new":
            if present is not None and CATEGORY_OF[present.score] != category:
                events.category_change(after.respondent_id or "", present, entry, "response", after)
            if category == DETRACTOR:
                self._tell(events, after, history, said.comment)
            elif category == PROMOTER:
                row = history.row(entry) if history is not None else 1
                first = history is not None and row == 1 and not history.promoter_before(entry)
                events.promoter(after, said.comment, row, first, ledger.account_nps(account))
        ledger.remember(account, said.response_id, after)

    def amend(self, before: Known, after: Known) -> None:
        """A response that was there is corrected or taken back."""
        ledger, outbox, account = self._ledger, self._outbox, self._account
        response_id = self._said.response_id
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
        events = self._announce(text_of(self._said.version))
        body = self._body(told)
        if not after.live:
            body |= self._said.body
        events.scored(body, told, before.score, change, format_day(ledger.day))
        for respondent, history in respondents.items():
            was, now = presents[respondent], history.present
            if was is not None and (now is None or CATEGORY_OF[now.score] != CATEGORY_OF[was.score]):
                cause = "correction" if after.live else "retraction"
                events.category_change(respondent, was, now, cause, told)

        is_detractor = counts and CATEGORY_OF[after.score] == DETRACTOR
        if CATEGORY_OF[before.score] == DETRACTOR and not is_detractor and (was_present or before.standing):
            self._withdraw(events, before, after, _of(respondents, before))
        elif is_detractor:
            differs = (
                CATEGORY_OF[before.score] != DETRACTOR
                or SEVERITY_OF[before.score] != SEVERITY_OF[after.score]
                or before.comment != after.comment
            )
            appears = not before.standing and _is_present(respondents, after, response_id) and (differs or not was_present)
            if appears or (before.standing and differs):
                comment = self._said.comment if self._is_content(after) else ""
                self._tell(events, after, _of(respondents, after), comment)
        ledger.remember(account, response_id, after)

    def _tell(self, events: Announcements, of: Known, history: History | None, comment: str) -> None:
        """Send a detractor event."""
        row = 1 if history is None else history.row(Entry(of.responded_at, self._said.response_id, of.score))
        events.detractor(of, comment, row, self._ledger.account_nps(self._account))
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

    def _announce(self, happened: str) -> Announcements:
        self._events.begin(self._record, self._account, self._said.response_id, self._digest, happened)
        return self._events

    def _is_content(self, known: Known) -> bool:
        """Whether the record decides the content, or only the segments."""
        said = self._said
        return known.live == said.live and known.version == said.version and self._digest.startswith(known.stamp)

    def _body(self, known: Known) -> dict[str, Any]:
        """The fields of the response that an event tells of: as the record says, or as far as they are known."""
        said = self._said
        if self._is_content(known):
            return said.body
        body: dict[str, Any] = {
            "response_id": said.response_id,
            "account_id": said.account_id,
            "score": known.score,
            "responded_at": text_of(known.responded_at),
        }
        if known.respondent_id is not None:
            body["respondent_id"] = known.respondent_id
        return body


def _of(respondents: dict[str, History], known: Known) -> History | None:
    return None if known.respondent_id is None else respondents[known.respondent_id]


def _is_present(respondents: dict[str, History], known: Known, response_id: str) -> bool:
    history = _of(respondents, known)
    return history is None or (history.present is not None and history.present.response_id == response_id)
