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

Old news alerts nobody: a response is old if its day lies more than `alert_max_age_days` days before the day of the record that
brings it, both in UTC (`as_of` in its scored event). So a backfill of years counts in histories and tables, and is reported as
scored, without anything more:

- An old response begins no detractor event and is no promoter event.
- A category change is sent unless the response is old: of a correction, both as it was and as it is.
- A detractor event that stands is kept true at any age: it is revised and withdrawn as above. One that was never sent, since
  its response was old, is not withdrawn.
- A correction that makes an old response a younger one brings what stands for nobody yet: as if the response was not there
  before.
- `consecutive`, `first`, and what a later category change is from, are of the history, old responses included.
"""

from msgspec import UNSET

from agents.accounts import Account
from agents.announcements import Announcements, Cause, Change
from agents.categories import CATEGORIES, CATEGORY_OF, DETRACTOR, PROMOTER, SEVERITY_OF
from agents.history import History
from agents.latest import Entry
from agents.ledger import Ledger
from agents.responses import Given, Said, text_of
from agents.versions import Known
from streams.processor import DAY_MS, Outbox, Record


class Acceptance:
    """Counts accepted records of a batch, one after the other, and sends their events."""

    __slots__ = ("_account", "_alert_days", "_digest", "_events", "_key", "_ledger", "_outbox", "_record", "_said")

    def __init__(self, ledger: Ledger, outbox: Outbox, alert_max_age_days: int | None = None) -> None:
        """Without an age limit, or with one of 0 days, no response is old."""
        self._ledger = ledger
        self._alert_days = alert_max_age_days
        self._outbox = outbox
        self._events = Announcements(outbox)

    def begin(self, record: Record, account: Account, said: Said, key: bytes, digest: bytes) -> None:
        """Go on to a record; `key` is that of its response in the state, `digest` the hash of its content."""
        self._record = record
        self._account = account
        self._said = said
        self._key = key
        self._digest = digest

    def mark(self, after: Known) -> None:
        """A retraction of what was not there, or is beyond the history: nothing to take out, but it is remembered."""
        said, ledger = self._said, self._ledger
        self._outbox.count("retractions")
        events = self._announce(text_of(said.version))
        events.scored(said.given, (), None, None, "retraction", ledger.today)
        ledger.remember(self._key, after)

    def arrive(self, after: Known, source: str) -> None:
        """A response that was not there before, or only beyond the history. `source` is the metric label of its source."""
        ledger, account, given = self._ledger, self._account, self._said.given
        after.standing = False
        after.facts = () if account.facts is None else account.facts.pairs
        at, score = after.responded_at, after.score
        category = CATEGORY_OF[score]
        history = present = None
        if after.respondent_id is not None:
            history = ledger.history(account, after.respondent_id)
            present = history.present
        entry = Entry(at, given.response_id, score)
        change: Change = "new"
        if at < ledger.since:
            change = "expired"
            given = self._given(after)
            self._outbox.count("expired")
        else:
            if present is not None and entry < present:
                change = "late"
                self._outbox.count("late")
            ledger.put(account, entry, after, history)
            self._outbox.facts["responses", CATEGORIES[category], source] += 1
        if history is not None:
            ledger.keep(history)
        events = self._announce(given.responded_at)  # type: ignore[arg-type]  # the times are text by now
        previous = None if present is None else present.score
        segments = after.counted
        events.scored(given, segments, category, previous, change, ledger.today)
        if change == "new" and not self._is_old(at):
            if present is not None and CATEGORY_OF[present.score] != category:
                events.category_change(given, segments, after.respondent_id or "", present, entry, "response")
            if category == DETRACTOR:
                self._tell(events, given, after, entry, history)
            elif category == PROMOTER:
                row = 1 if history is None else history.row(entry)
                first = history is not None and row == 1 and not history.promoter_before(entry)
                events.promoter(given, segments, row, first, ledger.account_nps(account))
        ledger.remember(self._key, after)

    def amend(self, before: Known, after: Known) -> None:
        """A response that was there is corrected or taken back."""
        ledger, account, said = self._ledger, self._account, self._said
        response_id = said.given.response_id
        was_entry = Entry(before.responded_at, response_id, before.score)
        entry = Entry(after.responded_at, response_id, after.score)
        counts = ledger.counts(after)
        histories = {
            respondent: ledger.history(account, respondent)
            for respondent in dict.fromkeys((before.respondent_id, after.respondent_id))
            if respondent is not None
        }
        presents = {respondent: history.present for respondent, history in histories.items()}
        was_present = _is_present(histories, before, was_entry)
        ledger.take(account, was_entry, before, _of(histories, before))
        if counts:
            ledger.put(account, entry, after, _of(histories, after))
        for history in histories.values():
            ledger.keep(history)

        change: Change = "retraction" if not after.live else "correction" if counts else "expired"
        self._outbox.count({"retraction": "retractions", "correction": "corrections", "expired": "expired"}[change])
        told = after if after.live else before
        given = self._given(told)
        if not after.live:
            given.updated_at, given.source = said.given.updated_at, said.given.source
        events = self._announce(text_of(said.version))
        events.scored(given, told.counted, CATEGORY_OF[told.score], before.score, change, ledger.today)
        is_old, was_old = self._is_old(told.responded_at), self._is_old(before.responded_at)
        for respondent, history in histories.items() if not (is_old and was_old) else ():
            was, now = presents[respondent], history.present
            if was is not None and (now is None or CATEGORY_OF[now.score] != CATEGORY_OF[was.score]):
                cause: Cause = "correction" if after.live else "retraction"
                events.category_change(given, told.counted, respondent, was, now, cause)

        is_detractor = counts and CATEGORY_OF[after.score] == DETRACTOR
        stands = before.standing or (was_present and not was_old)
        if CATEGORY_OF[before.score] == DETRACTOR and not is_detractor and stands:
            self._withdraw(events, before, after, _of(histories, before))
        elif is_detractor:
            differs = (
                CATEGORY_OF[before.score] != DETRACTOR
                or SEVERITY_OF[before.score] != SEVERITY_OF[after.score]
                or before.comment != after.comment
            )
            arises = not before.standing and not is_old and _is_present(histories, after, entry)
            if (arises and (differs or was_old or not was_present)) or (before.standing and differs):
                self._tell(events, given, after, entry, _of(histories, after))
        ledger.remember(self._key, after)

    def _is_old(self, at: int) -> bool:
        """Whether a response of this time, in ms, alerts nobody any more."""
        days = self._alert_days or 0
        return 0 < days < self._ledger.day - at // DAY_MS

    def _tell(self, events: Announcements, given: Given, of: Known, entry: Entry, history: History | None) -> None:
        """Send a detractor event."""
        row = 1 if history is None else history.row(entry)
        events.detractor(given, of.counted, of.events, row, self._ledger.account_nps(self._account))
        of.events += 1
        of.standing = True

    def _withdraw(self, events: Announcements, before: Known, after: Known, history: History | None) -> None:
        """Send that a detractor event no longer holds: as the response was, with what is left of the row."""
        row = 0
        if history is not None and history.present is not None and CATEGORY_OF[history.present.score] == DETRACTOR:
            row = history.row(history.present)
        nps = self._ledger.account_nps(self._account)
        events.detractor(self._as_known(before), before.counted, before.events, row, nps, withdrawn=True)
        after.events += 1
        after.standing = False

    def _announce(self, happened: str) -> Announcements:
        self._events.begin(self._record, self._account, self._digest, happened)
        return self._events

    def _given(self, known: Known) -> Given:
        """The fields of the response that an event tells of: those of the record if they are the content, else as far as they
        are known."""
        said = self._said
        if said.live and known.version == said.version and self._digest.startswith(known.stamp):
            return said.given
        return self._as_known(known)

    def _as_known(self, known: Known) -> Given:
        given = self._said.given
        respondent_id = UNSET if known.respondent_id is None else known.respondent_id
        return Given(given.response_id, given.account_id, known.score, text_of(known.responded_at), respondent_id)


def _of(histories: dict[str, History], known: Known) -> History | None:
    return None if known.respondent_id is None else histories[known.respondent_id]


def _is_present(histories: dict[str, History], known: Known, entry: Entry) -> bool:
    history = _of(histories, known)
    return history is None or history.present == entry
